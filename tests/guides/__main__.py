"""`python -m tests.guides`: write docs/guides/pictures anew. SANDBOX_PORT and SANDBOX_FOLDER as for the sandbox."""

import asyncio
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from sandbox import stack
from sandbox.__main__ import first_port, folder
from tests import chromium
from tests.guides.camera import Camera
from tests.guides.walk import walk

PICTURES = Path(__file__).parents[2] / "docs" / "guides" / "pictures"
SWITCHES = ["--no-sandbox", "--disable-gpu"]


def main() -> int:
    """0 when every picture was taken."""
    program = chromium.found()
    if program is None:
        sys.stderr.write(f"{chromium.HOW}\n")
        return 2
    PICTURES.mkdir(parents=True, exist_ok=True)
    camera = Camera(PICTURES)
    running = stack.sandbox(folder(), first_port(), stack.Settings(timers="schedule"), say=print)
    with asyncio.Runner() as runner:
        runner.run(running.__aenter__())
        try:
            with (
                sync_playwright() as playwright,
                playwright.chromium.launch(executable_path=program, args=SWITCHES) as browser,
            ):
                walk(running.plan, browser, camera)
        finally:
            runner.run(running.stop())
    for old in {path.name for path in PICTURES.iterdir()} - set(camera.taken):
        (PICTURES / old).unlink()
    sizes = sum(path.stat().st_size for path in PICTURES.iterdir())
    sys.stdout.write(f"{len(camera.taken)} pictures and clips, {sizes / 1e6:.1f} MB, in {PICTURES}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
