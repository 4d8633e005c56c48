"""App settings: read once, and what is wrong is named all at once, without a value."""

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from shared.errors import Broken
from shared.settings import Settings, SettingsWrong, read

KEY = base64.b64encode(b"k" * 32).decode()
HL7 = {
    "APP_ROLE": "hl7",
    "ConnectorStorage": "UseDevelopmentStorage=true",
    "QUEUE_KEYS": f"q1:{KEY}",
}
MAIN = HL7 | {
    "APP_ROLE": "main",
    "DATA_KEYS": f"k1:{KEY}",
    "STAMP_SECRET": KEY,
    "PUBLIC_URL": "https://connector.example/",
    "OPERATOR_TENANT_ID": "0f0f0f0f-0000-4000-8000-000000000001",
    "API_CLIENT_ID": "api",
    "CONNECTOR_CLIENT_ID": "connector",
    "CONNECTOR_CERTIFICATE": "a pem",
}


def settings_of(role: str) -> dict[str, str]:
    return dict({"main": MAIN, "hl7": HL7}[role])


def faults(env: Mapping[str, str]) -> str:
    with pytest.raises(SettingsWrong) as wrong:
        read(env)
    return str(wrong.value)


def test_the_hl7_app_needs_three_settings():
    settings = read(HL7)
    assert (settings.role, settings.hl7_max_bytes, settings.certificate_from_front_end) == ("hl7", 1_000_000, False)


def test_the_hl7_app_takes_no_key_of_what_rests_even_when_it_is_given_one():
    settings = read(MAIN | {"APP_ROLE": "hl7"})
    assert (settings.data_keys, settings.stamp_secret, list(settings.queue_keys)) == ({}, b"", ["q1"])


def test_the_main_app_calls_port_443_of_the_internet_unless_told_otherwise():
    settings = read(MAIN)
    assert (settings.public_url, settings.outbound_ports, settings.outbound_cidrs) == (
        "https://connector.example",
        frozenset({443}),
        (),
    )
    assert settings.entra_authority == "https://login.microsoftonline.com"


@pytest.mark.parametrize(("role", "name"), [(role, name) for role in ("main", "hl7") for name in settings_of(role)])
def test_a_missing_setting_is_named(role: str, name: str):
    env = settings_of(role)
    del env[name]
    assert name in faults(env)


def test_everything_wrong_is_named_at_once():
    said = faults({"CLOCK_OFFSET_FILE": "x", "WEBSITE_INSTANCE_ID": "1", "HL7_MAX_BYTES": "many"})
    for name in ("APP_ROLE", "QUEUE_KEYS", "ConnectorStorage", "CLOCK_OFFSET_FILE", "HL7_MAX_BYTES"):
        assert name in said


@pytest.mark.parametrize("role", ["", "all", "MAIN", "main,hl7"])
def test_there_are_two_roles_and_no_default(role: str):
    assert "APP_ROLE" in faults(MAIN | {"APP_ROLE": role})


SECRET = base64.b64encode(b"hidden" * 6).decode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATA_KEYS", f"k1:{SECRET}"),
        ("DATA_KEYS", "k1:not base64 hidden"),
        ("DATA_KEYS", "k1:"),
        ("DATA_KEYS", KEY),
        ("DATA_KEYS", f":{KEY}"),
        ("DATA_KEYS", f"k.1:{KEY}"),
        ("DATA_KEYS", f"k1:{KEY},k1:{KEY}"),
        ("DATA_KEYS", ","),
        ("QUEUE_KEYS", f"q1:{SECRET}"),
        ("QUEUE_KEYS", KEY),
        ("STAMP_SECRET", SECRET),
        ("STAMP_SECRET", "hidden"),
        ("EPIC_KEYS_TEST", "hidden"),
        ("EPIC_KEYS_PRODUCTION", '{"kid": "hidden"}'),
        ("EPIC_KEYS_PRODUCTION", '[{"kid": "hidden"}]'),
        ("OUTBOUND_PORTS", "443,hidden"),
        ("OUTBOUND_PORTS", "443,"),
        ("OUTBOUND_CIDRS", "10.0.0.1/8"),
        ("OUTBOUND_CIDRS", "hidden"),
        ("HL7_MAX_BYTES", "hidden"),
    ],
)
def test_a_wrong_value_is_named_and_never_shown(name: str, value: str):
    said = faults(MAIN | {name: value})
    assert name in said
    assert "hidden" not in said
    assert KEY not in said


def test_keys_are_a_ring_whose_first_seals():
    other = base64.b64encode(b"o" * 32).decode()
    assert list(read(MAIN | {"DATA_KEYS": f"k2:{other},k1:{KEY}"}).data_keys.items()) == [
        ("k2", b"o" * 32),
        ("k1", b"k" * 32),
    ]


@pytest.mark.feature("F13.2")
def test_epics_keys_are_kept_apart_by_environment():
    env = MAIN | {"EPIC_KEYS_TEST": json.dumps([{"kid": "t", "pem": "x"}]), "EPIC_KEYS_PRODUCTION": "[]"}
    assert read(env).epic_keys == {"test": (("t", "x"),), "production": ()}


@pytest.mark.parametrize("mark", ["WEBSITE_INSTANCE_ID", "WEBSITE_POD_NAME", "CONTAINER_NAME"])
def test_the_clock_cannot_be_moved_on_azure(mark: str):
    assert read(HL7 | {"CLOCK_OFFSET_FILE": "clock"}).clock_offset_file == Path("clock")
    assert "CLOCK_OFFSET_FILE" in faults(HL7 | {"CLOCK_OFFSET_FILE": "clock", mark: "1"})


def test_storage_is_a_connection_string_or_an_identity_for_both_services():
    env = {name: value for name, value in HL7.items() if name != "ConnectorStorage"}
    both = {f"ConnectorStorage__{kind}ServiceUri": f"https://{kind}" for kind in ("queue", "table")}
    assert read(env | both).storage.queue_uri == "https://queue"
    for name in both:
        assert "ConnectorStorage" in faults(env | {k: v for k, v in both.items() if k != name})


def test_settings_do_not_show_their_secrets():
    shown = repr(read(MAIN | {"ConnectorStorage": "AccountKey=hidden", "CONNECTOR_CERTIFICATE": "hidden"}))
    assert "hidden" not in shown
    assert "kkkk" not in shown
    assert isinstance(read(MAIN), Settings)


def test_a_wrong_setting_is_a_fault_of_ours():
    assert issubclass(SettingsWrong, Broken)
