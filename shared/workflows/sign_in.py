"""A provider's one sign-in with Entra (F7.3). The launch that waits for it goes on from where it stood."""

import secrets
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from shared.clients.oauth import pkce
from shared.clients.sign_in import SignIn
from shared.clock import Clock
from shared.domain import launch
from shared.domain.configuration import tenant_of
from shared.domain.launch import SIGN_IN_WITHIN, SigningIn, Ticket
from shared.errors import Code, Refused
from shared.storage.lookups import Kind, Lookups
from shared.storage.people import People
from shared.telemetry import outcome

_REMEMBERED = SIGN_IN_WITHIN + timedelta(minutes=5)


class Deps(Protocol):
    """What the sign-in needs of the process."""

    @property
    def clock(self) -> Clock: ...
    @property
    def lookups(self) -> Lookups: ...
    @property
    def people(self) -> People: ...
    @property
    def sign_in(self) -> SignIn: ...
    @property
    def sign_in_callback(self) -> str: ...


@dataclass(frozen=True)
class Returned:
    """What Entra sent the browser back with; `begun` is None when its cookie is not there or not ours."""

    state: str = field(repr=False)
    code: str = field(repr=False)
    begun: SigningIn | None = field(repr=False)


def begin(ticket: Ticket, deps: Deps) -> tuple[str, SigningIn]:
    """Where the browser goes, and what it must bring back. The tenant is the connection's, whoever asks."""
    if ticket.role != "staff":
        raise Refused(Code.LAUNCH_ROLE)
    proof = pkce()
    begun = SigningIn(
        state=secrets.token_urlsafe(24),
        issued=deps.clock.now(),
        verifier=proof.verifier,
        nonce=secrets.token_urlsafe(16),
        ticket=ticket,
    )
    tenant = str(tenant_of(ticket.connection))
    url = deps.sign_in.authorize_url(tenant, deps.sign_in_callback, begun.state, begun.nonce, proof.challenge)
    return url, begun


async def finish(back: Returned, deps: Deps) -> Ticket:
    """Remember who the provider is; the ticket that waited. Raises `Refused`."""
    begun, now = back.begun, deps.clock.now()
    if begun is None or not launch.still_good(begun.state, back.state, begun.issued, now):
        raise Refused(Code.LAUNCH_STALE)
    if not await deps.lookups.claim(Kind.LAUNCH_STATE, begun.state, "sign-in", now + _REMEMBERED):
        raise Refused(Code.LAUNCH_REPLAYED)
    if not back.code:
        raise Refused(Code.SIGN_IN_REFUSED)
    tenant = str(tenant_of(begun.ticket.connection))
    user = await deps.sign_in.redeem(tenant, back.code, deps.sign_in_callback, begun.verifier, begun.nonce)
    await deps.people.keep(begun.ticket.connection, begun.ticket.user, user.oid, now)
    outcome("signed in", connection=begun.ticket.connection)
    return begun.ticket
