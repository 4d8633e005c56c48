"""Rows as the connector reads them: opened with the sandbox's own data key, to see what is left in them."""

import json
from typing import Any

from sandbox.app_settings import environment
from sandbox.demo.scene import Scene
from shared.settings import read
from shared.storage.sealing import KeyRing


async def opened(scene: Scene, table: str, partition: str, row: str) -> str:
    """All of a row as text, sealed properties opened; empty when there is no such row."""
    found = scene.tables.get_table_client(table).query_entities(
        "PartitionKey eq @partition and RowKey eq @row", parameters={"partition": partition, "row": row}
    )
    return "".join([_text(_ring(scene), table, dict(one)) async for one in found])


async def all_opened(scene: Scene, table: str) -> str:
    """All rows of a table as text."""
    rows = scene.tables.get_table_client(table).list_entities()
    return "\n".join([_text(_ring(scene), table, dict(one)) async for one in rows])


def _text(ring: KeyRing, table: str, row: dict[str, Any]) -> str:
    place = (table, row["PartitionKey"], row["RowKey"])
    for name, value in row.items():
        if name.endswith("_sealed"):
            row[name] = ring.open(value, *place, name)
    return json.dumps(row, default=str)


def _ring(scene: Scene) -> KeyRing:
    return KeyRing(read(environment(scene.plan, "main")).data_keys)
