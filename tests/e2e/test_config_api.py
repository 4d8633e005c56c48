"""The config API and the approval, through the host, against the Entra and Epic stand-ins."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sandbox import world
from sandbox.demo.api import Answer, call, change
from sandbox.demo.rows import all_opened
from sandbox.demo.scene import Scene
from sandbox.demo.steps.set_up import ORGANISATION, epic_side, own_side
from tests.e2e.conftest import add, approve, begin, finish, follow, sign_in_to_epic

SECRET = "plover-6085550142"


def at(scene: Scene, path: str = "") -> str:
    """An address of the scene's connection."""
    return f"/config/connections/{scene.facts['connection']}{path}"


async def read(scene: Scene, user: str = "adam") -> Answer:
    """The connection as it stands."""
    return await call(scene, user, "GET", at(scene))


def refused(answer: Answer, status: int, code: str) -> None:
    """It was refused with this status and code."""
    assert (answer.status, answer.body.get("code")) == (status, code), answer.body


# --- who may do what

WRITES: list[tuple[str, str, Any]] = [
    ("PUT", "/epic", {}),
    ("PUT", "/own", {}),
    ("DELETE", "/pending", None),
    ("POST", "/certificates", b"x"),
    ("DELETE", "/certificates/" + "0" * 64, None),
    ("PUT", "/suspension", {"suspended": True}),
    ("POST", "/validation", None),
    ("POST", "/approvals", None),
    ("POST", "/approvals/none", None),
]
READS: list[tuple[str, str, Any]] = [("GET", "", None), ("GET", "/history", None)]


@pytest.mark.feature("F1.12")
@pytest.mark.parametrize("user", ["olivia", "paula", "rita"])
async def test_without_the_role_nothing_can_be_read_or_changed(draft: Scene, user: str):
    before = await read(draft)
    for method, path, body in READS + WRITES:
        refused(await call(draft, user, method, at(draft, path), body, before.etag), 403, "role-missing")
    refused(await call(draft, user, "GET", "/config/connections"), 403, "role-missing")
    assert (await read(draft)).body == before.body


async def test_to_another_tenant_a_connection_does_not_exist(draft: Scene):
    before = await read(draft)
    for method, path, body in READS + WRITES:
        answer = await call(draft, "mallory", method, at(draft, path), body, before.etag)
        if path != "/certificates":  # its body is judged first
            refused(answer, 404, "connection-unknown")
    listed = await call(draft, "mallory", "GET", "/config/connections")
    assert listed.body["items"] == []
    assert (await read(draft)).body == before.body


async def test_without_a_token_nothing_answers(draft: Scene):
    for method, path, body in READS + WRITES:
        refused(await call(draft, None, method, at(draft, path), body), 401, "token-missing")


@pytest.mark.feature("F1.12", "F2.11")
async def test_an_approver_may_look_but_not_administer(draft: Scene):
    assert (await read(draft, "ana")).status == 200
    for method, path, body in (("PUT", "/own", own_side()), ("PUT", "/suspension", {"suspended": True})):
        refused(await change(draft, "ana", method, path, body), 403, "role-missing")


@pytest.mark.feature("F1.11", "F1.12")
async def test_an_administrator_cannot_approve(draft: Scene):
    await change(draft, "adam", "POST", "/validation")
    refused(await begin(draft, "adam"), 403, "role-missing")


@pytest.mark.feature("F13.5")
async def test_only_the_operators_own_tenant_enables_an_organisation(scene: Scene):
    token = await minted(scene, kind="user", user="adam", claims={"roles": ["Operator"]})
    refused(await send(scene, token, "PUT", "/config/organisations", ORGANISATION), 403, "role-missing")
    assert (await call(scene, "olivia", "PUT", "/config/organisations", ORGANISATION)).status == 200


async def test_an_organisation_must_be_enabled_and_entitled(draft: Scene):
    refused(await add(draft, organisation="elsewhere"), 404, "organisation-unknown")
    refused(await add(draft, environment="production"), 403, "not-entitled")
    fabrikam = {"organisation": "lamna", "environment": "test", "epic": epic_side(draft), "own": own_side()}
    refused(await call(draft, "mallory", "POST", "/config/connections", fabrikam), 404, "organisation-unknown")


@pytest.mark.feature("F2.5", "F13.1")
async def test_an_entitlement_that_was_taken_back_approves_no_production(draft: Scene):
    entitled = ORGANISATION | {"production": True}
    assert (await call(draft, "olivia", "PUT", "/config/organisations", entitled)).status == 200
    added = await add(draft, environment="production", epic=production_side(draft))
    assert added.status == 201
    draft.facts["connection"] = added.body["id"]
    await validated(draft)
    attempt = await begin(draft)
    assert attempt.status == 201
    refused(await finish(draft, attempt), 409, "wrong-state")  # nobody has signed in: that comes first
    status, page = await follow(draft, await sign_in_to_epic(draft, attempt.body["authorize_url"]))
    assert status == 200, page
    await call(draft, "olivia", "PUT", "/config/organisations", ORGANISATION)
    refused(await begin(draft), 403, "not-entitled")
    refused(await finish(draft, attempt), 403, "not-entitled")
    await call(draft, "olivia", "PUT", "/config/organisations", entitled)
    approved = await finish(draft, attempt)
    await call(draft, "olivia", "PUT", "/config/organisations", ORGANISATION)
    assert (approved.status, approved.body["environment"]) == (200, "production")
    assert (await change(draft, "adam", "DELETE", "")).status == 204


def production_side(scene: Scene) -> dict[str, Any]:
    instance = scene.plan.urls["epic"] + world.EPIC_INSTANCES["production"]
    ids = {f"{app}_client_id": world.EPIC_APPS["production", app] for app in ("provider", "patient", "backend")}
    return {"fhir_base_url": f"{instance}/api/FHIR/R4", "write_back": {"url": instance + world.WRITE_BACK_PATH}, **ids}


# --- tokens


async def minted(scene: Scene, **order: Any) -> str:
    """A token to order from the Entra stand-in."""
    async with scene.http.post(f"{scene.plan.urls['entra']}/_sandbox/mint", json=order) as answer:
        answer.raise_for_status()
        return (await answer.json())["token"]


async def send(scene: Scene, token: str, method: str, path: str, body: Any = None, etag: str | None = None) -> Answer:
    """A request with a token of one's own."""
    headers = {"Authorization": f"Bearer {token}"} | ({"If-Match": etag} if etag else {})
    async with scene.http.request(method, scene.plan.urls["app"] + path, headers=headers, json=body) as answer:
        return Answer(answer.status, await answer.json(content_type=None), answer.headers.get("ETag"))


FALSE_TOKENS: dict[str, dict[str, Any]] = {
    "alg none": {"alg": "none"},
    "signed with the public key as a secret": {"alg": "HS256-with-public-key"},
    "signed by an unpublished key": {"key": "unknown"},
    "expired": {"expired": True},
    "for another audience": {"audience": "00000003-0000-0000-c000-000000000000"},
    "of another tenant than its issuer": {"tenant": world.FABRIKAM_TENANT},
    "of another issuer": {"claims": {"iss": "https://sts.windows.net/elsewhere/"}},
    "without issuer": {"claims": {"iss": None}},
    "without expiry": {"claims": {"exp": None}},
    "without tenant": {"claims": {"tid": None}},
    "without object id": {"claims": {"oid": None}},
    "without the client it was issued to": {"claims": {"azp": None}},
    "got by another application": {"claims": {"azp": world.CONNECTOR_APP}},
    "without our scope": {"claims": {"scp": "User.Read"}},
    "of format 1": {"claims": {"ver": "1.0"}},
    "not yet valid": {"claims": {"nbf": 4_102_444_800}},
    "with roles that are a text": {"claims": {"roles": "ConfigAdmin"}},
}


@pytest.mark.parametrize("order", FALSE_TOKENS.values(), ids=FALSE_TOKENS)
async def test_a_false_token_opens_nothing(scene: Scene, order: dict[str, Any]):
    true = await minted(scene, kind="user", user="adam")
    assert (await send(scene, true, "GET", "/config/connections")).status == 200
    false = await minted(scene, **{"kind": "user", "user": "adam"} | order)
    refused(await send(scene, false, "GET", "/config/connections"), 401, "token-refused")


@pytest.mark.parametrize("junk", ["x", "a.b.c", "ey.ey.", "." * 2000, "%00"])
async def test_junk_is_no_token(scene: Scene, junk: str):
    refused(await send(scene, junk, "GET", "/config/connections"), 401, "token-refused")


async def test_a_claimed_principal_header_changes_nobody(scene: Scene):
    headers = {"X-MS-CLIENT-PRINCIPAL": "eyJyb2xlcyI6WyJDb25maWdBZG1pbiJdfQ==", "X-MS-CLIENT-PRINCIPAL-ID": "adam"}
    async with scene.http.get(scene.plan.urls["app"] + "/config/connections", headers=headers) as answer:
        assert answer.status == 401


async def test_with_entra_away_known_keys_still_open_and_unknown_ones_do_not(scene: Scene):
    true = await minted(scene, kind="user", user="adam")
    unknown = await minted(scene, kind="user", user="adam", key="unknown")
    assert (await send(scene, true, "GET", "/config/connections")).status == 200
    await scene.fault("entra", route="/keys", do="status", status=503)
    refused(await send(scene, unknown, "GET", "/config/connections"), 401, "token-refused")
    assert (await send(scene, true, "GET", "/config/connections")).status == 200


# --- what is sent


async def test_a_body_that_is_too_large_is_refused(draft: Scene):
    big = b'{"x": "' + b"a" * 300_000 + b'"}'
    refused(await change(draft, "adam", "PUT", "/own", big), 413, "body-too-large")
    refused(await change(draft, "adam", "POST", "/certificates", b"0" * 16_001), 413, "body-too-large")


@pytest.mark.parametrize("junk", [b"", b"{", b"\xff\x00", b"[" * 100_000], ids=["empty", "cut", "binary", "deep"])
async def test_a_body_that_is_no_json_is_refused(draft: Scene, junk: bytes):
    for method, path in (("PUT", "/own"), ("PUT", "/epic"), ("PUT", "/suspension")):
        refused(await change(draft, "adam", method, path, junk), 400, "body-unreadable")


def with_(document: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The document with one member replaced; the path is dotted."""
    copy = json.loads(json.dumps(document))
    *inner, last = path.split(".")
    place = copy
    for name in inner:
        place = place.setdefault(name, {})
    place[last] = value
    return copy


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("time_zone", SECRET),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", "\x00"),
        ("time_zone", ""),
        ("region", SECRET),
        ("region", "ZZ"),
        ("approver.oid", SECRET),
        ("approver.upn", SECRET * 20),
        ("sms.number", SECRET),
        ("sms.reminders", [SECRET]),
        ("sms.reminders", [0]),
        ("sms.hourly_brake", SECRET),
        ("sms.hourly_brake", 1e400),
        ("hl7.csn_fields", [SECRET]),
        ("hl7.status_actions", {"3": SECRET}),
        ("organisers", [SECRET]),
        ("sms", None),
        ("sms", [SECRET]),
        ("approver", SECRET),
    ],
)
async def test_a_wrong_value_is_named_by_its_field_and_not_echoed(draft: Scene, path: str, value: Any):
    body = json.dumps(with_(own_side(), path, value)).replace("Infinity", "1e400").encode()
    answer = await change(draft, "adam", "PUT", "/own", body)
    refused(answer, 422, "value-refused")
    assert any(field.startswith(path) for field in answer.body["fields"]), answer.body
    assert SECRET not in json.dumps(answer.body)


async def test_an_unknown_member_is_named(draft: Scene):
    answer = await change(draft, "adam", "PUT", "/own", with_(own_side(), "sms.colour", SECRET))
    refused(answer, 422, "value-refused")
    assert [field.partition(":")[0] for field in answer.body["fields"]] == ["sms.colour"]
    assert SECRET not in json.dumps(answer.body)


@pytest.mark.parametrize("body", [None, 5, "text", [], {}, True], ids=json.dumps)
async def test_a_body_of_another_shape_is_refused(draft: Scene, body: Any):
    for method, path in (("PUT", "/own"), ("PUT", "/epic"), ("PUT", "/suspension")):
        answer = await change(draft, "adam", method, path, json.dumps(body).encode())
        refused(answer, 422, "value-refused")


@pytest.mark.parametrize("id_", ["a/b", "a?b", "", "UPPER", "x" * 41, "a\n", 5, None])
async def test_an_organisation_id_is_short_and_plain(scene: Scene, id_: Any):
    answer = await call(scene, "olivia", "PUT", "/config/organisations", ORGANISATION | {"id": id_})
    refused(answer, 422, "value-refused")
    refused(await add(scene, organisation=id_), 422, "value-refused")


@pytest.mark.parametrize("id_", ["nobody", "0" * 32 + "-aaaaaaaa", "..%2f..", "%00", "%C3%A9"])
async def test_a_connection_that_is_not_there_is_unknown(draft: Scene, id_: str):
    refused(await call(draft, "adam", "GET", f"/config/connections/{id_}"), 404, "connection-unknown")


async def test_what_an_administrator_leaves_out_of_own_has_its_default(draft: Scene):
    answer = await change(draft, "adam", "PUT", "/own", own_side() | {"sms": {"may_send_for_us": True}})
    assert answer.status == 200
    assert answer.body["own"]["sms"]["patients_have_consented"] is False


async def test_pins_come_in_only_as_certificates(draft: Scene):
    pin = {"spki": "a" * 64, "not_before": "2020-01-01T00:00:00Z", "not_after": "2099-01-01T00:00:00Z"}
    changed = await change(draft, "adam", "PUT", "/own", own_side() | {"certificates": [pin]})
    assert changed.body["own"]["certificates"] == []
    elsewhere = epic_side(draft) | {"fhir_base_url": "https://other.example/api/FHIR/R4"}
    added = await add(draft, epic=elsewhere, own=own_side() | {"certificates": [pin]})
    assert (added.status, added.body["own"]["certificates"]) == (201, [])


# --- two editors


async def test_a_change_needs_the_etag_that_was_read(draft: Scene):
    for method, path, body in WRITES:
        if not path.startswith("/approvals") and path != "/certificates":
            refused(await call(draft, "adam", method, at(draft, path), body), 428, "precondition-missing")


@pytest.mark.parametrize("etag", ['"0"', '"99"', "*", '"x"', '""'])
async def test_a_change_with_another_etag_is_refused(draft: Scene, etag: str):
    refused(await call(draft, "adam", "PUT", at(draft, "/own"), own_side(), etag), 412, "changed-meanwhile")


async def test_of_editors_who_read_the_same_one_wins(draft: Scene):
    before = await read(draft)
    answers = await asyncio.gather(
        *(call(draft, "adam", "PUT", at(draft, "/own"), own_side(), before.etag) for _ in range(6))
    )
    assert sorted(answer.status for answer in answers) == [200, 412, 412, 412, 412, 412]
    history = await call(draft, "adam", "GET", at(draft, "/history"))
    assert [entry["did"] for entry in history.body["items"]] == ["drafted", "own side changed"]


async def test_history_says_who_and_when(draft: Scene):
    await change(draft, "adam", "PUT", "/own", own_side())
    history = (await call(draft, "ana", "GET", at(draft, "/history"))).body["items"]
    assert [(entry["did"], entry["who"]) for entry in history] == [
        ("drafted", world.USERS["adam"].oid),
        ("own side changed", world.USERS["adam"].oid),
    ]
    assert all(entry["at"].endswith("+00:00") for entry in history)


# --- the FHIR base URL


async def based(scene: Scene, url: str) -> Answer:
    """Propose a FHIR base URL and have it validated."""
    proposed = await change(scene, "adam", "PUT", "/epic", epic_side(scene) | {"fhir_base_url": url})
    return await change(scene, "adam", "POST", "/validation") if proposed.status == 200 else proposed


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/metadata",
        "https://168.63.129.16/x",
        "https://10.1.2.3/api/FHIR/R4",
        "https://192.168.0.1/api/FHIR/R4",
        "https://[::ffff:169.254.169.254]/x",
        "https://[fe80::1]/x",
        "https://0.0.0.0/x",
        "https://2130706433/x",
        "https://0x7f.1/x",
        "https://localhost:1/x",
        "https://127.0.0.1:22/x",
    ],
)
async def test_a_base_url_that_points_inside_is_refused(draft: Scene, url: str):
    refused(await based(draft, url), 422, "address-refused")
    assert (await read(draft)).body["pending"]["state"] == "draft"


@pytest.mark.parametrize(
    "url",
    ["https://169.254.169.254/x", "https://10.1.2.3/x", "https://[::ffff:168.63.129.16]/x", "https://127.0.0.1:22/"],
)
async def test_a_write_back_address_that_points_inside_is_refused(draft: Scene, url: str):
    sink = epic_side(draft)["write_back"] | {"url": url}
    await change(draft, "adam", "PUT", "/epic", epic_side(draft) | {"write_back": sink})
    answer = await change(draft, "adam", "POST", "/validation")
    refused(answer, 422, "address-refused")
    assert answer.body["fields"][0] == "write_back.url"
    assert (await read(draft)).body["pending"]["state"] == "draft"


@pytest.mark.parametrize(
    "url",
    [
        "http://epic.example/api/FHIR/R4",
        "ftp://epic.example",
        "https://user:plover@epic.example/x",
        "https://:plover@epic.example/x",
        "https://epic.example/x?plover=1",
        "https://epic.example/x#plover",
        "https:///x",
        "https://epic.example:99999/x",
        "//epic.example/x",
        "javascript:plover",
        "https://" + "a" * 3000,
        "",
    ],
)
async def test_a_base_url_that_is_no_plain_https_address_is_refused(draft: Scene, url: str):
    answer = await based(draft, url)
    refused(answer, 422, "value-refused")
    assert "plover" not in json.dumps(answer.body)


@pytest.mark.feature("F2.6")
async def test_one_base_url_belongs_to_one_connection_however_it_is_spelt(draft: Scene):
    scheme, _, rest = epic_side(draft)["fhir_base_url"].partition("://")
    host, _, path = rest.partition("/")
    for spelling in (f"{scheme.upper()}://{host}/{path}", f"{scheme}://{host.upper()}/{path}/"):
        taken = await add(draft, epic=epic_side(draft) | {"fhir_base_url": spelling})
        refused(taken, 409, "fhir-base-taken")
    first = await add(draft, epic=epic_side(draft) | {"fhir_base_url": "https://ports.example:443/FHIR"})
    again = await add(draft, epic=epic_side(draft) | {"fhir_base_url": "https://PORTS.example/FHIR/"})
    assert first.status == 201
    refused(again, 409, "fhir-base-taken")


async def test_a_base_url_that_is_given_up_is_free_again(draft: Scene):
    elsewhere = epic_side(draft) | {"fhir_base_url": "https://moved.example/FHIR"}
    assert (await change(draft, "adam", "PUT", "/epic", elsewhere)).status == 200
    other = await add(draft)
    assert other.status == 201
    back = await change(draft, "adam", "PUT", "/epic", epic_side(draft))
    refused(back, 409, "fhir-base-taken")


@pytest.mark.feature("F2.10")
async def test_a_server_without_smart_launch_is_named(draft: Scene):
    other = draft.plan.urls["epic"] + world.EPIC_INSTANCES["test"]
    for url in (f"{other}/api/FHIR/DSTU2/nothing", f"{draft.plan.urls['acs']}/api/FHIR/R4"):
        refused(await based(draft, url), 422, "fhir-base-invalid")


@pytest.mark.feature("F2.10")
async def test_a_server_from_before_smart_configuration_is_found_by_its_capability_statement(draft: Scene):
    instance = f"{draft.plan.urls['epic']}/_sandbox/instances/test"
    alias = epic_side(draft)["fhir_base_url"].replace("/R4", "/DSTU2")
    async with draft.http.patch(instance, json={"smart_configuration": False}) as changed:
        changed.raise_for_status()
    try:
        answer = await based(draft, alias)
    finally:
        await draft.http.patch(instance, json={"smart_configuration": True})
    assert (answer.status, answer.body["pending"]["state"]) == (200, "needs-approval")


async def test_discovery_that_redirects_is_not_followed(draft: Scene):
    """Asked as a client whose discovery nobody has cached."""
    fresh = epic_side(draft) | {"provider_client_id": "e0000000-0000-4000-8000-0000000000ff"}
    assert (await change(draft, "adam", "PUT", "/epic", fresh)).status == 200
    await draft.fault("epic", route="smart-configuration|metadata", do="status", status=302)
    refused(await change(draft, "adam", "POST", "/validation"), 422, "fhir-base-invalid")


async def test_an_epic_that_is_away_is_no_fault_of_the_settings(draft: Scene):
    """The address is asked itself, whatever was heard of it before."""
    assert (await change(draft, "adam", "POST", "/validation")).status == 200
    await draft.fault("epic", route="GET", do="status", status=503)
    refused(await change(draft, "adam", "POST", "/validation"), 503, "busy")
    await draft.behave("epic")
    assert (await change(draft, "adam", "POST", "/validation")).status == 200


# --- approval


async def validated(scene: Scene) -> None:
    assert (await change(scene, "adam", "POST", "/validation")).status == 200


@pytest.mark.feature("F3.1", "F3.4")
async def test_nothing_is_approved_before_the_sign_in_to_epic(draft: Scene):
    refused(await begin(draft), 409, "wrong-state")
    await validated(draft)
    attempt = await begin(draft)
    refused(await finish(draft, attempt), 409, "wrong-state")
    await follow(draft, await sign_in_to_epic(draft, attempt.body["authorize_url"]))
    assert (await read(draft)).body["active"] is None
    approved = await finish(draft, attempt)
    assert (approved.status, approved.body["revision"], approved.body["pending"]) == (200, 1, None)


@pytest.mark.feature("F3.2")
async def test_the_sign_in_reads_nothing_and_leaves_nobodys_name_or_id(draft: Scene):
    """What stays is that somebody of this Epic signed in, and who of Entra approved."""
    read_before = await draft.seen("epic", "fhir")
    await validated(draft)
    attempt = await begin(draft)
    scopes = parse_qs(urlsplit(attempt.body["authorize_url"]).query)["scope"][0].split()
    assert set(scopes) <= {"launch", "openid", "fhirUser", "profile"}
    await follow(draft, await sign_in_to_epic(draft, attempt.body["authorize_url"]))
    assert (await finish(draft, attempt)).status == 200
    assert await draft.seen("epic", "fhir") == read_before
    ana = world.EPIC_USERS["ana"]
    resting = [await all_opened(draft, table) for table in ("Connections", "Lookups")]
    kept = [row for row in "\n".join(resting).splitlines() if draft.facts["connection"] in row]
    assert kept
    assert [one for one in (ana.fhir_id, ana.login, ana.password) if one in "".join(kept)] == []


async def test_the_sign_in_carries_pkce_nonce_and_audience(draft: Scene):
    await validated(draft)
    query = parse_qs(urlsplit((await begin(draft)).body["authorize_url"]).query)
    assert query["code_challenge_method"] == ["S256"]
    assert query["aud"] == [epic_side(draft)["fhir_base_url"]]
    assert len(query["nonce"][0]) > 16
    assert query["redirect_uri"] == [draft.plan.urls["app"] + "/config/epic-callback"]


async def test_a_clinician_who_is_sent_the_approvers_link_approves_nothing(draft: Scene):
    """Whoever may approve (an administrator can name themselves) could lure anybody who is signed in at Epic."""
    await validated(draft)
    attempt = await begin(draft)
    status, seen_by_the_clinician = await follow(
        draft, await sign_in_to_epic(draft, attempt.body["authorize_url"], "paula")
    )
    assert (status, epic_side(draft)["fhir_base_url"] in seen_by_the_clinician) == (200, True)
    code = draft.facts.pop("code")
    path = at(draft, f"/approvals/{attempt.body['attempt']}")
    for guess in ("", "AAAA-AAAA", code[:4], code[::-1], "\u00e9" * 8):
        refused(await call(draft, "ana", "POST", path, {"code": guess}), 422, "value-refused")
    refused(await call(draft, "ana", "POST", path), 400, "body-unreadable")
    assert (await read(draft)).body["active"] is None
    assert (await call(draft, "ana", "POST", path, {"code": code.lower().replace("-", " ")})).status == 200


@pytest.mark.feature("F3.1")
async def test_another_approver_of_the_tenant_cannot_use_the_attempt(draft: Scene):
    await validated(draft)
    attempt = await begin(draft)
    await follow(draft, await sign_in_to_epic(draft, attempt.body["authorize_url"]))
    other = await minted(draft, kind="user", user="ana", claims={"oid": world.USERS["noor"].oid})
    path = at(draft, f"/approvals/{attempt.body['attempt']}")
    refused(await send(draft, other, "POST", path, {"code": draft.facts["code"]}), 403, "not-the-approver")
    etag = (await read(draft)).etag
    refused(await send(draft, other, "POST", at(draft, "/approvals"), None, etag), 403, "not-the-approver")
    assert (await finish(draft, attempt)).status == 200


@pytest.mark.feature("F3.1")
async def test_who_stops_being_the_approver_approves_nothing(draft: Scene):
    await validated(draft)
    attempt = await begin(draft)
    await follow(draft, await sign_in_to_epic(draft, attempt.body["authorize_url"]))
    noor = {"oid": world.USERS["noor"].oid, "upn": world.USERS["noor"].upn}
    assert (await change(draft, "adam", "PUT", "/own", own_side() | {"approver": noor})).status == 200
    refused(await finish(draft, attempt), 403, "not-the-approver")


@pytest.mark.feature("F1.8", "F1.10", "F2.7", "F3.3")
async def test_an_administrator_may_be_the_named_approver_if_the_role_is_there_too(draft: Scene):
    adam = {"oid": world.USERS["adam"].oid, "upn": world.USERS["adam"].upn}
    await change(draft, "adam", "PUT", "/own", own_side() | {"approver": adam})
    await validated(draft)
    refused(await begin(draft, "adam"), 403, "role-missing")
    both = await minted(draft, kind="user", user="adam", claims={"roles": ["ConfigAdmin", "Approver"]})
    attempt = await send(draft, both, "POST", at(draft, "/approvals"), None, (await read(draft)).etag)
    assert attempt.status == 201
    path = at(draft, f"/approvals/{attempt.body['attempt']}")
    refused(await send(draft, both, "POST", path, {"code": "AAAA-AAAA"}), 409, "wrong-state")
    await follow(draft, await sign_in_to_epic(draft, attempt.body["authorize_url"]))
    assert (await send(draft, both, "POST", path, {"code": draft.facts["code"]})).status == 200


@pytest.mark.feature("F3.6")
async def test_what_was_changed_meanwhile_is_not_what_was_signed_in_for(draft: Scene):
    await validated(draft)
    attempt = await begin(draft)
    back = await sign_in_to_epic(draft, attempt.body["authorize_url"])
    await change(draft, "adam", "PUT", "/epic", epic_side(draft) | {"pkce": False})
    await validated(draft)
    assert (await follow(draft, back))[0] == 409
    refused(await finish(draft, attempt), 409, "wrong-state")
    assert (await read(draft)).body["active"] is None


@pytest.mark.feature("F3.6")
async def test_a_change_after_the_sign_in_needs_another_sign_in(draft: Scene):
    await validated(draft)
    attempt = await begin(draft)
    assert (await follow(draft, await sign_in_to_epic(draft, attempt.body["authorize_url"])))[0] == 200
    await change(draft, "adam", "PUT", "/epic", epic_side(draft) | {"pkce": False})
    await validated(draft)
    refused(await finish(draft, attempt), 409, "wrong-state")


async def test_a_replayed_redirect_is_refused(draft: Scene):
    await validated(draft)
    attempt = await begin(draft)
    back = await sign_in_to_epic(draft, attempt.body["authorize_url"])
    assert (await follow(draft, back))[0] == 200
    status, page = await follow(draft, back)
    assert (status, "launch-replayed" in page) == (400, True)
    assert (await finish(draft, attempt)).status == 200
    assert (await follow(draft, back))[0] == 400


async def test_the_same_redirect_many_times_at_once_counts_once(draft: Scene):
    await validated(draft)
    attempt = await begin(draft)
    back = await sign_in_to_epic(draft, attempt.body["authorize_url"])
    answers = await asyncio.gather(*(follow(draft, back) for _ in range(6)))
    assert sorted(status for status, _ in answers) == [200, 400, 400, 400, 400, 400]
    assert (await finish(draft, attempt)).status == 200


async def test_a_used_code_under_a_fresh_state_is_refused_by_epic_and_by_us(draft: Scene):
    await validated(draft)
    first, second = await begin(draft), await begin(draft)
    back = await sign_in_to_epic(draft, first.body["authorize_url"])
    assert (await follow(draft, back))[0] == 200
    state = parse_qs(urlsplit(second.body["authorize_url"]).query)["state"][0]
    mixed = back.replace(parse_qs(urlsplit(back).query)["state"][0], state)
    status, page = await follow(draft, mixed)
    assert (status, "epic-refused" in page) == (502, True)
    refused(await finish(draft, second), 409, "wrong-state")


@pytest.mark.parametrize("state", ["", "x", "x.y", ".", "{attempt}.", "{attempt}.wrong", "{attempt}.%C3%A9", "%00"])
async def test_a_strangers_redirect_is_refused(draft: Scene, state: str):
    await validated(draft)
    attempt = await begin(draft)
    sent = state.replace("{attempt}", attempt.body["attempt"])
    status, page = await follow(draft, f"{draft.plan.urls['app']}/config/epic-callback?code=plover&state={sent}")
    assert status in {400, 403}
    assert "plover" not in page
    assert (await follow(draft, await sign_in_to_epic(draft, attempt.body["authorize_url"])))[0] == 200


@pytest.mark.feature("F14.3")
async def test_an_epic_that_says_no_is_no_approval(draft: Scene):
    status, page = await follow(draft, draft.plan.urls["app"] + "/config/epic-callback?error=access_denied&state=x")
    assert (status, "sign-in-refused" in page) == (403, True)


@pytest.mark.parametrize("who", ["pat", "prue"])
async def test_a_patient_who_signs_in_to_epic_approves_nothing(draft: Scene, who: str):
    """Epic's own page refuses a MyChart account there; the token is what decides, so it is changed."""
    await validated(draft)
    attempt = await begin(draft)
    person = world.EPIC_USERS[who]
    base = epic_side(draft)["fhir_base_url"]
    instance = f"{draft.plan.urls['epic']}/_sandbox/instances/test"
    claims = {"fhirUser": f"{base}/{person.kind}/{person.fhir_id}"}
    async with draft.http.patch(instance, json={"id_token_claims": claims}) as changed:
        changed.raise_for_status()
    try:
        status, page = await follow(draft, await sign_in_to_epic(draft, attempt.body["authorize_url"]))
    finally:
        await draft.http.patch(instance, json={"id_token_claims": {}})
    assert (status, "sign-in-refused" in page) == (403, True)
    refused(await finish(draft, attempt), 409, "wrong-state")


@pytest.mark.feature("F3.6")
async def test_the_active_revision_serves_while_the_next_waits(connection: Scene):
    before = await read(connection)
    proposed = await change(connection, "adam", "PUT", "/epic", epic_side(connection) | {"pkce": False})
    assert proposed.body["active"] == before.body["active"]
    assert proposed.body["pending"]["state"] == "draft"
    withdrawn = await change(connection, "adam", "DELETE", "/pending")
    assert (withdrawn.body["active"], withdrawn.body["pending"]) == (before.body["active"], None)
    refused(await change(connection, "adam", "DELETE", "/pending"), 409, "wrong-state")


@pytest.mark.feature("F3.6")
async def test_a_second_approval_replaces_the_first_in_one_write(connection: Scene):
    await change(
        connection, "adam", "PUT", "/epic", epic_side(connection) | {"accepted_iss": ["https://alias.example"]}
    )
    approved = await approve(connection)
    assert (approved.body["revision"], approved.body["active"]["accepted_iss"]) == (2, ["https://alias.example"])


async def test_an_attempt_does_not_last(draft: Scene):
    """Last of its kind in this file: the clock moves, and stays moved."""
    await validated(draft)
    attempt = await begin(draft)
    back = await sign_in_to_epic(draft, attempt.body["authorize_url"])
    draft.move(timedelta(minutes=16))
    status, page = await follow(draft, back)
    assert (status, "launch-stale" in page) == (400, True)
    refused(await finish(draft, attempt), 404, "not-found")


# --- public keys


@pytest.mark.feature("F13.2")
async def test_each_environment_has_its_own_public_keys(scene: Scene):
    sets = {}
    for environment in ("test", "production"):
        async with scene.http.get(f"{scene.plan.urls['app']}/jwks/{environment}") as answer:
            assert answer.headers["Cache-Control"] == "public, max-age=300"
            assert answer.content_type == "application/json"
            sets[environment] = (await answer.json())["keys"]
    for keys in sets.values():
        assert keys
        assert not {"d", "p", "q", "dp", "dq", "qi"} & {member for key in keys for member in key}
    assert not {key["n"] for key in sets["test"]} & {key["n"] for key in sets["production"]}


@pytest.mark.parametrize("environment", ["staging", "TEST", "test%00", "..", "%20"])
async def test_an_unknown_environment_has_no_keys(scene: Scene, environment: str):
    async with scene.http.get(f"{scene.plan.urls['app']}/jwks/{environment}") as answer:
        assert answer.status == 404


async def test_it_says_that_it_is_up_and_nothing_more(scene: Scene):
    async with scene.http.get(f"{scene.plan.urls['app']}/healthz") as answer:
        assert (answer.status, await answer.text()) == (200, "up")
