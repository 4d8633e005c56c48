"""The way in from Epic: launch, return, the provider's one sign-in, and the page that waits."""

from urllib.parse import urlencode

import azure.functions as func

from shared.bootstrap import deps
from shared.cookies import carried, cookie, named, spent
from shared.domain.launch import KINDS, SIGN_IN_WITHIN, TICKET_LASTS, Begun, SigningIn, Ticket, cookie_of
from shared.errors import Code, Refused
from shared.pages import on_the_way, outside, to_epic
from shared.web import form, language, redirect, shown
from shared.workflows import enter, launch, sign_in

bp = func.Blueprint()
_IN_A_FRAME = {"iframe", "frame"}


@bp.route("launch/{role}/{connection}", methods=["GET", "POST"])
@shown
async def begin_launch(req: func.HttpRequest) -> func.HttpResponse:
    """Epic's button. In a frame nothing begins: the page there opens the same launch outside."""
    asked = _asked(req)
    connection = await launch.allowed(asked, deps())
    if req.headers.get("Sec-Fetch-Dest", "").lower() in _IN_A_FRAME:
        query = urlencode({"iss": asked.iss, "launch": asked.launch})
        address = f"{deps().settings.public_url}/launch/{asked.role}/{asked.connection}?{query}"
        return outside(address, connection, language(req))
    url, begun = await launch.begin(asked, connection, deps())
    name = named("l", cookie_of(begun.state))
    held = cookie(name, deps().launch_cookies.seal(name, begun), SIGN_IN_WITHIN)
    return to_epic(url, connection, held, language(req))


@bp.route("launch/callback/{connection}", methods=["GET"])
@spent("l")
@shown
async def launch_returned(req: func.HttpRequest) -> func.HttpResponse:
    """Epic sends the browser back: into the visit, or first to Entra."""
    state = req.params.get("state", "")
    name = named("l", cookie_of(state))
    begun = deps().launch_cookies.open(name, carried(req, name), Begun)
    connection = req.route_params["connection"]
    back = launch.Returned(connection, state, req.params.get("code", ""), req.params.get("error", ""), begun)
    ticket = await launch.arrive(back, deps())
    return on_the_way(await enter.enter(ticket, deps()), ticket, language(req, ticket.language), deps())


@bp.route("launch/sign-in", methods=["GET"])
@shown
async def begin_sign_in(req: func.HttpRequest) -> func.HttpResponse:
    """A provider whom we do not know yet goes to Entra, once."""
    url, begun = sign_in.begin(_ticket(req), deps())
    name = named("s", cookie_of(begun.state))
    return redirect(url, cookie(name, deps().launch_cookies.seal(name, begun), SIGN_IN_WITHIN))


@bp.route("launch/sign-in/callback", methods=["GET"])
@spent("s")
@shown
async def sign_in_returned(req: func.HttpRequest) -> func.HttpResponse:
    """Entra sends the browser back: straight into the visit that waits."""
    state = req.params.get("state", "")
    name = named("s", cookie_of(state))
    begun = deps().launch_cookies.open(name, carried(req, name), SigningIn)
    ticket = await sign_in.finish(sign_in.Returned(state, req.params.get("code", ""), begun), deps())
    return on_the_way(await enter.enter(ticket, deps()), ticket, language(req, ticket.language), deps())


@bp.route("visit", methods=["GET"])
@shown
async def wait_for_visit(req: func.HttpRequest) -> func.HttpResponse:
    """The page that waits looks again. Asking twice does no more than asking once."""
    ticket = _ticket(req)
    return on_the_way(await enter.enter(ticket, deps()), ticket, language(req, ticket.language), deps())


def _asked(req: func.HttpRequest) -> launch.Asked:
    """A launch by GET or by a posted form; the address of either may have a query of its own."""
    role = req.route_params["role"]
    given = {**req.params, **(form(req) if req.method == "POST" else {})}
    for known in KINDS:
        if role == known:
            return launch.Asked(known, req.route_params["connection"], given.get("iss", ""), given.get("launch", ""))
    raise Refused(Code.NOT_FOUND)


def _ticket(req: func.HttpRequest) -> Ticket:
    """The ticket that this page's cookie carries."""
    name = named("v", req.params.get("ticket", ""))
    ticket = deps().launch_cookies.open(name, carried(req, name), Ticket)
    if ticket is None or deps().clock.now() > ticket.issued + TICKET_LASTS:
        raise Refused(Code.LAUNCH_STALE)
    return ticket
