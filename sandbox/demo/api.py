"""The config API as a script uses it: bearer, JSON, ETags."""

from dataclasses import dataclass
from typing import Any

from sandbox.demo.scene import Scene


@dataclass(frozen=True)
class Answer:
    """Status, JSON body (an empty one if there was none) and ETag."""

    status: int
    body: dict[str, Any]
    etag: str | None


async def call(
    scene: Scene,
    user: str | None,
    method: str,
    path: str,
    body: dict[str, Any] | bytes | None = None,
    etag: str | None = None,
) -> Answer:
    """One request by a user of the world; None = nobody signed in."""
    headers = {"Authorization": f"Bearer {await scene.token(user)}"} if user else {}
    headers |= {"If-Match": etag} if etag else {}
    payload: dict[str, Any] = {"data": body} if isinstance(body, bytes) else {"json": body} if body is not None else {}
    async with scene.http.request(method, scene.plan.urls["app"] + path, headers=headers, **payload) as answer:
        json = await answer.json(content_type=None) if answer.content_type.endswith("json") else {}
        return Answer(answer.status, json, answer.headers.get("ETag"))


async def change(scene: Scene, user: str, method: str, path: str, body: dict[str, Any] | bytes | None = None) -> Answer:
    """A change to the demo's connection as it stands now: reads its ETag first."""
    connection = f"/config/connections/{scene.facts['connection']}"
    current = await call(scene, user, "GET", connection)
    return await call(scene, user, method, connection + path, body, current.etag)
