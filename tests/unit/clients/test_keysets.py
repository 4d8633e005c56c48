"""Published keys, fetched from a real https server that counts."""

import asyncio
from datetime import timedelta

import pytest
from aiohttp import web

from shared.clients.keysets import KeySets
from shared.clients.outbound import Unreadable
from shared.errors import Later
from tests.unit.clients.tokens import Issuer

HOUR, MINUTES_5 = timedelta(hours=1), timedelta(minutes=5)
issuer = Issuer("k1", "k2")


@pytest.fixture
def keysets(far, outbound, clock):
    far.answers["/keys"] = issuer.jwks()
    return KeySets(outbound, clock)


@pytest.fixture
def ask(far, keysets):
    async def key(kid):
        found = await keysets.key(f"{far.url}/keys", kid)
        return found.jwk.key_id if found else None

    return key


def broken(far):
    async def answer(request):
        return web.json_response({}, status=503)

    far.answers["/keys"] = answer


async def test_every_published_key_may_sign_and_one_request_fetches_them(far, ask):
    assert [await ask("k2"), await ask("k1"), await ask("k2")] == ["k2", "k1", "k2"]
    assert len(far.seen) == 1


async def test_a_burst_at_start_makes_one_request(far, ask):
    assert set(await asyncio.gather(*(ask("k1") for _ in range(50)))) == {"k1"}
    assert len(far.seen) == 1


async def test_a_flood_of_unknown_key_ids_makes_one_request(far, ask, clock):
    await ask("k1")
    clock.move(MINUTES_5)
    answers = await asyncio.gather(*(ask(f"invented-{n}") for n in range(200)))
    for n in range(200):
        assert await ask(f"more-{n}") is None
    assert set(answers) == {None}
    assert len(far.seen) == 2
    clock.move(MINUTES_5)
    assert await ask("still-invented") is None
    assert len(far.seen) == 3


async def test_a_key_that_is_new_is_found_after_five_minutes(far, ask, clock):
    await ask("k1")
    rolled = Issuer("k3")
    far.answers["/keys"] = {"keys": issuer.jwks()["keys"] + rolled.jwks()["keys"]}
    assert await ask("k3") is None
    clock.move(MINUTES_5)
    assert await ask("k3") == "k3"


async def test_a_set_is_read_again_each_hour_so_a_withdrawn_key_ends(far, ask, clock):
    await ask("k1")
    far.answers["/keys"] = Issuer("k9").jwks()
    assert await ask("k1") == "k1"
    clock.move(HOUR)
    assert await ask("k1") is None


async def test_the_last_good_set_serves_on_while_the_address_does_not_answer(far, ask, clock):
    await ask("k1")
    broken(far)
    for _ in range(23):
        clock.move(HOUR)
        assert await ask("k1") == "k1"
        assert await ask("k1") == "k1"
    assert len(far.seen) == 24
    clock.move(HOUR)
    with pytest.raises(Later):
        await ask("k1")


@pytest.mark.parametrize("published", [{"keys": []}, {"keys": "none"}, {}, {"keys": [{"kty": "oct", "k": "AA"}]}])
async def test_an_empty_set_does_not_replace_a_good_one(far, ask, clock, published):
    await ask("k1")
    far.answers["/keys"] = published
    clock.move(HOUR)
    assert await ask("k1") == "k1"


async def test_without_any_set_there_is_no_answer(far, ask):
    broken(far)
    with pytest.raises(Later):
        await ask("k1")
    far.answers["/keys"] = {"keys": []}
    with pytest.raises(Unreadable):
        await ask("k1")
    far.answers["/keys"] = issuer.jwks()
    assert await ask("k1") == "k1"


async def test_sets_of_two_addresses_do_not_mix(far, ask, keysets):
    far.answers["/other"] = Issuer("k1").jwks()
    await ask("k1")
    other = await keysets.key(f"{far.url}/other", "k1")
    assert other.jwk.key.public_numbers() != issuer.keys["k1"].public_key().public_numbers()
    assert await keysets.key(f"{far.url}/other", "k2") is None
