"""The whole sandbox, started once for all end-to-end tests, and what they ask of it.

    stack        the running processes; `stack.plan` says where they stand
    scene        a fresh look at it: http, tables, queues, clock, the stand-ins (sandbox.demo.scene.Scene)
    connection   a test connection of Lamna, approved through the API by Ana, with the engine's certificate pinned;
                 `scene.facts["connection"]` holds its id, and `change(...)`, `engine.post(...)` use it
    draft        the same before anything was validated or approved

The Epic stand-in has one test instance, so its FHIR base URL is freed at the end of each test. Tests may move the
clock forwards only, as time does. Nobody resets Epic: its new keys would be unknown to the apps for five minutes.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest

from sandbox import stack as sandbox_stack
from sandbox import world
from sandbox.demo.api import Answer, call, change
from sandbox.demo.scene import Scene, opened
from sandbox.demo.steps.set_up import ASSIGNMENT, ORGANISATION, epic_side, own_side
from sandbox.stack import Stack
from tests import free_ports


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Azurite, the stand-ins, both apps and the front of hl7."""
    folder: Path = tmp_path_factory.mktemp("stack")
    with free_ports.block() as first, asyncio.Runner() as runner:
        made = sandbox_stack.sandbox(folder, first)
        runner.run(made.__aenter__())
        yield made
        dead = made.dead()
        runner.run(made.stop())
        assert not dead, f"ended unasked: {dead}"


@pytest.fixture
async def scene(stack: Stack) -> AsyncIterator[Scene]:
    """The stack as one test sees it; the stand-ins behave again afterwards."""
    async with opened(stack) as made:
        yield made
        for peer in sandbox_stack.PEERS:
            await made.behave(peer)


@pytest.fixture
async def draft(scene: Scene) -> AsyncIterator[Scene]:
    """The scene with a fresh draft at the Epic stand-in's test instance."""
    await call(scene, "olivia", "PUT", "/config/organisations", ORGANISATION)
    await call(scene, "olivia", "POST", "/config/numbers/assignments", ASSIGNMENT)
    added = await add(scene)
    assert added.status == 201, added.body
    scene.facts["connection"] = added.body["id"]
    yield scene
    await free_base(scene)


@pytest.fixture
async def connection(draft: Scene) -> Scene:
    """The scene with an approved connection whose engine may post."""
    pinned = await change(draft, "adam", "POST", "/certificates", draft.plan.path("engine_cer").read_bytes())
    assert pinned.status == 201, pinned.body
    approved = await approve(draft)
    assert approved.status == 200, approved.body
    return draft


async def add(scene: Scene, **changes: object) -> Answer:
    """An administrator's POST of a connection; `changes` replace members of the usual body."""
    usual = {"organisation": "lamna", "environment": "test", "epic": epic_side(scene), "own": own_side()}
    return await call(scene, "adam", "POST", "/config/connections", usual | changes)


async def approve(scene: Scene) -> Answer:
    """Validated, begun, signed in to Epic and approved by Ana."""
    await change(scene, "adam", "POST", "/validation")
    attempt = await begin(scene)
    status, page = await follow(scene, await sign_in_to_epic(scene, attempt.body["authorize_url"]))
    assert status == 200, page
    return await finish(scene, attempt)


async def begin(scene: Scene, user: str = "ana") -> Answer:
    """An approver opens an attempt."""
    return await change(scene, user, "POST", "/approvals")


async def finish(scene: Scene, attempt: Answer, user: str = "ana") -> Answer:
    """An approver enters the code that the last page showed, and presses Approve."""
    path = f"/config/connections/{scene.facts['connection']}/approvals/{attempt.body['attempt']}"
    return await call(scene, user, "POST", path, {"code": scene.facts.get("code", "")})


async def sign_in_to_epic(scene: Scene, authorize_url: str, who: str = "ana") -> str:
    """Epic's page filled in by somebody Epic knows; the address that Epic sends the browser back to."""
    person = world.EPIC_USERS[who]
    async with scene.http.get(authorize_url) as page:
        text = await page.text()
    form = {"request": _field(text, "request"), "login": person.login, "password": person.password}
    action = urljoin(authorize_url, text.partition('action="')[2].partition('"')[0])
    async with scene.http.post(action, data=form, allow_redirects=False) as answer:
        return answer.headers["Location"]


async def follow(scene: Scene, url: str) -> tuple[int, str]:
    """A browser's GET: the status and the page. A code that the page shows is remembered for `finish`."""
    async with scene.http.get(url, allow_redirects=False) as answer:
        text = await answer.text()
    if '<h2 id="code">' in text:
        scene.facts["code"] = text.partition('<h2 id="code">')[2].partition("<")[0]
    return answer.status, text


async def free_base(scene: Scene) -> None:
    """Let the next test's connection have the stand-in's FHIR base URL; what is looked at afterwards stays."""
    table = scene.tables.get_table_client("Lookups")
    async for row in table.query_entities("PartitionKey ge 'fhir-base|' and PartitionKey lt 'fhir-base}'"):
        await table.delete_entity(row)


def _field(text: str, name: str) -> str:
    return text.partition(f'name="{name}" value="')[2].partition('"')[0]
