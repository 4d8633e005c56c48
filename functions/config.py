"""The config API: set-up by operator and administrator, approval by the named approver."""

import html
from typing import Annotated
from uuid import UUID

import azure.functions as func
from pydantic import Field, TypeAdapter, ValidationError

from shared.access import caller, parsed
from shared.bootstrap import deps
from shared.clients.entra import Caller
from shared.domain import certificates
from shared.domain.configuration import AppName, warnings
from shared.domain.connection import Connection, Environment, EpicSide, Model, Organisation, OrganisationId, OwnSide
from shared.errors import Code, Refused
from shared.web import answer, answered, if_match, page, shown
from shared.workflows import approval, configuration

bp = func.Blueprint()
_LARGEST_CER = 16_000
_APP: TypeAdapter[AppName] = TypeAdapter(AppName)


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


class Confirmation(Model):
    """The code that the page after Epic's sign-in shows."""

    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{0,20}$", repr=False)]


class Suspension(Model):
    """Stop or resume a connection."""

    suspended: bool


@bp.route("config/organisations", methods=["PUT"])
@answered
async def enable_organisation(req: func.HttpRequest) -> func.HttpResponse:
    """The operator lets an organisation in, or changes its entitlement."""
    who = await caller(req, "Operator")
    if who.tenant != deps().settings.operator_tenant:
        raise Refused(Code.ROLE_MISSING)
    organisation = parsed(Organisation, req)
    await configuration.enable(organisation, deps())
    return answer(organisation.model_dump(mode="json"))


@bp.route("config/connections", methods=["POST"])
@answered
async def add_connection(req: func.HttpRequest) -> func.HttpResponse:
    """An administrator adds a connection: a draft that serves nobody yet."""
    who = await caller(req, "ConfigAdmin")
    new = parsed(NewConnection, req)
    connection = await configuration.draft(new.organisation, new.environment, new.epic, new.own, who, deps())
    return told(connection, 201)


@bp.route("config/connections", methods=["GET"])
@answered
async def list_connections(req: func.HttpRequest) -> func.HttpResponse:
    """The connections of the caller's tenant."""
    who = await caller(req, "ConfigAdmin", "Approver")
    found = await deps().connections.of_tenant(UUID(who.tenant))
    return answer({"items": [connection.model_dump(mode="json") for connection in found]})


@bp.route("config/connections/{connection}", methods=["GET"])
@answered
async def show_connection(req: func.HttpRequest) -> func.HttpResponse:
    """One connection with its ETag."""
    who = await caller(req, "ConfigAdmin", "Approver")
    connection, _ = await configuration.read(req.route_params["connection"], who, deps())
    return told(connection)


@bp.route("config/connections/{connection}/history", methods=["GET"])
@answered
async def show_history(req: func.HttpRequest) -> func.HttpResponse:
    """Who changed or approved what, and when."""
    who = await caller(req, "ConfigAdmin", "Approver")
    connection, _ = await configuration.read(req.route_params["connection"], who, deps())
    return answer({"items": await configuration.history(connection, deps())})


@bp.route("config/connections/{connection}/epic", methods=["PUT"])
@answered
async def propose_epic_side(req: func.HttpRequest) -> func.HttpResponse:
    """Propose another Epic side; it waits for approval while the active one serves."""
    who = await caller(req, "ConfigAdmin", "Approver")
    connection, etag = await changing(req, who)
    return told(await configuration.propose(connection, etag, parsed(EpicSide, req), who, deps()))


@bp.route("config/connections/{connection}/pending", methods=["DELETE"])
@answered
async def withdraw_pending(req: func.HttpRequest) -> func.HttpResponse:
    """Drop the revision that waits."""
    who = await caller(req, "ConfigAdmin", "Approver")
    connection, etag = await changing(req, who)
    return told(await configuration.withdraw(connection, etag, who, deps()))


@bp.route("config/connections/{connection}/own", methods=["PUT"])
@answered
async def change_own_side(req: func.HttpRequest) -> func.HttpResponse:
    """Change what applies at once: texts, intervals, people, reading of messages."""
    who = await caller(req, "ConfigAdmin")
    connection, etag = await changing(req, who)
    return told(await configuration.set_own_side(connection, etag, parsed(OwnSide, req), who, deps()))


@bp.route("config/connections/{connection}/certificates", methods=["POST"])
@answered
async def add_certificate(req: func.HttpRequest) -> func.HttpResponse:
    """Pin another certificate of the interface engine: the `.cer` file is the body."""
    who = await caller(req, "ConfigAdmin")
    if len(req.get_body()) > _LARGEST_CER:
        raise Refused(Code.BODY_TOO_LARGE)
    new = certificates.uploaded(req.get_body(), deps().clock.now())
    connection, etag = await changing(req, who)
    kept = tuple(pin for pin in connection.own.certificates if pin.spki != new.spki)
    if len(kept) > 1:
        raise Refused(Code.WRONG_STATE, "certificates: two are pinned already")
    return told(await configuration.set_certificates(connection, etag, (*kept, new), who, deps()), 201)


@bp.route("config/connections/{connection}/certificates/{spki}", methods=["DELETE"])
@answered
async def remove_certificate(req: func.HttpRequest) -> func.HttpResponse:
    """Unpin a certificate; it is refused from the next message on."""
    who = await caller(req, "ConfigAdmin")
    connection, etag = await changing(req, who)
    kept = tuple(pin for pin in connection.own.certificates if pin.spki != req.route_params["spki"])
    if kept == connection.own.certificates:
        raise Refused(Code.NOT_FOUND)
    return told(await configuration.set_certificates(connection, etag, kept, who, deps()))


@bp.route("config/connections/{connection}/secrets/{app}", methods=["PUT"])
@answered
async def set_client_secret(req: func.HttpRequest) -> func.HttpResponse:
    """Give the client secret of an app whose Epic takes no signed assertion. It cannot be read again."""
    who = await caller(req, "ConfigAdmin")
    app = _app(req.route_params["app"])
    connection, etag = await changing(req, who)
    return told(await configuration.set_secret(connection, etag, app, parsed(ClientSecret, req).secret, who, deps()))


@bp.route("config/connections/{connection}/allow-list", methods=["POST"])
@answered
async def allow_number(req: func.HttpRequest) -> func.HttpResponse:
    """Let a test connection text one more number; only its pseudonym is kept."""
    who = await caller(req, "ConfigAdmin")
    connection, etag = await changing(req, who)
    return told(await configuration.allow_number(connection, etag, parsed(TestNumber, req).number, who, deps()), 201)


@bp.route("config/connections/{connection}/allow-list/{pseudonym}", methods=["DELETE"])
@answered
async def disallow_number(req: func.HttpRequest) -> func.HttpResponse:
    """Take a number off the allow-list; it is texted no more, from the next text on."""
    who = await caller(req, "ConfigAdmin")
    connection, etag = await changing(req, who)
    return told(await configuration.disallow_number(connection, etag, req.route_params["pseudonym"], who, deps()))


@bp.route("config/connections/{connection}/sign-ins/{oid:guid}", methods=["DELETE"])
@answered
async def forget_sign_in(req: func.HttpRequest) -> func.HttpResponse:
    """A clinician signed in with the wrong account: the next launch asks again."""
    who = await caller(req, "ConfigAdmin")
    connection, _ = await configuration.read(req.route_params["connection"], who, deps())
    count = await configuration.forget_sign_in(connection, req.route_params["oid"].lower(), who, deps())
    return answer({"forgotten": count})


@bp.route("config/connections/{connection}/suspension", methods=["PUT"])
@answered
async def suspend_connection(req: func.HttpRequest) -> func.HttpResponse:
    """Stop serving, or serve again, at once."""
    who = await caller(req, "ConfigAdmin")
    connection, etag = await changing(req, who)
    stopped = parsed(Suspension, req).suspended
    return told(await configuration.suspend(connection, etag, who, deps(), stopped=stopped))


@bp.route("config/connections/{connection}/validation", methods=["POST"])
@answered
async def validate_connection(req: func.HttpRequest) -> func.HttpResponse:
    """Ask the FHIR base URL whether it is one; then approval can begin."""
    who = await caller(req, "ConfigAdmin", "Approver")
    connection, etag = await changing(req, who)
    return told(await configuration.validate(connection, etag, who, deps()))


@bp.route("config/connections/{connection}/approvals", methods=["POST"])
@answered
async def begin_approval(req: func.HttpRequest) -> func.HttpResponse:
    """The approver begins: the answer says where to sign in to Epic."""
    who = await caller(req, "Approver")
    connection, _ = await configuration.read(req.route_params["connection"], who, deps())
    attempt = await approval.begin(connection, who, deps())
    return answer({"attempt": attempt.id, "authorize_url": attempt.authorize_url}, 201)


@bp.route("config/epic-callback", methods=["GET"])
@shown
async def epic_answered(req: func.HttpRequest) -> func.HttpResponse:
    """Epic sends the approver's browser back. Nothing is approved here."""
    if "code" not in req.params or "state" not in req.params:
        raise Refused(Code.SIGN_IN_REFUSED)
    return confirmed(await approval.arrive(req.params["state"], req.params["code"], deps()))


@bp.route("config/connections/{connection}/approvals/{attempt}", methods=["POST"])
@answered
async def approve(req: func.HttpRequest) -> func.HttpResponse:
    """The same person approves the same revision, with the code that the Epic sign-in ended with."""
    who = await caller(req, "Approver")
    connection, etag = await configuration.read(req.route_params["connection"], who, deps())
    code = parsed(Confirmation, req).code
    return told(await approval.finish(connection, etag, req.route_params["attempt"], code, who, deps()))


def _app(name: str) -> AppName:
    try:
        return _APP.validate_python(name)
    except ValidationError:
        raise Refused(Code.NOT_FOUND) from None


async def changing(req: func.HttpRequest, who: Caller) -> tuple[Connection, str]:
    """The connection a change is meant for, as the caller last read it."""
    read = if_match(req)
    connection, etag = await configuration.read(req.route_params["connection"], who, deps())
    if read != str(connection.change):
        raise Refused(Code.CHANGED_MEANWHILE)
    return connection, etag


def confirmed(epic: approval.Confirmed) -> func.HttpResponse:
    """What the approver sees after Epic's sign-in; also a warning for somebody who was only sent here."""
    return page(
        "Epic has confirmed your sign-in",
        f"<p>To let the video visit connector use <b>{html.escape(epic.fhir_base_url)}</b>, go back to the connector's "
        f'page, enter this code and press Approve:</p><h2 id="code">{html.escape(epic.code)}</h2>'
        "<p>If you did not begin this yourself, close this page and give the code to nobody.</p>",
    )


def told(connection: Connection, status: int = 200) -> func.HttpResponse:
    """A connection as JSON with its ETag."""
    location = {"Location": f"/config/connections/{connection.id}"} if status == 201 else {}
    body = connection.model_dump(mode="json") | {"warnings": warnings(connection)}
    return answer(body, status, etag=str(connection.change), **location)
