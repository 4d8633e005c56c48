"""Everywhere that something can lie: rows and keys of tables, messages of queues, emulator files, logs.

What the emulator (Azurite 3.35) keeps on disk:

- rows: one JSON file per service (`__azurite_db_table__.json`), written anew every few seconds from the rows
  that live; a deleted row is gone with the next writing;
- messages: their text is appended to files under `__queuestorage__`; a deleted message stays there until its
  file is no longer written to and the sweep that comes each minute finds no living message in it, which in a
  run of the sandbox does not happen. Messages that a peek cannot show (invisible ones, and those behind the
  first 32 of a queue) lie there too, so a scan of the files sees every message of the run, deleted or not.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sandbox import plan, storage
from sandbox.scan.search import Finding, Matcher

PEEK_AT_MOST = 32  # the service's limit


@dataclass
class Sweep:
    """What one look around found, and how much it looked at (rows, messages, unpeeked, files, bytes)."""

    findings: set[Finding] = field(default_factory=set)
    looked: Counter[str] = field(default_factory=Counter)


async def sweep(here: plan.Plan, matcher: Matcher) -> Sweep:
    """Look for the needles in every place."""
    seen = Sweep()
    await _tables(here, matcher, seen)
    await _queues(here, matcher, seen)
    for where, folder in (("emulator file", here.path("azurite")), ("log", here.path("logs"))):
        for path in _files(folder):
            name = path.relative_to(folder).as_posix()
            content = path.read_bytes()
            seen.findings |= matcher.search(f"{where} {name}", content)
            seen.findings |= matcher.search(f"the name of an {where}", name.encode())
            seen.looked.update(files=1, bytes=len(content))
    return seen


async def _tables(here: plan.Plan, matcher: Matcher, seen: Sweep) -> None:
    async with storage.tables(here) as service:
        async for table in service.list_tables():
            async for row in service.get_table_client(table.name).list_entities():
                seen.looked["rows"] += 1
                for key, value in row.items():
                    place = f"table {table.name}, {key if key in ('PartitionKey', 'RowKey') else 'a property'}"
                    seen.findings |= matcher.search(place, _bytes(value))
                    seen.findings |= matcher.search(f"table {table.name}, a property's name", key.encode())


async def _queues(here: plan.Plan, matcher: Matcher, seen: Sweep) -> None:
    async with storage.queues(here) as service:
        async for queue in service.list_queues():
            client = service.get_queue_client(queue.name)
            held = (await client.get_queue_properties()).approximate_message_count or 0
            peeked = await client.peek_messages(PEEK_AT_MOST)
            seen.looked.update(messages=len(peeked), unpeeked=max(held - len(peeked), 0))
            for message in peeked:
                seen.findings |= matcher.search(f"queue {queue.name}", _bytes(message.content))


def _files(folder: Path) -> Iterator[Path]:
    """Every file; not the copy that the emulator renames a moment later."""
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.endswith("~"))


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
