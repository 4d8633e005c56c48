"""docs/guides: their pictures are there, every step of the page is told, and the walk of the pictures still goes."""

import asyncio
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, sync_playwright

from portal.release import HERE as PORTAL
from sandbox import stack
from tests import chromium, free_ports
from tests.guides.__main__ import PICTURES, SWITCHES
from tests.guides.camera import Camera
from tests.guides.walk import STEPS, walk

GUIDES = {name: (PICTURES.parent / f"{name}.md").read_text() for name in ("administrator", "analyst")}
TEXT = "\n".join(GUIDES.values())
WORDS: dict[str, Any] = json.loads((PORTAL / "texts/en.json").read_text())
#: What the guides call out in bold and is not the page's.
NOT_THE_PAGES = {"On one machine", "On a deployed stamp"}
LARGEST_BYTES = 6_000_000


def named() -> list[str]:
    return re.findall(r"\]\(pictures/([^)]+)\)", TEXT)


def test_every_picture_named_is_there_and_every_picture_there_is_named():
    assert sorted(set(named())) == sorted(path.name for path in PICTURES.iterdir())


def test_every_picture_says_in_words_what_it_shows():
    assert re.findall(r"!\[\]\(", TEXT) == []


def test_pictures_and_clips_are_small_enough_for_git():
    assert sum(path.stat().st_size for path in PICTURES.iterdir()) < LARGEST_BYTES


def test_every_step_of_the_walk_has_its_clip_in_a_guide():
    assert {name for name in STEPS if f"(pictures/{name}-clip.webp)" not in TEXT} == set()


def parts(file: str, start: str) -> list[str]:
    """The names in a list of the page's code."""
    code = (PORTAL / "js" / file).read_text().partition(start)[2].partition("];")[0]
    found = re.findall(r'name: "([^"]+)"', code)
    assert found
    return found


@pytest.mark.parametrize(
    "key",
    [
        *(f"nav.{one}" for one in parts("shell.js", "const NAVIGATION")),
        *(f"review.{one}" for one in parts("steps/review.js", "const PARTS")),
        *(f"sms.{one}" for one in parts("steps/sms.js", "const PARTS")),
    ],
)
def test_every_step_and_part_of_the_page_is_told(key: str):
    assert re.search(rf"\*\*(\d\. )?{re.escape(WORDS[key])}\*\*", TEXT)


def test_what_the_guides_call_out_are_words_of_the_page():
    called = {" ".join(one.split()) for one in re.findall(r"\*\*([^*]+)\*\*", TEXT)}
    plain = {re.sub(r"^\d\. ", "", one) for one in called}
    assert plain - {one for one in WORDS.values() if isinstance(one, str)} - NOT_THE_PAGES == set()


def test_links_of_the_guides_lead_somewhere():
    for name, text in GUIDES.items():
        for target in re.findall(r"\]\(([^)#:]+)", text):
            assert (PICTURES.parent / target).exists(), (name, target)
        for page, anchor in re.findall(r"\]\((\w*)\.md#([^)]+)\)", text):
            heads = re.findall(r"^#+ (.*)$", GUIDES[page], re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in heads}


class Notes(Camera):
    """Notes what would be taken."""

    def picture(self, page: Page, name: str, at: Locator | None = None) -> None:
        self.taken.append(f"{name}.webp")

    @contextmanager
    def clip(self, name: str) -> Iterator[None]:
        yield
        self.taken.append(f"{name}-clip.webp")

    def frame(self, page: Page) -> None:
        """Nothing to note."""

    def point(self, page: Page, at: Locator) -> None:
        at.scroll_into_view_if_needed()


@pytest.fixture
def bare(tmp_path: Path) -> Iterator[stack.Stack]:
    """A sandbox as `make up BARE=1` leaves it."""
    with free_ports.block() as first, asyncio.Runner() as runner:
        made = stack.sandbox(tmp_path / ".sandbox", first, stack.Settings(timers="schedule"))
        runner.run(made.__aenter__())
        yield made
        runner.run(made.stop())


@pytest.mark.feature("F1.9", "F1.15", "F2.1", "F2.2")
def test_a_newcomer_gets_from_nothing_to_a_launch_on_the_page(bare: stack.Stack, tmp_path: Path):
    program = chromium.found()
    if program is None:
        assert os.environ.get("CI") != "true", chromium.HOW
        pytest.skip(chromium.HOW)
    camera = Notes(tmp_path)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=SWITCHES)
        walk(bare.plan, browser, camera)
        browser.close()
    assert sorted(camera.taken) == sorted(path.name for path in PICTURES.iterdir())
