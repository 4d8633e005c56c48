"""Whose word about a client certificate the hl7 app takes: a front end's, where a setting says there is one."""

from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from functions import hl7
from shared.domain.hl7v2.intake import Intake


@pytest.mark.parametrize(("front_end", "believed"), [(True, "from the front end"), (False, None)])
async def test_the_certificate_header_counts_only_behind_a_front_end(
    monkeypatch: pytest.MonkeyPatch, front_end: bool, believed: str | None
):
    taken: list[Any] = []

    async def accept(posted: Any, _: Any) -> Intake:
        taken.append(posted)
        return Intake((), b"MSA|AA", "text/plain")

    monkeypatch.setattr(
        hl7, "deps", lambda: SimpleNamespace(settings=SimpleNamespace(certificate_from_front_end=front_end))
    )
    monkeypatch.setattr(hl7.intake, "accept", accept)
    request = func.HttpRequest(
        "POST",
        "/hl7v2/c",
        headers={"X-ARR-ClientCert": "from the front end"},
        route_params={"connection": "c"},
        body=b"MSH|",
    )
    response = await hl7.hl7v2.build().get_user_function()(request)
    assert (response.status_code, response.get_body()) == (200, b"MSA|AA")
    assert [(posted.connection, posted.body, posted.certificate) for posted in taken] == [("c", b"MSH|", believed)]
