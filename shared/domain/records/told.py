"""Which record a paste is, when nobody says so."""

import re

from shared.domain.connection import Connection
from shared.domain.records.pasted import Values
from shared.domain.records.record import MNEMONICS, SHAPES, Kind


def told(given: Values, connection: Connection) -> Kind | None:
    """Which record this is, from its launch URL, its client id, the public product's user type, or a heading."""
    text = given.context.replace(" ", "").lower()
    words = re.sub("patient id type", "", given.words, flags=re.IGNORECASE).lower()
    kind = _by_url(given) or _by_client(given, connection) or _by_user_type(text) or _by_words(words)
    group = MNEMONICS.conference.lower() in text or "group" in words
    if group and kind == "patient":
        return "patient-group"
    return "provider-group" if group and kind == "provider" else kind


def _by_url(given: Values) -> Kind | None:
    path = given.launch_url.lower().partition("/launch/")[2].partition("/")[0]
    return next((kind for kind, shape in SHAPES.items() if shape.path == path), None)


def _by_client(given: Values, connection: Connection) -> Kind | None:
    side, client_id = connection.approved, given.client_id.strip().lower()
    known: dict[str, Kind] = {
        side.provider_client_id.lower(): "provider",
        side.patient_client_id.lower(): "patient",
    }
    return known.get(client_id) if len(known) > 1 else None


def _by_user_type(text: str) -> Kind | None:
    """Inferred: 1 was seen in a provider's record (F4.6), so another number is not a provider's."""
    found = re.search(r"(?:^|&)usertype=(\d)(?:&|$)", text)
    return None if found is None else "provider" if found[1] == "1" else "patient"


def _by_words(words: str) -> Kind | None:
    headings: dict[str, Kind] = {"device test": "device-test", "direct sms": "direct-sms"}
    found: list[Kind] = [kind for heading, kind in headings.items() if heading in words]
    if not found:
        both: tuple[Kind, ...] = ("provider", "patient")
        found = [kind for kind in both if kind in words]
    return found[0] if len(found) == 1 else None
