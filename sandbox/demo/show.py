"""Starts the stack, plays the demo on it, writes the report; and what one can try by hand."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from sandbox import plan, stack
from sandbox.demo import breaks, report, scene
from sandbox.demo.play import PLAYBOOK, play
from sandbox.demo.report import Status
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
        return report.SOME_RED if fault is None else breaks.NOT_AS_IT_SHOULD
    line, code = ("", report.exit_code(outcomes)) if fault is None else breaks.verdict(fault, outcomes)
    report.write(folder, outcomes, f"Played at {datetime.now(UTC):%F %H:%M} UTC on port {first_port}. {line}".rstrip())
    print(f"\n{report.table(outcomes)}\nthe report is in {folder / 'report.md'}" + f"\n{line}" * bool(line))
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
        start, connection = stage.facts["visit"].start.astimezone(), stage.facts["connection"]
    return (
        f"Lamna Healthcare is set up, and Pat Quillfeather has a visit with Paula Provider at {start:%H:%M %Z}.\n"
        f"Its connection is {connection}.\n"
        "Hold it in two browser windows: sign in as Paula in Hyperspace and as Pat in MyChart, and begin the visit in "
        "each.\nThe Teams page asks once more who you are: choose Paula Provider; the patient types any name."
    )


def what_to_try(here: plan.Plan) -> str:
    """For two people who want to hold a visit by hand."""
    urls = here.urls
    return "\n".join(
        [
            "The sandbox is up. Open in a browser (its CA is " + here.files["ca"] + "):",
            f"  Hyperspace, for the provider   {urls['epic']}/hyperspace",
            f"  MyChart, for the patient       {urls['epic']}/mychart",
            f"  records, for the Epic analyst  {urls['epic']}/records",
            f"  Teams                          {urls['graph']}/l/meetup-join/... (a launch leads there)",
            f"  phones                         {urls['acs']}/phone",
            f"  the configuration portal       {urls['portal']}",
            "    sign in there as Adam (administrator), Ana (Epic analyst, who approves) or Olivia (operator)",
            f"  the app                        {urls['app']}",
            f"  the door for HL7v2             {urls['hl7']}/hl7v2/<connection>",
            "In another terminal: .venv/bin/python -m sandbox token adam, seen epic, clock +2h, run TIMER, scan VALUE",
            "Ctrl-C stops everything.",
        ]
    )
