"""The emulator alone, on this folder's ports, for the tests that look into it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox import plan as sandbox_plan
from sandbox.plan import Plan
from sandbox.stack import INSTALL_WITHIN, Program, Stack

FIRST_PORT = 7700
AZURITE = Program("azurite", ("-m", "sandbox.azurite"), ("blob", "queue", "table"), ready_within=INSTALL_WITHIN)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def azurite(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plan]:
    """A plan whose storage answers."""
    here = sandbox_plan.make(tmp_path_factory.mktemp("sandbox"), FIRST_PORT)
    async with Stack(here, [[AZURITE]]):
        yield here


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """A plan on this folder's ports; nothing runs."""
    return sandbox_plan.make(tmp_path, FIRST_PORT)
