"""Who calls our API, and what they sent: the first two lines of every config route."""

import azure.functions as func
from pydantic import ValidationError

from shared.bootstrap import deps
from shared.clients.entra import Caller
from shared.domain.connection import Model
from shared.errors import Code, Refused
from shared.web import bearer, json_body


async def caller(req: func.HttpRequest, *roles: str) -> Caller:
    """Who asks; refuses anybody without one of the roles."""
    who = await deps().access.check(bearer(req))
    if not who.roles & set(roles):
        raise Refused(Code.ROLE_MISSING)
    return who


def parsed[M: Model](model: type[M], req: func.HttpRequest) -> M:
    """The body as a model; a refusal names the fields, never what they held."""
    try:
        return model.model_validate(json_body(req))
    except ValidationError as error:
        raise Refused(Code.VALUE_REFUSED, *_faults(error)) from None


def _faults(error: ValidationError) -> list[str]:
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    return [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults]
