"""From the name of a connection to queue clients, as the storage extension resolves it.

`<Conn>` (or `AzureWebJobs<Conn>`) is a connection string, or `<Conn>__queueServiceUri` names the service and
the app's managed identity (`<Conn>__clientId` for a user-assigned one) gets in. Content is passed raw: the host
does the base64 itself, since a policy would encode it twice when a message is put back.
"""

import os
from types import TracebackType
from typing import Any, Self

from azure.identity.aio import ManagedIdentityCredential
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from sandbox import plan
from sandbox.host.settings import Refused

#: The .NET client gives up after 0.8 + 1.6 + 3.2 s; this one after three times two seconds.
_RETRIES: dict[str, Any] = {"retry_total": 3, "initial_backoff": 1, "increment_base": 1, "random_jitter_range": 0}


class Connections:
    """One client per connection, closed together."""

    def __init__(self) -> None:
        self._services: dict[str, QueueServiceClient] = {}
        self._credentials: list[ManagedIdentityCredential] = []
        self._tls: dict[str, Any] = (
            {"connection_verify": str(plan.load().path("ca"))} if "SANDBOX_PLAN" in os.environ else {}
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for service in self._services.values():
            await service.close()
        for credential in self._credentials:
            await credential.close()

    def queue(self, connection: str, name: str) -> QueueClient:
        """A client for one queue, which need not exist.

        Raises:
            Refused: the connection's settings are missing or make no sense.
        """
        if connection not in self._services:
            self._services[connection] = self._open(connection)
        return self._services[connection].get_queue_client(name)

    def _open(self, connection: str) -> QueueServiceClient:
        for prefix in (f"AzureWebJobs{connection}", connection):
            if text := os.environ.get(prefix):
                return _from_string(text, prefix, {**_RETRIES, **self._tls})
            if address := os.environ.get(f"{prefix}__queueServiceUri"):
                credential = ManagedIdentityCredential(client_id=os.environ.get(f"{prefix}__clientId"), **self._tls)
                self._credentials.append(credential)
                return QueueServiceClient(address, credential, **_RETRIES, **self._tls)
        raise Refused(
            f"Storage account connection string '{connection}' does not exist."
            " Make sure that it is a defined App Setting."
        )


def _from_string(text: str, setting: str, options: dict[str, Any]) -> QueueServiceClient:
    try:
        return QueueServiceClient.from_connection_string(text, **options)
    except ValueError:
        raise Refused(f"the setting {setting} is no connection string with keys and endpoints") from None
