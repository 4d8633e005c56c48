"""`python -m sandbox.portal`: the portal's page on its own origin, until SIGTERM.

What is served is the folder that `python -m portal.release` makes for Static Web Apps, for this sandbox's addresses;
it lies in `<folder of the plan>/portal`. `--release` only makes it anew: a page that was changed shows at a reload.
Prints `READY portal <port> pid <pid>`.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from aiohttp import web

from portal.release import Stamp, release
from sandbox import node, plan, world
from sandbox.peer import server_tls
from sandbox.static_web_app import BadRules, Site


def folder(here: plan.Plan) -> Path:
    """Where the page of this sandbox lies."""
    return Path(here.folder) / "portal"


def make(here: plan.Plan) -> Path:
    """Release the page for this sandbox. Raises node.NodeFailed."""
    authority = f"{here.urls['entra']}/organizations/v2.0"
    return release(Stamp(here.urls["app"], world.API_APP, world.PORTAL_APP, authority), folder(here))


async def serve(here: plan.Plan) -> None:
    """Answer until SIGTERM."""
    runner = web.AppRunner(Site(folder(here)).app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    port = here.ports["portal"]
    await web.TCPSite(runner, "127.0.0.1", port, ssl_context=server_tls(here)).start()
    sys.stdout.write(f"READY portal {port} pid {os.getpid()}\n")
    sys.stdout.flush()
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    await stop.wait()
    await runner.cleanup()


def main() -> int:
    """0 after SIGTERM; 1 with one line on stderr otherwise."""
    here = plan.load()
    try:
        made = make(here)
        if sys.argv[1:] == ["--release"]:
            sys.stdout.write(f"{made}\n")
            return 0
        asyncio.run(serve(here))
    except (node.NodeFailed, BadRules, OSError) as error:
        sys.stderr.write(f"portal: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
