"""The interface engine's side of the wire: a client that is not our code (curl, else openssl) over mutual TLS."""

import asyncio
import shutil
from dataclasses import dataclass

from sandbox.demo.play import SafeError
from sandbox.plan import Plan

#: Whatever speaks mutual TLS and is not ours; the first that is there is used.
CLIENTS = ("curl", "openssl")
MISSING = f"the interface engine of the demo is {' or '.join(CLIENTS)}, and neither is installed: install one of them"


@dataclass(frozen=True)
class Reply:
    """What came back over HTTP. status 0: the connection was closed without an answer."""

    status: int
    headers: dict[str, str]
    body: str


def client() -> str | None:
    """The client there is, if any."""
    return next(filter(shutil.which, CLIENTS), None)


async def post(
    plan: Plan,
    path: str,
    body: bytes,
    *,
    certificate: str | None = "engine",
    content_type: str = "x-application/hl7-v2+er7; charset=utf-8",
    headers: dict[str, str] | None = None,
) -> Reply:
    """POST to the hl7 app's front end, with one of the plan's certificates or with none."""
    extra = {"Content-Type": content_type, **(headers or {})}
    match client():
        case "curl":
            return await _curl(plan, path, body, certificate, extra)
        case "openssl":
            return await _openssl(plan, path, body, certificate, extra)
        case _:
            raise SafeError(MISSING)


async def _curl(plan: Plan, path: str, body: bytes, certificate: str | None, headers: dict[str, str]) -> Reply:
    command = ["curl", "-sS", "-i", "--http1.1", "--max-time", "30", "--cacert", plan.files["ca"]]
    if certificate:
        command += ["--cert", plan.files[f"{certificate}_cert"], "--key", plan.files[f"{certificate}_key"]]
    for name, value in headers.items():
        command += ["-H", f"{name}: {value}"]
    command += ["-H", "Expect:", "--data-binary", "@-", plan.urls["hl7"] + path]
    return _reply(await _run(command, body))


async def _openssl(plan: Plan, path: str, body: bytes, certificate: str | None, headers: dict[str, str]) -> Reply:
    host = f"localhost:{plan.ports['hl7']}"
    command = ["openssl", "s_client", "-quiet", "-connect", host, "-CAfile", plan.files["ca"], "-verify_return_error"]
    if certificate:
        command += ["-cert", plan.files[f"{certificate}_cert"], "-key", plan.files[f"{certificate}_key"]]
    lines = [f"POST {path} HTTP/1.1", f"Host: {host}", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    request = "\r\n".join(lines).encode() + b"\r\n\r\n" + body
    return _reply(await _run(command, request))


async def _run(command: list[str], given: bytes) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    out, _ = await process.communicate(given)
    return out


def _reply(raw: bytes) -> Reply:
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if not lines[0].startswith("HTTP/"):
        return Reply(0, {}, "")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return Reply(int(lines[0].split()[1]), headers, body.decode("utf-8", "replace"))
