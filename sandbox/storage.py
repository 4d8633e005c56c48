"""The emulator as the demo, the scan and tests look at it: with the account key, whatever the app uses."""

from typing import Any

from azure.data.tables.aio import TableServiceClient
from azure.storage.queue.aio import QueueServiceClient

from sandbox import plan


def tables(here: plan.Plan) -> TableServiceClient:
    """A client of all tables."""
    return TableServiceClient.from_connection_string(here.storage_connection, **_trust(here))


def queues(here: plan.Plan) -> QueueServiceClient:
    """A client of all queues; it shows a message's text as it lies there."""
    return QueueServiceClient.from_connection_string(here.storage_connection, **_trust(here))


def _trust(here: plan.Plan) -> dict[str, Any]:
    return {"connection_verify": here.files["ca"]} if here.identity else {}
