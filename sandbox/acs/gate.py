"""Who may call: an HMAC signature with the resource's key, or an Entra token for Communication Services.

Signature and token are checked by real time, as the real clients make them.
"""

import base64
import hashlib
import hmac
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import jwt
from aiohttp import web

from sandbox import world
from sandbox.acs.bodies import RefusedError, rfc1123
from sandbox.peer import Handler, Peer

SIGNED_HEADERS = "x-ms-date;host;x-ms-content-sha256"
#: How far x-ms-date may be from the real time.
DATE_WINDOW = timedelta(minutes=15)
#: The scope is shipped with a double slash (microsoft-apis.md section 3), so the audience may end in one.
AUDIENCES = ["https://communication.azure.com", "https://communication.azure.com/"]


class Gate:
    """Lets a request through to its work, or refuses it and remembers the refusal."""

    def __init__(self, peer: Peer, session: Callable[[], aiohttp.ClientSession]) -> None:
        self._peer = peer
        self._session = session
        self._keys: dict[str, jwt.PyJWK] = {}
        self._issuers: set[str] = set()

    def guard(self, work: Callable[[web.Request], Awaitable[web.Response]], versions: set[str]) -> Handler:
        """`work` behind the checks; `versions` are the values of api-version it knows."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                await self._admit(request)
                check_version(request, versions)
                return await work(request)
            except RefusedError as refused:
                facts = {"route": f"{request.method} {request.path}", "status": refused.status}
                self._peer.saw("refused", **facts, code=refused.code, message=refused.message)
                return refused.response()

        return guarded

    async def _admit(self, request: web.Request) -> None:
        scheme, _, proof = request.headers.get("Authorization", "").partition(" ")
        if scheme == "HMAC-SHA256":
            await check_signature(request, proof)
        elif scheme == "Bearer":
            await self._check_token(proof)
        else:
            raise denied("Authorization is missing or of an unknown kind.")

    async def _check_token(self, token: str) -> None:
        """Signature, audience, tenant, issuer and lifetime (microsoft-apis.md section 4)."""
        try:
            key = await self._key(str(jwt.get_unverified_header(token).get("kid")))
            required = ["exp", "iss", "aud", "tid"]
            claims = jwt.decode(token, key, ["RS256"], audience=AUDIENCES, options={"require": required})
        except jwt.InvalidTokenError as wrong:
            raise denied(f"The token is not valid: {type(wrong).__name__}.") from None
        if claims["tid"] != world.OPERATOR_TENANT or claims["iss"] not in self._issuers:
            raise denied("The token is not of this resource's tenant.")

    async def _key(self, kid: str) -> jwt.PyJWK:
        if kid not in self._keys:
            await self._fetch_keys()
        if kid not in self._keys:
            raise denied("The token's key is unknown.")
        return self._keys[kid]

    async def _fetch_keys(self) -> None:
        tenant = f"{self._peer.plan.urls['entra']}/{world.OPERATOR_TENANT}"
        try:
            about = await self._get(f"{tenant}/v2.0/.well-known/openid-configuration")
            keys = await self._get(about["jwks_uri"])
        except (aiohttp.ClientError, TimeoutError):
            raise RefusedError(503, "ServiceUnavailable", "Entra does not answer.") from None
        #: Entra writes tokens of version 1 and 2, each with its own issuer.
        self._issuers = {about["issuer"], f"https://sts.windows.net/{world.OPERATOR_TENANT}/"}
        self._keys = {key["kid"]: jwt.PyJWK(key, "RS256") for key in keys["keys"]}

    async def _get(self, url: str) -> Any:
        async with self._session().get(url, raise_for_status=True) as answer:
            return await answer.json()


async def check_signature(request: web.Request, proof: str) -> None:
    """The signature over `VERB\\npath?query\\ndate;host;hash`, with the key of this resource."""
    date = request.headers.get("x-ms-date", "")
    content = base64.b64encode(hashlib.sha256(await request.read()).digest()).decode()
    if request.headers.get("x-ms-content-sha256") != content:
        raise denied("Request 'x-ms-content-sha256' differs from generated content hash.")
    if not recent(date):
        raise denied("x-ms-date is missing, malformed or too far from the present.")
    text = f"{request.method}\n{request.raw_path}\n{date};{request.headers['Host']};{content}"
    digest = hmac.digest(base64.b64decode(world.ACS_ACCESS_KEY), text.encode(), "sha256")
    expected = f"SignedHeaders={SIGNED_HEADERS}&Signature={base64.b64encode(digest).decode()}"
    if not hmac.compare_digest(expected.encode(), proof.encode()):
        raise denied("The HMAC signature does not match.")


def recent(date: str) -> bool:
    """Whether an RFC 1123 date is near the real present."""
    try:
        return abs(datetime.now(UTC) - rfc1123(date)) <= DATE_WINDOW
    except ValueError:
        return False


def check_version(request: web.Request, versions: set[str]) -> None:
    """The api-version in the query must be one that this route knows."""
    match request.query.getall("api-version", []):
        case []:
            raise RefusedError(400, "ApiVersionUnspecified", "An API version is required, but was not specified.")
        case [version] if version in versions:
            return
    raise RefusedError(400, "UnsupportedApiVersion", "The API version is not supported.")


def denied(message: str) -> RefusedError:
    """401 as the SMS spec's examples show it."""
    return RefusedError(401, "Denied", message)
