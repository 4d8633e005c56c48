"""Faults put into the running app, each of which must turn exactly one step of the demo red.

Both hosts (main and hl7) call `install(name)` after they have loaded their app, when SANDBOX_BREAK names a fault:
the fault reaches into the loaded modules from outside, and nothing under functions/ or shared/ knows of it. A fault
is a function that takes nothing and patches what it names; in the other app it patches what nobody there uses.
What a fault patches is imported when it is installed: the demo's own process has no app loaded.
"""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from sandbox.demo.report import Outcome, Status

AS_IT_SHOULD, NOT_AS_IT_SHOULD = 1, 2


@dataclass(frozen=True)
class Break:
    """A fault: the id of the step it must turn red, what it does in a few words, how it gets in."""

    step: str
    what: str
    install: Callable[[], None]


def _patch(module: str, name: str, make: Callable[[Any], Any]) -> Callable[[], None]:
    """Put `make(what stands there)` in its place; `AttributeError` when the app has no such thing any more."""

    def install() -> None:
        *path, last = name.split(".")
        where: Any = importlib.import_module(module)
        for part in path:
            where = getattr(where, part)
        setattr(where, last, make(getattr(where, last)))

    return install


def _by_arrival(rule: Any) -> Any:
    return lambda known, event, now: rule(known, event.model_copy(update={"sent": event.arrived}), now)


def _fresh_id_for_each_try(claim: Any) -> Any:
    async def claimed(order: Any, deps: Any) -> Any:
        found = await claim(order, deps)
        if found is None or found.first_call:
            return found
        return replace(found, sms=replace(found.sms, id=str(uuid4()), first_sent=deps.clock.now()))

    return claimed


def _any_version(send: Any) -> Any:
    async def sent(order: Any, deps: Any) -> None:
        appointment, _ = await deps.appointments.find(order.appointment)
        await send(order.model_copy(update={"version": appointment.version}), deps)

    return sent


def _nobody_opted_out(_: Any) -> Any:
    async def out(*_: Any) -> bool:
        return False

    return out


def _any_nonce(rule: Any) -> Any:
    return lambda verified, issuers, _, nonce_rule: rule(verified, issuers, verified.text("nonce"), nonce_rule)


def _says_ok(_: Any) -> Any:
    async def tell(*_: Any) -> str:
        return "ok"

    return tell


BREAKS: Mapping[str, Break] = {
    "pin": Break(
        "3.4",
        "any certificate passes for the engine's",
        _patch("shared.domain.certificates", "check_presented", lambda _: lambda *_: None),
    ),
    "order": Break("3.3", "whatever arrives last wins", _patch("shared.workflows.schedule", "after", _by_arrival)),
    "repeatability": Break(
        "4.5", "each try gets an id of its own", _patch("shared.workflows.texts", "_claim", _fresh_id_for_each_try)
    ),
    "stale-version": Break(
        "4.6", "a text for another version is sent", _patch("shared.workflows.texts", "send", _any_version)
    ),
    "pkce": Break(
        "5.2",
        "the launch sends no code challenge",
        _patch(
            "shared.workflows.launch", "authorize_url", lambda rule: lambda *a, **b: rule(*a, **b | {"challenge": None})
        ),
    ),
    "nonce": Break("5.5", "any nonce passes", _patch("shared.clients.epic_tokens", "id_token", _any_nonce)),
    "lobby": Break("5.2", "everybody walks in", _patch("shared.clients.graph", "WHO_WALKS_IN", lambda _: "everyone")),
    "sink": Break(
        "6.1", "Epic is told nothing, and all is well", _patch("shared.clients.write_back", "EpicStatus.tell", _says_ok)
    ),
    "stop": Break("4.7", "STOP is not looked at", _patch("shared.storage.opt_outs", "OptOuts.out", _nobody_opted_out)),
    "erase": Break(
        "4.9", "the phone number stays", _patch("shared.workflows.upkeep", "without_phone", lambda _: lambda same: same)
    ),
}


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
        return f"BREAK {name} ({BREAKS[name].what}) turned step {expected} red, as it should", AS_IT_SHOULD
    seen = f"red: {', '.join(red)}" if red else "no step is red"
    return (
        f"BREAK {name} ({BREAKS[name].what}) should have turned step {expected} red and no other; {seen}",
        NOT_AS_IT_SHOULD,
    )
