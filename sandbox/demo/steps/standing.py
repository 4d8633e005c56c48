"""Step 1: everything stands, speaks under the sandbox's CA, and the hosts have loaded their apps."""

import asyncio
import contextlib
import ssl

from sandbox.demo.play import step
from sandbox.demo.scene import Scene
from sandbox.stack import PEERS

HOSTS = ("app", "hl7_host")


@step("1", "The stack stands on loopback", "a")
async def standing(scene: Scene) -> None:
    """Each process answers, and each TLS port proves itself to a client that knows only our CA."""
    for peer in PEERS:
        entries = await scene.seen(peer)
        scene.check(f"{peer} answers", scene.plan.urls[peer], f"{len(entries)} requests kept", ok=True)
    for name in ("app", "hl7", *PEERS):
        await _chain(scene, name)
    await _storage(scene)
    for host in HOSTS:
        names = scene.stack.functions(host)
        scene.check(f"{host} has loaded functions", "what the host says when ready", ", ".join(names), ok=bool(names))


async def _chain(scene: Scene, name: str) -> None:
    """The certificate holds for the host's name under our CA, and under no CA of the machine."""
    ours = ssl.create_default_context(cafile=str(scene.plan.path("ca")))
    where = f"the TLS handshake of {name}"
    found = await _handshake(scene, name, ours)
    scene.equal(f"{name} shows a certificate of the sandbox's CA", where, found, "trusted")
    found = await _handshake(scene, name, ssl.create_default_context())
    scene.equal(f"{name} is not trusted by who knows only public CAs", where, found, "not trusted")


async def _handshake(scene: Scene, name: str, trust: ssl.SSLContext) -> str:
    host = scene.plan.urls[name].split("//")[1].split(":")[0]
    try:
        _, writer = await asyncio.open_connection(host, scene.plan.ports[name], ssl=trust)
    except ssl.SSLCertVerificationError:
        return "not trusted"
    writer.close()
    with contextlib.suppress(ConnectionError, ssl.SSLError):
        await writer.wait_closed()
    return "trusted"


async def _storage(scene: Scene) -> None:
    tables = [table.name async for table in scene.tables.list_tables()]
    queues = [queue.name async for queue in scene.queues.list_queues()]
    scene.check("the emulator lists its tables", scene.plan.urls["table"], f"{len(tables)} tables", ok=True)
    scene.check("the emulator lists its queues", scene.plan.urls["queue"], f"{len(queues)} queues", ok=True)
