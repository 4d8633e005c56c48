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


@pytest.mark.parametrize(
    ("encoding", "status"), [("gzip", 415), ("deflate, gzip", 415), ("br", 415), ("Identity", 200)]
)
async def test_a_packed_body_is_refused_and_not_read_as_a_bad_message(
    monkeypatch: pytest.MonkeyPatch, encoding: str, status: int
):
    async def accept(*_: Any) -> Intake:
        return Intake((), b"MSA|AA", "text/plain")

    monkeypatch.setattr(hl7, "deps", lambda: SimpleNamespace(settings=SimpleNamespace(certificate_from_front_end=True)))
    monkeypatch.setattr(hl7.intake, "accept", accept)
    headers, params = {"Content-Encoding": encoding}, {"connection": "c"}
    request = func.HttpRequest("POST", "/hl7v2/c", headers=headers, route_params=params, body=b"\x1f\x8b")
    assert (await hl7.hl7v2.build().get_user_function()(request)).status_code == status
