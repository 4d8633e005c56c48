"""From a record of the public product to one of ours with the fewest keystrokes (F4.6, F4.7).

Such a record carries `tenantId`, `upn`, `organizerId` and `userType`. They may stay: nothing here reads them, because
tenant, organiser and role come from the approved connection. `sessionId` and `departmentId` go on selecting.
"""

from shared.domain.connection import Environment
from shared.domain.model import Model
from shared.domain.records.check import check
from shared.domain.records.contexts import added
from shared.domain.records.differences import Difference, What
from shared.domain.records.pasted import Held
from shared.domain.records.record import Kind, Ours, Record


class Migrated(Model):
    """What becomes of one record.

    number    which of the records that were sent, from 0
    public_product   its launch URL is the public product's
    needed    without these changes it does not launch here
    advised   without these it launches, and something is missing
    append    what `needed` and `advised` add to the context, to be typed behind what is there
    ignored   names that stay and are not read; their authority is gone
    stays     the other names that stay as they are
    record    the whole new record, for who would rather type it afresh; None when its kind cannot be told
    """

    number: int
    kind: Kind | None
    public_product: bool
    needed: tuple[Difference, ...]
    advised: tuple[Difference, ...]
    append: str
    ignored: tuple[str, ...]
    stays: tuple[str, ...]
    record: Record | None


class Migration(Model):
    """The outcome for every record that was sent."""

    id: str
    change: int
    environment: Environment
    records: tuple[Migrated, ...]


def migration(held: tuple[Held, ...], ours: Ours) -> Migration:
    """The smallest change to each record."""
    own = ours.connection
    migrated = tuple(_migrated(number, one, ours) for number, one in enumerate(held))
    return Migration(id=own.id, change=own.change, environment=own.environment, records=migrated)


def _migrated(number: int, held: Held, ours: Ours) -> Migrated:
    found = check(held, ours)
    needed = tuple(one for one in found.differences if one.effect == "fails")
    advised = tuple(one for one in found.differences if one.effect == "loses")
    return Migrated(
        number=number,
        kind=found.kind,
        public_product=any(one.id is What.URL_OF_PUBLIC_PRODUCT for one in needed),
        needed=needed,
        advised=advised,
        append="".join(added(one) for one in needed + advised),
        ignored=tuple(one.key or "" for one in found.differences if one.id is What.KEY_IGNORED),
        stays=(*found.in_order, *(one.key or "" for one in found.differences if one.id is What.KEY_EXTRA)),
        record=found.record,
    )
