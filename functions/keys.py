"""Public facts: the keys Epic checks our signatures with, and whether we are up."""

import json

import azure.functions as func

from shared.bootstrap import deps
from shared.errors import Code, Refused
from shared.web import answered

bp = func.Blueprint()
#: Epic keeps keys for up to 29 hours unless told otherwise; a new key must be known within five minutes.
_JWKS_CACHE = "public, max-age=300"


@bp.route("jwks/{environment}", methods=["GET"])
@answered
async def jwks(req: func.HttpRequest) -> func.HttpResponse:
    """The public keys of an environment: test never shows or uses production's."""
    ring = deps().signing.get(req.route_params["environment"])
    if ring is None:
        raise Refused(Code.NOT_FOUND)
    return func.HttpResponse(
        json.dumps(ring.jwks()), headers={"Cache-Control": _JWKS_CACHE}, mimetype="application/json"
    )


@bp.route("healthz", methods=["GET"])
@answered
async def healthz(req: func.HttpRequest) -> func.HttpResponse:
    """Up."""
    del req  # the library insists on the name
    return func.HttpResponse("up", mimetype="text/plain")
