"""The emulator alone, for the tests that look into it, and plans on free ports."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from sandbox import plan as sandbox_plan
from sandbox.plan import Plan
from sandbox.stack import INSTALL_WITHIN, Program, Stack
from tests import free_ports

AZURITE = Program("azurite", ("-m", "sandbox.azurite"), ("blob", "queue", "table"), ready_within=INSTALL_WITHIN)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def azurite(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Plan]:
    """A plan whose storage answers."""
    with free_ports.block() as first:
        here = sandbox_plan.make(tmp_path_factory.mktemp("sandbox"), first)
        async with Stack(here, [[AZURITE]]):
            yield here


@pytest.fixture
def plan(tmp_path: Path) -> Iterator[Plan]:
    """A plan on free ports; nothing runs."""
    with free_ports.block() as first:
        yield sandbox_plan.make(tmp_path, first)
