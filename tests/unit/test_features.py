"""The list of features and who has seen each: ids are well formed, known and written where they can be read."""

import re
from pathlib import Path

import pytest

from tests import features
from tests.features import ROOT, Feature, Sighting

MARKS = {"seed", "seed-fr", "newer", "wanted"}


@pytest.fixture(scope="module")
def listed() -> list[Feature]:
    return features.listed((ROOT / "docs/features.md").read_text())


def written(root: Path, name: str, text: str) -> Path:
    """A file in a small repository of its own."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return root


def sightings_in(root: Path, text: str, name: str) -> set[tuple[str, str, bool]]:
    return {(one.feature, one.where, one.ours) for one in features.seen_in_tests(written(root, name, text))}


def test_every_row_of_the_list_is_well_formed(listed: list[Feature]):
    rows = [line for line in (ROOT / "docs/features.md").read_text().splitlines() if line.startswith("| F")]
    assert len(rows) == len(listed)
    assert all(re.fullmatch(r"F([1-9]|1[0-4])\.[1-9]\d?", feature.id) for feature in listed)
    assert {feature.mark for feature in listed} == MARKS


def test_ids_are_unique_and_leave_no_gap(listed: list[Feature]):
    numbers = [tuple(map(int, feature.id[1:].split("."))) for feature in listed]
    for group in range(1, 15):
        within = [number for of, number in numbers if of == group]
        assert within == list(range(1, len(within) + 1))


def test_every_id_that_tests_and_steps_carry_is_listed():
    sightings = [*features.seen_in_demo(ROOT), *features.seen_in_tests(ROOT)]
    assert sightings
    assert features.unknown(features.everything(ROOT), sightings) == []


def test_every_promise_has_a_test_of_ours():
    promises = {row.id for row in features.listed((ROOT / "docs/promises.md").read_text())}
    assert len(promises) == 12
    assert promises <= {one.feature for one in features.seen_in_tests(ROOT) if one.ours}


def test_an_unknown_id_is_complained_about():
    said = features.unknown([Feature("F1.1", "seed", "a")], [Sighting("F1.1", "x"), Sighting("F99.1", "demo 3.1")])
    assert said == ["demo 3.1: F99.1 is not in docs/features.md"]


def test_marks_of_functions_classes_modules_and_parameter_sets_are_found(tmp_path: Path):
    node = "tests/unit/test_it.py"
    said = sightings_in(
        tmp_path,
        """
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.feature("F1.1")]

@pytest.mark.feature("F1.2", "F1.3")
async def test_one(): ...

@pytest.mark.feature("F1.4")
class TestMany:
    @pytest.mark.parametrize("a", [pytest.param(1, marks=pytest.mark.feature("F1.5"))])
    def test_two(self, a): ...
""",
        node,
    )
    assert said == {
        ("F1.1", node, True),
        ("F1.2", f"{node}::test_one", True),
        ("F1.3", f"{node}::test_one", True),
        ("F1.4", f"{node}::TestMany", True),
        ("F1.5", f"{node}::TestMany::test_two", True),
    }


@pytest.mark.parametrize(
    ("name", "line", "ours"),
    [
        ("tests/contract/test_it.py", "from sandbox import world", False),
        ("tests/contract/test_it.py", "from shared.clients.epic import Epic", True),
        ("tests/e2e/test_it.py", "from sandbox import world", True),
    ],
)
def test_a_stand_in_that_is_right_does_not_show_that_we_are(tmp_path: Path, name: str, line: str, ours: bool):
    text = f'import pytest\n{line}\n\n@pytest.mark.feature("F1.1")\ndef test_one(): ...\n'
    assert sightings_in(tmp_path, text, name) == {("F1.1", f"{name}::test_one", ours)}


def test_steps_of_the_demo_are_found_by_their_number(tmp_path: Path):
    text = '@step("3.1", "A title", "a", needs=("2",), features=("F6.1", "F6.4"))\nasync def booked(scene): ...\n'
    root = written(tmp_path, "sandbox/demo/steps/some.py", text)
    assert list(features.seen_in_demo(root)) == [Sighting("F6.1", "demo 3.1"), Sighting("F6.4", "demo 3.1")]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tests/unit/test_it.py", "import pytest\n@pytest.mark.feature(ID)\ndef test_one(): ...\n"),
        ("sandbox/demo/steps/some.py", '@step("3.1", "A", "a", features=IDS)\nasync def one(scene): ...\n'),
    ],
)
def test_an_id_that_is_not_written_out_is_refused(tmp_path: Path, name: str, text: str):
    root = written(tmp_path, name, text)
    with pytest.raises(ValueError, match="written out"):
        [*features.seen_in_tests(root), *features.seen_in_demo(root)]


def test_the_list_ends_with_counts():
    rows = [Feature(f"F1.{number}", "seed", "a line") for number in (1, 2, 3)]
    said = features.told(rows, [Sighting("F1.1", "demo 1"), Sighting("F1.2", "x", ours=False)])
    assert said.splitlines() == [
        "F1.1   seed     seen           a line",
        "                demo 1",
        "F1.2   seed     stand-in only  a line",
        "                x (stand-in only)",
        "F1.3   seed     open           a line",
        "3 features: 1 seen, 1 stand-in only, 1 open",
    ]
