"""What host.json and the environment say.

Defaults and limits: Microsoft Learn, "host.json reference" and "Azure Queue storage trigger".
"""

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

AZURE_LEASE = timedelta(minutes=10)
SHORTEST_POLL = timedelta(milliseconds=100)
_TIME_SPAN = re.compile(r"(?:(?P<days>\d+)\.)?(?P<hours>\d{1,2}):(?P<minutes>\d{2}):(?P<seconds>\d{2}(?:\.\d+)?)")


class Refused(Exception):
    """Azure or this host would not start the app; the text is one sentence for its author."""


@dataclass(frozen=True)
class QueueOptions:
    """`extensions.queues` of host.json, which holds for every queue function of the app."""

    batch_size: int
    new_batch_threshold: int
    max_dequeue_count: int
    visibility_timeout: timedelta
    max_polling_interval: timedelta
    base64: bool
    lease: timedelta


@dataclass(frozen=True)
class HostSettings:
    """host.json as far as this host obeys it, and the host's own settings."""

    route_prefix: str
    queues: QueueOptions
    master_key: str | None
    schedules_run: bool
    fault: str | None


def read(app_dir: Path) -> HostSettings:
    """The settings of the app in `app_dir`; defaults from its local.settings.json go into the environment.

    Raises:
        Refused: host.json or one of the host's settings makes no sense.
    """
    _apply_local_settings(app_dir / "local.settings.json")
    extensions = _host_json(app_dir / "host.json").get("extensions", {})
    timers = os.environ.get("SANDBOX_TIMERS", "schedule")
    if timers not in {"schedule", "manual"}:
        raise Refused("SANDBOX_TIMERS is neither `schedule` nor `manual`")
    return HostSettings(
        route_prefix=extensions.get("http", {}).get("routePrefix", "api").strip("/"),
        queues=_queue_options(extensions.get("queues", {})),
        master_key=os.environ.get("SANDBOX_MASTER_KEY"),
        schedules_run=timers == "schedule",
        fault=os.environ.get("SANDBOX_BREAK"),
    )


def _apply_local_settings(path: Path) -> None:
    if path.exists():
        for name, value in json.loads(path.read_text()).get("Values", {}).items():
            os.environ.setdefault(name, str(value))


def _host_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise Refused("the app has no host.json") from None
    except ValueError as error:
        raise Refused(f"host.json is not JSON: {error}") from None
    if found.get("version") != "2.0":
        raise Refused('host.json must say "version": "2.0"')
    return found


def _queue_options(section: dict[str, Any]) -> QueueOptions:
    batch = _number(section, "batchSize", 16, lambda value: 1 <= value <= 32)
    poll = _span(section.get("maxPollingInterval", "00:01:00"), "maxPollingInterval")
    if poll < SHORTEST_POLL:
        raise Refused("host.json: maxPollingInterval is below 100 ms")
    encoding = section.get("messageEncoding", "base64")
    if encoding not in {"base64", "none"}:
        raise Refused("host.json: messageEncoding is neither base64 nor none")
    return QueueOptions(
        batch_size=batch,
        new_batch_threshold=_number(section, "newBatchThreshold", batch // 2, lambda value: value >= 0),
        max_dequeue_count=_number(section, "maxDequeueCount", 5, lambda value: value >= 1),
        visibility_timeout=_span(section.get("visibilityTimeout", "00:00:00"), "visibilityTimeout"),
        max_polling_interval=poll,
        base64=encoding == "base64",
        lease=_lease(),
    )


def _number(section: dict[str, Any], name: str, default: int, allowed: Callable[[int], bool]) -> int:
    value = section.get(name, default)
    if not isinstance(value, int) or not allowed(value):
        raise Refused(f"host.json: {name} is out of range")
    return value


def _lease() -> timedelta:
    seconds = os.environ.get("SANDBOX_LEASE_SECONDS", "600")
    if not seconds.isdecimal() or not 1 <= int(seconds) <= AZURE_LEASE.total_seconds():
        raise Refused("SANDBOX_LEASE_SECONDS is not a number from 1 to 600")
    return timedelta(seconds=int(seconds))


def _span(text: str, name: str) -> timedelta:
    """A .NET TimeSpan, [days.]hh:mm:ss[.fraction]."""
    if not (found := _TIME_SPAN.fullmatch(text)):
        raise Refused(f"host.json: {name} is not a time span like 00:00:02")
    return timedelta(**{unit: float(value or 0) for unit, value in found.groupdict().items()})


def expand(text: str) -> str:
    """`%NAME%` replaced by the setting NAME.

    Raises:
        Refused: the setting is missing.
    """

    def value(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise Refused(f"'%{found[1]}%' does not resolve to a value")
        return os.environ[found[1]]

    return re.sub(r"%([^%]+)%", value, text)


def is_disabled(name: str) -> bool:
    """Whether the app setting that switches the function off is there (the second spelling is for Linux)."""
    spellings = (f"AzureWebJobs.{name}.Disabled", f"AzureWebJobs_{name}_Disabled")
    return any(os.environ.get(spelling, "").lower() in {"true", "1"} for spelling in spellings)
