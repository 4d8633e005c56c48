"""Approval of a connection by the named approver, who signs in to Epic for it."""

import html
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Literal

import azure.functions as func
from pydantic import Field

from shared.api import APPROVERS, Call, operation
from shared.bootstrap import deps
from shared.domain.configuration import Shown, shown
from shared.domain.model import Model
from shared.domain.visit_page import words
from shared.errors import Code, Refused
from shared.web import language, page
from shared.web import shown as people_see
from shared.workflows import approval

bp = func.Blueprint()


class Attempt(Model):
    """An approver on the way: where to sign in at Epic."""

    attempt: str
    authorize_url: str


class Progress(Model):
    """An attempt while it lasts.

    state      waiting (for Epic's sign-in), redeeming, failed, or signed-in: the code can be entered
    epic_user  who signed in at Epic: the login, or else the FHIR id; kept no longer than the attempt
    until      when the attempt ends
    """

    attempt: str
    state: Literal["waiting", "redeeming", "failed", "signed-in"]
    epic_user: str | None
    organisation: str
    fhir_base_url: str
    until: datetime


class Reason(Model):
    """Why the approver does not agree."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]


class Confirmation(Model):
    """The code that the page after Epic's sign-in shows."""

    code: Annotated[str, Field(pattern=r"^[A-Za-z0-9 -]{0,20}$", repr=False)]


@operation(bp, "POST", "config/connections/{connection}/approvals", roles=APPROVERS, changes=True, status=201)
async def begin_approval(call: Call) -> Attempt:
    """The approver begins on what they have read: the answer says where to sign in to Epic."""
    attempt = await approval.begin(call.connection, call.who, deps())
    return Attempt(attempt=attempt.id, authorize_url=attempt.authorize_url)


@operation(bp, "GET", "config/connections/{connection}/approvals/{attempt}", roles=APPROVERS)
async def show_attempt(call: Call) -> Progress:
    """How far the approver's own attempt is, and who signed in at Epic."""
    found = await approval.progress(call.connection, call.path["attempt"], call.who, deps())
    return Progress.model_validate(
        {
            "attempt": call.path["attempt"],
            "state": found.state,
            "epic_user": found.user,
            "organisation": found.organisation,
            "fhir_base_url": found.fhir_base_url,
            "until": found.until,
        }
    )


@operation(bp, "POST", "config/connections/{connection}/refusals", roles=APPROVERS, changes=True)
async def send_back(call: Call, body: Reason) -> Shown:
    """The approver sends the waiting revision back with a reason; another proposal takes its place."""
    return shown(await approval.send_back(call.connection, call.etag, body.reason, call.who, deps()))


@bp.route("config/epic-callback", methods=["GET"])
@people_see
async def epic_answered(req: func.HttpRequest) -> func.HttpResponse:
    """Epic sends the approver's browser back. Nothing is approved here."""
    state, code = req.params.get("state", ""), req.params.get("code")
    if not code:
        with suppress(Refused):  # nobody's attempt, or one that has ended
            await approval.turned_away(state, deps())
        raise Refused(Code.SIGN_IN_REFUSED)
    return confirmed(await approval.arrive(state, code, deps()), language(req))


@operation(bp, "POST", "config/connections/{connection}/approvals/{attempt}", roles=APPROVERS)
async def approve(call: Call, body: Confirmation) -> Shown:
    """The same person approves the same revision, with the code that the Epic sign-in ended with."""
    return shown(await approval.finish(call.connection, call.etag, call.path["attempt"], body.code, call.who, deps()))


def confirmed(epic: approval.Confirmed, spoken: str) -> func.HttpResponse:
    """What the approver sees after Epic's sign-in; also a warning for somebody who was only sent here."""
    say = words(spoken)
    facts = {"user": epic.user, "organisation": epic.organisation, "address": epic.fhir_base_url}
    bold = {name: f"<b>{html.escape(value)}</b>" for name, value in facts.items()}
    body = (
        f"<p>{say.signed_in.format(**bold)}</p><p>{say.enter.format(**bold)}</p>"
        f'<h2 id="code">{html.escape(epic.code)}</h2><p>{say.nobody}</p>'
    )
    return page(say.confirmed, body, language=spoken)
