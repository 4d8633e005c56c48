"""What differs between two versions of settings, field by field, for a page to say in its own words."""

from collections.abc import Iterator
from typing import Literal

from pydantic import JsonValue

from shared.domain.connection import Connection, EpicSide, OwnSide
from shared.domain.model import Model

#: Epic's side waits for the approver; the hospital's own side applies at once.
Side = Literal["epic", "own"]
Kind = Literal["added", "removed", "changed"]


class Difference(Model):
    """One field. `path` as in a problem document, such as `epic.write_back.url`; a list is one value."""

    path: str
    kind: Kind
    before: JsonValue = None
    after: JsonValue = None


class Differences(Model):
    """What differs, by what it needs.

    waits     serves only once the approver has approved it
    at_once   applies, or has applied, without approval
    """

    waits: tuple[Difference, ...]
    at_once: tuple[Difference, ...]


def between(side: Side, before: EpicSide | OwnSide | None, after: EpicSide | OwnSide | None) -> tuple[Difference, ...]:
    """The fields in which one side of a connection differs, in the order of their paths."""
    old, new = (dict(_fields(side, one.model_dump(mode="json"))) if one else {} for one in (before, after))
    paths = sorted(old.keys() | new.keys())
    return tuple(_difference(path, old.get(path), new.get(path)) for path in paths if old.get(path) != new.get(path))


def waiting(connection: Connection, epic: EpicSide | None = None) -> tuple[Difference, ...]:
    """What the approver is asked to agree to: `epic`, or else the revision that waits, against what serves."""
    pending = connection.pending.epic if connection.pending else None
    wanted = epic or pending
    return between("epic", connection.active, wanted) if wanted else ()


def changed(before: Connection | None, after: Connection) -> tuple[Difference, ...]:
    """What one change of a connection touched, whichever side and whether it waits or serves."""
    old, new = (_latest(one) if one else None for one in (before, after))
    return between("epic", old, new) + between("own", before.own if before else None, after.own)


def _latest(connection: Connection) -> EpicSide | None:
    return connection.pending.epic if connection.pending else connection.active


def _fields(path: str, value: JsonValue) -> Iterator[tuple[str, JsonValue]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _fields(f"{path}.{name}", inner)
    else:
        yield path, value


def _difference(path: str, before: JsonValue, after: JsonValue) -> Difference:
    kind: Kind = "added" if before is None else "removed" if after is None else "changed"
    return Difference(path=path, kind=kind, before=before, after=after)
