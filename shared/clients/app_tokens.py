"""The connector's own tokens for Graph, one credential a tenant (microsoft-apis.md 4)."""

from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.identity.aio import CertificateCredential

from shared.errors import Later
from shared.telemetry import alarm

#: A person may be waiting; the library's own five minutes would outlast the function. The queue tries again.
_TIMEOUTS: dict[str, Any] = {"connection_timeout": 5, "read_timeout": 10, "retry_total": 1}
_GRAPH = "https://graph.microsoft.com/.default"


class GraphTokens:
    """App-only tokens by the connector's certificate; the library keeps and renews them."""

    def __init__(self, authority: str, client_id: str, certificate: str) -> None:
        """`certificate`: PEM with private key and certificate."""
        self._authority = authority
        self._client_id = client_id
        self._certificate = certificate.encode()
        self._credentials: dict[str, CertificateCredential] = {}

    async def of(self, tenant: str) -> str:
        """A token for a tenant; `Later` when Entra gives none: it is away, or consent is missing."""
        try:
            return (await self._credential(tenant).get_token(_GRAPH)).token
        except ClientAuthenticationError:
            alarm("graph token refused", tenant=tenant)
            raise Later("entra") from None  # the cause quotes the request
        except AzureError:
            raise Later("entra") from None

    def _credential(self, tenant: str) -> CertificateCredential:
        if tenant not in self._credentials:
            self._credentials[tenant] = CertificateCredential(
                tenant,
                self._client_id,
                certificate_data=self._certificate,
                authority=self._authority,
                # The authority is our own setting: nothing is gained by asking Microsoft's public cloud about it.
                disable_instance_discovery=True,
                **_TIMEOUTS,
            )
        return self._credentials[tenant]
