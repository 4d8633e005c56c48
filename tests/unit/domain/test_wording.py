"""What texts say."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.permission import Occasion
from shared.domain.segments import segments
from shared.domain.wording import LONGEST, Wording, words

pytestmark = pytest.mark.feature("F5.14")

LINK = "https://visits.lamna.example/j?t=0123456789abcdefghijkl"
LONG_LINK = f"https://{'visits.' * 10}example/j?t=0123456789abcdefghijkl"
START = datetime(2026, 3, 4, 20, 30, tzinfo=UTC)
LANGUAGES = ("en", "es", "fr", "it")


def saying(**changes: Any) -> Wording:
    usual = {
        "occasion": "booked",
        "organisation": "Lamna Healthcare",
        "start": START,
        "zone": "America/Chicago",
        "language": "en",
        "link": LINK,
        "first": True,
    }
    return Wording(**usual | changes)


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {},
            "Lamna Healthcare: your video visit is on Wednesday, March 4 at 2:30 PM. "
            f"Join here: {LINK} Reply STOP to opt out.",
        ),
        (
            {"occasion": "changed", "first": False},
            f"Lamna Healthcare: your video visit has moved to Wednesday, March 4 at 2:30 PM. Join here: {LINK}",
        ),
        (
            {"occasion": "cancelled", "first": False},
            "Lamna Healthcare: your video visit on Wednesday, March 4 at 2:30 PM is cancelled.",
        ),
        (
            {"occasion": "reminder", "first": False, "link": None},
            "Lamna Healthcare: reminder of your video visit on Wednesday, March 4 at 2:30 PM.",
        ),
        (
            {"language": "es", "first": False},
            f"Lamna Healthcare: su visita por video es el miércoles 4 de marzo a las 14:30. Entre aqui: {LINK}",
        ),
        (
            {"language": "fr", "occasion": "cancelled", "first": False},
            "Lamna Healthcare : votre visite vidéo du mercredi 4 mars à 14:30 est annulée.",
        ),
        (
            {"language": "it", "occasion": "reminder", "link": None},
            "Lamna Healthcare: promemoria della sua visita video di mercoledì 4 marzo alle 14:30. "
            "Risponda STOP per non ricevere messaggi.",
        ),
        (
            {"language": "so", "occasion": "cancelled", "first": False, "zone": "Europe/Berlin"},
            "Lamna Healthcare: your video visit on Wednesday, March 4 at 9:30 PM is cancelled.",
        ),
    ],
)
def test_a_text_names_organisation_day_time_and_link(changes: dict[str, Any], text: str) -> None:
    assert words(saying(**changes)) == text


@given(
    name=st.text(st.characters(exclude_characters="/"), min_size=1, max_size=100),
    day=st.integers(0, 366),
    occasion=st.sampled_from(get_args(Occasion)),
    language=st.sampled_from(LANGUAGES),
    link=st.sampled_from([LINK, LONG_LINK, None]),
)
def test_no_text_is_longer_than_carriers_join(name: str, day: int, occasion: Any, language: str, link: str) -> None:
    start = START + timedelta(days=day)
    text = words(saying(organisation=name, start=start, occasion=occasion, language=language, link=link))
    assert len(text) <= LONGEST
    assert ("/j?t=" in text) == (link is not None and occasion != "cancelled")


def test_a_name_that_does_not_fit_is_cut() -> None:
    text = words(saying(organisation="The Sisters of " * 7, language="fr", link=LONG_LINK))
    assert (len(text) <= LONGEST, "..." in text, LONG_LINK in text) == (True, True, True)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("occasion", get_args(Occasion))
def test_our_own_words_take_two_segments_at_most_all_year(language: str, occasion: Any) -> None:
    for day in range(366):
        text = words(saying(language=language, occasion=occasion, start=START + timedelta(days=day)))
        assert segments(text) <= 2


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("á" * 70, 1),
        ("á" * 71, 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
    ],
)
def test_segments(text: str, count: int) -> None:
    assert segments(text) == count
