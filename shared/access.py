"""Who calls our API, and what they sent: the first two lines of every config route."""

from dataclasses import replace

import azure.functions as func
from pydantic import ValidationError

from shared.bootstrap import deps
from shared.clients.entra import Caller
from shared.domain.model import Model
from shared.errors import Code, Refused
from shared.web import bearer, json_body


async def caller(req: func.HttpRequest, *roles: str) -> Caller:
    """Who asks; refuses anybody without one of the roles. An operator is one in the operator's own tenant only."""
    who = await deps().access.check(bearer(req))
    if who.tenant != deps().settings.operator_tenant:
        who = replace(who, roles=who.roles - {"Operator"})
    if not who.roles & set(roles):
        raise Refused(Code.ROLE_MISSING)
    return who


def parsed[M: Model](model: type[M], req: func.HttpRequest) -> M:
    """The body as a model; a refusal names the fields, never what they held."""
    try:
        return model.model_validate(json_body(req))
    except ValidationError as error:
        raise refuse(error) from None


def refuse(error: ValidationError) -> Refused:
    """What pydantic found: the names of the fields and the rules, never what was sent."""
    faults = error.errors(include_input=False, include_url=False, include_context=False)
    return Refused(Code.VALUE_REFUSED, *(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in faults))
