"""Approval: the named approver signs in to Epic, sees what was found, and approves (architecture, section 8).

    begin    POST by the approver opens an attempt: who, which revision, a state; answers Epic's address
    arrive   Epic's redirect comes without any bearer, so it only stores what Epic said, and shows a code
    finish   a second POST by the same person on the same revision, with that code, approves

The address can be sent to anybody, and a clinician who is signed in at Epic has come back with one click. The code is
seen only where Epic's sign-in ended: it proves that the approver was there.

Epic's tokens are dropped as soon as they have been checked: the sign-in proves the FHIR base URL, nothing else.
"""

import hmac
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from shared.clients.entra import Caller
from shared.clients.epic import Credential, Epic, authorize_url
from shared.clients.epic_tokens import IdToken
from shared.clients.oauth import pkce
from shared.clock import Clock
from shared.domain import configuration
from shared.domain.connection import Connection, EpicSide
from shared.errors import Code, Later, Refused
from shared.storage.connections import Connections
from shared.storage.lookups import Kind, Lookups
from shared.storage.tables import Conflict, Row
from shared.workflows import fhir_bases

_TIME_TO_SIGN_IN = timedelta(minutes=15)
#: `profile` for the name the approver has at Epic, which they are shown once and nobody keeps.
SCOPE = "openid profile fhirUser launch"
#: An EHR's own names; longer ones are cut for the page.
_LONGEST_NAME = 200
#: Letters and digits that are not taken for one another; eight of them are good for a quarter of an hour.
_LETTERS = "ABCDEFGHJKMNPQRSTVWXYZ23456789"


class Deps(Protocol):
    """What approval needs of the process."""

    @property
    def connections(self) -> Connections: ...
    @property
    def lookups(self) -> Lookups: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def epic(self) -> Epic: ...
    @property
    def epic_callback(self) -> str: ...
    async def credential(self, connection: Connection, side: EpicSide, client_id: str) -> Credential: ...


@dataclass(frozen=True)
class Attempt:
    """An approver on the way through Epic's sign-in."""

    id: str
    authorize_url: str


@dataclass(frozen=True)
class Confirmed:
    """What the person who signed in at Epic sees: who they are there, what is to be joined, and the approving code."""

    user: str = field(repr=False)
    organisation: str
    fhir_base_url: str
    code: str = field(repr=False)


@dataclass(frozen=True)
class Progress:
    """An attempt as its approver may see it, for as long as it lasts. `user`: who signed in at Epic, once somebody has.

    state   waiting for Epic's sign-in, redeeming what it brought, failed: only a new attempt helps, or signed-in: the
            code can be entered
    """

    state: str
    user: str | None = field(repr=False)
    organisation: str
    fhir_base_url: str
    until: datetime


async def begin(connection: Connection, who: Caller, deps: Deps) -> Attempt:
    """Open an attempt for the revision that waits."""
    pending = _waiting(connection, who)
    await _entitled(connection, deps)
    await deps.credential(connection, pending, pending.provider_client_id)  # a secret that is missing shows here
    endpoints = await deps.epic.discover(pending.fhir_base_url, pending.provider_client_id)
    attempt, secret = secrets.token_urlsafe(12), secrets.token_urlsafe(24)
    proof = pkce()
    nonce = secrets.token_urlsafe(16)
    await deps.lookups.claim(
        Kind.APPROVAL,
        attempt,
        connection.id,
        deps.clock.now() + _TIME_TO_SIGN_IN,
        who=who.user,
        change=connection.change,
        state="waiting",
        secret_sealed=secret,
        verifier_sealed=proof.verifier,
        nonce_sealed=nonce,
    )
    url = authorize_url(
        endpoints,
        client_id=pending.provider_client_id,
        redirect_uri=deps.epic_callback,
        scope=SCOPE,
        state=f"{attempt}.{secret}",
        aud=pending.fhir_base_url,
        challenge=proof.challenge if pending.pkce else None,
        launch=None,
        nonce=nonce,
    )
    return Attempt(attempt, url)


async def arrive(state: str, code: str, deps: Deps) -> Confirmed:
    """Redeem what Epic's redirect brought, once; keep only that a member of staff signed in."""
    row = await _attempt_of(state, deps)
    row["state"] = "redeeming"
    try:
        await deps.lookups.save(row)
    except Conflict:  # the same redirect twice at once
        raise Refused(Code.LAUNCH_REPLAYED) from None
    try:
        return await _redeemed(row, state, code, deps)
    except (Refused, Later):  # Epic's code is spent: only a new attempt helps, and the approver's page says so
        await _ended(state, {"state": "failed"}, deps)
        raise


async def turned_away(state: str, deps: Deps) -> None:
    """Epic has not signed the person in: their page need not wait any more."""
    row = await _attempt_of(state, deps)
    await deps.lookups.save(row | {"state": "failed"})


async def _redeemed(row: Row, state: str, code: str, deps: Deps) -> Confirmed:
    connection, _ = await deps.connections.find(row["target"])
    if connection.pending is None or connection.change != row["change"]:
        raise Refused(Code.WRONG_STATE, "pending")
    epic = connection.pending.epic
    endpoints = await deps.epic.discover(epic.fhir_base_url, epic.provider_client_id)
    tokens = await deps.epic.redeem(
        endpoints,
        code=code,
        redirect_uri=deps.epic_callback,
        verifier=row["verifier_sealed"] if epic.pkce else None,
        credential=await deps.credential(connection, epic, epic.provider_client_id),
        nonce=row["nonce_sealed"],
    )
    if tokens.id is None or tokens.id.kind != "Practitioner":
        raise Refused(Code.SIGN_IN_REFUSED)
    organisation = await deps.connections.organisation(connection.tenant, connection.organisation)
    user = _name(tokens.id)
    letters = "".join(secrets.choice(_LETTERS) for _ in range(8))
    await _ended(state, {"state": "signed-in", "code_sealed": letters, "user_sealed": user}, deps)
    return Confirmed(user, organisation.name, epic.fhir_base_url, f"{letters[:4]}-{letters[4:]}")


async def progress(connection: Connection, attempt: str, who: Caller, deps: Deps) -> Progress:
    """How far an attempt is; only for who began it, on the revision that still waits."""
    epic = _waiting(connection, who)
    row = await _own(connection, attempt, who, deps)
    if row["change"] != connection.change:
        raise Refused(Code.WRONG_STATE, "attempt")
    organisation = await deps.connections.organisation(connection.tenant, connection.organisation)
    user = row.get("user_sealed")
    return Progress(row["state"], user, organisation.name, epic.fhir_base_url, row["expires"])


async def send_back(connection: Connection, etag: str, reason: str, who: Caller, deps: Deps) -> Connection:
    """The approver does not agree; what serves goes on serving."""
    _waiting(connection, who)
    changed = configuration.sent_back(connection, reason, who.user, deps.clock.now())
    await deps.connections.save(changed, etag, who=who.user, did="refused", at=deps.clock.now())
    return changed


async def finish(connection: Connection, etag: str, attempt: str, code: str, who: Caller, deps: Deps) -> Connection:
    """Approve: the same person, the same revision, after Epic has said yes where that person could see it."""
    _waiting(connection, who)
    row = await _own(connection, attempt, who, deps)
    if row["state"] != "signed-in" or row["change"] != connection.change:
        raise Refused(Code.WRONG_STATE, "attempt")
    typed = code.replace("-", "").replace(" ", "").upper()
    if not hmac.compare_digest(row["code_sealed"].encode(), typed.encode()):
        raise Refused(Code.VALUE_REFUSED, "code")
    await _entitled(connection, deps)
    approved = configuration.approved(connection)
    await deps.connections.save(approved, etag, who=who.user, did="approved", at=deps.clock.now())
    await deps.lookups.drop(Kind.APPROVAL, attempt)
    await fhir_bases.free(connection, approved, deps)
    return approved


async def _own(connection: Connection, attempt: str, who: Caller, deps: Deps) -> Row:
    """The row of an attempt that this person began at this connection."""
    row = await deps.lookups.find(Kind.APPROVAL, attempt)
    if row is None or row["target"] != connection.id or row["who"] != who.user:
        raise Refused(Code.NOT_FOUND)
    return row


async def _entitled(connection: Connection, deps: Deps) -> None:
    organisation = await deps.connections.organisation(connection.tenant, connection.organisation)
    configuration.check_entitlement(organisation, connection.environment)


def _waiting(connection: Connection, who: Caller) -> EpicSide:
    if (str(connection.tenant), str(connection.own.approver.oid)) != (who.tenant, who.user):
        raise Refused(Code.NOT_THE_APPROVER)
    if connection.pending is None or connection.pending.state != "needs-approval":
        raise Refused(Code.WRONG_STATE, "pending")
    return connection.pending.epic


async def _attempt_of(state: str, deps: Deps) -> Row:
    attempt, _, secret = state.partition(".")
    row = await deps.lookups.find(Kind.APPROVAL, attempt)
    if row is None or not hmac.compare_digest(row["secret_sealed"].encode(), secret.encode()):
        raise Refused(Code.LAUNCH_STALE)
    if row["state"] != "waiting":
        raise Refused(Code.LAUNCH_REPLAYED)
    return row


async def _ended(state: str, what: Row, deps: Deps) -> None:
    """Keep what came of the redirect."""
    row = await deps.lookups.find(Kind.APPROVAL, state.partition(".")[0])
    if row is None:
        raise Refused(Code.LAUNCH_STALE)
    await deps.lookups.save(row | what)


def _name(who: IdToken) -> str:
    """The login that Epic knows the person by, else their FHIR id: no record of Epic is read for it (F3.2)."""
    return (who.preferred_username or who.subject)[:_LONGEST_NAME]
