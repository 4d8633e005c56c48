"""Admin consent of a tenant: asked for by somebody signed in there, and believed only once it has been used.

    begin    POST with a bearer: an address of the caller's own tenant at Entra, with a state bound to tenant and user
    arrive   Entra's redirect comes without a bearer and names a tenant that anybody could have written: it must be the
             bound one, and Graph must let us read there, before consent is called given

Entra takes a moment to spread a consent: until it works, the same redirect may come again.
"""

import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, Protocol
from uuid import UUID

from shared.clients.app_tokens import GraphTokens
from shared.clients.directory import Directory
from shared.clients.entra import Caller
from shared.clients.sign_in import SignIn
from shared.clock import Clock
from shared.domain.onboarding import Consent
from shared.errors import Code, Later, Refused
from shared.storage.lookups import Kind, Lookups
from shared.storage.onboarding import Onboarding
from shared.storage.tables import Conflict, Row
from shared.telemetry import outcome

#: An administrator may have to be fetched.
_TIME_TO_CONSENT = timedelta(hours=1)

State = Literal["waiting", "refused", "unproven", "granted"]


class Deps(Protocol):
    """What consent needs of the process."""

    @property
    def lookups(self) -> Lookups: ...
    @property
    def onboarding(self) -> Onboarding: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def sign_in(self) -> SignIn: ...
    @property
    def graph_tokens(self) -> GraphTokens: ...
    @property
    def directory(self) -> Directory: ...
    @property
    def consent_callback(self) -> str: ...


@dataclass(frozen=True)
class Asked:
    """A question to the tenant's administrator: its id, and where it is answered."""

    id: str
    url: str


async def begin(who: Caller, deps: Deps) -> Asked:
    """Open a question for the caller's own tenant."""
    id_, secret = secrets.token_urlsafe(12), secrets.token_urlsafe(24)
    until = deps.clock.now() + _TIME_TO_CONSENT
    facts = {"who": who.user, "state": "waiting", "secret_sealed": secret}
    await deps.lookups.claim(Kind.CONSENT, id_, who.tenant, until, **facts)
    return Asked(id_, deps.sign_in.consent_url(who.tenant, deps.consent_callback, f"{id_}.{secret}"))


async def progress(id_: str, who: Caller, deps: Deps) -> State:
    """How far a question is; only for who asked it."""
    row = await deps.lookups.find(Kind.CONSENT, id_)
    if row is None or (row["target"], row["who"]) != (who.tenant, who.user):
        raise Refused(Code.NOT_FOUND)
    return _state(row)


async def arrive(state: str, tenant: str, deps: Deps, *, agreed: bool) -> State:
    """What Entra's redirect brought. A second one changes an answer no more; until it is proved, it tries again."""
    row = await _question(state, deps)
    if _state(row) in {"refused", "granted"}:
        return _state(row)
    if not agreed:
        return await _answer(row, "refused", deps)
    if tenant.lower() != row["target"]:
        raise Refused(Code.SIGN_IN_REFUSED, "tenant")
    if not await _works(row["target"], deps):
        return await _answer(row, "unproven", deps)
    await deps.onboarding.consented(UUID(row["target"]), Consent(who=row["who"], at=deps.clock.now()))
    return await _answer(row, "granted", deps)


async def _works(tenant: str, deps: Deps) -> bool:
    """A fresh token of the tenant opens what only consent opens."""
    await deps.graph_tokens.forget(tenant)
    try:
        await deps.directory.prove(tenant)
    except (Refused, Later):
        return False
    return True


async def _question(state: str, deps: Deps) -> Row:
    id_, _, secret = state.partition(".")
    row = await deps.lookups.find(Kind.CONSENT, id_)
    if row is None or not hmac.compare_digest(row["secret_sealed"].encode(), secret.encode()):
        raise Refused(Code.LAUNCH_STALE)
    return row


async def _answer(row: Row, state: State, deps: Deps) -> State:
    try:
        await deps.lookups.save(row | {"state": state})
    except Conflict:  # the same redirect twice at once: the other one has answered
        raise Refused(Code.LAUNCH_REPLAYED) from None
    outcome("admin consent", tenant=row["target"], end=state)
    return state


def _state(row: Row) -> State:
    known: dict[str, State] = {one: one for one in ("waiting", "refused", "unproven", "granted")}
    return known[row["state"]]
