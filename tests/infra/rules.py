"""What the stamp must be, each rule as the list of what is wrong with it."""

import base64
import re
from collections.abc import Iterable
from typing import Any

from shared import settings
from shared.storage.names import STORAGE, Queue, Table
from tests.infra.evaluate import Resource, Unknown
from tests.reach import Source
from tests.unit.sources import ROOT
from tests.unit.test_docs import OURS, asked

type Stamp = list[Resource]

_REFERENCE = re.compile(r"@Microsoft\.KeyVault\(VaultName=([a-z0-9-]+);SecretName=([A-Za-z0-9-]+)\)")

#: Read by the Functions host and its extensions, in each app; docs/deploy.md says what for.
HOST = {
    "AzureFunctionsWebHost__hostid",
    "AzureWebJobsStorage__accountName",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    f"{STORAGE}__credential",
    "APPLICATIONINSIGHTS_CONNECTION_STRING",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
}

#: The built-in roles that may be used, by the names of Azure's own list.
BUILT_IN = {
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a": "Storage Queue Data Message Sender",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "76199698-9eea-4c19-bc75-cec21354c6b6": "Storage Table Data Reader",
    "4633458b-17de-408a-b874-0445c86b69e6": "Key Vault Secrets User",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
}

#: Who may do what, where. The names are those that main.bicep gives, without the stamp's own parts.
MAY = {
    ("main", "Storage Blob Data Owner", "storageAccounts mhost"),
    ("main", "Storage Queue Data Contributor", "storageAccounts data"),
    ("main", "Storage Table Data Contributor", "storageAccounts data"),
    ("main", "Key Vault Secrets User", "vaults both"),
    ("main", "Key Vault Secrets User", "vaults main"),
    ("main", "Monitoring Metrics Publisher", "components"),
    ("hl7", "Storage Blob Data Owner", "storageAccounts hhost"),
    ("hl7", "Storage Queue Data Message Sender", "queues data/default/scheduling-events"),
    ("hl7", "Storage Table Data Reader", "tables data/default/Connections"),
    ("hl7", "Key Vault Secrets User", "vaults both"),
    ("hl7", "Monitoring Metrics Publisher", "components"),
}

#: In which vault the secrets of each app are.
SECRETS = {
    "main": {
        "QUEUE_KEYS": "both",
        "DATA_KEYS": "main",
        "STAMP_SECRET": "main",
        "CONNECTOR_CERTIFICATE": "main",
        "EPIC_KEYS_TEST": "main",
        "EPIC_KEYS_PRODUCTION": "main",
        "NOTIFICATION_KEYS": "main",
    },
    "hl7": {"QUEUE_KEYS": "both"},
}
#: Those that an operator asks for.
OPTIONAL_SECRETS = {"ACS_ACCESS_KEY": "main", "EVENT_GRID_SECRET": "main"}


def of_type(stamp: Stamp, ending: str) -> list[Resource]:
    """Resources whose type ends so."""
    return [one for one in stamp if one.type.endswith(ending)]


def app_settings(stamp: Stamp) -> dict[str, dict[str, str]]:
    """The settings of each app, by role."""
    return {one.body["properties"]["APP_ROLE"]: one.body["properties"] for one in of_type(stamp, "/sites/config")}


def apps(stamp: Stamp) -> dict[str, dict[str, Any]]:
    """The properties of each app, by the role in its tag."""
    return {one.body["tags"]["azd-service-name"]: one.body["properties"] for one in of_type(stamp, "Web/sites")}


def names(stamp: Stamp) -> list[str]:
    """Queues and tables that are not the code's."""
    queues = {one.body["name"] for one in of_type(stamp, "/queues")}
    tables = {one.body["name"] for one in of_type(stamp, "/tables")}
    wanted = {*Queue, *(f"{queue}-poison" for queue in Queue)}
    return _differences("queue", queues, wanted) + _differences("table", tables, set(Table))


def setting_names(stamp: Stamp) -> list[str]:
    """Settings that nobody reads, and what the app itself says when it starts with these."""
    found = []
    for role, given in app_settings(stamp).items():
        unread = given.keys() - asked(role)[0] - HOST
        found += [f"{role}: nothing reads {name}" for name in sorted(unread)]
        found += [f"{role}: the host needs {name}" for name in sorted(HOST - given.keys())]
        found += [f"{role}: {fault}" for fault in _start(role, given)]
    return found


def _start(role: str, given: dict[str, str]) -> list[str]:
    """What shared/settings.py has against them, with made-up secrets in place of references."""
    key = base64.b64encode(b"k" * 32).decode()
    made_up = {"QUEUE_KEYS": f"k1:{key}", "DATA_KEYS": f"k1:{key}", "STAMP_SECRET": key, "EPIC_KEYS_TEST": "[]",
               "EPIC_KEYS_PRODUCTION": "[]", "NOTIFICATION_KEYS": "[]"}  # fmt: skip
    env = {name: made_up.get(name, "x") if _REFERENCE.fullmatch(value) else value for name, value in given.items()}
    try:
        read = settings.read(env)
    except settings.SettingsWrong as wrong:
        return [str(wrong)]
    at_front = "true" if read.certificate_from_front_end else "false"
    wanted = {"main": "false", "hl7": "true"}[role]
    return [f"CLIENT_CERT_FROM_FRONT_END is {at_front}" for _ in range(at_front != wanted)] + [
        "storage is reached by a connection string" for _ in range(bool(read.storage.connection_string))
    ]


def secrets(stamp: Stamp) -> list[str]:
    """Secrets that are no reference to the right vault, and references that should be none."""
    found = []
    for role, given in app_settings(stamp).items():
        wanted = SECRETS[role] | (OPTIONAL_SECRETS if role == "main" else {})
        for name, value in given.items():
            secret = name in wanted or (name in OURS and OURS[name][2] == "yes")
            match = _REFERENCE.fullmatch(value)
            place = (_short(match[1]), match[2]) if match else None
            right = (wanted.get(name), name.replace("_", "-")) if secret else None
            if place != right:
                found.append(f"{role}: {name} is at {place}, should be at {right}")
        found += [f"{role}: {name} is missing" for name in sorted(SECRETS[role].keys() - given.keys())]
    return found


def roles(stamp: Stamp) -> list[str]:
    """Role assignments that are not in the table, and those of the table that are not made."""
    made = {_may(one) for one in of_type(stamp, "/roleAssignments")}
    return [f"not allowed: {one}" for one in sorted(made - MAY)] + [f"not made: {one}" for one in sorted(MAY - made)]


def _may(assignment: Resource) -> tuple[str, str, str]:
    properties = assignment.body["properties"]
    who = re.fullmatch(r".*/userAssignedIdentities/[a-z0-9]+-(\w+)-[0-9a-f]{6}\.properties\.principalId",
                       properties["principalId"])  # fmt: skip
    role = BUILT_IN.get(properties["roleDefinitionId"].rpartition("/")[2], "a role of another kind")
    scope = assignment.body.get("scope")
    kind = f"{scope.type.rpartition('/')[2]} {_short(scope.name)}".strip() if scope else "the resource group"
    return who[1] if who else "somebody", role, kind


def _short(name: str) -> str:
    """A name without the stamp and the suffix: `lamnadata0a1b2c/default/x` is `data/default/x`."""
    first, slash, rest = name.partition("/")
    return re.sub(r"^lamna-?|-?[0-9a-f]{6}$", "", first) + slash + rest


def doors(stamp: Stamp) -> list[str]:
    """Apps, accounts and vaults that let in more than they should."""
    found = []
    for role, app in apps(stamp).items():
        site = app["siteConfig"]
        wanted = {
            "demands a client certificate": (app["clientCertEnabled"], app["clientCertMode"])
            == (role == "hl7", "Required"),
            "takes https only": app["httpsOnly"] is True,
            "takes TLS 1.2 or newer": (site["minTlsVersion"], site["scmMinTlsVersion"]) == ("1.2", "1.2"),
            "has no FTP": site["ftpsState"] == "Disabled",
            "lets in the portal's pages and no others": _browsers(site) == (role == "main"),
            "exempts no path from certificates": "clientCertExclusionPaths" not in app,
        }
        found += [f"{role}: not so: {what}" for what, so in wanted.items() if not so]
    open_to_passwords = [one for one in of_type(stamp, "/basicPublishingCredentialsPolicies") if _allowed(one)]
    found += [f"{one.name} allows passwords" for one in open_to_passwords]
    return found + _account_doors(stamp) + _vault_doors(stamp)


def _browsers(site: dict[str, Any]) -> bool:
    """Whether one page of another origin may call, without cookies. What is neither this nor none raises."""
    cors = site["cors"]
    origins = cors["allowedOrigins"]
    if cors["supportCredentials"] is not False or len(origins) > 1 or not all(_is_origin(one) for one in origins):
        raise AssertionError(f"CORS is {cors}")
    return bool(origins)


def _is_origin(text: str) -> bool:
    return isinstance(text, Unknown) or bool(re.fullmatch(r"https://[a-z0-9.-]+", text))


def _allowed(policy: Resource) -> bool:
    return policy.body["properties"]["allow"] is not False


def _account_doors(stamp: Stamp) -> list[str]:
    wanted = {
        "allowSharedKeyAccess": False,
        "allowBlobPublicAccess": False,
        "minimumTlsVersion": "TLS1_2",
        "supportsHttpsTrafficOnly": True,
        "publicNetworkAccess": "Enabled",
    }
    return [
        f"{account.name}: {name} is not {value}"
        for account in of_type(stamp, "/storageAccounts")
        for name, value in wanted.items()
        if account.body["properties"].get(name) != value
    ]


def _vault_doors(stamp: Stamp) -> list[str]:
    wanted = ("enableRbacAuthorization", "enableSoftDelete", "enablePurgeProtection")
    return [
        f"{vault.name}: {name} is off"
        for vault in of_type(stamp, "/vaults")
        for name in wanted
        if vault.body["properties"].get(name) is not True
    ]


def platform(stamp: Stamp) -> list[str]:
    """Python, host ids, and what is kept warm."""
    queue_functions = {
        one.function for one in Source(ROOT).triggers() if one.app == "main" and one.what.startswith("queue")
    }
    found = []
    for role, app in apps(stamp).items():
        config = app["functionAppConfig"]
        if config["runtime"] != {"name": "python", "version": "3.13"}:
            found.append(f"{role} runs on {config['runtime']}")
        warm = [one["name"] for one in config["scaleAndConcurrency"]["alwaysReady"]]
        found += [
            f"{role}: {one} is no queue function" for one in warm if one != "http" and one[9:] not in queue_functions
        ]
        wanted = ["http", "function:on_call_event", "function:write_back"] if role == "main" else []
        found += _differences(f"{role}: warm", set(warm), set(wanted))
    ids = [given["AzureFunctionsWebHost__hostid"] for given in app_settings(stamp).values()]
    if len(set(ids)) != 2 or not all(re.fullmatch(r"[a-z0-9][a-z0-9-]{0,30}[a-z0-9]", one) for one in ids):
        found.append(f"host ids are {ids}")
    return found


def _differences(what: str, found: set[str], wanted: set[str]) -> list[str]:
    return [f"{what} {one} is missing" for one in sorted(wanted - found)] + [
        f"{what} {one} is not known" for one in sorted(found - wanted)
    ]


def in_clear(values: Iterable[Any]) -> list[str]:
    """Texts that a deployment would show and that could be a key."""
    return [
        str(one) for one in values if isinstance(one, Unknown) and re.search(r"[kK]ey|[sS]ecret|ConnectionString", one)
    ]


RULES = {rule.__name__: rule for rule in (names, setting_names, secrets, roles, doors, platform)}
