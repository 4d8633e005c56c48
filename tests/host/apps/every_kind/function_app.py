"""A Functions app with one of each kind; what it sees it writes, one JSON object a line, to the file SEEN."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
FOLDER = Path(os.environ["SEEN"]).parent


def saw(what: str, **facts: Any) -> None:
    with Path(os.environ["SEEN"]).open("a") as seen:
        seen.write(json.dumps({"what": what, **facts}) + "\n")


async def gate(name: str) -> None:
    """Wait until the test makes a file of that name."""
    while not (FOLDER / name).exists():  # noqa: ASYNC110 - a file cannot be awaited
        await asyncio.sleep(0.02)


def plain(**facts: Any) -> func.HttpResponse:
    return func.HttpResponse(json.dumps(facts), mimetype="application/json")


@app.route("echo/{word}", methods=["GET", "POST", "HEAD"])
async def echo(req: func.HttpRequest) -> func.HttpResponse:
    return plain(
        by="echo",
        url=req.url,
        headers=dict(req.headers),
        query=dict(req.params),
        route=dict(req.route_params),
        body=req.get_body().hex(),
    )


@app.route("echo/known", methods=["GET"])
def literal(req: func.HttpRequest) -> func.HttpResponse:
    return plain(by="literal")


@app.route("number/{n:int}/{rest?}")
def number(req: func.HttpRequest) -> func.HttpResponse:
    return plain(by="number", route=dict(req.route_params))


@app.route("cookies")
def cookies(req: func.HttpRequest) -> func.HttpResponse:
    response = func.HttpResponse("ok")
    response.headers.add("X-One", "1")
    for cookie in (
        "__Host-a=1; Path=/; Secure; HttpOnly; SameSite=None; Max-Age=60",
        "b=2; Domain=example.org; Path=/x; SameSite=Strict; Expires=Sat, 01 Jan 2050 00:00:00 GMT",
        "c=x+y; Max-Age=0",
    ):
        response.headers.add("Set-Cookie", cookie)
    return response


@app.route("keyed", auth_level=func.AuthLevel.FUNCTION)
def keyed(req: func.HttpRequest) -> func.HttpResponse:
    return plain(by="keyed")


@app.route("broken")
def broken(req: func.HttpRequest) -> func.HttpResponse:
    raise ValueError("what went wrong")


@app.route("slow")
async def slow(req: func.HttpRequest) -> func.HttpResponse:
    saw("slow")
    await gate("slow.gate")
    return plain(by="slow")


@app.route("off")
def off(req: func.HttpRequest) -> func.HttpResponse:
    return plain(by="off")


@app.queue_trigger("message", "%WORK_QUEUE%", "Work")
async def work(message: func.QueueMessage) -> None:
    body = message.get_body()
    facts = {"body": body.hex(), "attempt": message.dequeue_count, "id": message.id}
    saw("begin", **facts, inserted=str(message.insertion_time))
    if body == b"fail":
        raise ValueError("on purpose")
    if body.startswith(b"gate"):
        await gate(body.decode())
    saw("end", **facts)


@app.timer_trigger("timer", "%TICK%")
async def tick(timer: func.TimerRequest) -> None:
    saw("tick")
    if (FOLDER / "tick.fails").exists():
        raise ValueError("on purpose")
    if (FOLDER / "tick.waits").exists():
        await gate("tick.gate")
    saw("tock")
