"""Integration records and what is registered before them."""

from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from shared.domain.connection import ContextNames, EngineCertificate, Hl7Setup, LaunchSetup, Pending, WriteBack
from shared.domain.hl7v2.settings import IdField
from shared.domain.launch import KINDS, context
from shared.domain.records import registration
from shared.domain.records.record import SHAPES, Kind, records, title
from shared.domain.signing import SigningKeys
from shared.errors import Code, Refused
from tests.unit.domain.connections import own_side
from tests.unit.domain.launch_records import APP, GUID, HL7, OWN, connection, record, side, typed

DEPARTMENT = "departmentId=%PERFDEPID;;; ; ;;NONE;%"
PROVIDER = f"csn=%CSN%&sessionId=%CSN%&externalId=%EPICUSERID%&{DEPARTMENT}"


@pytest.mark.feature("F4.2", "F4.4", "F4.5", "F4.7", "F4.8", "F9.2")
@pytest.mark.parametrize(
    ("kind", "path", "client", "text"),
    [
        ("provider", "provider", "a1", PROVIDER),
        ("patient", "patient", "a2", f"{PROVIDER}&fname=%USERFNAME%&lname=%USERLNAME%"),
        ("provider-group", "provider", "a1", PROVIDER.replace("sessionId=%CSN%", "sessionId=%CONFERENCEID%")),
        (
            "patient-group",
            "patient",
            "a2",
            PROVIDER.replace("sessionId=%CSN%", "sessionId=%CONFERENCEID%") + "&fname=%USERFNAME%&lname=%USERLNAME%",
        ),
        ("direct-sms", "direct-sms", "a1", PROVIDER),
        ("device-test", "device-test", "a2", f"{PROVIDER}&fname=%USERFNAME%&lname=%USERLNAME%"),
    ],
)
def test_a_launch_record_has_url_client_id_and_context(kind: Kind, path: str, client: str, text: str):
    assert typed(kind) == {
        "launch_url": f"{APP}/launch/{path}/{OWN.id}",
        "client_id": GUID.format(client),
        "context": text,
    }
    assert [row.mnemonic for row in record(kind).rows] == ["URL", "PROTECTED", "CLIENTID", "LAUNCHTYPE", "CONTEXT"]


@pytest.mark.feature("F4.2")
def test_there_is_a_record_of_every_kind_once():
    assert sorted(one.kind for one in records(OWN, APP, HL7)) == sorted(get_args(Kind))


@pytest.mark.parametrize("kind", SHAPES)
def test_a_record_says_whether_its_launch_is_served(kind: Kind):
    made = record(kind)
    assert made.served == (SHAPES[kind].path in KINDS)
    assert ("Not served yet" in made.text) is not made.served


def test_every_record_and_its_text_say_the_environment():
    for own in (connection("a"), connection("c", "production")):
        for made in records(own, APP, HL7):
            assert made.environment == own.environment
            assert made.text.startswith(f"{title(made.kind)} record ({own.environment.upper()})\n")
            assert all(row.value in made.text for row in made.rows)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ({"csn": "visit", "session": "room"}, "visit=%CSN%&room=%CSN%"),
        ({"csn": "sessionId"}, "sessionId=%CSN%"),
        ({"csn": "SESSIONID"}, "sessionId=%CSN%"),
    ],
)
def test_names_in_the_context_and_the_launch_type_are_the_hospitals(names: dict[str, str], text: str):
    own = connection(own=own_side(launch=LaunchSetup(context=ContextNames(**names), launch_type="7")))
    assert record("provider", own).value("launch-type") == "7"
    assert typed("provider", own)["context"].partition("&externalId")[0] == text


def test_a_context_as_epic_fills_it_in_is_read_by_the_launch():
    """What the record asks of Epic is what the launch reads: neither side drifts away alone."""
    names = ContextNames(csn="visit", session="room", external_id="who", first_name="given", last_name="family")
    own = connection(own=own_side(launch=LaunchSetup(context=names)))
    filled = {"%CSN%": "71", "%CONFERENCEID%": "C9", "%EPICUSERID%": "E5", "%USERFNAME%": "Pat", "%USERLNAME%": "Q"}
    pairs = (pair.partition("=") for pair in typed("patient-group", own)["context"].split("&"))
    read = context({key.lower(): filled.get(value, "10101") for key, _, value in pairs}, names)
    assert (read.csn, read.session, read.external_id, read.department, read.name) == (
        "71",
        "C9",
        "E5",
        "10101",
        "pat q",
    )


@pytest.mark.feature("F4.2")
def test_the_sms_configuration_record_says_where_the_feed_goes_and_how_it_is_read():
    pin = EngineCertificate(
        spki="ab" * 32, not_before=datetime(2026, 1, 1, tzinfo=UTC), not_after=datetime(2027, 1, 1, tzinfo=UTC)
    )
    own = own_side(certificates=(pin,), hl7=Hl7Setup(csn_fields=(IdField.SCH_2,)), sms={"number": "+18335550100"})
    made = record("sms-configuration", connection(own=own))
    values = {row.id: row.value for row in made.rows}
    assert values == {
        "hl7-url": f"{HL7}/hl7v2/{OWN.id}",
        "hl7-events": "SIU S12, S13, S14, S15, S16, S17, S26",
        "hl7-appointment-id": "SCH-2",
        "hl7-time-zone": "America/Chicago",
        "hl7-certificate": pin.spki,
        "sms-number": "+18335550100",
    }


def test_records_follow_the_active_revision_and_there_are_none_before():
    assert typed("provider")["client_id"] == GUID.format("a1")  # another revision waits
    with pytest.raises(Refused):
        records(connection(active=None, pending=Pending(epic=side("d"))), APP, HL7)


# --- registration


def _ours(**changes: Any) -> registration.Ours:
    key = ec.generate_private_key(ec.SECP384R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    usual: dict[str, Any] = {
        "app_url": APP,
        "launch_callback": f"{APP}/launch/callback/x",
        "epic_callback": f"{APP}/config/epic-callback",
        "scopes": {"provider": "launch openid user/Appointment.read", "patient": "launch patient/Encounter.read"},
        "jwks": SigningKeys([("test-1", pem)]).jwks()["keys"],
    }
    return registration.Ours(**usual | changes)


@pytest.mark.feature("F1.1")
def test_what_is_registered_is_said_app_by_app():
    made = registration.registration(OWN, _ours())
    provider, patient, backend = made.apps
    assert made.revision == "pending"
    assert [one.client_id for one in made.apps] == [GUID.format(f"d{number}") for number in (1, 2, 3)]
    assert provider.redirect_uris == (f"{APP}/launch/callback/x", f"{APP}/config/epic-callback")
    assert patient.redirect_uris == (f"{APP}/launch/callback/x",)
    assert (provider.user_types, patient.user_types) == (("Practitioner",), ("Patient", "RelatedPerson"))
    assert (provider.apis, patient.apis) == (("Appointment.Read",), ("Encounter.Read",))
    assert (backend.redirect_uris, backend.apis) == ((), ("Appointment.Read", "SetExternalConnectionStatus"))
    assert made.key_set == f"{APP}/jwks/test"
    assert all(uri in made.text for one in made.apps for uri in (*one.redirect_uris, one.client_id))


def test_a_key_can_be_had_as_a_file_without_its_private_half():
    ours = _ours()
    (key,) = registration.registration(OWN, ours).keys
    assert (key.kid, key.algorithm) == ("test-1", "ES384")
    assert "PRIVATE" not in key.pem
    read = serialization.load_pem_public_key(key.pem.encode())
    assert isinstance(read, ec.EllipticCurvePublicKey)
    assert read.curve.name == "secp384r1"


def test_an_approved_connection_shows_what_serves_unless_something_waits():
    made = registration.registration(connection("a"), _ours())
    assert (made.revision, made.apps[0].client_id) == ("active", GUID.format("a1"))
    with pytest.raises(Refused) as refused:
        registration.registration(connection(active=None), _ours())
    assert refused.value.code is Code.WRONG_STATE


def test_an_app_with_a_secret_is_not_told_to_read_keys_and_a_logging_sink_needs_no_api():
    active = side("a").model_copy(update={"authentication": "client_secret", "write_back": WriteBack(sink="log-only")})
    made = registration.registration(connection(active=active), _ours())
    assert "jwks" not in made.text
    assert "Client authentication: secret" in made.text
    assert made.apps[2].apis == ("Appointment.Read",)
