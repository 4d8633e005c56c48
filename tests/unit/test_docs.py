"""Pages of docs/ say what the code says: errors, functions and settings."""

import ast
import base64
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from shared import settings
from tests import docs
from tests.docs import GAP, PAGES, ROOT
from tests.reach import Reached, Source

SAMPLE: dict[str, str] = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]


class Asked(Mapping[str, str]):
    """An environment that notes which settings it is asked for."""

    def __init__(self, **values: str) -> None:
        self.values_ = values
        self.names: set[str] = set()

    def __getitem__(self, name: str) -> str:
        self.names.add(name)
        return self.values_[name]

    def __contains__(self, name: object) -> bool:
        return name in self.values_

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_)

    def __len__(self) -> int:
        return len(self.values_)


def asked(role: str) -> tuple[set[str], str]:
    """The settings that a role reads, and what is said when only the role is given."""
    environment = Asked(APP_ROLE=role)
    with pytest.raises(settings.SettingsWrong) as wrong:
        settings.read(environment)
    return environment.names, str(wrong.value)


def rows(heading: str) -> list[list[str]]:
    """Cells of the table under a heading of docs/settings.md; the first is the setting's name."""
    part = (ROOT / "docs/settings.md").read_text().partition(f"## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").replace("`", "", 2).split(" | ")] for line in lines]


OURS = {row[0]: row[1:] for row in rows("Read by the connector")}
PLATFORM = {row[0] for row in rows("Read by the platform")}
_KEY = base64.b64encode(b"k" * 32).decode()
#: Everything that `main` requires, and nothing more.
COMPLETE = {name: "x" for name, cells in OURS.items() if cells[1] == "required"} | {
    "APP_ROLE": "main",
    "ConnectorStorage": "x",
    "QUEUE_KEYS": f"q1:{_KEY}",
    "DATA_KEYS": f"k1:{_KEY}",
    "STAMP_SECRET": _KEY,
}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_what_the_code_says(page: str):
    assert docs.faults(page) == []


def test_a_page_out_of_date_is_complained_about(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    old = (ROOT / "docs/errors.md").read_text().replace("| 428 |", "| 400 |")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/errors.md").write_text(old)
    monkeypatch.setattr(docs, "ROOT", tmp_path)
    assert docs.faults("docs/errors.md") == ["docs/errors.md is out of date: run `python -m tests.docs --write`"]


def test_a_code_keeps_its_advice_and_a_new_one_asks_for_it():
    made = docs.errors("| `busy` | 503 | Old words. | Send again. |\n")
    assert "| `busy` | 503 | We cannot take this just now. Please send it again. | Send again. |" in made
    assert f"| `unexpected` | 500 | Something went wrong on our side. | {GAP} |" in made


def reached(function: str) -> Reached:
    source = Source(ROOT)
    return source.reached(next(trigger for trigger in source.triggers() if trigger.function == function))


def test_the_hl7_door_reads_connections_and_writes_one_queue_and_nothing_else():
    door = reached("hl7v2")
    assert (door.messages, door.reads, door.writes, door.peers) == (
        {"scheduling-events"},
        {"Connections"},
        set(),
        set(),
    )


def test_what_is_reached_through_a_timer_and_a_queue_function_is_found():
    assert {"sms-outbound", "upkeep"} <= reached("dispatch_due").messages
    assert reached("dispatch_due").writes == {"DueWork"}
    told = reached("on_scheduling_event")
    assert {"Visits", "DueWork", "Lookups", "Parked"} <= told.writes
    assert "sms-outbound" in told.messages


def test_a_function_that_reaches_nothing_shows_nothing():
    assert reached("healthz") == Reached()


def test_every_setting_the_code_reads_is_described_with_its_role():
    main, hl7 = asked("main")[0], asked("hl7")[0]
    assert {name: cells[0] for name, cells in OURS.items()} == {
        name: "both" if name in hl7 else "main" for name in main | hl7
    }


def test_what_is_required_is_said_to_be():
    said = asked("main")[1]
    missing = set(re.findall(r"(\w+) is missing", said)) - {"ConnectorStorage__tableServiceUri"}
    assert {name for name, cells in OURS.items() if cells[1] == "required"} == missing | {"APP_ROLE"}


NO_DEFAULT = {"required", "see below", "none"}


@pytest.mark.parametrize("name", [name for name, cells in OURS.items() if cells[1] not in NO_DEFAULT])
def test_to_set_a_default_changes_nothing(name: str):
    default = OURS[name][1]
    assert settings.read(COMPLETE | {name: default}) == settings.read(COMPLETE)


@pytest.mark.parametrize("name", OURS)
def test_a_secret_says_how_it_is_rotated(name: str):
    _, _, secret, meaning, rotation = OURS[name]
    assert meaning
    assert secret in {"yes", "no"}
    assert secret == "no" or rotation != "-"


GIVERS = {"environment", "_storage", "_texting"}


def test_the_sandbox_gives_only_settings_that_are_described():
    tree = ast.parse((ROOT / "sandbox/app_settings.py").read_text())
    makers = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name in GIVERS]
    keys = [key for maker in makers for node in ast.walk(maker) if isinstance(node, ast.Dict) for key in node.keys]
    given = {key.value for key in keys if isinstance(key, ast.Constant)}
    assert "APP_ROLE" in given
    assert given <= set(OURS) | PLATFORM


def test_the_sample_gives_only_settings_that_are_described_and_all_that_are_required():
    assert set(SAMPLE) <= set(OURS) | PLATFORM
    assert {name for name, cells in OURS.items() if cells[1] == "required"} <= set(SAMPLE)


def test_the_sample_holds_no_secret_but_azurites_published_key():
    secrets = {name for name, cells in OURS.items() if cells[2] == "yes"} & set(SAMPLE)
    shown = {name for name in secrets if not SAMPLE[name].startswith("<")}
    assert shown == {"ConnectorStorage", "EPIC_KEYS_PRODUCTION"}
    assert "AccountName=devstoreaccount1;" in SAMPLE["ConnectorStorage"]
    assert SAMPLE["EPIC_KEYS_PRODUCTION"] == "[]"


def test_the_sample_starts_once_its_gaps_are_filled():
    filled = {name: COMPLETE.get(name, "[]") for name, value in SAMPLE.items() if value.startswith("<")}
    read = settings.read(SAMPLE | filled)
    assert (read.role, list(read.data_keys), read.storage.connection_string != "") == ("main", ["k1"], True)


def test_the_sample_does_not_start_with_its_gaps():
    with pytest.raises(settings.SettingsWrong, match=r"QUEUE_KEYS.*DATA_KEYS.*STAMP_SECRET.*EPIC_KEYS_TEST"):
        settings.read(SAMPLE)


@pytest.mark.feature("F12.8")
def test_the_readme_says_whose_trademarks_epics_names_are() -> None:
    readme = " ".join((ROOT / "README.md").read_text().split())
    (notice,) = re.findall(r"[^.]* are trademarks of Epic Systems Corporation", readme)
    assert [name for name in ("Epic", "Hyperspace", "MyChart", "Haiku", "Canto") if name not in notice] == []
