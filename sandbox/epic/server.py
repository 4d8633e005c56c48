"""Puts the stand-in together."""

from sandbox import plan
from sandbox.epic import analyst, authorize, control, discovery, fhir, pages, token, write_back
from sandbox.epic.hospital import Epic

PARTS = (discovery, authorize, token, fhir, write_back, pages, analyst, control)


def build(world: plan.Plan) -> Epic:
    """The stand-in with all its routes, not yet listening."""
    epic = Epic(world)
    for part in PARTS:
        epic.app.add_routes(part.routes)
    return epic
