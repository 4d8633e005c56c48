"""How the demo judges its steps and what it answers to the shell."""

import json
import re
from pathlib import Path

import pytest

from sandbox.demo import breaks, report
from sandbox.demo.play import Playbook, SafeError, play
from sandbox.demo.report import Check, Outcome, Status
from sandbox.demo.scene import Scene, eventually

SECRET = "+18335550123"


class QuietStack:
    """A stack in which nothing happens, unless a test says that a process died."""

    plan = None

    def __init__(self):
        self.ended = {}

    def dead(self):
        return self.ended


@pytest.fixture
def scene():
    return Scene(QuietStack(), None, None, None)


@pytest.fixture
def book():
    return Playbook()


async def holds(scene):
    scene.check("it is so", "there", "so", ok=True)


async def fails(scene):
    scene.check("it is so", "there", "not so", ok=False)


async def played(book, scene):
    outcomes = await play(scene, book.steps(), say=lambda _: None)
    return {outcome.id: outcome for outcome in outcomes}, report.exit_code(outcomes)


async def test_steps_whose_checks_all_hold_are_green_and_end_with_0(book, scene):
    book.step("1", "one", "a")(holds)
    book.step("2", "two", "a", needs=("1",))(holds)
    outcomes, code = await played(book, scene)
    assert [outcome.status for outcome in outcomes.values()] == [Status.GREEN, Status.GREEN]
    assert code == 0


async def test_one_check_that_does_not_hold_turns_the_step_red_and_ends_with_1(book, scene):
    async def half(scene):
        await holds(scene)
        await fails(scene)

    book.step("1", "one", "a")(half)
    outcomes, code = await played(book, scene)
    assert outcomes["1"].status == Status.RED
    assert [check.ok for check in outcomes["1"].checks] == [True, False]
    assert code == 1


async def test_a_step_that_looks_at_nothing_is_red(book, scene):
    async def idle(scene):
        pass

    book.step("1", "one", "a")(idle)
    outcomes, code = await played(book, scene)
    assert (outcomes["1"].status, code) == (Status.RED, 1)


async def test_a_step_that_raises_is_red_and_tells_type_and_place_but_not_the_words(book, scene):
    async def raises(scene):
        await holds(scene)
        raise ValueError(SECRET)

    book.step("1", "one", "a")(raises)
    outcomes, code = await played(book, scene)
    assert (outcomes["1"].status, code) == (Status.RED, 1)
    assert outcomes["1"].checks[-1].found.startswith("ValueError at test_play.py:")
    assert SECRET not in str(outcomes)


async def test_the_words_of_an_error_that_is_known_to_be_safe_are_told(book, scene):
    async def raises(scene):
        raise SafeError("the app answers 500")

    book.step("1", "one", "a")(raises)
    outcomes, _ = await played(book, scene)
    assert outcomes["1"].checks[0].found.endswith(": the app answers 500")


async def test_what_needs_a_red_step_is_not_reached_and_the_rest_is_played(book, scene):
    book.step("1", "one", "a")(fails)
    book.step("2", "two", "a", needs=("1",))(holds)
    book.step("3", "three", "a", needs=("2",))(holds)
    book.step("4", "four", "a")(holds)
    outcomes, code = await played(book, scene)
    assert [o.status for o in outcomes.values()] == [Status.RED, Status.NOT_REACHED, Status.NOT_REACHED, Status.GREEN]
    assert code == 1


async def test_a_need_for_a_whole_chapter_is_a_need_for_each_of_its_steps(book, scene):
    book.step("3.1", "one", "a")(holds)
    book.step("3.2", "two", "a")(fails)
    book.step("4", "four", "b", needs=("3",))(holds)
    outcomes, _ = await played(book, scene)
    assert outcomes["4"].status == Status.NOT_REACHED


async def test_a_need_for_a_step_that_is_not_played_before_is_the_authors_mistake(book, scene):
    book.step("1", "one", "a", needs=("2",))(holds)
    with pytest.raises(ValueError, match="needs step 2"):
        await played(book, scene)


async def test_a_step_that_is_not_built_ends_with_3_unless_something_is_red(book, scene):
    book.step("1", "one", "a")(holds)
    book.not_built("2", "two", "b")
    book.step("3", "three", "c", needs=("2",))(holds)
    outcomes, code = await played(book, scene)
    assert [outcome.status for outcome in outcomes.values()] == [Status.GREEN, Status.NOT_BUILT, Status.NOT_REACHED]
    assert code == 3
    book.step("4", "four", "c")(fails)
    assert (await played(book, scene))[1] == 1


async def test_a_process_that_dies_during_a_step_turns_it_red(book, scene):
    async def deadly(scene):
        await holds(scene)
        scene.stack.ended = {"app": -9}

    book.step("1", "one", "a")(deadly)
    outcomes, _ = await played(book, scene)
    assert outcomes["1"].status == Status.RED
    assert outcomes["1"].checks[-1].found == "ended: app"


async def test_steps_are_played_by_number_and_each_number_once(book):
    for id_ in ("3.10", "10", "3.2", "1"):
        book.not_built(id_, id_, "a")
    assert [step.id for step in book.steps()] == ["1", "3.2", "3.10", "10"]
    with pytest.raises(ValueError, match=r"step 3\.2 is registered twice"):
        book.not_built("3.2", "again", "a")


def test_no_steps_at_all_are_not_a_success():
    assert report.exit_code([]) == 1


def test_the_report_says_expected_where_and_found_for_people_and_programs(tmp_path):
    checks = (Check("one text", "the phone | its page", "two texts", ok=False, wanted="one"),)
    outcomes = [Outcome("4", "Texts", "b", Status.RED, 0.5, checks), Outcome("5", "Launch", "c", Status.NOT_BUILT)]
    report.write(tmp_path, outcomes, "Played today.")
    document = json.loads((tmp_path / "report.json").read_text())
    assert document["exit_code"] == 1
    assert document["steps"][0]["checks"] == [
        {"expected": "one text", "where": "the phone | its page", "found": "two texts", "ok": False, "wanted": "one"}
    ]
    text = (tmp_path / "report.md").read_text()
    assert "| **no** | one text | the phone \\| its page | one | two texts |" in text
    assert "Played today." in text
    assert "1 red, 1 not built" in text


@pytest.mark.parametrize(
    ("red", "code"),
    [(["4.1"], breaks.AS_IT_SHOULD), ([], breaks.NOT_AS_IT_SHOULD), (["3", "4.1"], breaks.NOT_AS_IT_SHOULD)],
)
def test_a_fault_must_turn_its_step_red_and_no_other(monkeypatch, red, code):
    monkeypatch.setattr(breaks, "BREAKS", {"stop": breaks.Break("4.1", "STOP is not heard", lambda: None)})
    outcomes = [Outcome(id_, id_, "a", Status.RED if id_ in red else Status.GREEN) for id_ in ("3", "4.1", "5")]
    line, answered = breaks.verdict("stop", outcomes)
    assert answered == code
    assert line.endswith("as it should") == (code == breaks.AS_IT_SHOULD)


async def test_eventually_returns_the_first_good_look_and_else_the_last():
    looks = iter(range(100))

    async def look():
        return next(looks)

    assert await eventually(look, lambda n: n == 2) == 2
    assert await eventually(look, lambda n: n < 0, within=0) == 3


def test_the_readme_tells_every_fault_and_its_step():
    told = (Path(__file__).parents[2] / "README.md").read_text()
    rows = dict(re.findall(r"^\| `([a-z-]+)` \|.*\| ([0-9.]+) \|$", told, re.MULTILINE))
    assert rows == {name: fault.step for name, fault in breaks.BREAKS.items()}
