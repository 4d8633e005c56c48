"""A clinic ready to launch: an approved connection, a pool of organisers, launch records at Epic."""

from collections.abc import AsyncIterator

import pytest

from sandbox import world
from sandbox.demo.scene import Scene
from tests.e2e.launch.launching import control, set_up

#: What a test may change at Epic's test instance. Its keys stay: the connector looks for new ones every five minutes.
_EPIC = ("instances/test", *(f"apps/{client}" for (where, _), client in world.EPIC_APPS.items() if where == "test"))


@pytest.fixture
async def clinic(connection: Scene) -> AsyncIterator[Scene]:
    """The connection's scene; nobody has signed in with Entra yet. Epic is as before afterwards."""
    table = connection.tables.get_table_client("People")
    async for row in table.list_entities():
        await table.delete_entity(row)
    await set_up(connection)
    usual = {path: await _read(connection, path) for path in _EPIC}
    yield connection
    for path, settings in usual.items():
        await control(connection, "epic", "PATCH", path, settings)


async def _read(scene: Scene, path: str) -> object:
    kind, _, name = path.partition("/")
    return (
        (await control(scene, "epic", "GET", kind))[name]
        if kind == "apps"
        else await control(scene, "epic", "GET", path)
    )
