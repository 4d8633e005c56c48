"""Where the public test data lies: beside the repository, never in it."""

import os
from pathlib import Path

import pytest

CORPUS = Path(__file__).parents[3] / "shared" / "corpus"


def require(folder: str) -> Path:
    """The folder; skips the test where it is absent, and fails it where CI promises it is there."""
    found = CORPUS / folder
    if found.is_dir():
        return found
    if os.environ.get("CI") == "true":
        pytest.fail(f"corpus/{folder} is absent")
    pytest.skip(f"corpus/{folder} is absent")
