"""Events about texts, in every spelling they are documented in."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from shared.domain.receipts import Unreadable, number, read, reduced
from tests.corpus.location import require

TEXT = "0b5f9f9e-0c05-5d3e-8e55-2f5f5b6f3c11"


def corpus(name: str) -> dict[str, Any]:
    [event] = json.loads((require("eventgrid") / name).read_text())
    return event


@pytest.mark.parametrize(
    "name", ["sms_delivery_report_2020_PascalCase.json", "sms_delivery_report_2025_camelCase.json"]
)
def test_both_documented_cases_of_a_report_read_the_same(name: str) -> None:
    reading = read(corpus(name))
    assert reading is not None
    assert (reading.kind, reading.status, reading.code) == ("report", "delivered", "2000")
    assert (reading.number, reading.other, reading.text) == ("+15555555555", "+15555555555", "")
    assert reading.happened == datetime(2020, 9, 18, 0, 22, 14, 931591, tzinfo=UTC)


def test_the_documented_inbound_text_is_reduced_to_a_word() -> None:
    event = corpus("sms_received_2025.json")
    reading = read(event)
    assert reading is not None
    assert (reading.kind, reading.number, reading.other) == ("other", "+15555555555", "+15555555555")
    assert event["data"]["message"] not in repr(reading)


def test_the_failed_report_of_the_rest_interface_reads_as_an_event_would() -> None:
    data = json.loads((require("eventgrid") / "acs_delivery_report_rest_failed.json").read_text())
    reading = read({"eventType": "Microsoft.Communication.SMSDeliveryReportReceived", "data": data})
    assert reading is not None
    assert (reading.status, reading.code) == ("failed", "")


def report(**changes: Any) -> dict[str, Any]:
    data = {
        "messageId": "Outgoing_1",
        "from": "18335550100",
        "to": "+16085550101",
        "deliveryStatus": "Failed",
        "deliveryStatusDetails": "4007: Sender blocked for given recipient.",
        "receivedTimestamp": "2026-03-02T15:00:09.1234567Z",
        "Tag": TEXT,
    }
    return {"eventType": "Microsoft.Communication.SMSDeliveryReportReceived", "data": data | changes}


@pytest.mark.parametrize(
    ("details", "code"),
    [
        ("4007: Sender blocked for given recipient.", "4007"),
        ("Sender blocked for given recipient.", "4007"),
        ("No error.", "2000"),
        ("2000: No Error", "2000"),
        ("Message delivery failed", ""),
    ],
)
def test_codes_come_coded_or_plain(details: str, code: str) -> None:
    reading = read(report(deliveryStatusDetails=details))
    assert reading is not None
    assert reading.code == code


def test_a_tag_of_either_case_is_ours_only_if_it_is_an_id() -> None:
    cloud = {"type": "Microsoft.Communication.SMSDeliveryReportReceived", "data": {"tag": TEXT}}
    cloud["data"] |= {name: value for name, value in report()["data"].items() if name != "Tag"}
    readings = [read(report()), read(cloud), read(report(Tag="visit-123"))]
    assert [reading.text for reading in readings if reading] == [TEXT, TEXT, ""]


@pytest.mark.parametrize(
    ("changes", "member"),
    [
        ({"from": "Contoso"}, "number"),
        ({"to": ""}, "number"),
        ({"to": 16085550101}, "to"),
        ({"receivedTimestamp": "yesterday"}, "receivedtimestamp"),
        ({"receivedTimestamp": "2026-03-02T15:00:09"}, "receivedtimestamp"),
        ({"deliveryAttempts": ["x"]}, "data"),
    ],
)
def test_what_cannot_be_read_names_the_member_only(changes: dict[str, Any], member: str) -> None:
    with pytest.raises(Unreadable) as fault:
        read(report(**changes))
    assert str(fault.value) == member


def test_other_types_are_none_of_ours() -> None:
    assert read({"eventType": "Microsoft.Communication.CallEnded", "data": {}}) is None


@pytest.mark.feature("F5.14")
@pytest.mark.parametrize(
    ("message", "word"),
    [
        ("STOP", "stop"),
        (" Stop. ", "stop"),
        ("stopall!", "stop"),
        ("Unsubscribe", "stop"),
        ("cancel", "stop"),
        ("END", "stop"),
        ("quit", "stop"),
        ("opt-out", "stop"),
        ("Arrêt", "stop"),
        ("arre\u0302t", "stop"),
        ("START", "start"),
        ("unstop", "start"),
        ("Help?", "help"),
        ("please stop calling me", "other"),
        ("stop 2", "other"),
        ("can't make it, cancel", "other"),
        ("yes", "other"),
        ("", "other"),
        ("👍", "other"),
    ],
)
def test_only_a_text_that_is_nothing_but_the_word_counts(message: str, word: str) -> None:
    assert reduced(message) == word


@pytest.mark.parametrize(
    ("written", "one"),
    [("18335550100", "+18335550100"), ("+18335550100", "+18335550100"), ("12345", "12345"), ("123456", "123456")],
)
def test_numbers_have_one_spelling(written: str, one: str) -> None:
    assert number(written) == one
