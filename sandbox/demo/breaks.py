"""Faults put into the running app, each of which must turn exactly one step of the demo red.

The host of the main app calls `install(name)` after it has loaded the app, when SANDBOX_BREAK names a fault: the
fault reaches into the loaded modules from outside, and nothing under functions/ or shared/ knows of it. A fault is
a function that takes nothing and patches what it names:

    def _pin_is_not_checked() -> None:
        from shared.workflows import hl7_intake            # imported here: the demo's own process has no app
        hl7_intake.pinned = lambda certificate, pins: True

    BREAKS = {"pin": Break("3.3", "any certificate passes for the engine's", _pin_is_not_checked)}
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sandbox.demo.report import Outcome, Status

AS_IT_SHOULD, NOT_AS_IT_SHOULD = 1, 2


@dataclass(frozen=True)
class Break:
    """A fault: the id of the step it must turn red, what it does in a few words, how it gets in."""

    step: str
    what: str
    install: Callable[[], None]


BREAKS: Mapping[str, Break] = {}


def unknown(name: str) -> str:
    """What to tell someone who asks for a fault that there is not."""
    return f"no fault is called {name}; there are: {', '.join(sorted(BREAKS)) or 'none yet'}"


def install(name: str) -> None:
    """Put the fault into the app that this process has loaded; `KeyError` if there is no such fault."""
    BREAKS[name].install()


def verdict(name: str, outcomes: Sequence[Outcome]) -> tuple[str, int]:
    """Whether the fault turned its step red and no other: a line to print and the exit code (never 0)."""
    expected = BREAKS[name].step
    red = [outcome.id for outcome in outcomes if outcome.status == Status.RED]
    if red == [expected]:
        return f"BREAK {name} turned step {expected} red, as it should", AS_IT_SHOULD
    seen = f"red: {', '.join(red)}" if red else "no step is red"
    return f"BREAK {name} should have turned step {expected} red and no other; {seen}", NOT_AS_IT_SHOULD
