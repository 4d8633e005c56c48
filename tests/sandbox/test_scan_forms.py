"""In which clothes a value is recognised, and that a report never shows it."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.scan import Needle
from sandbox.scan.search import Finding, Matcher

PHONE = Needle("phone", "the phone", "+18335550123")
NAME = Needle("name", "the name", "Zoë Quillfeather")
CSN = Needle("csn", "the visit id", "900012345678")
TOKEN = Needle("token", "the join token", "q-7Zx_Yw81AkPm2eR")


def forms(needle, content):
    return {found.form for found in Matcher([needle]).search("here", content)}


@pytest.mark.parametrize(
    ("needle", "content", "form"),
    [
        (PHONE, b'"to":"+18335550123"', "plain"),
        (PHONE, b"18335550123", "digits"),
        (PHONE, b"8335550123", "digits"),
        (PHONE, b"PID|||(833) 555-0123", "national"),
        (PHONE, b"(833)555-0123", "national"),
        (PHONE, b"833-555-0123", "national"),
        (PHONE, b"833.555.0123", "national"),
        (PHONE, b"833 555 0123", "national"),
        (PHONE, b"%28833%29%20555-0123", "url"),
        (PHONE, b"(833)+555-0123", "url"),
        (PHONE, b"%2B%31%38%33%33%35%35%35%30%31%32%33", "url"),
        (PHONE, rb"\u002b\u0031\u0038\u0033\u0033\u0035\u0035\u0035\u0030\u0031\u0032\u0033", "json"),
        (Needle("phone", "a British phone", "+442079460123"), b"020 7946 0123", "national"),
        (NAME, "zoë quillfeather".encode(), "plain"),
        (NAME, "QUILLFEATHER^ZOË".encode(), "plain"),
        (NAME, "Quillfeather, Zoë".encode(), "plain"),
        (NAME, b"Zo%C3%AB%20Quillfeather", "url"),
        (NAME, b"Zo%c3%ab+Quillfeather", "url"),
        (NAME, rb"Zo\u00eb Quillfeather", "json"),
        (NAME, rb"{\"n\":\"Zo\\u00EB Quillfeather\"}", "json"),
        (CSN, b"SCH||900012345678^^EPC", "plain"),
        (TOKEN, b"/j?t=q-7Zx_Yw81AkPm2eR", "plain"),
        (TOKEN, base64.b64encode(b"xx" + TOKEN.value.encode() + b"y"), "base64"),
        (TOKEN, base64.urlsafe_b64encode(b"x" + TOKEN.value.encode()), "base64"),
        (NAME, base64.b64encode(b"QUILLFEATHER^ZO\xc3\x8b"), "base64"),
        (PHONE, base64.b64encode(b'{"to":"%2B18335550123"}'), "base64"),
    ],
)
def test_a_value_is_recognised_in_each_form(needle, content, form):
    assert form in forms(needle, content)


@pytest.mark.parametrize(
    "content",
    [b"", b"+18335550124", b"(833) 555-0132", b"ciphertext", b"Quill feather", base64.b64encode(b"833555012")],
)
def test_what_is_not_there_is_not_found(content):
    assert not Matcher([PHONE, NAME, CSN, TOKEN]).search("here", content)


@given(before=st.binary(max_size=40), after=st.binary(max_size=40), needle=st.sampled_from([PHONE, NAME, CSN, TOKEN]))
def test_a_value_is_found_in_base64_whatever_lies_around_it(before, after, needle):
    assert "base64" in forms(needle, base64.b64encode(before + needle.value.encode() + after))


@given(value=st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=6, max_size=20))
def test_a_value_is_found_as_real_encoders_write_it_inside_a_queue_message(value):
    needle = Needle("token", "a value", value)
    assert forms(needle, json.dumps({"v": value}).encode())
    assert forms(needle, quote(value, safe="").encode())
    assert forms(needle, base64.b64encode(json.dumps({"v": json.dumps(value)}).encode()))


def test_neither_a_needle_nor_a_finding_shows_the_value():
    found = Matcher([PHONE]).search("here", b"+18335550123")
    assert found == {Finding("the phone", form, "here") for form in ("plain", "digits")}
    assert "833" not in f"{PHONE!r} {PHONE} {found}"


@pytest.mark.parametrize("value", ["12345", "", "abc"])
def test_a_value_too_short_to_be_told_from_chance_is_refused(value):
    with pytest.raises(ValueError, match="too short"):
        Needle("csn", "the visit id", value)


def test_a_phone_number_is_given_in_e164():
    with pytest.raises(ValueError, match="given in E"):
        Needle("phone", "the phone", "(833) 555-0123")
