"""The stamp that main.bicep would make: worked out here, not on Azure."""

import re
from typing import Any

import pytest

from tests.infra import arm, bicep, evaluate, rules
from tests.infra.conftest import GIVEN, made
from tests.reach import Source
from tests.unit.sources import ROOT

#: Parameters that change what is made.
CHOICES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "with all it can have": {
        "publicUrl": "https://visits.example.org",
        "portalUrl": "https://set-up.example.org",
        "portalSku": "Standard",
        "acsEndpoint": "https://texts.communication.azure.com",
        "useAcsAccessKey": True,
        "useEventGridSecret": True,
        "eventGridAudience": "api",
        "furtherMainSettings": {"SMS_PER_MINUTE": "400", "OUTBOUND_CIDRS": "10.20.0.0/16"},
        "furtherHl7Settings": {"HL7_MAX_BYTES": "2000000"},
        "storageSku": "Standard_LRS",
    },
}
choices = pytest.mark.parametrize("parameters", CHOICES.values(), ids=CHOICES)


@choices
@pytest.mark.parametrize("rule", rules.RULES)
def test_the_stamp_keeps_the_rule(files: dict[str, str], rule: str, parameters: dict[str, Any]):
    assert rules.RULES[rule](made(files, **parameters)) == []


@choices
def test_azures_schemas_know_every_property_and_value(files: dict[str, str], parameters: dict[str, Any]):
    arm.require()
    assert [fault for resource in made(files, **parameters) for fault in arm.faults(resource)] == []


def test_the_hl7_door_may_do_what_its_code_does_and_no_more():
    source = Source(ROOT)
    reached = [source.reached(trigger) for trigger in source.triggers() if trigger.app == "hl7"]
    storage = {(role, where) for who, role, where in rules.MAY if who == "hl7" and " data" in where}
    assert storage == {
        *(
            ("Storage Queue Data Message Sender", f"queues data/default/{one}")
            for door in reached
            for one in door.messages
        ),
        *(("Storage Table Data Reader", f"tables data/default/{one}") for door in reached for one in door.reads),
    }
    assert not any(door.writes for door in reached)


def test_every_resource_of_every_file_is_looked_at(files: dict[str, str]):
    """The schema check sees what is worked out; so all that is declared must be."""
    seen = {(one.type, one.symbol) for one in made(files)}
    declared = {
        (one.type.partition("@")[0], one.name)
        for text in files.values()
        for one in bicep.declarations(text)
        if one.kind == "resource" and not one.existing
    }
    assert seen == declared


def test_no_two_resources_have_the_same_name(files: dict[str, str]):
    ids = [one.id.lower() for one in made(files)]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("stamp", ["ab", "lamna123"])
def test_names_fit_for_the_shortest_and_the_longest_stamp(files: dict[str, str], stamp: str):
    resources = made(files, stamp=stamp)
    vaults = [one.name for one in rules.of_type(resources, "/vaults")]
    assert [name for name in vaults if not re.fullmatch(r"[a-z][a-z0-9-]{1,22}[a-z0-9]", name)] == []
    arm.require()
    assert [fault for resource in resources for fault in arm.faults(resource)] == []


def test_a_stamp_of_too_long_a_name_is_refused(files: dict[str, str]):
    with pytest.raises(evaluate.Fault, match="stamp may not be"):
        made(files, stamp="lamna1234")


def test_the_name_of_the_app_is_its_address_until_another_is_given(files: dict[str, str]):
    def url(**parameters: Any) -> str:
        return rules.app_settings(made(files, **parameters))["main"]["PUBLIC_URL"]

    app = next(one.name for one in rules.of_type(made(files), "Web/sites") if "-main-" in one.name)
    assert url() == f"https://{app}.azurewebsites.net"
    assert url(publicUrl="https://visits.example.org") == "https://visits.example.org"


def test_only_pages_of_the_portal_may_call_the_main_app_and_none_the_hl7_door(files: dict[str, str]):
    def origins(**parameters: Any) -> dict[str, list[str]]:
        given = rules.apps(made(files, **parameters))
        return {role: app["siteConfig"]["cors"]["allowedOrigins"] for role, app in given.items()}

    own = origins(portalUrl="https://set-up.example.org")
    assert own == {"main": ["https://set-up.example.org"], "hl7": []}
    site = next(iter(rules.of_type(made(files), "/staticSites")))
    assert site.name in origins()["main"][0]


def test_a_further_setting_cannot_change_what_the_stamp_sets(files: dict[str, str]):
    given = rules.app_settings(made(files, furtherHl7Settings={"APP_ROLE": "main", "QUEUE_KEYS": "in clear"}))["hl7"]
    assert given["APP_ROLE"] == "hl7"
    assert given["QUEUE_KEYS"].startswith("@Microsoft.KeyVault(")


def test_the_hl7_app_has_no_key_of_what_rests_and_cannot_fetch_one(files: dict[str, str]):
    stamp = made(files)
    assert not {"DATA_KEYS", "STAMP_SECRET"} & rules.app_settings(stamp)["hl7"].keys()
    assert {where for who, _, where in rules.MAY if who == "hl7" and where.startswith(("vaults", "tables"))} == {
        "vaults both",
        "tables data/default/Connections",
    }
    assert {name for name, vault in rules.SECRETS["main"].items() if vault == "both"} == {"QUEUE_KEYS"}
    assert (rules.roles(stamp), rules.secrets(stamp)) == ([], [])


def test_optional_secrets_are_set_only_when_asked_for(files: dict[str, str]):
    plain = rules.app_settings(made(files))["main"]
    asked = rules.app_settings(made(files, useAcsAccessKey=True))["main"]
    assert set(asked) - set(plain) == {"ACS_ACCESS_KEY"}
    assert not rules.OPTIONAL_SECRETS.keys() & plain.keys()


def test_the_public_network_can_be_closed(files: dict[str, str]):
    closed = made(files, publicNetworkAccess="Disabled")
    kept = [*rules.of_type(closed, "/storageAccounts"), *rules.of_type(closed, "/vaults")]
    assert len(kept) == 5
    assert {one.body["properties"]["publicNetworkAccess"] for one in kept} == {"Disabled"}


def test_outputs_tell_names_and_addresses_only(files: dict[str, str]):
    outputs = evaluate.stamp(files, **GIVEN)[1]
    assert set(outputs) == {
        "PORTAL_URL",
        "PORTAL_NAME",
        "MAIN_URL",
        "HL7_URL",
        "SHARED_VAULT_NAME",
        "MAIN_VAULT_NAME",
        "MAIN_PRINCIPAL_ID",
    }
    assert rules.in_clear(outputs.values()) == []


def test_the_page_on_deploying_names_every_secret_and_every_setting_of_the_host():
    page = (ROOT / "docs/deploy.md").read_text()
    secrets = {name.replace("_", "-") for name in rules.SECRETS["main"] | rules.OPTIONAL_SECRETS}
    assert {name for name in secrets | rules.HOST if f"`{name}`" not in page} == set()
