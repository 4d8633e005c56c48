"""The links of a preflight that lead to Microsoft: Entra, Graph, Teams, Communication Services, Event Grid."""

import asyncio
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from shared.clients.app_tokens import GraphTokens, TokenRefused
from shared.clients.graph import Graph, GraphRefused
from shared.clients.numbers import Declined, Numbers
from shared.clock import Clock
from shared.domain import certificates
from shared.domain.connection import Connection
from shared.domain.numbers import Reason
from shared.domain.preflight import Finding, Link
from shared.domain.preflight_findings import said
from shared.domain.receipts import number as one_spelling
from shared.domain.texts import State
from shared.settings import Settings
from shared.storage.orders import Orders
from shared.storage.tables import Row
from shared.storage.texts import Texts
from shared.workflows.bounded import left_out, linked

#: A certificate that ends within this must be replaced now.
SOON = timedelta(days=30)
#: Entra's words for a tenant that has not consented: the application is not there, or not allowed.
_NO_CONSENT = frozenset({"AADSTS7000229", "AADSTS65001", "AADSTS700016", "AADSTS500011"})
#: Graph's word for a permission that the token lacks.
_NO_PERMISSION = "Authorization_RequestDenied"
_AT_ONCE = 8
_REPORTED_WITHIN = timedelta(hours=1)
_UNVERIFIED = "4010"
_SENT = frozenset({State.ACCEPTED.value, State.DELIVERED.value, State.FAILED.value})


class Deps(Protocol):
    """What these links need of the process."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def texts(self) -> Texts: ...
    @property
    def numbers(self) -> Numbers: ...
    @property
    def orders(self) -> Orders: ...
    def new_graph_tokens(self) -> GraphTokens: ...
    def graph_with(self, tokens: GraphTokens) -> Graph: ...


async def graph_links(connection: Connection, deps: Deps) -> list[Link]:
    """A token, then the approver and each organiser with it; the notification certificate needs none."""
    tokens, clock = deps.new_graph_tokens(), deps.clock
    try:
        notified = await linked("notifications", lambda: _notifications(deps), clock)
        token = await linked("graph-token", lambda: _token(connection, tokens, deps), clock)
        if token.state == "failed":
            return [notified, token, left_out("approver", "graph-token"), left_out("organiser", "graph-token")]
        return [notified, token, *await _people(connection, deps.graph_with(tokens), deps)]
    finally:
        await tokens.close()


async def text_links(connection: Connection, deps: Deps) -> list[Link]:
    """Number, reports, allow-list."""
    clock, sms = deps.clock, connection.own.sms
    number = await linked("sms", lambda: _number(connection, deps), clock)
    if not (sms.consented and sms.number):
        return [number, left_out("sms-reports", "sms"), left_out("allow-list", "sms")]
    reports = await linked("sms-reports", lambda: _reports(connection, deps), clock)
    return [number, reports, await linked("allow-list", lambda: _allow_list(connection), clock)]


async def _token(connection: Connection, tokens: GraphTokens, deps: Deps) -> Finding:
    try:
        await tokens.of(str(connection.tenant))
    except TokenRefused as refused:
        name = "graph-token-no-consent" if refused.reason in _NO_CONSENT else "graph-token-refused"
        return said(name, code=refused.reason or "unknown")
    ends = certificates.ends(deps.settings.connector_certificate)
    return said("graph-certificate-ends" if ends - deps.clock.now() < SOON else "graph-token", ends=day(ends))


async def _notifications(deps: Deps) -> Finding:
    """The certificate that new subscriptions name is the first of the ring."""
    if not deps.settings.notification_keys:
        return said("notifications-none")
    ends, now = certificates.ends(deps.settings.notification_keys[0][1]), deps.clock.now()
    name = "notifications-over" if ends <= now else "notifications-end" if ends - now < SOON else "notifications"
    return said(name, ends=day(ends))


async def _people(connection: Connection, graph: Graph, deps: Deps) -> list[Link]:
    clock, turns = deps.clock, asyncio.Semaphore(_AT_ONCE)

    async def organiser(oid: UUID) -> Link:
        async with turns:
            return await linked("organiser", lambda: _organiser(connection, oid, graph, deps), clock, str(oid))

    approver = linked("approver", lambda: _approver(connection, graph), clock)
    if not connection.own.organisers:
        return [await approver, await linked("organiser", _nobody, clock)]
    return list(await asyncio.gather(approver, *map(organiser, connection.own.organisers)))


async def _nobody() -> Finding:
    return said("organiser-none")


async def _approver(connection: Connection, graph: Graph) -> Finding:
    try:
        account = await graph.account(str(connection.tenant), str(connection.own.approver.oid))
    except GraphRefused as refused:
        return graph_said(refused, "")
    if account is None:
        return said("approver-unknown")
    return said("approver" if account.enabled else "approver-disabled")


async def _organiser(connection: Connection, oid: UUID, graph: Graph, deps: Deps) -> Finding:
    """Exists, works, has Teams, and we may make meetings for it: one is made, and removed."""
    tenant, app = str(connection.tenant), deps.settings.connector_client_id
    try:
        account = await graph.account(tenant, str(oid))
        if account is None:
            return said("organiser-unknown")
        if not account.enabled:
            return said("organiser-disabled")
        if not account.teams:
            return said("organiser-no-licence")
        _, gone = await graph.try_meeting(tenant, str(oid), f"preflight-{connection.id}", deps.clock.now())
    except GraphRefused as refused:
        return graph_said(refused, app)
    return said("organiser" if gone else "organiser-left")


def graph_said(refused: GraphRefused, app: str) -> Finding:
    """What Graph's no means. `app`: the connector's client id, for the policy."""
    if refused.no_policy:
        return said("organiser-no-policy", app=app)
    if refused.code == _NO_PERMISSION:
        return said("graph-permission", code=refused.code)
    return said("graph-refused", status=refused.status, code=refused.code)


async def _number(connection: Connection, deps: Deps) -> Finding:
    sms = connection.own.sms
    if not sms.consented or sms.number is None:
        return said({(True, True): "sms-no-number", (False, False): "sms-no-consent"}.get(
            (sms.consented, sms.number is None), "sms-off"
        ))  # fmt: skip
    if not sms.number.startswith("+"):
        return said("sms-short-code")
    try:
        owned = await deps.numbers.owned(sms.number)
    except Declined as declined:
        none = declined.reason is Reason.NO_RESOURCE
        return said("sms-no-service") if none else said("sms-service-refused", reason=declined.reason)
    if owned is None:
        return said("sms-number-gone")
    if "outbound" not in owned.sms:
        return said("sms-number-silent", capability=owned.sms)
    return await _verification(connection, sms.number, deps) if owned.toll_free else said("sms")


async def _verification(connection: Connection, number: str, deps: Deps) -> Finding:
    """No API says whether a toll-free number is verified; the number's row says what somebody entered."""
    orders = await deps.orders.of_tenant(connection.tenant)
    ours = [one for one in orders if one.number and one_spelling(one.number) == one_spelling(number)]
    state = ours[-1].verification.state if ours else "unverified"
    return said("sms") if state == "verified" else said("sms-not-verified", state=state)


async def _reports(connection: Connection, deps: Deps) -> Finding:
    """What became of the texts of the last three days, as their rows say."""
    now = deps.clock.now()
    sent = [row for row in await deps.texts.recent(connection.id, now) if row.get("state") in _SENT]
    if _UNVERIFIED in {row.get("code") for row in sent}:
        return said("sms-unverified")
    reported = [row["reported_at"] for row in sent if row.get("reported_at")]
    if reported:
        return said("sms-reports", at=minute(max(reported)))
    if overdue := [row for row in sent if _overdue(row, now)]:
        return said("sms-reports-missing", count=len(overdue))
    return said("sms-reports-awaited" if sent else "sms-reports-none")


def _overdue(row: Row, now: datetime) -> bool:
    first_sent: datetime | None = row.get("first_sent")
    return first_sent is not None and now - first_sent > _REPORTED_WITHIN


async def _allow_list(connection: Connection) -> Finding:
    if connection.environment != "test":
        return said("allow-list-not-needed")
    count = len(connection.own.sms.allow_list)
    return said("allow-list", count=count) if count else said("allow-list-empty")


def day(moment: datetime) -> str:
    """A day, for a sentence."""
    return f"{moment:%Y-%m-%d}"


def minute(moment: datetime) -> str:
    """A minute in UTC, for a sentence."""
    return f"{moment:%Y-%m-%d %H:%M} UTC"
