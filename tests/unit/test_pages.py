"""Pages before and after Epic speak one language each: their words, their title and what they say of it."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from shared.cookies import cookie
from shared.domain.visit_page import words
from shared.pages import invitation, on_the_way, outside, to_epic
from shared.storage.launch_cookies import LaunchCookies
from shared.storage.sealing import KeyRing
from shared.workflows.enter import Preparing, TooEarly
from shared.workflows.join import Invitation
from tests.unit.domain.connections import LAMNA, epic_side, own_side
from tests.unit.workflows.launch_world import ticket
from tests.unit.workflows.text_world import CONNECTION, NOW

LANGUAGES = ("en", "es", "fr", "it")
ZONE = "America/Chicago"


def connection(**fhir: Any) -> Any:
    side = epic_side()
    return SimpleNamespace(
        id=CONNECTION,
        tenant=LAMNA.tenant,
        own=own_side(),
        approved=side.model_copy(update={"fhir": side.fhir.model_copy(update=fhir)}),
    )


def made(page: str, language: str) -> func.HttpResponse:
    deps: Any = SimpleNamespace(
        settings=SimpleNamespace(public_url="https://visits.example"),
        launch_cookies=LaunchCookies(KeyRing({"k1": b"k" * 32})),
    )
    opens = NOW + timedelta(minutes=5)
    early = TooEarly(start=NOW + timedelta(hours=1), opens=opens, now=NOW, zone=ZONE)
    asked: dict[str, Any] = {
        "organisation": "Lamna", "zone": ZONE, "language": None, "start": NOW, "opens": opens, "now": NOW,
    }  # fmt: skip
    held = cookie("__Host-l-x", "v", timedelta(minutes=1))
    match page:
        case "outside":
            return outside("https://visits.example/launch", connection(), language)
        case "to_epic":
            return to_epic("https://epic.example/authorize?a=b", connection(authorize="post"), held, language)
        case "preparing":
            return on_the_way(Preparing(), ticket(), language, deps)
        case "early":
            return on_the_way(early, ticket(), language, deps)
        case _:
            return invitation(Invitation(state=page, **asked), "token", language)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("page", "title", "says"),
    [
        ("outside", "launch", "outside"),
        ("to_epic", "launch", "to_epic"),
        ("preparing", "title", "preparing"),
        ("early", "title", "stay"),
        ("open", "title", "join"),
        ("over", "title", "over"),
        ("cancelled", "title", "cancelled"),
    ],
)
def test_a_page_is_in_one_language(language: str, page: str, title: str, says: str):
    text = made(page, language).get_body().decode().replace("&#x27;", "'")
    said = words(language)
    assert f'<html lang="{language}">' in text
    assert f"<h1>{getattr(said, title)}</h1>" in text
    assert getattr(said, says) in text
