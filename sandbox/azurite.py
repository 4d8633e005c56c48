"""`python -m sandbox.azurite`: Microsoft's storage emulator on the plan's ports, until SIGTERM.

Its data lie in `<folder of the plan>/azurite`. With `plan.identity` it speaks https and takes bearer tokens, whose
signature it does not check. Prints `READY azurite <blob> <queue> <table> pid <pid>` once all three answer.
"""

import ssl
import sys
from pathlib import Path

from sandbox import node, plan
from sandbox.node import child
from sandbox.peer import client_tls

KINDS = ("blob", "queue", "table")
SCRIPT = node.HERE / "node_modules" / "azurite" / "dist" / "src" / "azurite.js"


def main() -> int:
    """0 after SIGTERM; 1 with one line on stderr otherwise."""
    world = plan.load()
    try:
        node.ensure()
    except node.NodeFailed as error:
        sys.stderr.write(f"azurite: {error}\n")
        return 1
    tls = client_tls(world) if world.identity else None
    ports = {kind: world.ports[kind] for kind in KINDS}
    return child.run("azurite", [str(SCRIPT), *_arguments(world)], ports, lambda: _all_answer(ports, tls))


def _arguments(world: plan.Plan) -> list[str]:
    arguments = ["--silent", "--disableTelemetry", "--skipApiVersionCheck"]
    arguments += ["--location", str(Path(world.folder) / "azurite")]
    for kind in KINDS:
        arguments += [f"--{kind}Host", "127.0.0.1", f"--{kind}Port", str(world.ports[kind])]
    if world.identity:
        arguments += ["--cert", world.files["server_cert"], "--key", world.files["server_key"], "--oauth", "basic"]
    return arguments


def _all_answer(ports: dict[str, int], tls: ssl.SSLContext | None) -> bool:
    return all(child.answers(port, tls) for port in ports.values())


if __name__ == "__main__":
    sys.exit(main())
