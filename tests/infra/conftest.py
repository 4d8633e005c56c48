"""The stamp as it would be made."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.infra import bicep, evaluate

#: What has no default.
GIVEN = {"stamp": "lamna", "apiClientId": "api", "connectorClientId": "connector"}


def made(files: Mapping[str, str], **parameters: Any) -> list[evaluate.Resource]:
    """The resources of a stamp with these parameters beside those that must be given."""
    return evaluate.stamp(files, **GIVEN | parameters)[0]


@pytest.fixture(scope="session")
def files() -> dict[str, str]:
    return bicep.read()
