"""Being told of a visit's call: Graph's subscription, from before the start until the visit is closed."""

import hmac
from datetime import timedelta
from typing import Protocol

from shared.clients.graph import Graph, Wish
from shared.clients.notifications import NotificationKeys
from shared.clock import Clock
from shared.domain.agenda import SUBSCRIBE_AHEAD
from shared.domain.configuration import tenant_of
from shared.domain.visit import Subscription, Visit, heard_of
from shared.messages import MeetingRequest
from shared.settings import Settings
from shared.storage.queues import Queues
from shared.storage.sealing import Pseudonyms
from shared.storage.tables import settled
from shared.storage.visits import Visits
from shared.telemetry import outcome

#: How long after its planned end a visit is still listened to; a longer one is renewed.
_LISTEN_ON = timedelta(minutes=90)
#: Graph allows 4,230 minutes; asked for well below.
_LONGEST = timedelta(minutes=4000)


class Deps(Protocol):
    """What this needs of the process."""

    @property
    def settings(self) -> Settings: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def visits(self) -> Visits: ...
    @property
    def graph(self) -> Graph: ...
    @property
    def notification_keys(self) -> NotificationKeys: ...
    @property
    def pseudonyms(self) -> Pseudonyms: ...
    @property
    def queues(self) -> Queues: ...


async def look_after(request: MeetingRequest, deps: Deps) -> None:
    """Subscribe, renew, or subscribe anew after Graph has dropped a subscription. Safe to repeat."""
    known = await deps.visits.find(request.key)
    visit, now = known.visit, deps.clock.now()
    if visit is None or visit.closed or visit.meeting is None or not visit.meeting.ready or not visit.meeting.join_url:
        return
    if now >= request.give_up_at or (request.kind == "subscribe" and heard_of(visit, now)):
        return
    tenant, wish = str(tenant_of(visit.connection)), _wish(visit, deps)
    subscription = None
    if request.kind == "renew" and visit.subscription:
        subscription = await deps.graph.renew(tenant, visit.subscription.id, wish)
    if subscription is None:
        subscription = await deps.graph.subscribe(tenant, visit.meeting.join_url, wish)
    lost = request.kind != "subscribe" and subscription.id != (visit.subscription and visit.subscription.id)
    await settled(lambda: _keep(visit.key, subscription, deps, lost=lost))
    outcome("subscribed", visit=visit.key, how=request.kind)


async def reconcile(request: MeetingRequest, deps: Deps) -> None:
    """What Graph says it did not tell us of, closing asks for. Safe to repeat."""
    await missed(request.key, deps.visits)


async def missed(key: str, visits: Visits) -> None:
    """Remember that not everything was heard of the visit's call: closing asks who was there. Safe to repeat."""
    await settled(lambda: _missed(key, visits))
    outcome("reconcile", visit=key)


async def want(visit: Visit, deps: Deps) -> None:
    """Ask for a subscription now, if it is time and there is none: an ad hoc visit, or one that was overlooked."""
    now = deps.clock.now()
    if visit.closed or heard_of(visit, now) or now < visit.start - SUBSCRIBE_AHEAD:
        return
    await deps.queues.put(
        MeetingRequest(
            message_id=f"subscribe|{visit.key}|0",
            give_up_at=max(visit.end, now + _LISTEN_ON),
            connection=visit.connection,
            kind="subscribe",
            key=visit.key,
        )
    )


def client_state(key: str, pseudonyms: Pseudonyms) -> str:
    """The visit's key and its proof: who sends it has it from us. Below Graph's 128 characters."""
    return f"{key}.{pseudonyms.of('client-state', '', key)}"


def proven(state: object, pseudonyms: Pseudonyms) -> str | None:
    """The visit's key in a client state, or None for one that is not ours."""
    if not isinstance(state, str) or not state.isascii():
        return None
    key = state.partition(".")[0]
    return key if hmac.compare_digest(state.encode(), client_state(key, pseudonyms).encode()) else None


def _wish(visit: Visit, deps: Deps) -> Wish:
    now, url = deps.clock.now(), deps.settings.public_url
    return Wish(
        notification_url=f"{url}/graph/notifications",
        lifecycle_url=f"{url}/graph/lifecycle",
        client_state=client_state(visit.key, deps.pseudonyms),
        expires=min(max(visit.end, now) + _LISTEN_ON, now + _LONGEST),
        key=deps.notification_keys.current,
    )


async def _keep(key: str, subscription: Subscription, deps: Deps, *, lost: bool) -> None:
    """lost: a subscription that should still be there is not, and what happened until now may never be told."""
    known = await deps.visits.find(key)
    if known.visit:
        update = {"subscription": subscription, "missed": known.visit.missed or lost}
        await deps.visits.save(known, known.visit.model_copy(update=update))


async def _missed(key: str, visits: Visits) -> None:
    known = await visits.find(key)
    if known.visit and not known.visit.missed:
        await visits.save(known, known.visit.model_copy(update={"missed": True}))
