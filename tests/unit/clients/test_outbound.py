"""The one way out, asked at a real https server."""

import asyncio
import base64
import logging
import socket
from datetime import timedelta

import pytest
from aiohttp import ClientTimeout, web

from shared.clients.addresses import Guarded, Trusted
from shared.clients.outbound import Answer, Outbound, Unreadable, retry_after
from shared.errors import Code, Later, Refused


class ChangingName:
    """A name that resolves to the next entry each time, and to the last one ever after."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, host: str, port: int) -> list[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


async def test_an_answer_of_any_status_comes_back(far, outbound):
    far.answers["/made"] = {"a": 1}
    assert (await outbound.call("GET", f"{far.url}/made")).json() == {"a": 1}
    assert (await outbound.call("GET", f"{far.url}/missing")).status == 404


async def test_a_form_basic_and_headers_reach_the_far_side(far, outbound):
    async def echo(request):
        form = dict(await request.post())
        return web.json_response({"form": form, "auth": request.headers["Authorization"], "x": request.headers["X-A"]})

    far.answers["/token"] = echo
    answer = await outbound.call("POST", f"{far.url}/token", form={"a": "b c"}, basic=("i", "s"), headers={"X-A": "1"})
    assert answer.json() == {
        "form": {"a": "b c"},
        "auth": "Basic " + base64.b64encode(b"i:s").decode(),
        "x": "1",
    }


async def test_a_redirect_to_the_inside_is_not_followed(far, outbound):
    async def away(request):
        raise web.HTTPFound(f"{far.url}/inside")

    far.answers |= {"/away": away, "/inside": {"secret": True}}
    answer = await outbound.call("GET", f"{far.url}/away")
    assert (answer.status, far.seen) == (302, ["/away"])


async def test_a_name_is_resolved_once_and_the_connection_goes_there(far):
    far.answers["/"] = {}
    name = ChangingName(["127.0.0.1"], ["10.0.0.1"])
    way = far.outbound(name)
    assert (await way.call("GET", f"{far.url}/")).status == 200
    assert name.asked == 1
    await way.close()
    with pytest.raises(Refused) as refusal:  # the next connection resolves again, and is judged again
        await way.call("GET", f"{far.url}/")
    assert (refusal.value.code, far.seen) == (Code.ADDRESS_REFUSED, ["/"])
    await way.close()


async def test_each_connection_resolves_and_is_judged_anew(far):
    async def hang_up(_):
        return web.json_response({}, headers={"Connection": "close"})

    far.answers["/"] = hang_up
    way = far.outbound(ChangingName(["127.0.0.1"], ["169.254.169.254"]))
    assert (await way.call("GET", f"{far.url}/")).status == 200
    with pytest.raises(Refused):
        await way.call("GET", f"{far.url}/")
    await way.close()


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["8.8.8.8", "127.0.0.1"], ["169.254.169.254"], ["::1"], ["::ffff:127.0.0.1"], ["168.63.129.16"]],
)
async def test_a_name_that_leads_inside_is_refused_before_a_connection(far, addresses):
    far.answers["/"] = {}
    way = far.outbound(ChangingName(addresses), loopback=False)
    with pytest.raises(Refused) as refusal:
        await way.call("GET", f"{far.url}/")
    assert (refusal.value.code, far.seen) == (Code.ADDRESS_REFUSED, [])
    await way.close()


async def test_an_address_is_judged_without_being_called(far):
    allowed, inside = far.outbound(ChangingName(["127.0.0.1"])), far.outbound(ChangingName(["169.254.169.254"]))
    await allowed.judge(f"{far.url}/x")
    for way, url in ((inside, f"{far.url}/x"), (allowed, "https://168.63.129.16/"), (allowed, "http://e.example/")):
        with pytest.raises(Refused) as refusal:
            await way.judge(url)
        assert refusal.value.code == Code.ADDRESS_REFUSED
    assert far.seen == []


async def test_a_name_that_nobody_knows_may_be_known_later(far):
    async def unknown(host: str, port: int) -> list[str]:
        raise socket.gaierror

    with pytest.raises(Later):
        await far.outbound(unknown).judge(f"{far.url}/x")


async def test_the_systems_resolver_is_judged_too(far):
    way = Outbound(Guarded(frozenset({far.port})))
    with pytest.raises(Refused):
        await way.call("GET", f"{far.url}/")  # localhost, by /etc/hosts
    assert far.seen == []
    await way.close()


async def test_the_certificate_must_be_for_the_name_in_the_url(far):
    way = far.outbound()
    with pytest.raises(Later):
        await way.call("GET", f"https://epic.example:{far.port}/")
    assert far.seen == []
    await way.close()


async def test_an_authority_we_do_not_trust_is_not_believed(far, outbound, monkeypatch, certificates):
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.path("stranger_cert")))
    with pytest.raises(Later):
        await outbound.call("GET", f"{far.url}/")


async def test_a_proxy_in_the_environment_is_not_used(far, outbound, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    far.answers["/"] = {}
    assert (await outbound.call("GET", f"{far.url}/")).status == 200


async def test_a_body_that_does_not_end_is_cut_off(far, outbound):
    cut = asyncio.Event()

    async def endless(request):
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(20):
            await response.write(b"x" * 65_536)
        await cut.wait()  # the end never comes
        return response

    far.answers["/endless"] = endless
    try:
        with pytest.raises(Unreadable):
            await asyncio.wait_for(outbound.call("GET", f"{far.url}/endless"), 5)
    finally:
        cut.set()


async def test_a_small_body_never_becomes_a_large_one(far, outbound):
    async def bomb(request):
        assert request.headers["Accept-Encoding"] == "identity"
        response = web.json_response({"a": "a" * 5_000_000})
        response.enable_compression(web.ContentCoding.gzip)
        return response

    far.answers["/bomb"] = bomb
    answer = await outbound.call("GET", f"{far.url}/bomb")
    assert len(answer.body) < 100_000
    with pytest.raises(Unreadable):
        answer.json()


async def test_no_cookie_is_kept(far, outbound):
    async def cookie(request):
        assert "Cookie" not in request.headers
        response = web.json_response({})
        response.set_cookie("session", "1")
        return response

    far.answers["/"] = cookie
    for _ in range(2):
        assert (await outbound.call("GET", f"{far.url}/")).status == 200


async def test_a_port_that_nobody_answers_is_later():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        way = Outbound(Trusted())
        with pytest.raises(Later) as later:
            await way.call("GET", f"https://127.0.0.1:{silent.getsockname()[1]}/")
        await way.close()
    assert (later.value.peer, later.value.after) == ("127.0.0.1", None)


async def test_a_peer_that_does_not_answer_in_time_is_later(far, outbound, monkeypatch):
    monkeypatch.setattr("shared.clients.outbound._TIMEOUTS", ClientTimeout(total=0.3))
    let_go = asyncio.Event()

    async def slow(request):
        await let_go.wait()
        return web.json_response({})

    far.answers["/slow"] = slow
    with pytest.raises(Later):
        await outbound.call("GET", f"{far.url}/slow")
    let_go.set()


@pytest.mark.parametrize(
    ("status", "headers", "after"),
    [
        (429, {"Retry-After": "2"}, 2.0),
        (429, {"Retry-After": "0.75"}, 0.75),
        (503, {}, None),
        (500, {"Retry-After": "soon"}, None),
        (503, {"Retry-After": "inf"}, None),
        (503, {"Retry-After": "-5"}, None),
        (503, {"Retry-After": "999999999"}, 86_400.0),
        (503, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT", "Date": "Wed, 21 Oct 2026 07:27:30 GMT"}, 30.0),
        (503, {"Retry-After": "Wed, 21 Oct 2026 07:27:00 GMT", "Date": "Wed, 21 Oct 2026 07:27:30 GMT"}, 0.0),
        (503, {"Retry-After": "Wed, 21 Oct 2026 07:27:00 GMT"}, None),
    ],
)
def test_a_busy_peer_says_when_to_come_again(status, headers, after):
    with pytest.raises(Later) as later:
        Answer(status, headers, b"", "epic.example").or_later()
    assert later.value.after == (None if after is None else timedelta(seconds=after))
    assert later.value.peer == "epic.example"


async def test_retry_after_is_read_from_a_real_answer(far, outbound):
    async def busy(request):
        return web.json_response({}, status=429, headers={"retry-after": "1.5"})

    far.answers["/busy"] = busy
    answer = await outbound.call("GET", f"{far.url}/busy")
    assert retry_after(answer.headers) == timedelta(seconds=1.5)


def test_a_lesser_status_is_the_callers_to_judge():
    for status in (200, 302, 400, 404):
        answer = Answer(status, {}, b"", "epic.example")
        assert answer.or_later() is answer


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"a":'])
def test_a_body_that_is_no_object_is_unreadable(body):
    with pytest.raises(Unreadable):
        Answer(200, {}, body, "epic.example").json()


async def test_nothing_of_a_call_reaches_a_log_or_an_error(far, outbound, caplog):
    caplog.set_level(logging.DEBUG)

    async def drop(request):
        request.transport.close()
        return web.Response()

    far.answers["/x"] = drop
    with pytest.raises(Later) as later:
        await outbound.call("GET", f"{far.url}/x?code=topsecret", headers={"Authorization": "Bearer topsecret"})
    kept = str(later.value) + repr(later.value) + "".join(record.getMessage() for record in caplog.records)
    assert "topsecret" not in kept
    assert later.value.__cause__ is None
    assert "topsecret" not in repr(Answer(200, {"X": "topsecret"}, b"topsecret", "peer"))


async def test_our_own_addresses_take_the_same_way_without_the_table(far):
    far.answers["/"] = {}
    way = Outbound(Trusted())
    assert (await way.call("GET", f"{far.url}/")).status == 200
    with pytest.raises(Refused):
        await way.call("GET", "http://localhost/")
    await way.close()
