"""Starts the stack, plays the demo on it, writes the report; and what one can try by hand."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sandbox import plan, stack
from sandbox.demo import breaks, report, scene
from sandbox.demo.play import PLAYBOOK, Step, play
from sandbox.demo.report import Check, Outcome, Status
from sandbox.ports import PortTakenError


async def demo(folder: Path, first_port: int, fault: str | None, *, identity: bool) -> int:
    """Play the whole visit. The exit code: see `report.exit_code`; with a fault, `breaks.verdict`."""
    import sandbox.demo.steps  # noqa: F401, PLC0415 - registers the steps, which import this package's modules

    settings = stack.Settings(fault=fault)
    try:
        async with (
            stack.sandbox(folder, first_port, settings, identity=identity, say=print) as running,
            scene.opened(running) as stage,
        ):
            outcomes = await play(stage, PLAYBOOK.steps())
    except (stack.StackError, PortTakenError) as error:
        print(error)
        outcomes = _not_even_started(PLAYBOOK.steps())
    report.write(folder, outcomes)
    print(f"\n{report.table(outcomes)}\nthe report is in {folder / 'report.md'}")
    if fault is None:
        return report.exit_code(outcomes)
    line, code = breaks.verdict(fault, outcomes)
    print(line)
    return code


#: Steps of the demo that leave a hospital ready for a visit.
FURNISHING = ("2.1", "2.2", "2.3", "2.4", "4.1", "5.1")


async def furnish(running: stack.Stack) -> str:
    """Set Lamna Healthcare up and book Pat a visit with Paula, as the demo does; says what stands."""
    import sandbox.demo.steps  # noqa: F401, PLC0415 - as above

    steps = [replace(step, needs=()) for step in PLAYBOOK.steps() if step.id in FURNISHING]
    async with scene.opened(running) as stage:
        outcomes = await play(stage, steps, say=lambda _: None)
        failed = [outcome.id for outcome in outcomes if outcome.status != Status.GREEN]
        if failed:
            return f"Setting up did not work (steps {', '.join(failed)}): run the demo, it says why."
        start = stage.facts["visit"].start.astimezone()
    return f"Lamna Healthcare is set up, and Pat Quillfeather has a visit with Paula Provider at {start:%H:%M %Z}."


def what_to_try(here: plan.Plan) -> str:
    """For two people who want to hold a visit by hand."""
    urls = here.urls
    return "\n".join(
        [
            "The sandbox is up. Open in a browser (its CA is " + here.files["ca"] + "):",
            f"  Hyperspace, for the provider   {urls['epic']}/hyperspace   (sign in as Paula, begin the visit)",
            f"  MyChart, for the patient       {urls['epic']}/mychart      (sign in as Pat, in another window)",
            f"  Teams                          {urls['graph']}/l/meetup-join/... (a launch leads there)",
            f"  phones                         {urls['acs']}/phone",
            f"  the app                        {urls['app']}",
            f"  the door for HL7v2             {urls['hl7']}/hl7v2/<connection>",
            "In another terminal: python -m sandbox token adam | seen epic | clock +2h | run TIMER | scan VALUE | down",
            "Ctrl-C stops everything.",
        ]
    )


def _not_even_started(steps: Sequence[Step]) -> list[Outcome]:
    """The report of a stack that did not come up: its first step is red, the rest was not reached."""
    outcomes = [Outcome(s.id, s.title, s.slice_, Status.NOT_REACHED if s.play else Status.NOT_BUILT) for s in steps]
    check = Check("every process says READY", "the logs", "one did not; the terminal says which", ok=False)
    return [replace(outcomes[0], status=Status.RED, checks=(check,)), *outcomes[1:]]
