"""The HL7v2 door, end to end: curl over mutual TLS, App Service's front end, the hl7 app, queue and table."""

import asyncio
import base64
import itertools
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from sandbox.demo import engine, siu
from sandbox.demo.api import call, change
from sandbox.demo.engine import Reply
from sandbox.demo.scene import Scene, eventually
from sandbox.demo.siu import Booking
from sandbox.demo.steps.scheduling import QUEUE, drained
from sandbox.demo.steps.set_up import own_side
from tests.e2e.conftest import add, approve, free_base

_numbers = itertools.count(1)
HL7 = "x-application/hl7-v2+er7; charset=utf-8"


def booking(scene: Scene) -> Booking:
    """An appointment nobody has heard of."""
    number = next(_numbers)
    start = siu.whole_minute(scene.now() + timedelta(days=2))
    return Booking(csn=f"73{number:05d}", start=start, phone=f"(608)555-01{number % 100:02d}")


def door(scene: Scene) -> str:
    return f"/hl7v2/{scene.facts['connection']}"


def booked(scene: Scene, one: Booking | None = None) -> bytes:
    """A booking as a message."""
    one = one or booking(scene)
    return siu.message("S12", one, scene.now(), f"B{one.csn}")


async def post(scene: Scene, body: bytes, **options: object) -> Reply:
    return await engine.post(scene.plan, door(scene), body, **options)


def codes(reply: Reply) -> list[str]:
    """MSA-1 of every answer."""
    lines = reply.body.replace("\n", "\r").split("\r")
    return [line.split("|")[1] for line in lines if line.startswith("MSA|")]


def transport_refusal(reply: Reply, status: int, code: str) -> None:
    """Refused below HL7: a problem document, so that an engine does not take it for an answer."""
    assert (reply.status, f'"{code}"' in reply.body, "MSA|" in reply.body) == (status, True, False), reply


async def appointments(scene: Scene) -> list[dict[str, object]]:
    """The rows of this connection's appointments."""
    found = scene.tables.get_table_client("Visits").query_entities(
        "RowKey eq 'appt' and connection eq @c", parameters={"c": scene.facts["connection"]}
    )
    return [dict(row) async for row in found]


async def one_appointment(scene: Scene) -> list[dict[str, object]]:
    return await eventually(lambda: appointments(scene), lambda rows: len(rows) >= 1)


# --- what is taken


@pytest.mark.feature("F6.6")
async def test_a_booking_is_acknowledged_in_its_own_type_and_becomes_one_row(connection: Scene):
    reply = await post(connection, booked(connection))
    assert (reply.status, codes(reply)) == (200, ["AA"])
    assert reply.headers["content-type"] == HL7
    assert len(await one_appointment(connection)) == 1


@pytest.mark.feature("F6.6")
async def test_the_same_message_ten_times_is_one_appointment(connection: Scene):
    body = booked(connection)
    replies = [await post(connection, body) for _ in range(5)]
    replies += await asyncio.gather(*(post(connection, body) for _ in range(5)))
    assert [codes(reply) for reply in replies] == [["AA"]] * 10
    await drained(connection)
    [row] = await one_appointment(connection)
    assert row["version"] == 1


@pytest.mark.feature("F6.6")
async def test_a_batch_gets_one_answer_for_each_message(connection: Scene):
    good, other = booked(connection), booked(connection)
    wrong = siu.message("A01", booking(connection), connection.now(), "W1", kind="ADT")
    unreadable = siu.without_times(booked(connection))
    header = b"FHS|^~\\&|SCHED\rBHS|^~\\&|SCHED\r"
    reply = await post(connection, header + good + wrong + unreadable + other + b"BTS|4\rFTS|1\r")
    assert (reply.status, codes(reply)) == (200, ["AA", "AR", "AE", "AA"])
    rows = await eventually(lambda: appointments(connection), lambda rows: len(rows) >= 2)
    assert len(rows) == 2


@pytest.mark.feature("F6.6")
async def test_a_message_that_trains_is_taken_until_the_hospital_says_otherwise(connection: Scene):
    training = booked(connection).replace(b"|P|2.3|", b"|T|2.3|")
    assert codes(await post(connection, training)) == ["AA"]
    saved = await change(connection, "adam", "PUT", "/own", own_side() | {"hl7": {"processing_ids": ["P"]}})
    assert saved.status == 200, saved.body
    reply = await post(connection, training)
    assert (reply.status, codes(reply)) == (200, ["AR"])
    assert "MSH^1^11" in reply.body


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\x00" * 5000,
        bytes(range(256)) * 40,
        b"\xff\xfe\xfd",
        b"MSH",
        b"MSH|",
        b"MSH|^~\\&|\r" * 500,
        b"%PDF-1.7",
        b"\x0b\x1c\r",
    ],
    ids=["empty", "zeros", "all bytes", "no text", "cut", "header", "many headers", "pdf", "mllp"],
)
async def test_junk_is_answered_and_nothing_breaks(connection: Scene, body: bytes):
    reply = await post(connection, body)
    assert reply.status == 200
    assert set(codes(reply)) <= {"AE", "AR"}
    assert codes(reply)
    assert codes(await post(connection, booked(connection))) == ["AA"]


# --- what is refused below HL7


@pytest.mark.parametrize(
    "type_", ["application/json", "", "text/html", "x-application/hl7-v2+xml", "text/plain; charset=zz"]
)
async def test_another_content_type_is_refused(connection: Scene, type_: str):
    transport_refusal(await post(connection, booked(connection), content_type=type_), 415, "content-type")


async def test_a_message_that_is_too_large_is_refused_and_one_just_below_is_read(connection: Scene):
    transport_refusal(await post(connection, b"x" * 1_000_001), 413, "body-too-large")
    body = booked(connection) + b"NTE|1||"
    reply = await post(connection, body + b"x" * (1_000_000 - len(body)))
    assert (reply.status, codes(reply)) == (200, ["AA"])


async def test_the_door_only_takes_posts(connection: Scene):
    async with connection.http.get(connection.plan.urls["hl7_host"] + door(connection)) as answer:
        assert answer.status == 404


@pytest.mark.parametrize("id_", ["0" * 32 + "-aaaaaaaa", "nobody", "%2e%2e", "%00"])
async def test_an_unknown_connection_is_refused(connection: Scene, id_: str):
    reply = await engine.post(connection.plan, f"/hl7v2/{id_}", booked(connection))
    transport_refusal(reply, 404, "connection-unknown")


@pytest.mark.feature("F3.6")
async def test_a_draft_makes_the_engine_hold_its_queue(draft: Scene):
    await change(draft, "adam", "POST", "/certificates", draft.plan.path("engine_cer").read_bytes())
    transport_refusal(await post(draft, booked(draft)), 403, "connection-not-serving")


async def test_the_active_revision_takes_messages_while_another_waits(connection: Scene):
    epic = (await call(connection, "adam", "GET", f"/config/connections/{connection.facts['connection']}")).body[
        "active"
    ]
    assert (await change(connection, "adam", "PUT", "/epic", epic | {"pkce": False})).status == 200
    assert codes(await post(connection, booked(connection))) == ["AA"]
    assert (await change(connection, "adam", "DELETE", "/pending")).status == 200
    assert codes(await post(connection, booked(connection))) == ["AA"]


async def test_a_suspended_connection_is_refused_at_once_and_taken_again_at_once(connection: Scene):
    await change(connection, "adam", "PUT", "/suspension", {"suspended": True})
    transport_refusal(await post(connection, booked(connection)), 403, "connection-not-serving")
    await change(connection, "adam", "PUT", "/suspension", {"suspended": False})
    assert codes(await post(connection, booked(connection))) == ["AA"]


# --- certificates


def certified(scene: Scene, name: str, days: int = 30) -> bytes:
    """Make a key and a self-signed certificate that `engine.post(certificate=name)` uses; returns the PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        who, who, key.public_key(), x509.random_serial_number(), now - timedelta(days=1), now + timedelta(days=days)
    )
    pem = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    folder = scene.plan.path("engine_cert").parent
    (folder / f"{name}.pem").write_bytes(pem)
    (folder / f"{name}.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    scene.plan.files.update({f"{name}_cert": str(folder / f"{name}.pem"), f"{name}_key": str(folder / f"{name}.key")})
    return pem


@pytest.mark.feature("F6.5")
@pytest.mark.parametrize("who", ["stranger", "expired"])
async def test_a_certificate_that_is_not_pinned_is_refused(connection: Scene, who: str):
    transport_refusal(await post(connection, booked(connection), certificate=who), 403, "certificate-refused")


async def test_a_forged_certificate_header_is_worth_nothing(connection: Scene):
    pem = connection.plan.path("engine_cert").read_bytes()
    der = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    for name in ("X-ARR-ClientCert", "x-arr-clientcert"):
        forged = {name: base64.b64encode(der).decode(), "X-MS-CLIENT-PRINCIPAL": "e30="}
        reply = await post(connection, booked(connection), certificate="stranger", headers=forged)
        transport_refusal(reply, 403, "certificate-refused")
    none = await post(connection, booked(connection), certificate=None, headers={"X-ARR-ClientCert": "x"})
    assert none.status in {0, 403}


async def test_a_request_that_went_round_the_front_end_has_no_certificate(connection: Scene):
    url = connection.plan.urls["hl7_host"] + door(connection)
    async with connection.http.post(url, data=booked(connection), headers={"Content-Type": HL7}) as answer:
        assert (answer.status, (await answer.json())["code"]) == (401, "certificate-missing")


@pytest.mark.parametrize("header", ["x", "AAAA", "%00", "MIIB", "-----BEGIN CERTIFICATE-----", "=" * 5000])
async def test_a_certificate_header_that_is_junk_is_refused(connection: Scene, header: str):
    url = connection.plan.urls["hl7_host"] + door(connection)
    headers = {"Content-Type": HL7, "X-ARR-ClientCert": header}
    async with connection.http.post(url, data=booked(connection), headers=headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == (403, "certificate-refused")


@pytest.fixture
async def other(connection: Scene) -> AsyncIterator[str]:
    """Another approved connection, without the engine's certificate."""
    ours = connection.facts["connection"]
    await free_base(connection)
    connection.facts["connection"] = (await add(connection)).body["id"]
    assert (await approve(connection)).status == 200
    theirs = connection.facts["connection"]
    connection.facts["connection"] = ours
    return theirs


@pytest.mark.feature("F6.5", "F13.2")
async def test_another_connections_certificate_is_refused(connection: Scene, other: str):
    assert codes(await post(connection, booked(connection))) == ["AA"]
    reply = await engine.post(connection.plan, f"/hl7v2/{other}", booked(connection))
    transport_refusal(reply, 403, "certificate-refused")


@pytest.mark.feature("F6.2")
async def test_a_certificate_is_rolled_over_without_a_gap(connection: Scene):
    fresh = certified(connection, "fresh")
    before = await change(connection, "adam", "POST", "/certificates", fresh)
    assert len(before.body["own"]["certificates"]) == 2
    for who in ("engine", "fresh"):
        assert codes(await post(connection, booked(connection), certificate=who)) == ["AA"]
    third = await change(connection, "adam", "POST", "/certificates", certified(connection, "third"))
    assert (third.status, third.body["code"]) == (409, "wrong-state")
    absent = await change(connection, "adam", "DELETE", f"/certificates/{'0' * 64}")
    assert (absent.status, absent.body["code"]) == (404, "not-found")
    old = before.body["own"]["certificates"][0]["spki"]
    assert len((await change(connection, "adam", "DELETE", f"/certificates/{old}")).body["own"]["certificates"]) == 1
    transport_refusal(await post(connection, booked(connection)), 403, "certificate-refused")
    assert codes(await post(connection, booked(connection), certificate="fresh")) == ["AA"]


@pytest.mark.feature("F6.2")
@pytest.mark.parametrize("what", ["engine_key", "expired_cert"])
async def test_an_upload_that_cannot_be_pinned_is_refused(connection: Scene, what: str):
    answer = await change(connection, "adam", "POST", "/certificates", connection.plan.path(what).read_bytes())
    assert (answer.status, answer.body["code"]) == (422, "value-refused")


# --- durable


@pytest.mark.promise("P1")
async def test_what_was_acknowledged_survives_the_death_of_both_hosts(connection: Scene):
    stack = connection.stack
    await drained(connection)
    await stack.stop_one("app", signal.SIGKILL)
    try:
        assert codes(await post(connection, booked(connection))) == ["AA"]
        await stack.stop_one("hl7_host", signal.SIGKILL)
        waiting = (await connection.queues.get_queue_client(QUEUE).get_queue_properties()).approximate_message_count
        assert waiting == 1
        away = await post(connection, booked(connection))
        assert (away.status, codes(away)) == (503, [])
    finally:
        for name in ("hl7_host", "app"):
            if name not in stack.pids():
                await stack.start_one(name)
    assert len(await one_appointment(connection)) == 1


@pytest.mark.promise("P5")
async def test_without_its_queue_the_door_asks_to_be_asked_again_and_says_no_hl7(connection: Scene):
    """The emulator is stopped: neither the connection can be read nor the message kept."""
    stack = connection.stack
    body = booked(connection)
    await stack.stop_one("azurite")
    try:
        began = asyncio.get_running_loop().time()
        reply = await post(connection, body)
        took = asyncio.get_running_loop().time() - began
    finally:
        await stack.start_one("azurite")
    assert (reply.status, reply.headers.get("retry-after"), codes(reply)) == (503, "10", [])
    assert took < 10
    assert codes(await post(connection, body)) == ["AA"]
    assert len(await one_appointment(connection)) == 1
    assert stack.dead() == {}


# --- nothing of a message is left behind


@pytest.mark.feature("F12.2", "F12.10")
@pytest.mark.promise("P11")
async def test_nothing_of_a_message_rests_or_is_logged_in_clear(connection: Scene):
    planted = Booking(
        csn="7319283746",
        start=siu.whole_minute(connection.now() + timedelta(days=3)),
        phone="(608)555-0187",
        mrn="Z8675309Q",
        family="XYLOPHORE",
        given="QUENBY",
    )
    await connection.stack.stop_one("app")
    try:
        for body in (
            booked(connection, planted),
            siu.without_times(booked(connection, planted)),
            b"MSH|" + booked(connection, planted),
        ):
            assert (await post(connection, body)).status == 200
        peeked = await connection.queues.get_queue_client(QUEUE).peek_messages(32)
        envelopes = [base64.b64decode(message.content).decode() for message in peeked]
        assert envelopes
    finally:
        await connection.stack.start_one("app")
    await post(connection, booked(connection, planted), certificate="stranger")
    rows = [str(row) for row in await one_appointment(connection)]
    logs = [path.read_text(errors="replace") for path in connection.plan.path("logs").glob("*.log")]
    for secret in ("7319283746", "5550187", "555-0187", "Z8675309Q", "XYLOPHORE", "QUENBY"):
        for place in (*envelopes, *rows, *logs):
            assert secret not in place
