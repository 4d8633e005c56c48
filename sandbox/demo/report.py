"""What a demo found: checks, steps, the exit code, and the report in two forms."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Status(StrEnum):
    """How a step ended.

    not reached  a step it needs is not green
    not built    it is named, and nothing plays it yet
    """

    GREEN = "green"
    RED = "red"
    NOT_REACHED = "not reached"
    NOT_BUILT = "not built"


ALL_GREEN, SOME_RED, UNFINISHED = 0, 1, 3


@dataclass(frozen=True)
class Check:
    """One look at the far side: what should be there, where it was looked for, what was.

    `wanted`: the value that would have been right, where there is exactly one.
    """

    expected: str
    where: str
    found: str
    ok: bool
    wanted: str = ""


@dataclass(frozen=True)
class Outcome:
    """One step and what its checks found. `features`: the ids of docs/features.md that it shows when green."""

    id: str
    title: str
    slice: str
    status: Status
    seconds: float = 0.0
    checks: tuple[Check, ...] = field(default=())
    features: tuple[str, ...] = ()


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """0 only if every step is green; 1 if any is red; 3 if some are not built and none is red."""
    statuses = {outcome.status for outcome in outcomes}
    if Status.RED in statuses or not outcomes:
        return SOME_RED
    return ALL_GREEN if statuses == {Status.GREEN} else UNFINISHED


def write(folder: Path, outcomes: Sequence[Outcome], about: str = "") -> None:
    """`report.json` for programs and `report.md` for people. `about`: when and with which fault it was played."""
    document: dict[str, Any] = {
        "exit_code": exit_code(outcomes),
        "about": about,
        "steps": [asdict(outcome) for outcome in outcomes],
    }
    (folder / "report.json").write_text(json.dumps(document, indent=2) + "\n")
    (folder / "report.md").write_text(markdown(outcomes, about))


def markdown(outcomes: Sequence[Outcome], about: str = "") -> str:
    """Step by step: expected, where it was looked for, what was found."""
    lines = ["# The demo's report", "", *([about, ""] if about else []), tally(outcomes), ""]
    for outcome in outcomes:
        lines += [f"## {outcome.id} {outcome.title}: {outcome.status}", ""]
        if outcome.checks:
            lines += ["| | expected | where looked | wanted | found |", "|---|---|---|---|---|"]
            lines += [_row("ok" if c.ok else "**no**", c.expected, c.where, c.wanted, c.found) for c in outcome.checks]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def table(outcomes: Sequence[Outcome]) -> str:
    """The end of the terminal's story: one line a step."""
    width = max((len(outcome.title) for outcome in outcomes), default=0)
    lines = []
    for outcome in outcomes:
        good = sum(check.ok for check in outcome.checks)
        count = f"{good}/{len(outcome.checks)} checks" if outcome.checks else ""
        lines.append(f"{outcome.id:<5} {outcome.title:<{width}}  {outcome.status:<11}  {count}".rstrip())
    return "\n".join([*lines, tally(outcomes)])


def tally(outcomes: Sequence[Outcome]) -> str:
    """How many steps ended how."""
    counts = [(status, sum(outcome.status == status for outcome in outcomes)) for status in Status]
    return ", ".join(f"{count} {status}" for status, count in counts if count) or "no steps"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"
