"""The API against its own description: whatever it allows, and what it forbids, nothing of ours ends in a 5xx.

A sandbox of its own: what is made up here may suspend a connection or order a number.
"""

import asyncio
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from sandbox import stack as sandbox_stack
from sandbox import world
from sandbox.demo.api import call, change
from sandbox.demo.scene import Scene, opened
from sandbox.demo.steps.set_up import ASSIGNMENT, ORGANISATION, epic_side
from sandbox.stack import Stack
from shared import openapi
from shared.api import OPERATIONS
from tests import free_ports
from tests.e2e.conftest import add, approve, begin

ROOT = Path(__file__).parents[2]
for group in (ROOT / "functions").glob("*.py"):
    if group.stem not in {"__init__", "hl7"}:
        importlib.import_module(f"functions.{group.stem}")

DOCUMENT = openapi.document("https://api.example")
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
#: Made-up requests of one operation and kind.
EXAMPLES = 15
#: What a peer did, with a code of our own: Epic, Graph or Communication Services refused or are away.
OF_PEERS = {"busy", "epic-refused"}
#: Only these ask one; to all others `busy` would be our own storage.
ASK_PEERS = {
    "approve", "assign_number", "begin_approval", "ask_consent", "show_consent", "show_attempt", "discover_server",
    "find_people", "show_person", "run_preflight", "test_launch", "validate_connection",
}  # fmt: skip
#: These change what every other operation needs: they come last.
LAST = ("suspend_connection", "enable_organisation", "remove_connection")
NAMES = sorted((one.name for one in OPERATIONS), key=lambda name: (LAST.index(name) + 1 if name in LAST else 0, name))


@dataclass(frozen=True)
class Hospital:
    """A running stack with an approved connection, and the tokens of its people."""

    stack: Stack
    connection: str
    tokens: dict[str, str]
    ids: dict[str, str]

    def token(self, roles: tuple[str, ...]) -> str:
        """Of somebody with one of these roles."""
        who = "olivia" if "Operator" in roles else "adam" if "ConfigAdmin" in roles else "ana"
        return self.tokens[who]

    def change(self) -> str:
        """What If-Match has to say now; anything once the connection is gone."""
        answer = self.ask("GET", f"/config/connections/{self.connection}", self.tokens["adam"])
        return str(answer.json().get("change", 1))

    def ask(self, method: str, path: str, token: str) -> requests.Response:
        url = f"{self.stack.plan.urls['app']}{path}"
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, url, headers=headers, verify=str(self.stack.plan.path("ca")), timeout=60)


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hospital]:
    folder: Path = tmp_path_factory.mktemp("fuzz")
    with free_ports.block() as first, asyncio.Runner() as runner:
        made = sandbox_stack.sandbox(folder, first)
        runner.run(made.__aenter__())
        yield runner.run(_set_up(made))
        runner.run(made.stop())


async def _set_up(stack: Stack) -> Hospital:
    async with opened(stack) as scene:
        await call(scene, "olivia", "PUT", "/config/organisations", ORGANISATION)
        scene.facts["connection"] = (await add(scene)).body["id"]
        await change(scene, "adam", "POST", "/certificates", scene.plan.path("engine_cer").read_bytes())
        assert (await approve(scene)).status == 200
        tokens = {user: await scene.token(user) for user in ("olivia", "adam", "ana")}
        return Hospital(stack, scene.facts["connection"], tokens, await _ids(scene))


async def _ids(scene: Scene) -> dict[str, str]:
    """Something real for each parameter of an address, so that a request gets past the door."""
    number = "+16085550149"
    assigned = await call(scene, "olivia", "POST", "/config/numbers/assignments", ASSIGNMENT)
    own = (await call(scene, "adam", "GET", _at(scene))).body["own"]
    sms = {"may_send_for_us": True, "patients_have_consented": True, "number": ASSIGNMENT["number"]}
    await change(scene, "adam", "PUT", "/own", own | {"sms": own["sms"] | sms})
    allowed = await change(scene, "adam", "POST", "/allow-list", {"number": number})
    text = await call(scene, "adam", "POST", _at(scene, "/test-texts"), {"number": number, "kind": "booked"})
    consent = await call(scene, "adam", "POST", "/config/consents")
    wanted = {"organisation": "Lamna East", "contact": "epic@lamna.example"}
    request = await call(scene, "adam", "POST", "/config/access-requests", wanted)
    await change(scene, "adam", "PUT", "/epic", epic_side(scene) | {"accepted_iss": ["https://alias.example"]})
    await change(scene, "adam", "POST", "/validation")
    attempt = await begin(scene)
    ids = {
        "connection": scene.facts["connection"],
        "spki": own["certificates"][0]["spki"],
        "app": "provider",
        "pseudonym": allowed.body["own"]["sms"]["allow_list"][0],
        "oid": world.USERS["ana"].oid,
        "id": text.body["id"],
        "order": assigned.body["id"],
        "consent": consent.body["id"],
        "request": request.body["id"],
        "attempt": attempt.body["attempt"],
        "prerequisite": "teams-in-use",
        "kind": "upkeep",
    }
    assert all(ids.values()), ids
    return ids


def _at(scene: Scene, rest: str = "") -> str:
    return f"/config/connections/{scene.facts['connection']}{rest}"


def test_what_is_served_is_what_the_code_describes(hospital: Hospital) -> None:
    served = requests.get(
        f"{hospital.stack.plan.urls['app']}/openapi.json", verify=str(hospital.stack.plan.path("ca")), timeout=30
    ).json()
    assert served == DOCUMENT | {"servers": [{"url": hospital.stack.plan.urls["app"]}]}


@pytest.mark.feature("F2.13")
@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_that_can_be_sent_ends_in_a_fault_of_ours(hospital: Hospital, name: str, mode: GenerationMode) -> None:
    made = next(one for one in OPERATIONS if one.name == name)
    operation = SCHEMA.find_operation_by_id(name)
    token = hospital.token(made.roles)

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def sent(data: st.DataObject) -> None:
        case: Any = data.draw(operation.as_strategy(mode, **_known(hospital, made.path, changes=made.changes)))
        answer: Any = case.call(
            base_url=hospital.stack.plan.urls["app"],
            headers={"Authorization": f"Bearer {token}"},
            verify=str(hospital.stack.plan.path("ca")),
            timeout=60,
        )
        _judge(case, answer, OF_PEERS if name in ASK_PEERS else set())

    sent()


def _known(hospital: Hospital, path: str, *, changes: bool) -> dict[str, Any]:
    """What a made-up request is not made up of, or it would never get past the door."""
    known: dict[str, Any] = {}
    if names := re.findall(r"\{(\w+)", path):
        known["path_parameters"] = {name: hospital.ids[name] for name in names}
    if changes:
        known["headers"] = {"If-Match": hospital.change()}
    return known


def _judge(case: Any, answer: Any, excused: set[str]) -> None:
    problem = answer.headers.get("content-type", [""])[0].startswith("application/problem+json")
    code = answer.json()["code"] if problem else None
    assert answer.status_code < 500 or code in excused, (case.operation.label, answer.status_code, answer.text)
    if answer.status_code < 400:
        case.operation.validate_response(answer)
