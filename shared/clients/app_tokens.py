"""The connector's own tokens for Graph, one credential a tenant (microsoft-apis.md 4)."""

import re
from typing import Any

from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.identity.aio import CertificateCredential

from shared.errors import Later
from shared.telemetry import alarm

#: A person may be waiting; the library's own five minutes would outlast the function. The queue tries again.
_TIMEOUTS: dict[str, Any] = {"connection_timeout": 5, "read_timeout": 10, "retry_total": 1}
_GRAPH = "https://graph.microsoft.com/.default"
_REASON = re.compile(r"\bAADSTS\d{1,8}\b")


class TokenRefused(Later):
    """Entra gives no token: consent is missing, or our certificate is not known. `reason`: Entra's AADSTS code."""

    def __init__(self, reason: str) -> None:
        super().__init__("entra")
        self.reason = reason


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
        except ClientAuthenticationError as error:
            found = _REASON.search(str(error.message))
            alarm("graph token refused", tenant=tenant)
            raise TokenRefused(found[0] if found else "") from None  # the cause quotes the request
        except AzureError:
            raise Later("entra") from None

    async def forget(self, tenant: str) -> None:
        """Ask anew next time: a token from before consent lacks what was granted, and would be kept for an hour."""
        if credential := self._credentials.pop(tenant, None):
            await credential.close()

    async def close(self) -> None:
        """Close the connections."""
        for credential in self._credentials.values():
            await credential.close()

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
