"""The command line of the host; see the package's docstring."""

import argparse
import asyncio
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

from sandbox.host import serve, worker
from sandbox.host.settings import Refused

log = logging.getLogger("sandbox.host")


def main() -> int:
    """0 after a clean stop, 1 with one line (or the library's text) on stderr."""
    options = _options()
    # the index is the only thing on stdout then
    _log_to(sys.stderr if options.index else sys.stdout)
    try:
        if options.index:
            print(json.dumps(asyncio.run(_index(options.app_dir)), indent=2))
            return 0
        finished = asyncio.run(serve.serve(options.app_dir, options.port, tls=options.tls))
    except worker.IndexingError as error:
        return _fail(f"indexing failed: {error}")
    except (Refused, serve.ListenerDied, OSError) as error:
        return _fail(str(error))
    return _stop(finished=finished)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.host", description="Run a Functions app on this machine")
    parser.add_argument("--app-dir", type=lambda given: Path(given).resolve(), required=True)
    parser.add_argument("--port", type=int, default=7071)
    parser.add_argument("--tls", action="store_true", help="serve https with the certificate of SANDBOX_PLAN")
    parser.add_argument("--index", action="store_true", help="print the functions' metadata and exit")
    return parser.parse_args()


def _log_to(stream: Any) -> None:
    logging.basicConfig(
        stream=stream, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True
    )
    # the SDKs log addresses and headers of every request at INFO; the worker library a line per invocation
    logging.getLogger("azure").setLevel(logging.WARNING)


async def _index(app_dir: Path) -> list[dict[str, Any]]:
    functions = await worker.index(app_dir)
    return [{"name": one.name, "bindings": one.bindings, "retry": one.has_retry} for one in functions]


def _fail(sentence: str) -> int:
    sys.stdout.flush()
    sys.stderr.write(f"host: {sentence}\n")
    sys.stderr.flush()
    # a function that still runs in the thread pool must not keep a failed host alive
    os._exit(1)


def _stop(*, finished: bool) -> int:
    if finished:
        worker.stop_threads()
        return 0
    log.warning("stopped with invocations still running after %d s", serve.DRAIN_SECONDS)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())
