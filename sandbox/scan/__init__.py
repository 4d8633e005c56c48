"""Looks for what must not be there: numbers, names, CSNs and tokens in tables, queues, emulator files and logs.

    outcome = await scan(plan, [Needle("token", "the patient's join token", token), ...])
    outcome.clean, outcome.lines()

A scan first plants made-up values of every kind in every place and form and must find them all.
"""

from sandbox.scan.forms import Needle
from sandbox.scan.run import Outcome, scan
from sandbox.scan.search import Finding

__all__ = ["Finding", "Needle", "Outcome", "scan"]
