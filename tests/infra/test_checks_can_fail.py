"""Each check against a copy that is broken in the way it is there to find."""

import pytest

from tests.infra import arm, bicep, evaluate, rules
from tests.infra.conftest import made

type Change = tuple[str, str, str]

MAIN, DATA, HOST, APP, VAULT, ROLES = (
    "main.bicep", "app/data.bicep", "app/host-storage.bicep", "app/function-app.bicep", "app/vault.bicep",
    "app/roles.bicep",
)  # fmt: skip


def broken(files: dict[str, str], change: Change) -> dict[str, str]:
    """A copy with one text replaced, wherever it stands in the file."""
    name, old, new = change
    assert old in files[name], f"{name} has no {old}"
    return files | {name: files[name].replace(old, new)}


SYNTAX: list[Change] = [
    (MAIN, "param stamp string", "param stamp string ="),
    (APP, "name: 'FC1'", "name: 'FC1"),
    (DATA, "name: queue\n}]", "name: queue\n}"),
]


@pytest.mark.parametrize("change", SYNTAX)
def test_broken_syntax_is_found_by_both_parsers(files: dict[str, str], change: Change):
    found = bicep.syntax_faults(broken(files, change))
    assert {fault.split(": ")[1] for fault in found} == {"pycep", "tree-sitter"}
    assert all(fault.startswith(change[0]) for fault in found)


NAMES: list[tuple[Change, str]] = [
    ((MAIN, "hostId: '${stamp}-main'", "hostId: '${stmp}-main'"), "stmp is not declared"),
    ((MAIN, "sku: storageSku", "sku: storageSkuu"), "storageSkuu is not declared"),
    ((DATA, "name: table\n", "name: tabel\n"), "tabel is not declared"),
    ((MAIN, "union(furtherHl7", "unite(furtherHl7"), "unite is no function"),
    ((ROLES, "@description('Principal of the main app.')", "@secure()"), "secure is no function"),
    ((MAIN, "role: 'hl7'\n", "rolle: 'hl7'\n"), "module hl7App takes no rolle"),
    ((MAIN, "    insightsName: monitoring.outputs.insightsName\n", ""), "module roles needs insightsName"),
    ((MAIN, "data.outputs.name", "data.outputs.nam"), "data has no output nam"),
    ((MAIN, "'app/vault.bicep'", "'app/vaults.bicep'"), "app/vaults.bicep is not there"),
    ((APP, "maximumInstanceCount: maximumInstances", "maximumInstanceCount: 100"), "maximumInstances is never used"),
]


@pytest.mark.parametrize(("change", "fault"), NAMES)
def test_a_name_that_nothing_declares_is_found(files: dict[str, str], change: Change, fault: str):
    assert [one for one in bicep.name_faults(broken(files, change)) if fault in one]


SCHEMAS: list[tuple[Change, str]] = [
    ((DATA, "supportsHttpsTrafficOnly", "suportsHttpsTrafficOnly"), "unknown property 'suportsHttpsTrafficOnly'"),
    ((APP, "instanceMemoryMB", "instanceMemoryMb"), "unknown property 'instanceMemoryMb'"),
    ((APP, "name: warm", "nam: warm"), "unknown property 'nam'"),
    ((APP, "type: 'blobContainer'", "type: 'blob'"), "'blob' is none of"),
    ((APP, "clientCertMode: 'Required'", "clientCertMode: 'Demanded'"), "'Demanded' is none of"),
    ((DATA, "'TLS1_2'", "'TLS1_9'"), "'TLS1_9' is none of"),
    ((HOST, "kind: 'StorageV2'", "kind: 'StorageV9'"), "'StorageV9' is none of"),
    ((APP, "httpsOnly: true", "httpsOnly: 'yes'"), "str where boolean"),
    ((VAULT, "softDeleteRetentionInDays: 90", "softDeleteRetentionInDays: '90'"), "str where integer"),
    ((APP, "instanceMemoryMB: 2048", "instanceMemoryMB: true"), "bool where integer"),
    ((APP, "APP_ROLE: role", "APP_ROLE: true"), "bool where string"),
    ((VAULT, "    tenantId: tenant().tenantId\n", ""), "'tenantId' is missing"),
    ((DATA, "'sms-outbound'", "'SMS_Outbound'"), "has not the form"),
    ((APP, "serverfarms@2024-11-01", "serverfarms@2019-01-01"), "no schema for Microsoft.Web/serverfarms"),
    ((ROLES, "principalType: 'ServicePrincipal'", "principalType: 'Robot'"), "'Robot' is none of"),
]


@pytest.mark.parametrize(("change", "fault"), SCHEMAS)
def test_what_azures_schemas_do_not_know_is_found(files: dict[str, str], change: Change, fault: str):
    arm.require()
    found = [one for resource in made(broken(files, change)) for one in arm.faults(resource)]
    assert [one for one in found if fault in one], found


RULES: list[tuple[str, Change, str]] = [
    ("names", (DATA, "  'upkeep'\n", ""), "queue upkeep-poison is missing"),
    ("names", (DATA, "  'Parked'\n", "  'Invoices'\n"), "table Invoices is not known"),
    ("names", (DATA, "'${queue}-poison'", "'${queue}-dead'"), "queue call-events-poison is missing"),
    ("setting_names", (MAIN, "  API_CLIENT_ID: apiClientId\n", ""), "main: app settings: API_CLIENT_ID is missing"),
    ("setting_names", (MAIN, "  ACS_ENDPOINT:", "  ACS_ENDPONT:"), "main: nothing reads ACS_ENDPONT"),
    ("setting_names", (MAIN, "  QUEUE_KEYS:", "  QUEUE_KEY:"), "hl7: app settings: QUEUE_KEYS is missing"),
    ("setting_names", (MAIN, "  QUEUE_KEYS:", "  DATA_KEYS: 'x'\n  QUEUE_KEYS:"), "hl7: nothing reads DATA_KEYS"),
    ("setting_names", (APP, "ConnectorStorage__tableServiceUri", "ConnectorStorage__tables"), "ServiceUri, is missing"),
    ("setting_names", (APP, "ConnectorStorage__credential", "ConnectorStorage"), "by a connection string"),
    ("setting_names", (APP, "    AzureFunctionsWebHost__hostid: hostId\n", ""), "the host needs AzureFunctionsWebHost"),
    ("setting_names", (APP, "? 'true' : 'false'", "? 'true' : 'true'"), "main: CLIENT_CERT_FROM_FRONT_END is true"),
    ("setting_names", (MAIN, "union(furtherHl7Settings, sharedSecrets)", "union(furtherHl7Settings, sharedSecrets, "
     "mainSecrets)"), "hl7: nothing reads EPIC_KEYS_TEST"),
    ("secrets", (MAIN, "SecretName=STAMP-SECRET", "SecretName=DATA-KEYS"), "STAMP_SECRET is at ('main', 'DATA-KEYS')"),
    ("secrets", (MAIN, "VaultName=${mainVault.outputs.name};SecretName=DATA-KEYS",
     "VaultName=${sharedVault.outputs.name};SecretName=DATA-KEYS"), "DATA_KEYS is at ('both'"),
    ("secrets", (MAIN, "VaultName=${mainVault.outputs.name};SecretName=EPIC-KEYS-TEST",
     "VaultName=${sharedVault.outputs.name};SecretName=EPIC-KEYS-TEST"), "EPIC_KEYS_TEST is at ('both'"),
    ("roles", (ROLES, "scope: schedulingEvents", "scope: dataAccount"), "Message Sender', 'storageAccounts data'"),
    ("roles", (ROLES, "scope: connections", "scope: tableService"), "not made: ('hl7', 'Storage Table Data Reader'"),
    ("roles", (ROLES, "name: 'Connections'", "name: 'Secrets'"), "Table Data Reader', 'tables data/default/Secrets')"),
    ("roles", (ROLES, "  scope: hl7HostAccount\n", ""), "'Storage Blob Data Owner', 'the resource group'"),
    ("roles", (ROLES, "76199698-9eea-4c19-bc75-cec21354c6b6", "b24988ac-6180-42a0-ab88-20f7382dd24c"), "another kind"),
    ("roles", (MAIN, "hl7HostAccountName: hl7Host", "hl7HostAccountName: mainHost"), "'storageAccounts mhost'"),
    ("roles", (MAIN, "hl7PrincipalId: hl7Identity", "hl7PrincipalId: mainIdentity"), "not made: ('hl7'"),
    ("doors", (APP, "role == 'hl7'", "role == 'main'"), "hl7: not so: demands a client certificate"),
    ("doors", (APP, "httpsOnly: true", "httpsOnly: false"), "takes https only"),
    ("doors", (APP, "ftpsState: 'Disabled'", "ftpsState: 'FtpsOnly'"), "has no FTP"),
    ("doors", (APP, "browserOrigins\n        supp", "[]\n        supp"), "main: not so: lets in the portal's pages"),
    ("doors", (APP, "scmMinTlsVersion: '1.2'", "scmMinTlsVersion: '1.0'"), "takes TLS 1.2 or newer"),
    ("doors", (APP, "allow: false", "allow: true"), "/scm allows passwords"),
    ("doors", (HOST, "allowSharedKeyAccess: false", "allowSharedKeyAccess: true"), "allowSharedKeyAccess is not False"),
    ("doors", (VAULT, "enablePurgeProtection: true", "enablePurgeProtection: false"), "enablePurgeProtection is off"),
    ("platform", (APP, "version: '3.13'", "version: '3.9'"), "main runs on"),
    ("platform", (MAIN, "function:write_back", "function:writeback"), "function:writeback is no queue function"),
    ("platform", (MAIN, "      'http'\n", ""), "warm http is missing"),
    ("platform", (MAIN, "hostId: '${stamp}-hl7'", "hostId: '${stamp}-main'"), "host ids are"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "change", "fault"), RULES)
def test_a_stamp_that_breaks_a_rule_is_found(files: dict[str, str], rule: str, change: Change, fault: str):
    found = rules.RULES[rule](made(broken(files, change)))
    assert [one for one in found if fault in one], found


def test_every_rule_has_been_seen_to_fail():
    assert {rule for rule, _, _ in RULES} == set(rules.RULES)


def test_an_output_with_a_key_is_found(files: dict[str, str]):
    copy = broken(files, ("app/monitoring.bicep", "= insights.name", "= insights.properties.ConnectionString"))
    outputs = evaluate._Deployment(
        copy, "app/monitoring.bicep", {"name": "x", "location": "x", "retentionDays": 30}
    ).outputs()
    assert rules.in_clear(outputs.values())
