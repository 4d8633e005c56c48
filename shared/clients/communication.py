"""Communication Services over REST, for what Microsoft's SMS client does not know.

A request is signed as the SMS client signs it: HMAC with the resource's key, or a token of our identity
(microsoft-apis.md section 3).
"""

import base64
import hashlib
import hmac
import json as json_codec
from email.utils import formatdate

from azure.core.credentials import AzureKeyCredential
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.exceptions import AzureError
from yarl import URL

from shared.clients.outbound import Answer, Outbound
from shared.errors import Later

_SCOPE = "https://communication.azure.com//.default"  # with two slashes, as Microsoft's client ships it
_SIGNED = "x-ms-date;host;x-ms-content-sha256"


class Communication:
    """One resource. `endpoint` is empty where there is none yet."""

    def __init__(
        self, endpoint: str, credential: AzureKeyCredential | AsyncTokenCredential, outbound: Outbound
    ) -> None:
        self.endpoint = endpoint.rstrip("/")
        self._credential = credential
        self._outbound = outbound

    async def call(self, method: str, path: str, json: object = None) -> Answer:
        """One request, whatever the answer's status. `path`: quoted, with its query. Raises `Later`."""
        url = URL(self.endpoint + path, encoded=True)
        # Signed are the very bytes that aiohttp sends for `json`.
        content = b"" if json is None else json_codec.dumps(json).encode()
        headers = await self._headers(method, url, content)
        return await self._outbound.call(method, str(url), headers=headers, json=json)

    async def _headers(self, method: str, url: URL, content: bytes) -> dict[str, str]:
        if isinstance(self._credential, AzureKeyCredential):
            return signature(method, url, content, self._credential.key)
        try:
            return {"Authorization": f"Bearer {(await self._credential.get_token(_SCOPE)).token}"}
        except AzureError:
            raise Later("identity") from None


def signature(method: str, url: URL, content: bytes, key: str) -> dict[str, str]:
    """The headers that prove a request by the resource's key, made now."""
    hashed = base64.b64encode(hashlib.sha256(content).digest()).decode()
    date, host = formatdate(usegmt=True), url.authority if url.explicit_port else str(url.raw_host)
    text = f"{method}\n{url.raw_path_qs}\n{date};{host};{hashed}"
    digest = hmac.digest(base64.b64decode(key), text.encode(), "sha256")
    proof = f"HMAC-SHA256 SignedHeaders={_SIGNED}&Signature={base64.b64encode(digest).decode()}"
    return {"x-ms-date": date, "x-ms-content-sha256": hashed, "Authorization": proof}
