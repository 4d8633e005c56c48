"""App settings, read once. What is missing or wrong is named at start; docs/settings.md says what each is for."""

import base64
import ipaddress
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from shared.errors import Broken
from shared.storage.names import STORAGE

Role = Literal["main", "hl7"]
#: It stands before a dot in everything sealed.
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
#: Event Grid's own application (microsoft-apis.md, section 3), the same in every tenant of the public cloud.
_EVENT_GRID_APP = "4962773b-9cdb-44cf-a8bf-237846a00ab7"
#: In days. Delivery reports, held texts and erasure all end within a month.
_SHORTEST_RETENTION = 31
#: Azure sets these on every instance; `func start` and the sandbox do not.
_AZURE = ("WEBSITE_INSTANCE_ID", "WEBSITE_POD_NAME", "CONTAINER_NAME")


class SettingsWrong(Broken):
    """The app cannot start: the text names the settings and what is wrong, never their values."""


@dataclass(frozen=True)
class Storage:
    """Where queues and tables are: a connection string, or two service addresses and an identity."""

    connection_string: str = field(repr=False)
    queue_uri: str
    table_uri: str
    client_id: str | None


@dataclass(frozen=True)
class Settings:
    """All settings of both roles; a role that does not need a setting has None."""

    role: Role
    storage: Storage
    queue_keys: dict[str, bytes] = field(repr=False)
    certificate_from_front_end: bool = False
    clock_offset_file: Path | None = None
    hl7_max_bytes: int = 1_000_000
    # main only
    data_keys: dict[str, bytes] = field(default_factory=dict, repr=False)
    stamp_secret: bytes = field(default=b"", repr=False)
    public_url: str = ""
    hl7_url: str = ""
    entra_authority: str = ""
    operator_tenant: str = ""
    api_client_id: str = ""
    api_callers: frozenset[str] = frozenset()
    connector_client_id: str = ""
    connector_certificate: str = field(default="", repr=False)
    epic_keys: dict[str, tuple[tuple[str, str], ...]] = field(default_factory=dict, repr=False)
    graph_url: str = ""
    notification_keys: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    teams_hosts: frozenset[str] = frozenset()
    sms_per_minute: int = 200
    acs_endpoint: str = ""
    acs_access_key: str = field(default="", repr=False)
    event_grid_audience: str = ""
    event_grid_app: str = ""
    event_grid_secret: str = field(default="", repr=False)
    texts_days: int = 90
    audit_days: int = 2190
    visits_days: int = 400
    outbound_ports: frozenset[int] = frozenset({443})
    outbound_cidrs: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()


def read(env: Mapping[str, str] = os.environ) -> Settings:
    """The settings of this process; raises `SettingsWrong` with every fault in one text."""
    reader = _Reader(env)
    role = reader.one_of("APP_ROLE", "main", "hl7")
    base = {
        "role": role,
        "storage": reader.storage(),
        "queue_keys": reader.sealing_keys("QUEUE_KEYS"),
        "certificate_from_front_end": reader.flag("CLIENT_CERT_FROM_FRONT_END"),
        "clock_offset_file": reader.clock_offset_file(),
        "hl7_max_bytes": reader.number("HL7_MAX_BYTES", Settings.hl7_max_bytes),
    }
    main = reader.main() if role == "main" else {}
    reader.finish()
    return Settings(**base, **main)  # type: ignore[arg-type]  # each reader below returns its field's type


class _Reader:
    """Collects what is wrong, so that an operator mends all of it in one go."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self.env = env
        self.faults: list[str] = []

    def main(self) -> dict[str, object]:
        return {
            "data_keys": self.sealing_keys("DATA_KEYS"),
            "stamp_secret": self.secret("STAMP_SECRET"),
            "public_url": self.text("PUBLIC_URL").rstrip("/"),
            "hl7_url": self.text("HL7_URL", "").rstrip("/"),
            "entra_authority": self.text("ENTRA_AUTHORITY", "https://login.microsoftonline.com").rstrip("/"),
            "operator_tenant": self.text("OPERATOR_TENANT_ID"),
            "api_client_id": self.text("API_CLIENT_ID"),
            "api_callers": self.words("API_CALLER_IDS"),
            "connector_client_id": self.text("CONNECTOR_CLIENT_ID"),
            "connector_certificate": self.text("CONNECTOR_CERTIFICATE"),
            "epic_keys": {env: self.key_ring(f"EPIC_KEYS_{env.upper()}") for env in ("test", "production")},
            "notification_keys": self.key_ring("NOTIFICATION_KEYS"),
            "graph_url": self.text("GRAPH_URL", "https://graph.microsoft.com").rstrip("/"),
            "teams_hosts": self.words("TEAMS_HOSTS"),
            "acs_endpoint": self.text("ACS_ENDPOINT", ""),
            "acs_access_key": self.text("ACS_ACCESS_KEY", ""),
            "event_grid_audience": self.text("EVENT_GRID_AUDIENCE", ""),
            "event_grid_app": self.text("EVENT_GRID_APP_ID", _EVENT_GRID_APP),
            "event_grid_secret": self.text("EVENT_GRID_SECRET", ""),
            "sms_per_minute": self.number("SMS_PER_MINUTE", Settings.sms_per_minute),
            "texts_days": self.days("TEXTS_DAYS", Settings.texts_days),
            "audit_days": self.days("AUDIT_DAYS", Settings.audit_days),
            "visits_days": self.days("VISITS_DAYS", Settings.visits_days),
            "outbound_ports": frozenset(self.numbers("OUTBOUND_PORTS", "443")),
            "outbound_cidrs": self.networks("OUTBOUND_CIDRS"),
        }

    def text(self, name: str, default: str | None = None) -> str:
        value = self.env.get(name) or default
        if value is None:
            self.faults.append(f"{name} is missing")
            return ""
        return value

    def words(self, name: str) -> frozenset[str]:
        return frozenset(word.strip() for word in self.env.get(name, "").split(",") if word.strip())

    def one_of(self, name: str, *choices: str) -> str:
        value = self.text(name)
        if value and value not in choices:
            self.faults.append(f"{name} must be one of {', '.join(choices)}")
        return value

    def flag(self, name: str) -> bool:
        return self.env.get(name, "false").lower() == "true"

    def number(self, name: str, default: int) -> int:
        return next(iter(self.numbers(name, str(default))), default)

    def days(self, name: str, default: int) -> int:
        """How long rows stay; shorter than a month, and work under way would lose its rows."""
        days = self.number(name, default)
        if days < _SHORTEST_RETENTION:
            self.faults.append(f"{name} must be {_SHORTEST_RETENTION} or more")
        return days

    def numbers(self, name: str, default: str) -> list[int]:
        try:
            return [int(part) for part in self.text(name, default).split(",")]
        except ValueError:
            self.faults.append(f"{name} must hold whole numbers")
            return []

    def networks(self, name: str) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
        try:
            return tuple(ipaddress.ip_network(part) for part in self.env.get(name, "").split(",") if part)
        except ValueError:
            self.faults.append(f"{name} must hold networks such as 10.20.0.0/16")
            return ()

    def secret(self, name: str) -> bytes:
        return self._key(name, self.text(name))

    def sealing_keys(self, name: str) -> dict[str, bytes]:
        """`id:base64` pairs, the sealing key first."""
        text = self.text(name)
        pairs = [part.partition(":") for part in text.split(",")] if text else []
        if any(not _KEY_ID.fullmatch(kid) or not key for kid, _, key in pairs):
            self.faults.append(f"{name} must hold pairs such as k1:<base64>")
        if len({kid for kid, _, _ in pairs}) < len(pairs):
            self.faults.append(f"{name} names a key twice")
        return {kid: self._key(name, key) for kid, _, key in pairs}

    def _key(self, name: str, text: str) -> bytes:
        try:
            key = base64.b64decode(text, validate=True)
        except ValueError:
            key = b""
        if text and len(key) != 32:
            self.faults.append(f"{name} must be 32 bytes in base64")
        return key

    def key_ring(self, name: str) -> tuple[tuple[str, str], ...]:
        """JSON list of {"kid", "pem"}; the first is used for what is new, all are known."""
        try:
            return tuple((key["kid"], key["pem"]) for key in json.loads(self.env.get(name, "[]")))
        except (ValueError, KeyError, TypeError):
            self.faults.append(f'{name} must be a JSON list of {{"kid", "pem"}}')
            return ()

    def storage(self) -> Storage:
        uris = [self.env.get(f"{STORAGE}__{kind}ServiceUri", "") for kind in ("queue", "table")]
        text = self.env.get(STORAGE, "")
        if not text and not all(uris):
            self.faults.append(f"{STORAGE}, or {STORAGE}__queueServiceUri and {STORAGE}__tableServiceUri, is missing")
        return Storage(text, uris[0], uris[1], self.env.get(f"{STORAGE}__clientId"))

    def clock_offset_file(self) -> Path | None:
        name = self.env.get("CLOCK_OFFSET_FILE")
        if name and any(key in self.env for key in _AZURE):
            self.faults.append("CLOCK_OFFSET_FILE is for one machine and refused on Azure")
        return Path(name) if name else None

    def finish(self) -> None:
        if self.faults:
            raise SettingsWrong("app settings: " + "; ".join(self.faults))
