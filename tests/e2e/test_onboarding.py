"""The way in, through the host: requests, organisations, stages, checklist, admin consent; two tenants throughout."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit
from uuid import uuid4

import pytest

from sandbox import world
from sandbox.demo import engine
from sandbox.demo.api import Answer, call, change
from sandbox.demo.scene import Scene, eventually
from sandbox.demo.steps.set_up import ASSIGNMENT, ORGANISATION, epic_side, own_side
from tests.e2e import visiting
from tests.e2e.conftest import approve, free_base
from tests.e2e.launch.launching import browsers, code, control, launch_url, rows
from tests.e2e.test_config_api import minted, refused, send

ADAM, OLIVIA = world.USERS["adam"].oid, world.USERS["olivia"].oid
WANTED = {"organisation": "Fabrikam Clinics", "contact": "epic.team@fabrikam.example"}
CLINICS = {"tenant": world.FABRIKAM_TENANT, "id": "clinics", "name": "Fabrikam Clinics"}
STAGES = ["request-app-access", "app-enablement", "connector-configuration", "epic-configuration", "testing"]


@pytest.fixture(autouse=True)
async def newcomers(scene: Scene) -> AsyncIterator[None]:
    """Before and after each test nothing is kept of anybody's way in, and Fabrikam has consented to nothing."""
    await _forget(scene)
    yield
    await _forget(scene)
    await call(scene, "olivia", "PUT", "/config/organisations", ORGANISATION)


async def _forget(scene: Scene) -> None:
    table = scene.tables.get_table_client("Organisations")
    async for row in table.list_entities():
        await table.delete_entity(row)
    await control(scene, "entra", "DELETE", f"consents/{world.FABRIKAM_TENANT}")


async def asked(scene: Scene, user: str = "mallory", **changes: Any) -> Answer:
    return await call(scene, user, "POST", "/config/access-requests", WANTED | changes)


async def shown(scene: Scene, user: str = "mallory", organisation: str = "") -> dict[str, Any]:
    query = f"?organisation={organisation}" if organisation else ""
    answer = await call(scene, user, "GET", f"/config/onboarding{query}")
    assert answer.status == 200, answer.body
    return answer.body


def states(onboarding: dict[str, Any]) -> list[str]:
    assert [one["name"] for one in onboarding["stages"]] == STAGES
    return [one["waits_for"] or one["state"] for one in onboarding["stages"]]


# --- access requests


@pytest.mark.feature("F1.3")
async def test_a_request_is_of_the_callers_tenant_and_becomes_enabled_with_the_organisation(scene: Scene):
    made = await asked(scene, geography="Europe")
    assert made.status == 201, made.body
    assert (made.body["tenant"], made.body["state"]) == (world.FABRIKAM_TENANT, "requested")
    assert states(await shown(scene)) == ["done", "operator", "open", "open", "open"]
    listed = await call(scene, "olivia", "GET", "/config/access-requests")
    assert [one["id"] for one in listed.body["items"]] == [made.body["id"]]
    assert listed.body["items"][0]["contact"] == WANTED["contact"]
    assert (await call(scene, "olivia", "PUT", "/config/organisations", CLINICS)).status == 200
    (request,) = (await shown(scene))["requests"]
    assert (request["state"], request["enabled_as"], request["decided_by"]) == ("enabled", "clinics", OLIVIA)
    assert states(await shown(scene)) == ["done", "administrator", "open", "open", "open"]


async def test_nobody_names_a_tenant_in_a_request(scene: Scene):
    refused(await asked(scene, tenant=world.LAMNA_TENANT), 422, "value-refused")
    refused(await asked(scene, user="paula"), 403, "role-missing")


@pytest.mark.parametrize("contact", ["", "nobody", "a@b@c", "plover plover@x", 5])
async def test_a_contact_that_is_no_address_is_refused_and_not_echoed(scene: Scene, contact: Any):
    answer = await asked(scene, contact=contact)
    refused(answer, 422, "value-refused")
    assert "plover" not in json.dumps(answer.body)


async def test_one_request_is_open_at_a_time_also_when_many_ask_at_once(scene: Scene):
    answers = await asyncio.gather(*(asked(scene) for _ in range(5)))
    assert sorted(one.status for one in answers) == [201, 409, 409, 409, 409]
    refused(await asked(scene), 409, "wrong-state")


async def test_the_operator_declines_with_a_reason_that_the_tenant_reads(scene: Scene):
    id_ = (await asked(scene)).body["id"]
    path = f"/config/access-requests/{id_}/refusals"
    refused(await call(scene, "mallory", "POST", path, {"reason": "x"}), 403, "role-missing")
    refused(await call(scene, "olivia", "POST", path, {"reason": ""}), 422, "value-refused")
    refused(await call(scene, "olivia", "POST", path, {"reason": "x" * 501}), 422, "value-refused")
    assert (await call(scene, "olivia", "POST", path, {"reason": "Please sign first."})).body["state"] == "declined"
    refused(await call(scene, "olivia", "POST", path, {"reason": "again"}), 409, "wrong-state")
    seen = await shown(scene)
    assert seen["requests"][0]["reason"] == "Please sign first."
    assert states(seen)[0] == "administrator"
    assert (await asked(scene)).status == 201
    assert [one["state"] for one in (await shown(scene))["requests"]] == ["declined", "requested"]


@pytest.mark.parametrize("id_", ["x", f"{uuid4()}.0001", "%00", "..%2f", "é.0001"])
async def test_a_request_that_is_not_there_is_not_found(scene: Scene, id_: str):
    path = f"/config/access-requests/{id_}/refusals"
    refused(await call(scene, "olivia", "POST", path, {"reason": "x"}), 404, "not-found")


async def test_a_tenant_sees_nothing_of_another_ones_way_in(scene: Scene):
    await asked(scene)
    await call(scene, "olivia", "PUT", "/config/organisations", CLINICS)
    await call(scene, "mallory", "PUT", "/config/onboarding/prerequisites/licences", {"done": True})
    refused(await call(scene, "adam", "GET", "/config/access-requests"), 403, "role-missing")
    seen = await shown(scene, "adam")
    assert (seen["tenant"], seen["organisation"], seen["requests"]) == (world.LAMNA_TENANT, None, [])
    assert not any(one["done"] for one in seen["prerequisites"])
    refused(await call(scene, "adam", "GET", "/config/onboarding?organisation=clinics"), 404, "organisation-unknown")
    assert (await call(scene, "adam", "GET", "/config/organisations")).body["items"] == []


# --- organisations


async def test_an_administrator_sees_their_own_organisations_and_an_operator_all(scene: Scene):
    for one in (CLINICS, ORGANISATION):
        await call(scene, "olivia", "PUT", "/config/organisations", one)

    async def names(user: str, query: str = "") -> list[str]:
        listed = await call(scene, user, "GET", f"/config/organisations{query}")
        return [one["id"] for one in listed.body["items"]]

    assert await names("mallory") == ["clinics"]
    assert await names("ana") == ["lamna"]
    assert await names("olivia") == ["lamna", "clinics"]
    assert await names("olivia", f"?tenant={world.FABRIKAM_TENANT}") == ["clinics"]
    assert await names("adam", f"?tenant={world.LAMNA_TENANT}") == ["lamna"]
    elsewhere = f"/config/organisations?tenant={world.FABRIKAM_TENANT}"
    refused(await call(scene, "adam", "GET", elsewhere), 403, "role-missing")
    refused(await call(scene, "paula", "GET", "/config/organisations"), 403, "role-missing")
    pretender = await minted(scene, kind="user", user="adam", claims={"roles": ["Operator"]})
    refused(await send(scene, pretender, "GET", elsewhere), 403, "role-missing")


async def test_an_organisation_that_is_switched_off_serves_nothing_at_once_and_all_again_when_on(newly: Scene):
    async def launched() -> str:
        url = f"{launch_url(newly, 'patient')}?{urlencode({'iss': 'https://elsewhere.example', 'launch': 'x'})}"
        async with browsers(newly, 1) as (pat,):
            return code(await pat.go(url))

    async def posted() -> int:
        return (await engine.post(newly.plan, f"/hl7v2/{newly.facts['connection']}", b"MSH|^~\\&|")).status

    own = newly.facts["own"]
    assert (await launched(), await posted()) == ("issuer-unknown", 200)
    off = await call(newly, "olivia", "PUT", "/config/organisations", newly.facts["organisation"] | {"enabled": False})
    assert off.status == 200
    assert (await launched(), await posted()) == ("connection-not-serving", 403)
    seen = await call(newly, "adam", "GET", own)
    assert (seen.body["off"], seen.body["suspended"]) == (True, False)
    await change(newly, "adam", "PUT", "/suspension", {"suspended": False})
    assert await launched() == "connection-not-serving"
    new = {
        "organisation": newly.facts["organisation"]["id"],
        "environment": "test",
        "epic": epic_side(newly),
        "own": own_side(),
    }
    refused(await call(newly, "adam", "POST", "/config/connections", new), 403, "organisation-off")
    assert states(await shown(newly, "adam"))[1] == "operator"
    await call(newly, "olivia", "PUT", "/config/organisations", newly.facts["organisation"])
    assert (await launched(), await posted()) == ("issuer-unknown", 200)
    history = (await call(newly, "ana", "GET", f"{own}/history")).body["items"]
    assert [(one["did"], one["who"]) for one in history[-3:]] == [
        ("switched off by the operator", OLIVIA),
        ("resumed", ADAM),
        ("switched on by the operator", OLIVIA),
    ]


@pytest.fixture
async def newly(scene: Scene) -> AsyncIterator[Scene]:
    """An approved connection, the only one of an organisation that nobody else uses."""
    organisation = ORGANISATION | {"id": f"new-{uuid4().hex[:8]}"}
    await call(scene, "olivia", "PUT", "/config/organisations", organisation)
    await call(scene, "olivia", "POST", "/config/numbers/assignments", ASSIGNMENT)
    scene.facts["organisation"] = organisation
    new = {"organisation": organisation["id"], "environment": "test", "epic": epic_side(scene), "own": own_side()}
    added = await call(scene, "adam", "POST", "/config/connections", new)
    assert added.status == 201, added.body
    scene.facts |= {"connection": added.body["id"], "own": f"/config/connections/{added.body['id']}"}
    await change(scene, "adam", "POST", "/certificates", scene.plan.path("engine_cer").read_bytes())
    assert (await approve(scene)).status == 200
    yield scene
    await free_base(scene)


@pytest.mark.feature("F1.13")
async def test_a_network_shares_a_base_url_by_the_operators_word(newly: Scene):
    await call(newly, "olivia", "PUT", "/config/organisations", CLINICS)
    new = {"organisation": "clinics", "environment": "test", "epic": epic_side(newly), "own": own_side()}
    refused(await call(newly, "mallory", "POST", "/config/connections", new), 409, "fhir-base-taken")
    base = new["epic"]["fhir_base_url"]
    shared = {"fhir_base_url": base, "environment": "test", "parent": world.LAMNA_TENANT}
    named = shared | {"children": [world.FABRIKAM_TENANT]}
    refused(await call(newly, "mallory", "PUT", "/config/shared-bases", named), 403, "role-missing")
    made = await call(newly, "olivia", "PUT", "/config/shared-bases", named)
    assert (made.status, made.body) == (200, named | {"change": made.body["change"]})
    assert (await call(newly, "olivia", "GET", "/config/shared-bases")).body["items"] == [made.body]
    more = named | {"children": [world.FABRIKAM_TENANT, world.LAMNA_TENANT]}
    refused(await call(newly, "olivia", "PUT", "/config/shared-bases", more, etag='"old"'), 412, "changed-meanwhile")
    added = await call(newly, "mallory", "POST", "/config/connections", new)
    assert added.status == 201, added.body
    path = f"/config/connections/{added.body['id']}"
    refused(await call(newly, "adam", "GET", path), 404, "connection-unknown")
    assert (await call(newly, "mallory", "DELETE", path, etag='"1"')).status == 204
    await call(newly, "olivia", "PUT", "/config/shared-bases", shared | {"children": []})
    refused(await call(newly, "mallory", "POST", "/config/connections", new), 409, "fhir-base-taken")


@pytest.mark.feature("F2.13")
async def test_of_two_operators_the_second_is_told_and_a_name_that_is_taken_is_not_taken_over(newly: Scene):
    organisation = newly.facts["organisation"]
    listed = (await call(newly, "olivia", "GET", f"/config/organisations?tenant={organisation['tenant']}")).body[
        "items"
    ]
    read = next(one["change"] for one in listed if one["id"] == organisation["id"])
    path = "/config/organisations"
    first = await call(newly, "olivia", "PUT", path, organisation | {"production": True}, etag=f'"{read}"')
    assert (first.status, first.body["production"], first.body["change"] != read) == (200, True, True)
    late = await call(newly, "olivia", "PUT", path, organisation | {"enabled": False}, etag=f'"{read}"')
    refused(late, 412, "changed-meanwhile")
    async with newly.http.put(
        newly.plan.urls["app"] + path,
        json=organisation,
        headers={"Authorization": f"Bearer {await newly.token('olivia')}", "If-None-Match": "*"},
    ) as answer:
        assert (answer.status, (await answer.json())["code"]) == (412, "changed-meanwhile")
    now = (await call(newly, "olivia", "GET", f"{path}?tenant={organisation['tenant']}")).body["items"]
    assert next(one for one in now if one["id"] == organisation["id"]) == first.body


# --- stages and checklist


@pytest.mark.feature("F1.5", "F1.6", "F1.7")
async def test_ticks_are_kept_with_who_and_when_and_computed_ones_cannot_be_made(scene: Scene):
    path = "/config/onboarding/prerequisites/{}"
    early = await call(scene, "adam", "PUT", path.format("teams-in-use"), {"done": True})
    line = {one["name"]: one for one in early.body["prerequisites"]}["teams-in-use"]
    assert (line["done"], line["who"], bool(line["at"])) == (True, ADAM, True)
    await call(scene, "olivia", "PUT", "/config/organisations", ORGANISATION)
    done = {one["name"] for one in (await shown(scene, "ana", "lamna"))["prerequisites"] if one["done"]}
    assert done == {"teams-in-use"}
    await call(scene, "adam", "PUT", path.format("teams-in-use"), {"done": False, "organisation": "lamna"})
    assert not any(one["done"] for one in (await shown(scene, "adam", "lamna"))["prerequisites"])
    refused(await call(scene, "ana", "PUT", path.format("licences"), {"done": True}), 403, "role-missing")
    for name in ("admin-consent", "production-entitlement", "nothing", "%00"):
        refused(await call(scene, "adam", "PUT", path.format(name), {"done": True}), 404, "not-found")
    await call(scene, "olivia", "PUT", "/config/organisations", ORGANISATION | {"production": True})
    done = {one["name"] for one in (await shown(scene, "adam"))["prerequisites"] if one["done"]}
    assert done == {"production-entitlement"}


@pytest.mark.feature("F1.1")
async def test_the_stages_follow_the_connection(newly: Scene):
    await consented(newly, "adam")
    assert states(await shown(newly, "adam")) == ["done", "done", "done", "epic", "open"]
    await change(newly, "adam", "PUT", "/epic", epic_side(newly) | {"pkce": False})
    assert states(await shown(newly, "adam"))[2] == "done"


@pytest.mark.feature("F1.1")
async def test_the_last_two_stages_are_done_by_launches_and_a_visit_that_was_held(newly: Scene):
    await consented(newly, "adam")
    await visiting.clinic(newly, 1)
    visit = await visiting.Visit.at_epic(newly, 0)
    await visit.announced()
    await visit.planned()
    await newly.run_timer("dispatch_due")
    assert await eventually(visit.ready, bool)
    assert states(await shown(newly, "adam"))[3:] == ["epic", "open"]
    assert await visit.launched() == ["graph", "graph"]
    assert states(await shown(newly, "adam"))[3:] == ["done", "administrator"]
    pat = await visit.joined(None)
    paula = await visit.joined("paula")
    await visit.did(pat, "admit")
    await visit.over(paula)
    came_and_went = ["1", "2"], ["1", "2"]
    assert await visit.shown(*came_and_went) == came_and_went
    await eventually(lambda: visit.audit("call ended"), bool)
    await visiting.drained(newly)  # the agenda is written after the row
    assert await visit.closed()
    assert states(await shown(newly, "adam")) == ["done"] * 5
    await change(newly, "adam", "DELETE", "")
    assert states(await shown(newly, "adam"))[2:] == ["administrator", "open", "open"]


# --- admin consent


async def begun(scene: Scene, user: str = "mallory") -> tuple[str, str]:
    """A question's id and address."""
    made = await call(scene, user, "POST", "/config/consents")
    assert made.status == 201, made.body
    return made.body["id"], made.body["url"]


async def answered(scene: Scene, url: str, **form: str) -> str:
    """Entra's page answered by somebody; where it sends the browser."""
    async with scene.http.get(url) as page:
        text = await page.text()
        assert page.status == 200, text
    action = urljoin(url, text.partition('action="')[2].partition('"')[0].replace("&amp;", "&"))
    async with scene.http.post(action, data=form, allow_redirects=False) as answer:
        assert answer.status == 302, await answer.text()
        return answer.headers["Location"]


async def followed(scene: Scene, url: str) -> tuple[int, str]:
    async with scene.http.get(url, allow_redirects=False) as answer:
        return answer.status, await answer.text()


async def consented(scene: Scene, user: str = "mallory") -> None:
    _, url = await begun(scene, user)
    status, text = await followed(scene, await answered(scene, url, user=user))
    assert (status, "is let in" in text) == (200, True), text


async def claimed(scene: Scene) -> tuple[str, str]:
    """A question, and the address by which somebody claims that Fabrikam has consented; it was tried in vain."""
    id_, url = await begun(scene)
    claim = {"admin_consent": "True", "tenant": world.FABRIKAM_TENANT, "state": _state(url)}
    address = f"{scene.plan.urls['app']}/config/consent-callback?{urlencode(claim)}"
    status, text = await followed(scene, address)
    assert (status, "Almost there" in text) == (200, True)
    return id_, address


def _state(url: str) -> str:
    return parse_qs(urlsplit(url).query)["state"][0]


async def state(scene: Scene, id_: str, user: str = "mallory") -> str:
    return (await call(scene, user, "GET", f"/config/consents/{id_}")).body["state"]


async def granted(scene: Scene, user: str = "mallory") -> bool:
    return (await shown(scene, user))["consent"] is not None


def changed(url: str, **query: str | None) -> str:
    """The same address with other parameters; None takes one away."""
    parts = urlsplit(url)
    known = {name: values[0] for name, values in parse_qs(parts.query).items()} | query
    return parts._replace(query=urlencode({name: one for name, one in known.items() if one is not None})).geturl()


@pytest.mark.feature("F1.12")
async def test_consent_is_asked_in_the_callers_tenant_and_believed_once_it_works(scene: Scene):
    id_, url = await begun(scene)
    assert urlsplit(url).path == f"/{world.FABRIKAM_TENANT}/v2.0/adminconsent"
    assert await state(scene, id_) == "waiting"
    back = await answered(scene, url, user="mallory")
    assert "admin_consent=True" in back
    assert not await granted(scene)
    status, text = await followed(scene, back)
    assert (status, "is let in" in text) == (200, True)
    assert await state(scene, id_) == "granted"
    consent = (await shown(scene))["consent"]
    assert consent["who"] == world.USERS["mallory"].oid
    assert not await granted(scene, "adam")
    assert (await followed(scene, back))[0] == 200


async def test_a_tenant_in_the_query_is_not_believed(scene: Scene):
    """Lamna has consented, and Graph would let us in there: that is nothing to Fabrikam."""
    id_, url = await begun(scene)
    callback = f"{scene.plan.urls['app']}/config/consent-callback?admin_consent=True&state={_state(url)}"
    for tenant in (world.LAMNA_TENANT, "", "organizations", "%00"):
        status, text = await followed(scene, f"{callback}&tenant={tenant}")
        assert (status, "sign-in-refused" in text) == (403, True)
    assert await state(scene, id_) == "waiting"
    assert not await granted(scene)
    assert not await granted(scene, "adam")


async def test_a_claim_of_consent_that_does_not_work_is_not_granted_and_may_be_tried_again(scene: Scene):
    id_, claim = await claimed(scene)
    assert await state(scene, id_) == "unproven"
    assert not await granted(scene)
    await control(scene, "entra", "PUT", f"consents/{world.FABRIKAM_TENANT}")
    assert "is let in" in (await followed(scene, claim))[1]
    assert await granted(scene)


@pytest.mark.parametrize("error", ["permission_denied", "access_denied"])
async def test_an_administrator_who_refuses_has_let_nobody_in(scene: Scene, error: str):
    id_, url = await begun(scene)
    back = changed(await answered(scene, url, cancel="1"), error=error)
    status, text = await followed(scene, back)
    assert (status, "not given" in text) == (200, True)
    assert await state(scene, id_) == "refused"
    later = changed(back, error=None, admin_consent="True", tenant=world.FABRIKAM_TENANT)
    await control(scene, "entra", "PUT", f"consents/{world.FABRIKAM_TENANT}")
    assert "not given" in (await followed(scene, later))[1]
    assert not await granted(scene)


@pytest.mark.parametrize("forged", ["", "x", "x.y", "{id}.", "{id}.wrong", "{id}.%C3%A9", "%00"])
async def test_a_strangers_redirect_changes_nothing(scene: Scene, forged: str):
    id_, _ = await begun(scene)
    query = f"admin_consent=True&tenant={world.FABRIKAM_TENANT}&state={forged.replace('{id}', id_)}"
    status, text = await followed(scene, f"{scene.plan.urls['app']}/config/consent-callback?{query}")
    assert (status, "launch-stale" in text) == (400, True)
    assert await state(scene, id_) == "waiting"


async def test_a_question_is_seen_only_by_who_asked_it(scene: Scene):
    id_, _ = await begun(scene)
    refused(await call(scene, "adam", "GET", f"/config/consents/{id_}"), 404, "not-found")
    refused(await call(scene, "ana", "POST", "/config/consents"), 403, "role-missing")
    refused(await call(scene, "mallory", "GET", "/config/consents/x"), 404, "not-found")


async def test_what_rests_of_a_way_in_names_no_contact_and_no_secret(scene: Scene):
    await asked(scene)
    _, url = await begun(scene)
    secret = _state(url).partition(".")[2]
    resting = json.dumps(
        [await rows(scene, "RowKey ne ''", table) for table in ("Organisations", "Lookups")], default=str
    )
    assert secret not in resting
    assert "epic.team@" not in resting
