"""From the library's bindings to the three triggers this host runs; everything else is refused."""

from dataclasses import dataclass
from typing import Any

from sandbox.host.routes import Route
from sandbox.host.schedule import Schedule
from sandbox.host.settings import Refused, expand
from sandbox.host.worker import Function

POISON = "-poison"


@dataclass(frozen=True)
class HttpTrigger:
    """`methods` is empty when every method is meant; `level` is anonymous, function or admin."""

    function: Function
    argument: str
    route: Route
    methods: frozenset[str]
    level: str


@dataclass(frozen=True)
class QueueTrigger:
    """`connection` is the prefix of the settings that say where the queue is."""

    function: Function
    argument: str
    queue: str
    connection: str
    binary: bool


@dataclass(frozen=True)
class TimerTrigger:
    """`schedule` is in UTC."""

    function: Function
    argument: str
    schedule: Schedule
    run_on_startup: bool


Trigger = HttpTrigger | QueueTrigger | TimerTrigger


def read(function: Function, route_prefix: str) -> Trigger:
    """The function's trigger.

    Raises:
        Refused: this host does not run such a function; the sentence says why.
    """
    if function.has_retry:
        raise Refused(f"{function.name}: @app.retry is not supported by the sandbox's host")
    binding = _only_trigger(function)
    match binding["type"]:
        case "httpTrigger":
            return _http(function, binding, route_prefix)
        case "queueTrigger":
            return _queue(function, binding)
        case "timerTrigger":
            schedule = Schedule.parse(expand(binding["schedule"]), function.name)
            return TimerTrigger(function, binding["name"], schedule, bool(binding.get("runOnStartup")))
        case other:
            raise Refused(f"{function.name}: the sandbox's host does not run a {other}")


def _only_trigger(function: Function) -> dict[str, Any]:
    triggers = [binding for binding in function.bindings if binding["type"].endswith("Trigger")]
    if len(triggers) != 1:
        raise Refused(f"{function.name}: a function has exactly one trigger")
    for binding in function.bindings:
        if binding is not triggers[0] and binding["type"] != "http":
            raise Refused(f"{function.name}: the sandbox's host has no {binding['type']} binding")
    return triggers[0]


def _http(function: Function, binding: dict[str, Any], prefix: str) -> HttpTrigger:
    template = (binding.get("route") or function.name).lstrip("/")
    route = Route.parse("/".join(part for part in (prefix, template) if part), function.name)
    methods = frozenset(method.upper() for method in binding.get("methods") or ())
    return HttpTrigger(function, binding["name"], route, methods, str(binding.get("authLevel", "function")).lower())


def _queue(function: Function, binding: dict[str, Any]) -> QueueTrigger:
    name = expand(binding["queueName"])
    if name.endswith(POISON):
        raise Refused(f"{function.name}: the sandbox's host has no trigger on a poison queue")
    connection = expand(binding.get("connection") or "Storage")
    return QueueTrigger(function, binding["name"], name, connection, binding.get("dataType", "").upper() == "BINARY")
