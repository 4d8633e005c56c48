"""Made-up values, one for each kind and form, laid where a scan must find them and taken away again.

Each value is new in every run: what the emulator keeps of it on disk can be mistaken for nothing else.
"""

import asyncio
import base64
import contextlib
import json
import secrets
import string
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import dataclass

import phonenumbers
from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from sandbox import plan, storage
from sandbox.scan.forms import Kind, Needle
from sandbox.scan.search import Finding

TABLE = "ScanPlants"
QUEUES = ("scan-plants", "scan-plants-poison")
LOG = "scan-plants.log"
#: Where every plant must be found; the beginnings of `Finding.place`.
PLACES = (
    f"table {TABLE}, a property",
    *(f"queue {queue}" for queue in QUEUES),
    f"log {LOG}",
    "emulator file __azurite_db_table__.json",
    "emulator file __queuestorage__",
)
KEY = f"table {TABLE}, RowKey"
NOT_IN_A_KEY = set("/\\#?%")
SAVED_WITHIN_SECONDS = 30.0


class NotSavedError(Exception):
    """The emulator did not write its tables to disk, so a scan of its files would prove nothing."""


@dataclass(frozen=True)
class Plant:
    """A value, the form it is planted in, and the text that is laid out."""

    needle: Needle
    form: str
    text: str

    def places(self) -> Sequence[str]:
        """Where a scan must find it."""
        return PLACES if NOT_IN_A_KEY & set(self.text) else (*PLACES, KEY)

    def missed(self, findings: set[Finding]) -> list[Finding]:
        """The places where it was not found in its form."""
        seen = [f.place for f in findings if (f.label, f.form) == (self.needle.label, self.form)]
        gaps = [place for place in self.places() if not any(s.startswith(place) for s in seen)]
        return [Finding(self.needle.label, self.form, place) for place in gaps]


def make(avoid: Collection[str]) -> list[Plant]:
    """A plant for each kind and each form that the kind has, base64 at each offset; none of the values to avoid."""
    wanted: list[tuple[Kind, str, int]] = [("phone", "digits", 0), ("phone", "national", 0)]
    for kind in _VALUES:
        wanted += [(kind, form, 0) for form in ("plain", "url", "json")]
        wanted += [(kind, "base64", offset) for offset in range(3)]
    return [_plant(kind, form, offset, avoid) for kind, form, offset in wanted]


@contextlib.asynccontextmanager
async def planted(here: plan.Plan, plants: Sequence[Plant]) -> AsyncIterator[None]:
    """Lay the plants into a table, two queues and a log, wait until the emulator has saved them; take them away."""
    log = here.path("logs") / LOG
    async with storage.tables(here) as tables, storage.queues(here) as queues:
        try:
            await _into_table(tables, plants)
            for name in QUEUES:
                await _into_queue(queues, name, plants)
            log.write_text("".join(f"something happened: {plant.text}\n" for plant in plants))
            await _saved(here, tables)
            yield
        finally:
            log.unlink(missing_ok=True)
            await tables.delete_table(TABLE)
            for name in QUEUES:
                await queues.delete_queue(name)


async def _into_table(tables: TableServiceClient, plants: Sequence[Plant]) -> None:
    table = await tables.create_table_if_not_exists(TABLE)
    for n, plant in enumerate(plants):
        key = f"{n}" if NOT_IN_A_KEY & set(plant.text) else plant.text
        await table.upsert_entity({"PartitionKey": "plant", "RowKey": key, "Value": f"of {plant.text}."})


async def _into_queue(queues: QueueServiceClient, name: str, plants: Sequence[Plant]) -> None:
    """As the app's messages lie there: JSON in base64."""
    queue = queues.get_queue_client(name)
    await queue.create_queue()
    for plant in plants:
        body = json.dumps({"schema_version": 1, "value": plant.text})
        await queue.send_message(base64.b64encode(body.encode()).decode())


async def _saved(here: plan.Plan, tables: TableServiceClient) -> None:
    """Wait until the emulator's file of rows holds a row written after all plants."""
    mark = secrets.token_hex(16)
    row = {"PartitionKey": "saved", "RowKey": "mark", "Value": mark}
    await tables.get_table_client(TABLE).upsert_entity(row)
    deadline = time.monotonic() + SAVED_WITHIN_SECONDS
    while not any(mark.encode() in path.read_bytes() for path in here.path("azurite").glob("*table*.json")):
        if time.monotonic() > deadline:
            raise NotSavedError(f"no table file under {here.path('azurite')} was saved")
        await asyncio.sleep(0.25)


def _plant(kind: Kind, form: str, offset: int, avoid: Collection[str]) -> Plant:
    value = _VALUES[kind]()
    while value in avoid:
        value = _VALUES[kind]()
    needle = Needle(kind, f"planted {kind}, {form} at offset {offset}", value)
    return Plant(needle, form, _text(value, form, offset))


def _text(value: str, form: str, offset: int) -> str:
    match form:
        case "digits":
            return value.removeprefix("+")
        case "national":
            number = phonenumbers.parse(value)
            return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
        case "url":
            return "".join(f"%{ord(c):02X}" for c in value)
        case "json":
            return "".join(f"\\u{ord(c):04x}" for c in value)
        case "base64":
            return base64.b64encode(b"x" * offset + value.encode() + b"xy").decode()
        case _:
            return value


def _phone() -> str:
    """From the range reserved for fiction, in an area code at random."""
    return f"+1{secrets.choice('23456789')}{secrets.randbelow(80) + 10:02}55501{secrets.randbelow(100):02}"


def _name() -> str:
    first, last = ("".join(secrets.choice(string.ascii_lowercase) for _ in range(9)).title() for _ in range(2))
    return f"{first} {last}"


def _csn() -> str:
    return f"9{secrets.randbelow(10**11):011}"


def _token() -> str:
    return secrets.token_urlsafe(16)


_VALUES: dict[Kind, Callable[[], str]] = {"phone": _phone, "name": _name, "csn": _csn, "token": _token}
