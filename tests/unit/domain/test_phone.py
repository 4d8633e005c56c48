import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain import phone
from shared.domain.phone import NotTextable, PhoneRefusal

pytestmark = pytest.mark.feature("F6.1")


@pytest.mark.parametrize(
    ("written", "region", "expected"),
    [
        ("(608)555-0142", "US", "+16085550142"),
        ("608.555.0142", "US", "+16085550142"),
        ("1 608 555 0142", "US", "+16085550142"),
        ("+1-608-555-0142", "GB", "+16085550142"),
        ("+44 7400 123456", "US", "+447400123456"),
        ("07400 123456", "GB", "+447400123456"),
        ("\u200b\t+44\u00a0(0)7400\u2011123456\ufeff ", "GB", "+447400123456"),
    ],
)
def test_a_number_that_can_be_texted_becomes_e164(written, region, expected):
    assert phone.e164(written, region) == expected


@pytest.mark.parametrize(
    ("written", "region", "reason"),
    [
        ("", "US", PhoneRefusal.INVALID),
        ("555-0142", "US", PhoneRefusal.INVALID),  # no area code
        ("(000)000-0000", "US", PhoneRefusal.INVALID),
        ("(608)555-0142 x12", "US", PhoneRefusal.INVALID),  # an extension takes no texts
        ("1-800-FLOWERS", "US", PhoneRefusal.INVALID),
        ("9" * 300, "US", PhoneRefusal.INVALID),
        ("07700 900123", "US", PhoneRefusal.INVALID),
        ("020 7946 0018", "GB", PhoneRefusal.LANDLINE),
        ("(800)555-0199", "US", PhoneRefusal.UNSUPPORTED),
        ("(900)555-0199", "US", PhoneRefusal.UNSUPPORTED),
    ],
)
def test_a_number_that_cannot_be_texted_says_why(written, region, reason):
    with pytest.raises(NotTextable) as caught:
        phone.e164(written, region)
    assert caught.value.reason is reason
    assert str(caught.value) == reason.value


@given(st.text(max_size=60), st.sampled_from(["US", "GB", "FR"]))
def test_any_text_is_a_number_or_a_refusal(written, region):
    with contextlib.suppress(NotTextable):
        assert re.fullmatch(r"\+[1-9][0-9]{5,14}", phone.e164(written, region))


@given(st.integers(200, 999), st.integers(0, 9999))
def test_what_was_read_once_is_read_the_same_again(area, line):
    try:
        number = phone.e164(f"{area}555{line:04}", "US")
    except NotTextable:
        return
    assert phone.e164(number, "GB") == number
