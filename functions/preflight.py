"""Checks that a person asks for: of an address, of a connection's whole chain, of a launch."""

from typing import Literal

import azure.functions as func

from shared.api import BOTH, Call, operation
from shared.bootstrap import deps
from shared.domain.model import Model
from shared.domain.preflight import LaunchTest, Preflight
from shared.workflows import discovery, launch_test, preflight

bp = func.Blueprint()


class Which(Model):
    """Which revision to check; unless said, the one that serves, else the one that waits."""

    revision: Literal["active", "pending"] | None = None


@operation(bp, "POST", "config/discovery", roles=BOTH, reads=True)
async def discover_server(call: Call, body: discovery.Wanted) -> discovery.Discovered:
    """Ask an address whether it is a FHIR base URL, and whether it can be had."""
    return await discovery.discover(body, call.who.tenant, deps())


@operation(bp, "POST", "config/connections/{connection}/preflight", roles=BOTH, reads=True)
async def run_preflight(call: Call, query: Which) -> Preflight:
    """Try each link of a connection's chain for real, and say what to do about each failure."""
    return await preflight.run(call.connection, query.revision, deps())


@operation(bp, "POST", "config/connections/{connection}/launch-tests", roles=BOTH, reads=True)
async def test_launch(call: Call, body: launch_test.Wanted) -> LaunchTest:
    """Play a launch without an Epic user and without a patient."""
    return await launch_test.play(call.connection, body, deps())
