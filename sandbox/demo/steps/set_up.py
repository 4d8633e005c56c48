"""Step 2: from nothing to an approved test connection, through the config API and only through it."""

from typing import Any
from urllib.parse import urljoin

from sandbox import world
from sandbox.demo.api import call, change
from sandbox.demo.play import step
from sandbox.demo.scene import Scene

ORGANISATION = {"tenant": world.LAMNA_TENANT, "id": "lamna", "name": "Lamna Healthcare"}
#: The number that the resource has from the start, for Lamna.
ASSIGNMENT = {"tenant": world.LAMNA_TENANT, "number": world.ACS_NUMBER, "verification": "verified"}


def epic_side(scene: Scene) -> dict[str, Any]:
    """What the hospital's Epic analyst told the administrator."""
    instance = scene.plan.urls["epic"] + world.EPIC_INSTANCES["test"]
    return {
        "fhir_base_url": f"{instance}/api/FHIR/R4",
        "provider_client_id": world.EPIC_APPS["test", "provider"],
        "patient_client_id": world.EPIC_APPS["test", "patient"],
        "backend_client_id": world.EPIC_APPS["test", "backend"],
        "write_back": {"url": instance + world.WRITE_BACK_PATH},
    }


def own_side() -> dict[str, Any]:
    """What the administrator decides."""
    ana = world.USERS["ana"]
    pool = [world.USERS[key].oid for key in ("rooms", "rooms2")]
    return {"approver": {"oid": ana.oid, "upn": ana.upn}, "time_zone": "America/Chicago", "organisers": pool}


@step("2.1", "The operator enables Lamna Healthcare", "a", needs=("1",), features=("F13.5",))
async def enable(scene: Scene) -> None:
    """Only an operator of the operator's tenant can."""
    refused = await call(scene, "adam", "PUT", "/config/organisations", ORGANISATION)
    scene.equal("an administrator cannot enable", "the config API's answer", refused.status, 403)
    enabled = await call(scene, "olivia", "PUT", "/config/organisations", ORGANISATION)
    scene.equal("the operator can", "the config API's answer", enabled.status, 200)
    row = await scene.tables.get_table_client("Organisations").get_entity(world.LAMNA_TENANT, "lamna")
    scene.check("the organisation stands", "table Organisations", row["RowKey"], ok=row["RowKey"] == "lamna")


@step("2.2", "An administrator adds a test connection", "a", needs=("2.1",), features=("F2.3", "F2.7", "F2.13"))
async def add(scene: Scene) -> None:
    """A draft: nobody else's tenant sees it, it may not be added twice, and it serves nobody."""
    new = {"organisation": "lamna", "environment": "test", "epic": epic_side(scene), "own": own_side()}
    nobody = await call(scene, None, "POST", "/config/connections", new)
    scene.equal("nobody adds without signing in", "the config API's answer", nobody.body.get("code"), "token-missing")
    live = await call(scene, "adam", "POST", "/config/connections", new | {"environment": "production"})
    scene.equal("production needs entitlement", "the config API's answer", live.body.get("code"), "not-entitled")
    added = await call(scene, "adam", "POST", "/config/connections", new)
    scene.equal("the connection is a draft", "the config API's answer", added.body["pending"]["state"], "draft")
    scene.facts["connection"] = added.body["id"]
    twice = await call(scene, "adam", "POST", "/config/connections", new)
    scene.equal("its FHIR base URL is taken", "the config API's answer", twice.body.get("code"), "fhir-base-taken")
    other = await call(scene, "mallory", "GET", f"/config/connections/{scene.facts['connection']}")
    scene.equal("another tenant does not see it", "the config API's answer", other.status, 404)


@step("2.3", "The interface engine's certificate is pinned", "a", needs=("2.2",), features=("F6.2",))
async def pin(scene: Scene) -> None:
    """The public half only; a private key or an expired certificate is refused with the reason."""
    for name, why in (("engine_key", "a private key"), ("expired_cert", "an expired certificate")):
        refused = await change(scene, "adam", "POST", "/certificates", scene.plan.path(name).read_bytes())
        scene.equal(f"{why} is refused", "the config API's answer", refused.body.get("code"), "value-refused")
    pinned = await change(scene, "adam", "POST", "/certificates", scene.plan.path("engine_cer").read_bytes())
    row = await _row(scene)
    fingerprint = pinned.body["own"]["certificates"][0]["spki"]
    scene.holds("its key is pinned", "table Connections", ok=fingerprint in row["settings"])


@step("2.4", "The approver signs in to Epic and approves", "a", needs=("2.3",), features=("F2.10", "F3.1", "F3.4"))
async def approve(scene: Scene) -> None:
    """Validated by discovery, approved by the named person after Epic's own sign-in."""
    before = await change(scene, "adam", "POST", "/validation")
    scene.equal("the base URL answers", "the config API's answer", before.body["pending"]["state"], "needs-approval")
    path = f"/config/connections/{scene.facts['connection']}/approvals"
    stranger = await call(scene, "mallory", "POST", path, None, before.etag)
    scene.equal("a stranger with the role cannot begin", "the config API's answer", stranger.status, 404)
    begun = await call(scene, "ana", "POST", path, None, before.etag)
    attempt = f"{path}/{begun.body['attempt']}"
    early = await call(scene, "ana", "POST", attempt, {"code": ""})
    scene.equal(
        "without Epic's sign-in it is refused", "the config API's answer", early.body.get("code"), "wrong-state"
    )
    landed, code = await _sign_in_to_epic(scene, begun.body["authorize_url"])
    scene.equal("Epic's sign-in comes back", "the page the approver sees", landed, 200)
    lured = await call(scene, "ana", "POST", attempt, {"code": "AAAA-AAAA"})
    scene.equal("without the page's code it is refused", "the config API's answer", lured.status, 422)
    approved = await call(scene, "ana", "POST", attempt, {"code": code})
    scene.check("the approver approves", "the config API's answer", approved.status, ok=approved.status == 200)
    scene.equal("the revision serves", "the config API", (await _connection(scene))["revision"], 1)
    tokens = [entry for entry in await scene.seen("epic", "token") if entry.get("accepted")]
    scene.equal("Epic gave tokens once, for a signed assertion", "the Epic stand-in", len(tokens), 1)
    history = await call(scene, "ana", "GET", f"/config/connections/{scene.facts['connection']}/history")
    did = [(entry["did"], entry["who"]) for entry in history.body["items"]]
    scene.equal("history names the approver", "the config API", did[-1], ("approved", world.USERS["ana"].oid))


async def _sign_in_to_epic(scene: Scene, authorize_url: str) -> tuple[int, str]:
    """What the approver's browser does: Epic's page, name and password, and back to us; status and code."""
    ana = world.EPIC_USERS["ana"]
    async with scene.http.get(authorize_url) as page:
        text = await page.text()
    form = {"request": _field(text, "request"), "login": ana.login, "password": ana.password}
    action = urljoin(authorize_url, text.partition('action="')[2].partition('"')[0])
    async with scene.http.post(action, data=form, allow_redirects=False) as answer:
        back = answer.headers["Location"]
    async with scene.http.get(back) as page:
        return page.status, (await page.text()).partition('id="code">')[2].partition("<")[0]


def _field(text: str, name: str) -> str:
    return text.partition(f'name="{name}" value="')[2].partition('"')[0]


async def _connection(scene: Scene) -> dict[str, Any]:
    return (await call(scene, "adam", "GET", f"/config/connections/{scene.facts['connection']}")).body


async def _row(scene: Scene) -> dict[str, Any]:
    table = scene.tables.get_table_client("Connections")
    return dict(await table.get_entity(world.LAMNA_TENANT, f"conn|{scene.facts['connection']}"))
