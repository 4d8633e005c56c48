"""A hospital whose Epic a test holds in its hand, the inside that nobody may reach, and the DNS between them.

The hospital stands on 127.0.0.1, the one address that the sandbox's operator allows; the inside is 127.0.0.2 at the
same port. Both show what reached them. A test changes what the hospital says in `answers`, and where a name leads
with `resolve`, also in the middle of a visit: `then` runs just before an answer leaves.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox import plan as sandbox_plan
from sandbox import world
from sandbox.ca import HOSPITAL
from sandbox.peer import server_tls

OUTSIDE, INSIDE = "127.0.0.1", "127.0.0.2"
BASE = "/api/FHIR/R4"
SMART, METADATA = f"{BASE}/.well-known/smart-configuration", f"{BASE}/metadata"
AUTHORIZE, TOKEN, KEYS = "/oauth2/authorize", "/oauth2/token", "/keys"
OPENID = "/oauth2/.well-known/openid-configuration"
#: The plan's port where nobody of the sandbox stands: an allowed one, so that what is refused is the address.
PORT = "sink"

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def resolve(here: sandbox_plan.Plan, *turns: list[str], name: str = HOSPITAL) -> None:
    """From now on the apps resolve the name to these addresses, one list a question; the last one stays."""
    path = here.path("names")
    known = json.loads(path.read_text()) if path.exists() else {}
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps(known | {name: turns}))
    fresh.replace(path)  # at once: nobody reads half of it


class Inside:
    """What no call may reach. A connection is enough to be counted, whatever would have been said on it."""

    def __init__(self, here: sandbox_plan.Plan) -> None:
        self.port = here.ports[PORT]
        self.url = f"https://{INSIDE}:{self.port}"
        self.reached = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Inside"]:
        server = await asyncio.start_server(self._meet, INSIDE, self.port)
        async with server:
            yield self

    async def _meet(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reached += 1
        writer.close()


class Hospital:
    """An Epic that believes everybody. Each has a path of its own, so nothing that the apps keep is of another's.

    host      as its addresses name it: 127.0.0.1, or a name that `resolve` leads there
    answers   what it says at a path: a JSON document or a handler; nothing there: 404
    then      what happens just before it answers at a path
    context   members of the token response beside OAuth's
    header    members of the id_token's header beside the usual ones
    seen      the paths that were asked for
    """

    def __init__(self, here: sandbox_plan.Plan, host: str = OUTSIDE) -> None:
        self.plan = here
        self.root = f"/{secrets.token_hex(4)}"
        self.url = f"https://{host}:{here.ports[PORT]}{self.root}"
        self.base = self.url + BASE
        self.smart: dict[str, Any] = {
            "authorization_endpoint": self.url + AUTHORIZE,
            "token_endpoint": self.url + TOKEN,
            "jwks_uri": self.url + KEYS,
            "code_challenge_methods_supported": ["S256"],
        }
        self.key = rsa.generate_private_key(65537, 2048)
        published = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        self.answers: dict[str, Any] = {
            SMART: self.smart,
            AUTHORIZE: self._authorize,
            TOKEN: self._token,
            KEYS: {"keys": [published | {"kid": "k1", "use": "sig", "alg": "RS256"}]},
        }
        self.then: dict[str, Callable[[], None]] = {}
        self.context: dict[str, str] = {}
        self.header: dict[str, str] = {}
        self.seen: list[str] = []
        self._asked: dict[str, str] = {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator["Hospital"]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, OUTSIDE, self.plan.ports[PORT], ssl_context=server_tls(self.plan)).start()
        try:
            yield self
        finally:
            await runner.cleanup()
            await asyncio.sleep(0.1)  # TLS says goodbye a moment later; else the closing loop finds open transports

    def at_hand(self, url: str) -> str:
        """The address as a browser of this machine can call it: only the apps know the hospital's name."""
        return url.replace(f"//{HOSPITAL}:", f"//{OUTSIDE}:")

    def redirects(self, path: str, to: str, status: int = 302) -> None:
        """Send whoever asks there elsewhere."""

        async def away(_: web.Request) -> web.Response:
            return web.Response(status=status, headers={"Location": to})

        self.answers[path] = away

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix(self.root)
        self.seen.append(path)
        said = self.answers.get(path)
        if said is None:
            answer: web.StreamResponse = web.json_response({}, status=404)
        else:
            answer = await said(request) if callable(said) else web.json_response(said)
        self.then.get(path, lambda: None)()
        answer.force_close()  # a kept connection would stay where its name once led
        return answer

    async def _authorize(self, request: web.Request) -> web.Response:
        """Everybody is signed in already."""
        self._asked = dict(request.query)
        back = f"{self._asked['redirect_uri']}?code=c-{secrets.token_hex(8)}&state={self._asked['state']}"
        return web.Response(status=302, headers={"Location": back})

    async def _token(self, _: web.Request) -> web.Response:
        asked, now = self._asked, datetime.now(UTC)
        staff = asked["client_id"] == world.EPIC_APPS["test", "provider"]
        claims = {
            "iss": f"{self.url}/oauth2",
            "sub": "eUser",
            "aud": asked["client_id"],
            "iat": now,
            "exp": now + timedelta(minutes=5),
            "nonce": asked["nonce"],
            "fhirUser": f"{self.base}/{'Practitioner' if staff else 'Patient'}/eUser",
        }
        signed = jwt.encode(claims, self.key, "RS256", headers={"kid": "k1"} | self.header)
        return web.json_response({"access_token": "t", "token_type": "bearer", "id_token": signed} | self.context)
