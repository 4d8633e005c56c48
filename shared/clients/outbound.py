"""The one way out: every call to an address that we did not write ourselves, and the same path for those we did.

https only; no redirect is followed; a name is resolved once and the connection goes to exactly that address; the
answer's size and time are limited. Which addresses may be called is `shared.clients.addresses`.
"""

import asyncio
import base64
import json as json_codec
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from shared.clients.addresses import Policy, checked_url
from shared.errors import Later

MEGABYTE = 1_000_000
_TIMEOUTS = aiohttp.ClientTimeout(total=10, connect=5)
_CHUNK = 65_536
_TOO_MANY = 429
_SERVER_ERROR = 500
#: No peer may put work off for longer; past it the work's own give-up time decides.
_LONGEST_DELAY = timedelta(days=1)
_SECONDS = re.compile(r"\d{1,9}(\.\d+)?")

#: Host and port to IP addresses, as text. Tests hand in their own.
type Lookup = Callable[[str, int], Awaitable[list[str]]]


class Unreadable(Later):
    """The peer answered too much, or not the JSON it should: a proxy's error page, a server being mended."""


@dataclass(frozen=True)
class Answer:
    """What a peer said. Header names in `headers` are compared without regard to case.

    peer    host that answered, for logs
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    peer: str

    def or_later(self) -> "Answer":
        """Itself, unless the peer is busy or broken: 429 and 5xx raise `Later` with the peer's Retry-After."""
        if self.status == _TOO_MANY or self.status >= _SERVER_ERROR:
            raise Later(self.peer, retry_after(self.headers))
        return self

    def json(self) -> dict[str, Any]:
        """The JSON object in the body; raises `Unreadable`."""
        try:
            read = json_codec.loads(self.body)
        except (ValueError, RecursionError):
            read = None
        if not isinstance(read, dict):
            raise Unreadable(self.peer)
        return read


class Outbound:
    """Calls addresses under one policy. One connection pool per process, opened at the first call."""

    def __init__(self, policy: Policy, lookup: Lookup | None = None) -> None:
        self._policy = policy
        self._resolver = _CheckedResolver(policy, lookup or system_lookup)
        self._session: aiohttp.ClientSession | None = None

    async def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        json: object = None,
        basic: tuple[str, str] | None = None,
        limit: int = MEGABYTE,
    ) -> Answer:
        """One request, one answer, whatever its status; a redirect is an answer like any other.

        limit    bytes of body at most
        Raises `Refused(ADDRESS_REFUSED)`, `Later` (no connection, no answer in time), `Unreadable` (too large).
        """
        target = checked_url(url, self._policy)
        peer = str(target.host)
        sent = {"Accept": "application/json", "Accept-Encoding": "identity", **(headers or {}), **_basic(basic)}
        try:
            async with self._opened().request(
                method, target, headers=sent, data=form, json=json, allow_redirects=False
            ) as response:
                body = await _body(response, limit, peer)
                return Answer(response.status, response.headers, body, peer)
        except (aiohttp.ClientError, TimeoutError, OSError):
            raise Later(peer) from None  # the cause may hold the URL's query

    async def judge(self, url: str) -> None:
        """Whether an address may be called, without calling it. Raises `Refused(ADDRESS_REFUSED)`, `Later`."""
        target = checked_url(url, self._policy)
        try:
            await self._resolver.resolve(str(target.raw_host), target.port or 0)
        except OSError:
            raise Later(str(target.host)) from None

    async def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            # The cache of names is off: it would answer for longer than one call.
            connector = aiohttp.TCPConnector(
                resolver=self._resolver, use_dns_cache=False, ssl=ssl.create_default_context()
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=_TIMEOUTS,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,  # a small body must not become a large one
                trust_env=False,
            )
        return self._session


class _CheckedResolver(AbstractResolver):
    """Resolves a name once; all its addresses must be allowed. aiohttp connects to exactly what it returns."""

    def __init__(self, policy: Policy, lookup: Lookup) -> None:
        self._policy = policy
        self._lookup = lookup

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_UNSPEC,  # noqa: ARG002 - aiohttp's signature; we take both
    ) -> list[ResolveResult]:
        addresses = await self._lookup(host, port)
        for address in addresses:
            self._policy.check_address(address)
        return [_result(host, port, address) for address in addresses]

    async def close(self) -> None:
        pass


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """What a Retry-After asks for: seconds, which may be fractional, or a date (RFC 9110, 10.2.3).

    A date is read against the answer's own Date, so our clocks need not agree.
    """
    asked = headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(asked):
        return min(timedelta(seconds=float(asked)), _LONGEST_DELAY)
    until, now = _date(asked), _date(headers.get("Date", ""))
    if until is None or now is None:
        return None
    return min(max(until - now, timedelta()), _LONGEST_DELAY)


async def system_lookup(host: str, port: int) -> list[str]:
    """The addresses this machine's resolver knows."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


def _result(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    flags = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
    return {"hostname": host, "host": address, "port": port, "family": family, "proto": 0, "flags": flags}


async def _body(response: aiohttp.ClientResponse, limit: int, peer: str) -> bytes:
    parts = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        parts += chunk
        if len(parts) > limit:
            raise Unreadable(peer)
    return bytes(parts)


def _basic(credentials: tuple[str, str] | None) -> dict[str, str]:
    if credentials is None:
        return {}
    return {"Authorization": "Basic " + base64.b64encode(":".join(credentials).encode()).decode()}


def _date(text: str) -> datetime | None:
    try:
        parsed = parsedate_to_datetime(text)
    except ValueError:
        return None
    return parsed if parsed.tzinfo else None
