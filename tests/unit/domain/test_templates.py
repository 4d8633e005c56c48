"""Texts in an organisation's own words: what may stand in them, what they become, what they cost."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from shared.domain import configuration
from shared.domain.connection import OwnSide, SmsSetup
from shared.domain.preview import preview, sample
from shared.domain.segments import counted
from shared.domain.templates import TELLING, TextTemplates
from shared.domain.wording import Said, Wording, chosen, words
from shared.errors import Refused
from tests.unit.domain.connections import LAMNA, epic_side, own_side

pytestmark = pytest.mark.feature("F5.15")

LINK = "https://visits.lamna.example/j?t=0123456789abcdefghijkl"
START = datetime(2026, 3, 4, 20, 30, tzinfo=UTC)


def saying(**changes: Any) -> Wording:
    usual = {"occasion": "booked", "organisation": "Lamna", "start": START, "zone": "America/Chicago", "language": "en"}
    return Wording(**usual | {"link": LINK, "first": False} | changes)


def own(language: str = "en", **kinds: str) -> dict[str, TextTemplates]:
    return {language: TextTemplates(**kinds)}


@pytest.mark.parametrize(
    ("kind", "template", "why"),
    [
        ("booked", "Hello {patient}, {link}", "placeholders that nobody fills"),
        ("booked", "Hello {first_name} {link}", "placeholders that nobody fills"),
        ("booked", "See {nurse} at {link}", "placeholders that nobody fills"),
        ("booked", "On {day} at {time}", "must have {link}"),
        ("changed", "On {day} at {time}", "must have {link}"),
        ("reminder", "On {day} at {time}", "must have {link}"),
        ("reminder", "{link} }", "a brace that stands alone"),
        ("reminder", "{link} {day", "a brace that stands alone"),
        ("cancelled", "\x07", "control characters"),
        ("cancelled", "   ", "must be words"),
        ("cancelled", "a" * 601, "at most 600"),
    ],
)
def test_what_may_not_stand_in_a_template_is_refused_at_its_field(kind: str, template: str, why: str) -> None:
    with pytest.raises(ValidationError) as refused:
        SmsSetup.model_validate({"texts": {"en": {kind: template}}})
    [fault] = refused.value.errors()
    assert fault["loc"] == ("texts", "en", kind)
    assert why in fault["msg"]


def test_spaces_that_do_not_break_become_plain_and_emoji_stay() -> None:
    templates = TextTemplates(booked="Lamna\u00a0: {link}\u202f! \U0001f469\u200d\u2695\ufe0f\r\nBye")
    assert templates.booked == "Lamna : {link} ! \U0001f469\u200d\u2695\ufe0f\nBye"


def test_a_language_is_a_primary_tag() -> None:
    with pytest.raises(ValidationError):
        SmsSetup.model_validate({"texts": {"en-US": {}}})


@pytest.mark.parametrize(
    ("template", "language", "changes", "text"),
    [
        ("{organisation}: {day}, {time}. {link}", "en", {}, f"Lamna: Wednesday, March 4, 2:30 PM. {LINK}"),
        ("{link} {day}", "es", {"language": "es"}, f"{LINK} miércoles 4 de marzo"),
        ("Am {day} um {time}: {link}", "de", {"language": "de"}, f"Am 2026-03-04 um 14:30: {LINK}"),
        ("{link}", "en", {"language": "de"}, LINK),
        ("{link}", "en", {"first": True}, f"{LINK} Reply STOP to opt out."),
        ("{department}: {link}", "en", {"department": "Eye clinic"}, f"Eye clinic: {LINK}"),
        ("{provider}: {link}", "en", {"provider": "Dr. TINA BEST"}, f"Dr. TINA BEST: {LINK}"),
        ("{visit_type}: {link}", "en", {"visit_type": "Video check-up"}, f"Video check-up: {LINK}"),
    ],
)
def test_a_template_is_filled_in_its_language(template: str, language: str, changes: Any, text: str) -> None:
    wording = saying(**changes)
    assert words(wording, chosen(wording, own(language, booked=template))) == text


@pytest.mark.parametrize("name", TELLING)
@pytest.mark.parametrize("changes", [{}, {"link": None}])
def test_a_template_that_asks_for_what_is_not_known_gives_way_to_our_words(name: str, changes: dict[str, Any]) -> None:
    wording = saying(**{name: "Eye clinic" if changes else None}, **changes)
    text = words(wording, chosen(wording, own(booked=f"{{{name}}}: {{link}}")))
    assert text.startswith("Lamna: your video visit is on Wednesday, March 4 at 2:30 PM.")


def test_a_name_or_department_with_braces_is_put_in_as_it_is() -> None:
    wording = saying(organisation="{link}", department="{day}")
    assert (
        words(wording, chosen(wording, own(booked="{organisation} {department} {link}"))) == f"{{link}} {{day}} {LINK}"
    )


def test_our_own_words_can_be_pasted_as_a_template_and_say_the_same() -> None:
    for kind in ("booked", "changed", "cancelled", "reminder"):
        for language in ("en", "es", "fr", "it"):
            wording = saying(occasion=kind, language=language)
            said = chosen(wording, {})
            pasted = chosen(wording, own(language, **{kind: said.template}))
            assert words(wording, pasted) == words(wording)


@pytest.mark.parametrize("name", TELLING)
def test_what_tells_of_the_visit_is_named_only_by_its_own_switch_and_then_that_is_warned_of(name: str) -> None:
    texts = own(reminder=f"{{{name}}} {{link}}")
    others = {f"may_name_{other}": other != name for other in TELLING}
    with pytest.raises(Refused) as refused:
        configuration.check_texts(SmsSetup(texts=texts, **others))
    assert [one.split(":")[0] for one in refused.value.fields] == ["sms.texts.en.reminder"]
    allowed = SmsSetup(texts=texts, **{f"may_name_{name}": True})
    configuration.check_texts(allowed)
    warned = configuration.warnings(configuration.drafted(LAMNA, "test", epic_side(), own_side(sms=allowed)))
    assert [one for one in warned if name.replace("_", " ") in one] == warned != []


def test_settings_of_the_last_release_still_load() -> None:
    before = own_side().model_dump(mode="json")
    for name in ("texts", *(f"may_name_{one}" for one in TELLING), "quiet_hours"):
        del before["sms"][name]
    assert OwnSide.model_validate(before) == own_side()


@pytest.mark.parametrize(
    ("template", "warnings"),
    [
        ("{organisation} {day} {time} {link}", ()),
        ("{organisation} {day} {time} {link} ✅", ("letters",)),
        ("{day} {time} {link}", ("nameless",)),
        ("{organisation} {link}", ("no-time",)),
        ("{organisation} {day} {time} {department} {link}", ("department",)),
        ("{organisation} {day} {time} {provider} {visit_type} {link}", ("provider", "visit_type")),
        ("{organisation} {day} {time} {link} " + "a" * 300, ("long",)),
    ],
)
def test_a_preview_says_what_to_think_of(template: str, warnings: tuple[str, ...]) -> None:
    made = sample("reminder", "Lamna", "America/Chicago", "en", "https://visits.lamna.example", START)
    shown = preview(made, Said(template, "en"), own=True)
    assert shown.warnings == warnings
    assert (shown.characters, shown.encoding) == (len(shown.body), "UCS-2" if "letters" in warnings else "GSM-7")


def test_letters_that_make_a_text_dear_are_named_once_each() -> None:
    assert counted("ñ á á ✅").outside == "á✅"
