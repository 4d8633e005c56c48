"""The record check: what Epic holds beside what it should hold, each difference named (F4.10).

What is found is shown only where it can hold nothing of a patient: a host, a client id, a mnemonic, a name before `=`.
A value that Epic has filled in is named as such and never repeated.
"""

from collections.abc import Iterator

from shared.domain.connection import Environment
from shared.domain.model import Model
from shared.domain.records import address, contexts
from shared.domain.records.differences import Difference, What, difference
from shared.domain.records.pasted import Held, Values, values
from shared.domain.records.record import SHAPES, Kind, Ours, Record
from shared.domain.records.told import told
from shared.errors import Code, Refused


class Checked(Model):
    """The outcome of a record check.

    kind       which record it was held against; None when nothing told
    launches   False: launches by this record fail, or end in the wrong place
    in_order   names of the context that are as they should be
    record     what should be there
    """

    id: str
    change: int
    environment: Environment
    kind: Kind | None
    launches: bool
    differences: tuple[Difference, ...]
    in_order: tuple[str, ...]
    record: Record | None


def check(held: Held, ours: Ours) -> Checked:
    """Every difference of one record. Refuses a kind that is no launch record."""
    if held.kind is not None and held.kind not in SHAPES:
        raise Refused(Code.VALUE_REFUSED, "kind: no launch record")
    given = values(held)
    kind = held.kind or told(given, ours.connection)
    found = tuple(_all(kind, given, ours))
    return Checked(
        id=ours.connection.id,
        change=ours.connection.change,
        environment=ours.connection.environment,
        kind=kind,
        launches=not any(one.effect == "fails" for one in found),
        differences=found,
        in_order=contexts.in_order(given.context, found),
        record=_record(kind, ours) if kind else None,
    )


def _record(kind: Kind, ours: Ours) -> Record:
    return next(record for record in ours.records if record.kind == kind)


def _all(kind: Kind | None, given: Values, ours: Ours) -> Iterator[Difference]:
    if kind is None:
        yield difference(What.KIND_UNKNOWN, "record")
        return
    record = _record(kind, ours)
    if not record.served:
        yield difference(What.KIND_NOT_SERVED, "record")
    yield from address.url(given.launch_url, record, ours)
    yield from address.client_id(given.client_id, record, ours)
    yield from contexts.differing(given.context, record, ours)
