"""What travels in queues: one frozen, versioned model per queue, all of it told apart."""

import typing
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from shared import messages
from shared.messages import Message, UpkeepOrder
from shared.storage.names import Queue

MODELS = [kind for kind in vars(messages).values() if isinstance(kind, type) and issubclass(kind, Message)]
KINDS = [kind for kind in MODELS if kind is not Message]
ORDER = UpkeepOrder(
    message_id="m", give_up_at=datetime(2026, 1, 1, tzinfo=UTC), connection="c", kind="erase-phone", key="k", version=1
)


@pytest.mark.parametrize("model", KINDS)
def test_a_message_knows_its_queue_is_frozen_versioned_and_strict(model: type[Message]):
    assert model.queue in Queue
    assert model.model_config["frozen"]
    assert model.model_config["extra"] == "forbid"
    assert typing.get_args(model.model_fields["schema_version"].annotation) == (1,)


def test_no_queue_carries_two_kinds():
    queues = [model.queue for model in KINDS]
    assert len(queues) == len(set(queues))


def test_a_message_cannot_be_changed_or_carry_more():
    with pytest.raises(ValidationError):
        ORDER.attempt = 1
    with pytest.raises(ValidationError):
        UpkeepOrder.model_validate(ORDER.model_dump() | {"phone": "+16085550100"})


def test_a_message_survives_the_wire():
    assert UpkeepOrder.model_validate_json(ORDER.model_dump_json()) == ORDER


def test_a_message_of_another_version_is_refused():
    with pytest.raises(ValidationError):
        UpkeepOrder.model_validate(ORDER.model_dump() | {"schema_version": 2})
