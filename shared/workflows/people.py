"""Finding people of the caller's own tenant, to name them as approver or organiser."""

from typing import Protocol

from shared.clients.app_tokens import TokenRefused
from shared.clients.directory import Directory, Found
from shared.clients.entra import Caller
from shared.errors import Code, Refused


class Deps(Protocol):
    """What finding people needs of the process."""

    @property
    def directory(self) -> Directory: ...


async def search(text: str, who: Caller, deps: Deps) -> list[Found]:
    """The ten people that fit best, as Graph finds them."""
    try:
        return await deps.directory.search(who.tenant, text)
    except TokenRefused:
        raise Refused(Code.CONSENT_MISSING) from None


async def read(oid: str, who: Caller, deps: Deps) -> Found:
    """One person by object id; refuses when the tenant has no such user."""
    try:
        found = await deps.directory.read(who.tenant, oid)
    except TokenRefused:
        raise Refused(Code.CONSENT_MISSING) from None
    if found is None:
        raise Refused(Code.NOT_FOUND)
    return found
