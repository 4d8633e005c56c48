"""Whatever is sent to the config API, it answers with a status of its own and never breaks."""

import asyncio
import json
import re
import uuid
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sandbox.demo.api import call
from sandbox.demo.scene import Scene, opened
from sandbox.demo.steps.set_up import epic_side, own_side
from sandbox.stack import Stack

_ODD_TEXT = st.sampled_from(
    ["", "\x00", "\ud800", "é" * 30, "9" * 400, "../..", "' or 1 eq 1", "\u2028", "https://[::1", "-"]
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), st.text(max_size=20), _ODD_TEXT
)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | _ODD_TEXT, inner, max_size=4),
    max_leaves=8,
)
ETAG = re.compile(r'"\d+"')


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to every member of a document, itself included."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [path, *(found for name, value in inner for found in places(value, (*path, name)))]


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The document with what stands at a path replaced."""
    if not path:
        return value
    copy = document.copy()
    copy[path[0]] = replaced(copy[path[0]], path[1:], value)
    return copy


@settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_no_body_makes_the_config_api_fail(stack: Stack, data: st.DataObject):
    """Each body is right but for one member, or is junk as a whole."""
    asyncio.run(_once(stack, data))


async def _once(stack: Stack, data: st.DataObject) -> None:
    async with opened(stack) as scene:
        await _send(scene, data)


async def _send(scene: Scene, data: st.DataObject) -> None:
    right = {"organisation": "lamna", "environment": "test", "epic": epic_side(scene), "own": own_side()}
    right["epic"]["fhir_base_url"] = f"https://{uuid.uuid4()}.example/FHIR"
    user, method, path, body = data.draw(
        st.sampled_from(
            [
                ("adam", "POST", "/config/connections", right),
                ("olivia", "PUT", "/config/organisations", {"tenant": str(uuid.uuid4()), "id": "fuzz", "name": "F"}),
            ]
        )
    )
    at = data.draw(st.sampled_from(places(body)))
    sent = json.dumps(replaced(body, at, data.draw(JSON))).encode()
    answer = await call(scene, user, method, path, sent)
    assert 200 <= answer.status < 500, (answer.status, at)
    if answer.status >= 400:
        assert answer.body["code"]
    if answer.status == 201:
        assert ETAG.fullmatch(answer.etag or "")
