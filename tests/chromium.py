"""Where Chromium is: on PATH, Playwright's own, or Debian's, which root can have installed.

`python -m tests.chromium` makes sure there is one, or says in one sentence how to get one. Tests that need a browser
skip by name without one; with CI=true they fail.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_APT = ("apt-get", "install", "-y", "--no-install-recommends", "chromium")
HOW = "Browser tests need Chromium: install your system's package, or run `.venv/bin/playwright install chromium`."


def found() -> str | None:
    """The browser's program, or None."""
    on_path = next((path for name in _NAMES if (path := shutil.which(name))), None)
    return on_path or _of_playwright()


def _of_playwright() -> str | None:
    base = Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", Path.home() / ".cache" / "ms-playwright"))
    return next((str(path) for path in sorted(base.glob("chromium-*/chrome-linux*/chrome"))), None)


def main() -> int:
    """0 when there is a browser, also when there can be none here: the tests say so by name."""
    if not found() and shutil.which("apt-get") and os.geteuid() == 0:
        print("Installing Chromium for the browser tests")  # noqa: T201 - the command's output
        subprocess.run(["apt-get", "update", "-qq"], check=False, stdout=subprocess.DEVNULL)  # noqa: S607 - on PATH
        subprocess.run(_APT, check=False, stdout=subprocess.DEVNULL)  # noqa: S603 - literal arguments
    if not found():
        print(HOW, file=sys.stderr)  # noqa: T201 - the command's output
    return 0


if __name__ == "__main__":
    sys.exit(main())
