"""Work that was given up: kept with its reason, marked where it belongs, sent once more if an operator says so."""

from datetime import timedelta
from typing import Protocol

from shared.errors import Code, Later, Refused
from shared.messages import CallEvent, Message, NumberOrder, TextOrder, TrialText, WritebackOrder
from shared.storage.names import Queue
from shared.storage.parked import Parked
from shared.storage.queues import Poison, Queues
from shared.storage.tables import Conflict
from shared.telemetry import alarm, outcome, place
from shared.workflows import number_orders, presence, texts, trial_texts, writeback

POISON = "poison"
#: How long work that an operator sends once more is tried.
_DRIVEN_FOR = timedelta(days=1)


class Deps(texts.Deps, writeback.Deps, number_orders.Rows, Protocol):
    """What given-up work needs of the process."""

    @property
    def parked(self) -> Parked: ...
    @property
    def queues(self) -> Queues: ...


async def bury(queue: Queue, deps: Deps) -> None:
    """Copy a queue's poison messages into table Parked, mark what they belong to, then remove them.

    Safe to repeat: a copy is removed once its row stands, and the same message has the same row.
    """
    async for poison in deps.queues.poison(queue):
        await _keep(queue, poison, deps)
        await deps.queues.bury(queue, poison)


async def drive_again(queue: Queue, name: str, by: str, deps: Deps) -> None:
    """Send parked work once more, as if for the first time. Its row stays and says who did, and when.

    by: the Entra object id of the operator. Safe to repeat: work meets itself by its id.
    """
    message, row = await deps.parked.find(queue, name)
    await _reopen(message, deps)
    try:
        await deps.parked.drove(row, by)
    except Conflict:
        raise Refused(Code.CHANGED_MEANWHILE) from None
    until = deps.clock.now() + _DRIVEN_FOR
    await deps.queues.put(message.model_copy(update={"attempt": 0, "give_up_at": until}))
    outcome("driven again", queue=queue, id=name, by=by)


async def _keep(queue: Queue, poison: Poison, deps: Deps) -> None:
    if poison.message is None:
        await deps.parked.park_unreadable(queue, poison.id, POISON)
        alarm("poison unreadable", queue=queue, id=poison.id)
        return
    await deps.parked.park(poison.message, POISON)
    alarm("poison parked", queue=queue, id=poison.message.message_id)
    await _mark(poison.message, deps)


async def _mark(message: Message, deps: Deps) -> None:
    """Say in the row it belongs to that nobody tries any more. What poisoned the message may spoil this as well."""
    try:
        match message:
            case TextOrder():
                await texts.gave_up(message, deps, POISON)
            case WritebackOrder():
                await writeback.gave_up(message, deps, POISON)
            case CallEvent():
                await presence.gave_up(message, deps, POISON)
            case NumberOrder():
                await number_orders.gave_up(message, deps, POISON)
            case TrialText():
                await trial_texts.gave_up(message, deps, POISON)
    except Later:
        raise  # the copy comes back with the next tick
    except Exception as error:  # its text may hold anything: only its type and place go on
        alarm(
            "poison not marked", queue=message.queue, id=message.message_id, error=type(error).__name__, at=place(error)
        )


async def _reopen(message: Message, deps: Deps) -> None:
    match message:
        case TextOrder():
            await texts.reopen(message, deps)
        case WritebackOrder():
            await writeback.reopen(message, deps)
        case NumberOrder():
            await number_orders.reopen(message, deps)
        case TrialText():
            await trial_texts.reopen(message, deps)
