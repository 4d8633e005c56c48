"""The link in a patient's text. The token stands in the query, because hosts log paths."""

import azure.functions as func

from shared.bootstrap import deps
from shared.pages import invitation, on_the_way
from shared.web import form, language, shown
from shared.workflows import enter, join

bp = func.Blueprint()


@bp.route("j", methods=["GET"])
@shown
async def show_invitation(req: func.HttpRequest) -> func.HttpResponse:
    """When the visit is, and a button. Nothing changes: a phone's preview opens links too."""
    token = req.params.get("t", "")
    found = await join.look(token, deps())
    return invitation(found, token, language(req, found.language))


@bp.route("j", methods=["POST"])
@shown
async def join_visit(req: func.HttpRequest) -> func.HttpResponse:
    """The button: in, if it is time."""
    token = form(req).get("t", "")
    found = await join.look(token, deps())
    if found.state != "open":
        return invitation(found, token, language(req, found.language))
    ticket = await join.ticket(token, deps())
    return on_the_way(await enter.enter(ticket, deps()), ticket, language(req, ticket.language), deps())
