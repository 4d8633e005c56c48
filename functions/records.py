"""What to register at Epic, the integration records, and whether they were typed right."""

import azure.functions as func
from pydantic import Field

from shared.api import BOTH, Call, operation
from shared.bootstrap import deps
from shared.domain.model import Model
from shared.domain.records.check import Checked
from shared.domain.records.migration import Migration
from shared.domain.records.pasted import Held
from shared.domain.records.registration import Registration
from shared.workflows import records
from shared.workflows.records import Records

bp = func.Blueprint()


class Existing(Model):
    """Records as Epic holds them today."""

    records: tuple[Held, ...] = Field(min_length=1, max_length=20)


@operation(bp, "GET", "config/connections/{connection}/registration", roles=BOTH)
async def show_registration(call: Call) -> Registration:
    """What the analyst registers at Epic for the three apps, before approval can begin."""
    return records.register(call.connection, deps())


@operation(bp, "GET", "config/connections/{connection}/records", roles=BOTH)
async def show_records(call: Call) -> Records:
    """The integration records of the approved revision, row by row, to be typed into Epic."""
    return records.show(call.connection, deps())


@operation(bp, "POST", "config/connections/{connection}/records/check", roles=BOTH, reads=True)
async def check_record(call: Call, body: Held) -> Checked:
    """Name every difference between a record in Epic and this connection's."""
    return await records.compare(call.connection, body, deps())


@operation(bp, "POST", "config/connections/{connection}/records/migration", roles=BOTH, reads=True)
async def migrate_records(call: Call, body: Existing) -> Migration:
    """The smallest change that makes records of the public product launch here."""
    return await records.migrate(call.connection, body.records, deps())
