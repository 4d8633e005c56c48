"""A browser as far as a launch needs one: cookies, redirects followed one by one, a form filled in, Refresh obeyed.

    async with Browser(scene.plan) as paula:
        page = await paula.launch("paula", csn)         # Epic's button, to the first page that is no redirect
        page = await paula.sign_in(page, "paula")       # Entra's page, if that is where she landed
        page.host == "graph"                            # the Teams page

Each browser is somebody's own; what one keeps the other does not see.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from sandbox import world
from sandbox.plan import Plan

_REDIRECTS = {301, 302, 303, 307, 308}
_MOST_HOPS = 20


@dataclass(frozen=True)
class Page:
    """What one request brought. `host` is the name of who answered: app, epic, entra, graph; else the address."""

    status: int
    url: str
    host: str
    headers: Mapping[str, str]
    cookies: tuple[str, ...]
    text: str

    @property
    def location(self) -> str:
        """Where it sends the browser; empty for a page."""
        return urljoin(self.url, self.headers.get("Location", "")) if self.status in _REDIRECTS else ""


class Browser:
    """One person's browser."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.jar = aiohttp.CookieJar(unsafe=True, quote_cookie=False)
        self.trail: list[Page] = []

    async def __aenter__(self) -> Self:
        tls = ssl.create_default_context(cafile=str(self.plan.path("ca")))
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=tls),
            cookie_jar=self.jar,
            timeout=aiohttp.ClientTimeout(total=30),
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.close()

    async def ask(self, method: str, url: str | URL, **how: Any) -> Page:
        """One request; nothing is followed."""
        async with self._http.request(method, url, allow_redirects=False, **how) as answer:
            text = await answer.text(errors="replace")
            cookies = tuple(answer.headers.getall("Set-Cookie", ()))
            page = Page(answer.status, str(answer.url), self._host(str(url)), answer.headers, cookies, text)
        self.trail.append(page)
        return page

    async def go(self, url: str | URL, **how: Any) -> Page:
        """A GET, and every redirect, to the first page."""
        return await self.follow(await self.ask("GET", url, **how))

    async def follow(self, page: Page) -> Page:
        """From a redirect to the first page."""
        for _ in range(_MOST_HOPS):
            if not page.location:
                return page
            page = await self.ask("GET", page.location)
        raise RuntimeError("too many redirects")

    async def launch(self, user: str, csn: str, **order: Any) -> Page:
        """Epic's button pressed by somebody of the world, followed to the first page."""
        return await self.go((await self.press(user, csn, **order))["url"])

    async def press(self, user: str, csn: str, **order: Any) -> dict[str, str]:
        """A launch as Epic sends it, not yet followed: url, launch_url, iss, launch."""
        where = f"{self.plan.urls['epic']}/_sandbox/launch"
        async with self._http.post(where, json={"user": user, "csn": csn} | order) as answer:
            if answer.status != 201:
                raise RuntimeError(await answer.text())
            pressed: dict[str, str] = await answer.json()
            return pressed

    async def sign_in(self, page: Page, user: str) -> Page:
        """Entra's page: pick a user of the world, and follow."""
        return await self.follow(await self.ask("POST", page.url, data={"user": world.USERS[user].key}))

    async def refresh(self, page: Page) -> Page:
        """What the page's Refresh asks for, without the wait."""
        _, _, target = page.headers.get("Refresh", "").partition("url=")
        return await self.go(target or page.url)

    def _host(self, url: str) -> str:
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(url))
        return next((name for name, mine in self.plan.urls.items() if mine == origin), origin)
