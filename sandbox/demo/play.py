"""Plays the steps of a visit in order and says what was seen.

A step is an async function that takes the `Scene` and reports checks; modules under `steps/` register theirs:

    @step("3.2", "An engine with a wrong certificate is refused", slice_="a", needs=("2",))
    async def wrong_certificate(scene: Scene) -> None:
        scene.check("401", "the answer to the engine", answer.status, ok=answer.status == 401)

A step is green when it reported at least one check, all of them hold, nothing was raised and no process of the
stack died meanwhile.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sandbox.demo.report import Check, Outcome, Status
from sandbox.demo.scene import Scene

type Play = Callable[[Scene], Awaitable[None]]


@dataclass(frozen=True)
class Step:
    """A named part of the visit; `play` is None until it is built. `features`: ids of docs/features.md it shows."""

    id: str
    title: str
    slice_: str
    needs: tuple[str, ...] = ()
    play: Play | None = None
    features: tuple[str, ...] = ()


class SafeError(Exception):
    """A failure whose text a report may show: it holds no number, name, CSN or token."""


class Playbook:
    """Steps by id, played in the order of their numbers."""

    def __init__(self) -> None:
        self._steps: dict[str, Step] = {}

    def step(
        self, id_: str, title: str, slice_: str, needs: tuple[str, ...] = (), *, features: tuple[str, ...] = ()
    ) -> Callable[[Play], Play]:
        """Register an async function as a step. It is not reached unless the steps in `needs` are green."""

        def register(play: Play) -> Play:
            self._add(Step(id_, title, slice_, needs, play, features))
            return play

        return register

    def not_built(self, id_: str, title: str, slice_: str) -> None:
        """Name a step that nothing plays yet."""
        self._add(Step(id_, title, slice_))

    def steps(self) -> list[Step]:
        """All steps, 3.2 before 3.10."""
        return sorted(self._steps.values(), key=lambda step: [int(part) for part in step.id.split(".")])

    def _add(self, step: Step) -> None:
        if step.id in self._steps:
            raise ValueError(f"step {step.id} is registered twice")
        self._steps[step.id] = step


PLAYBOOK = Playbook()
step = PLAYBOOK.step
not_built = PLAYBOOK.not_built


async def play(scene: Scene, steps: Sequence[Step], say: Callable[[str], None] = print) -> list[Outcome]:
    """Play the steps in order, telling the story as it goes."""
    outcomes: dict[str, Outcome] = {}
    for each in steps:
        outcome = Outcome(each.id, each.title, each.slice_, Status.NOT_BUILT, features=each.features)
        if each.play is not None and any(_of(outcomes, need) != Status.GREEN for need in each.needs):
            outcome = replace(outcome, status=Status.NOT_REACHED)
        elif each.play is not None:
            say(f"{each.id} {each.title}")
            outcome = await _play_one(scene, each.play, outcome, say)
        if outcome.status in (Status.NOT_BUILT, Status.NOT_REACHED):
            say(f"{each.id} {each.title}: {outcome.status}")
        outcomes[each.id] = outcome
    return list(outcomes.values())


def _of(outcomes: dict[str, Outcome], need: str) -> Status:
    """How the step `need` ended; "3" stands for all of 3.1, 3.2, ..."""
    parts = [outcome.status for id_, outcome in outcomes.items() if id_ == need or id_.startswith(f"{need}.")]
    if not parts:
        raise ValueError(f"a step needs step {need}, which is not played before it")
    return next((status for status in parts if status != Status.GREEN), Status.GREEN)


async def _play_one(scene: Scene, part: Play, outcome: Outcome, say: Callable[[str], None]) -> Outcome:
    scene.checks = []
    scene.on_check = lambda check: say(_line(check))
    began = time.monotonic()
    dead = set(scene.stack.dead())
    try:
        await part(scene)
    except Exception as error:
        scene.check("the step ends", "the demo itself", _safe(error), ok=False)
    if died := set(scene.stack.dead()) - dead:
        scene.check("every process runs", "the stack", f"ended: {', '.join(sorted(died))}", ok=False)
    if not scene.checks:
        scene.check("something is looked at", "the demo itself", "no check was reported", ok=False)
    status = Status.GREEN if all(check.ok for check in scene.checks) else Status.RED
    return replace(outcome, status=status, seconds=round(time.monotonic() - began, 2), checks=tuple(scene.checks))


def _line(check: Check) -> str:
    mark = "  ok " if check.ok else "  NO "
    found = "" if check.ok else f" - found: {check.found}"
    return f"{mark} {check.expected} ({check.where}){found}"


def _safe(error: Exception) -> str:
    """What a report may say of an exception: its type and place; its words only where they are known to be safe."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f" at {Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}" if trace else ""
    words = f": {error}" if isinstance(error, SafeError) else ""
    return f"{type(error).__name__}{place}{words}"
