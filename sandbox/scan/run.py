"""One scan: plant, look, take away; and whether it may be believed."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sandbox import plan
from sandbox.scan import plants
from sandbox.scan.forms import Needle
from sandbox.scan.places import sweep
from sandbox.scan.search import Finding, Matcher

LIVE = ("table ", "queue ")


@dataclass(frozen=True)
class Outcome:
    """What a scan found.

    planted   how many plants it had to find, each counted once per place
    missed    those it did not find: then the scan proves nothing
    findings  needles that lie somewhere
    looked    rows, messages, unpeeked messages (seen in the emulator's files only), files, bytes
    """

    planted: int
    missed: tuple[Finding, ...]
    findings: tuple[Finding, ...]
    looked: Counter[str]

    @property
    def clean(self) -> bool:
        """Whether every plant was found and nothing else."""
        return not self.missed and not self.findings

    def lines(self) -> list[str]:
        """The report; it names labels, forms and places, never a value."""
        amounts = ", ".join(
            f"{self.looked[what]} {what}" for what in ("rows", "messages", "unpeeked", "files", "bytes")
        )
        lines = [f"looked at {amounts}", f"found {self.planted - len(self.missed)} of {self.planted} plants"]
        lines += [f"MISSED {miss.label}: {miss.place}" for miss in self.missed]
        lines += [f"FOUND {found.label} ({found.form}): {found.place}{self._residue(found)}" for found in self.findings]
        return [*lines, "clean" if self.clean else "NOT clean"]

    def _residue(self, found: Finding) -> str:
        live = any(other.label == found.label and other.place.startswith(LIVE) for other in self.findings)
        if live or not found.place.startswith("emulator file"):
            return ""
        return " - in no living row or visible message: deleted or invisible, it once lay there in clear"


async def scan(here: plan.Plan, needles: Sequence[Needle]) -> Outcome:
    """Look for the needles everywhere, having shown that what is there is found.

    ValueError when two needles share a label, since a finding could not say which it is.
    """
    if len({needle.label for needle in needles}) < len(needles):
        raise ValueError("two needles have the same label")
    laid = plants.make(avoid={needle.value for needle in needles})
    async with plants.planted(here, laid):
        seen = await sweep(here, Matcher([*needles, *(plant.needle for plant in laid)]))
    labels = {needle.label for needle in needles}
    return Outcome(
        planted=sum(len(plant.places()) for plant in laid),
        missed=tuple(miss for plant in laid for miss in plant.missed(seen.findings)),
        findings=tuple(sorted(found for found in seen.findings if found.label in labels)),
        looked=seen.looked,
    )
