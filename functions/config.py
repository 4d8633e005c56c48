"""The config API: what the operator and the administrators set up."""

import csv
import io
import json
import re
from typing import Annotated, Any, Literal
from uuid import UUID

import azure.functions as func
from pydantic import Field, JsonValue

from shared import openapi
from shared.api import ADMINISTRATORS, BOTH, Call, Csv, Page, Paging, newest_first, operation, paged
from shared.bootstrap import deps
from shared.clients.entra import Caller
from shared.domain import certificates
from shared.domain.configuration import Shown, app_name, shown
from shared.domain.connection import Connection, Environment, EpicSide, OrganisationId, OwnSide
from shared.domain.difference import Difference, Differences
from shared.domain.model import Model
from shared.errors import Code, Refused
from shared.web import answer, answered
from shared.workflows import configuration, history

bp = func.Blueprint()
_LARGEST_CER = 16_000
_MARKS = re.compile(r"[^\w.:/-]")


class NewConnection(Model):
    """What an administrator sends to add a connection."""

    organisation: OrganisationId
    environment: Environment
    epic: EpicSide
    own: OwnSide


class TestNumber(Model):
    """A phone number of the staff who test."""

    number: str


class ClientSecret(Model):
    """What Epic's registration showed once for an app."""

    secret: Annotated[str, Field(min_length=1, max_length=500, repr=False)]


class Whose(Model):
    """The revision whose secret it is; unless said, the one that waits, else the one that serves."""

    revision: Literal["active", "pending"] = "pending"


class Suspension(Model):
    """Stop or resume a connection."""

    suspended: bool


class Changed(Model):
    """Who did what, and when. connection: empty for what concerns the organisation; differences: fields with values."""

    connection: str
    change: int
    who: str
    did: str
    at: str
    differences: tuple[Difference, ...]


class Connections(Paging):
    """Which connections. `mine`: only those that wait for the caller's approval."""

    mine: bool = False


class Edited(Model):
    """What somebody is about to save; a side that is left out stays as it is."""

    epic: EpicSide | None = None
    own: OwnSide | None = None


class Forgotten(Model):
    """How many sign-ins were undone."""

    forgotten: int


@operation(bp, "POST", "config/connections", roles=ADMINISTRATORS, status=201)
async def add_connection(call: Call, body: NewConnection) -> Shown:
    """An administrator adds a connection: a draft that serves nobody yet."""
    return shown(await configuration.draft(body.organisation, body.environment, body.epic, body.own, call.who, deps()))


@operation(bp, "GET", "config/connections", roles=BOTH)
async def list_connections(call: Call, query: Connections) -> Page[Shown]:
    """The connections of the caller's tenant, or those of them that wait for the caller's approval."""
    found = await deps().connections.of_tenant(UUID(call.who.tenant))
    wanted = [shown(one) for one in found if not query.mine or _awaits(one, call.who)]
    return paged(wanted, lambda one: one.id, query)


@operation(bp, "GET", "config/connections/{connection}", roles=BOTH)
async def show_connection(call: Call) -> Shown:
    """One connection with its ETag."""
    return shown(call.connection)


@operation(bp, "GET", "config/connections/{connection}/history", roles=BOTH)
async def show_history(call: Call, query: Paging) -> Page[Changed]:
    """Who changed or approved what, and when."""
    return told(paged(await history.of_connection(call.connection, deps()), lambda one: one.row["RowKey"], query))


@operation(bp, "GET", "config/history", roles=BOTH)
async def show_all_history(call: Call, query: Paging) -> Page[Changed]:
    """The same for the whole tenant, newest first: removed connections, access, consent and numbers are in it."""
    return told(newest_first(await history.of_tenant(call.who, deps()), lambda one: one.key, query))


@operation(bp, "GET", "config/history.csv", roles=BOTH)
async def export_history(call: Call) -> Csv:
    """The whole history of the tenant as a file, newest first."""
    entries = sorted(await history.of_tenant(call.who, deps()), key=lambda one: one.key, reverse=True)
    return Csv("history.csv", _csv([changed(entry) for entry in entries]))


@operation(bp, "GET", "config/connections/{connection}/difference", roles=BOTH)
async def show_difference(call: Call) -> Differences:
    """How the revision that waits differs from what serves, and what was applied since the last approval."""
    return await configuration.differences(call.connection, deps())


@operation(bp, "POST", "config/connections/{connection}/difference", roles=BOTH, reads=True)
async def preview_difference(call: Call, body: Edited) -> Differences:
    """What would wait for approval and what would apply at once, if this were saved. Changes nothing."""
    return configuration.would_differ(call.connection, body.epic, body.own)


@operation(bp, "DELETE", "config/connections/{connection}", roles=ADMINISTRATORS, changes=True, status=204)
async def remove_connection(call: Call) -> None:
    """Remove a connection at once and for good; its history stays."""
    await configuration.remove(call.connection, call.etag, call.who, deps())


@operation(bp, "PUT", "config/connections/{connection}/epic", roles=BOTH, changes=True)
async def propose_epic_side(call: Call, body: EpicSide) -> Shown:
    """Propose another Epic side; it waits for approval while the active one serves."""
    return shown(await configuration.propose(call.connection, call.etag, body, call.who, deps()))


@operation(bp, "DELETE", "config/connections/{connection}/pending", roles=BOTH, changes=True)
async def withdraw_pending(call: Call) -> Shown:
    """Drop the revision that waits."""
    return shown(await configuration.withdraw(call.connection, call.etag, call.who, deps()))


@operation(bp, "PUT", "config/connections/{connection}/own", roles=ADMINISTRATORS, changes=True)
async def change_own_side(call: Call, body: OwnSide) -> Shown:
    """Change what applies at once: texts, intervals, people, reading of messages."""
    return shown(await configuration.set_own_side(call.connection, call.etag, body, call.who, deps()))


@operation(bp, "POST", "config/connections/{connection}/certificates", roles=ADMINISTRATORS, changes=True, status=201)
async def add_certificate(call: Call, body: bytes) -> Shown:
    """Pin another certificate of the interface engine: the `.cer` file is the body."""
    if len(body) > _LARGEST_CER:
        raise Refused(Code.BODY_TOO_LARGE)
    new = certificates.uploaded(body, deps().clock.now())
    kept = tuple(pin for pin in call.connection.own.certificates if pin.spki != new.spki)
    if len(kept) > 1:
        raise Refused(Code.WRONG_STATE, "certificates: two are pinned already")
    return shown(await configuration.set_certificates(call.connection, call.etag, (*kept, new), call.who, deps()))


@operation(bp, "DELETE", "config/connections/{connection}/certificates/{spki}", roles=ADMINISTRATORS, changes=True)
async def remove_certificate(call: Call) -> Shown:
    """Unpin a certificate; it is refused from the next message on."""
    kept = tuple(pin for pin in call.connection.own.certificates if pin.spki != call.path["spki"])
    if kept == call.connection.own.certificates:
        raise Refused(Code.NOT_FOUND)
    return shown(await configuration.set_certificates(call.connection, call.etag, kept, call.who, deps()))


@operation(bp, "PUT", "config/connections/{connection}/secrets/{app}", roles=ADMINISTRATORS, changes=True)
async def set_client_secret(call: Call, body: ClientSecret, query: Whose) -> Shown:
    """Give the client secret of an app whose Epic takes no signed assertion. It cannot be read again."""
    app, serving = app_name(call.path["app"]), query.revision == "active"
    changed = await configuration.set_secret(
        call.connection, call.etag, app, body.secret, call.who, deps(), serving=serving
    )
    return shown(changed)


@operation(bp, "POST", "config/connections/{connection}/allow-list", roles=ADMINISTRATORS, changes=True, status=201)
async def allow_number(call: Call, body: TestNumber) -> Shown:
    """Let a test connection text one more number; only its pseudonym is kept."""
    return shown(await configuration.allow_number(call.connection, call.etag, body.number, call.who, deps()))


@operation(bp, "DELETE", "config/connections/{connection}/allow-list/{pseudonym}", roles=ADMINISTRATORS, changes=True)
async def disallow_number(call: Call) -> Shown:
    """Take a number off the allow-list; it is texted no more, from the next text on."""
    return shown(
        await configuration.disallow_number(call.connection, call.etag, call.path["pseudonym"], call.who, deps())
    )


@operation(bp, "DELETE", "config/connections/{connection}/sign-ins/{oid:guid}", roles=ADMINISTRATORS)
async def forget_sign_in(call: Call) -> Forgotten:
    """A clinician signed in with the wrong account: the next launch asks again."""
    count = await configuration.forget_sign_in(call.connection, call.path["oid"].lower(), call.who, deps())
    return Forgotten(forgotten=count)


@operation(bp, "PUT", "config/connections/{connection}/suspension", roles=ADMINISTRATORS, changes=True)
async def suspend_connection(call: Call, body: Suspension) -> Shown:
    """Stop serving, or serve again, at once."""
    return shown(await configuration.suspend(call.connection, call.etag, call.who, deps(), stopped=body.suspended))


@operation(bp, "POST", "config/connections/{connection}/validation", roles=BOTH, changes=True)
async def validate_connection(call: Call) -> Shown:
    """Ask the FHIR base URL whether it is one; then approval can begin."""
    return shown(await configuration.validate(call.connection, call.etag, call.who, deps()))


@bp.route("openapi.json", methods=["GET"])
@answered
async def show_openapi(req: func.HttpRequest) -> func.HttpResponse:
    """This API, as OpenAPI 3.1."""
    del req
    document: dict[str, Any] = openapi.document(deps().settings.public_url)
    return answer(document)


def _awaits(connection: Connection, who: Caller) -> bool:
    """A revision waits for this person's approval."""
    waits = connection.pending is not None and connection.pending.state == "needs-approval"
    return waits and str(connection.own.approver.oid) == who.user


def changed(entry: history.Entry | history.Step) -> Changed:
    """An entry of the history as the API shows it."""
    return Changed(**vars(entry.told()))


def told[T: (history.Entry, history.Entry | history.Step)](page: Page[T]) -> Page[Changed]:
    """A part of the history as the API shows it."""
    return Page(items=tuple(changed(entry) for entry in page.items), next=page.next)


def _csv(changes: list[Changed]) -> str:
    """Ids, times, fixed words, and what was changed: the one cell with words that somebody chose.

    A spreadsheet may take any separator for the end of a cell and what follows for a formula: of such words only
    letters, digits and a few marks are left. The API gives them whole.
    """
    text = io.StringIO()
    rows = csv.writer(text)
    rows.writerow(Changed.model_fields)
    rows.writerows([*change.model_dump(exclude={"differences"}).values(), _cell(change)] for change in changes)
    return text.getvalue()


def _cell(change: Changed) -> str:
    return " / ".join(
        f"{_MARKS.sub('_', one.path)}: {_value(one.before)} > {_value(one.after)}" for one in change.differences
    )


def _value(value: JsonValue) -> str:
    return _MARKS.sub("_", value if isinstance(value, str) else json.dumps(value))
