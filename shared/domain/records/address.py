"""The launch URL and the client id of a record: whose they are, if not this record's own."""

import re
from collections.abc import Iterator
from urllib.parse import SplitResult, urlsplit

from shared.domain.connection import Connection
from shared.domain.records.copied import tidied
from shared.domain.records.differences import Difference, What, difference
from shared.domain.records.record import SHAPES, Kind, Ours, Record

_PUBLIC_PRODUCT = re.compile(r"telehealth-[a-z0-9-]+\.teams\.microsoft\.com")
_LAUNCH_PATH = re.compile(r"/launch/([^/]+)/([^/]+)")
_HOST = re.compile(r"[a-z0-9.-]{1,253}(:\d{1,5})?")
_CONNECTION_ID = re.compile(r"[0-9a-f]{32}-[a-z2-7]{8}")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def url(raw: str, record: Record, ours: Ours) -> Iterator[Difference]:
    """The differences of a launch URL."""
    text, copied = tidied(raw, "launch-url")
    yield from copied
    wanted = record.value("launch-url")
    if not text:
        yield difference(What.URL_MISSING, "launch-url", expected=wanted)
        return
    parts = _split(text)
    if parts is None:
        yield difference(What.URL_UNREADABLE, "launch-url", expected=wanted)
    elif _PUBLIC_PRODUCT.fullmatch(_authority(parts)):
        yield difference(What.URL_OF_PUBLIC_PRODUCT, "launch-url", found=_authority(parts), expected=wanted)
    else:
        yield from _parts(parts, record.kind, wanted, ours)


def _split(text: str) -> SplitResult | None:
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    known = parts.scheme in {"http", "https"} and _HOST.fullmatch(parts.netloc.lower())
    return parts if known and " " not in text else None


def _authority(parts: SplitResult) -> str:
    return parts.netloc.lower().removesuffix(":443")


def _parts(parts: SplitResult, kind: Kind, wanted: str, ours: Ours) -> Iterator[Difference]:
    right = urlsplit(wanted)
    if parts.scheme != "https":
        yield difference(What.URL_NOT_HTTPS, "launch-url", found=parts.scheme, expected="https")
    if _authority(parts) != _authority(right):
        yield difference(What.URL_OTHER_HOST, "launch-url", found=_authority(parts), expected=_authority(right))
    if parts.query or parts.fragment:
        yield difference(What.URL_HAS_QUERY, "launch-url", expected=wanted)
    if parts.path == right.path:
        return
    path = _LAUNCH_PATH.fullmatch(re.sub("/+", "/", parts.path).rstrip("/").lower())
    if path is None or path[1] not in {shape.path for shape in SHAPES.values()}:
        yield difference(What.URL_OTHER_PATH, "launch-url", expected=right.path)
        return
    if path[1] != SHAPES[kind].path:
        yield difference(What.URL_OTHER_KIND, "launch-url", found=path[1], expected=SHAPES[kind].path)
    yield from _connection_id(path[2], ours)
    if path[0] != parts.path:
        yield difference(What.URL_SPELLING, "launch-url", expected=right.path)


def _connection_id(found: str, ours: Ours) -> Iterator[Difference]:
    own = ours.connection
    if found == own.id:
        return
    other = next((one for one in ours.others if one.id == found), None)
    what = What.URL_UNKNOWN_CONNECTION if other is None else What.URL_OTHER_CONNECTION
    if other and other.environment != own.environment:
        what = What.URL_OTHER_ENVIRONMENT
    shown = found if _CONNECTION_ID.fullmatch(found) else None
    yield difference(what, "launch-url", found=shown, expected=own.id)


def client_id(raw: str, record: Record, ours: Ours) -> Iterator[Difference]:
    """The differences of a client id; capitals do not tell two apart."""
    text, copied = tidied(raw, "client-id")
    yield from copied
    wanted = record.value("client-id")
    if not text:
        yield difference(What.CLIENT_MISSING, "client-id", expected=wanted)
    elif text.lower() != wanted.lower():
        what = _whose(text.lower(), record.kind, ours)
        known = what is not What.CLIENT_UNKNOWN or _GUID.fullmatch(text)
        yield difference(what, "client-id", found=text if known else None, expected=wanted)


def _whose(found: str, kind: Kind, ours: Ours) -> What:
    own = ours.connection
    active = own.approved
    if found in {active.provider_client_id.lower(), active.patient_client_id.lower()}:
        return What.CLIENT_SWAPPED
    if found == active.backend_client_id.lower():
        return What.CLIENT_BACKEND
    if own.pending:
        waiting = own.pending.epic
        mine = waiting.provider_client_id if SHAPES[kind].app == "provider" else waiting.patient_client_id
        if found == mine.lower():
            return What.CLIENT_WAITS
    theirs = [one.environment for one in ours.others if found in _client_ids(one)]
    if not theirs:
        return What.CLIENT_UNKNOWN
    return What.CLIENT_OTHER_CONNECTION if own.environment in theirs else What.CLIENT_OTHER_ENVIRONMENT


def _client_ids(connection: Connection) -> set[str]:
    sides = [connection.active, connection.pending.epic if connection.pending else None]
    return {
        client_id.lower()
        for side in sides
        if side
        for client_id in (side.provider_client_id, side.patient_client_id, side.backend_client_id)
    }
