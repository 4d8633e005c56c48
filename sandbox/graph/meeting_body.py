"""What Graph accepts as a meeting: fields, enums, pairs (microsoft-apis.md section 1)."""

import re
from collections.abc import Callable
from typing import Any

from sandbox.graph.refusal import bad_request

Check = Callable[[str, Any], None]

#: createOrGet takes these five and no option.
CREATE_OR_GET_FIELDS = frozenset({"externalId", "startDateTime", "endDateTime", "subject", "participants"})
#: "Required when you create" since 2026-07.
CREATE_REQUIRED = ("subject", "startDateTime", "endDateTime")
SHOWN_SCOPES = ("organizer", "organization", "organizationAndFederated", "everyone")
#: Members after unknownFutureValue: shown only with Prefer: include-unknown-enum-members.
HIDDEN_SCOPES = ("invited", "organizationExcludingGuests")
STAFF_ROLES = ("presenter", "coorganizer", "producer")
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def one_of(*values: str) -> Check:
    """A check for an enum."""

    def check(name: str, value: Any) -> None:
        if value not in values:
            raise bad_request(f"{name}: requested value was not found in the enum.")

    return check


def boolean(name: str, value: Any) -> None:
    """A check for true or false."""
    if not isinstance(value, bool):
        raise bad_request(f"{name} must be a Boolean.")


def string(name: str, value: Any) -> None:
    """A check for text."""
    if not isinstance(value, str) or not value:
        raise bad_request(f"{name} must be a non-empty string.")


def known_fields(name: str, value: Any, known: frozenset[str]) -> dict[str, Any]:
    """The value as an object without unknown members."""
    if not isinstance(value, dict):
        raise bad_request(f"{name} must be an object.")
    if unknown := set(value) - known:
        raise bad_request(f"{name}: property '{min(unknown)}' does not exist or cannot be set here.")
    return value


def lobby(name: str, value: Any) -> None:
    """A check for lobbyBypassSettings."""
    for key, part in known_fields(name, value, frozenset({"scope", "isDialInBypassEnabled"})).items():
        (one_of(*SHOWN_SCOPES, *HIDDEN_SCOPES) if key == "scope" else boolean)(f"{name}.{key}", part)


OPTIONS: dict[str, Check] = {
    "subject": string,
    "lobbyBypassSettings": lobby,
    "allowedPresenters": one_of("everyone", "organization", "roleIsPresenter", "organizer"),
    "allowedLobbyAdmitters": one_of("organizerAndCoOrganizersAndPresenters", "organizerAndCoOrganizers"),
    "allowMeetingChat": one_of("enabled", "disabled", "limited"),
    "allowAttendeeToEnableCamera": boolean,
    "allowAttendeeToEnableMic": boolean,
    "allowRecording": boolean,
    "allowTranscription": boolean,
    "isEntryExitAnnounced": boolean,
    "recordAutomatically": boolean,
}
DEFAULTS: dict[str, Any] = {
    "subject": None,
    "lobbyBypassSettings": {"scope": "organization", "isDialInBypassEnabled": False},
    "allowedPresenters": "everyone",
    "allowedLobbyAdmitters": "organizerAndCoOrganizersAndPresenters",
    "allowMeetingChat": "enabled",
    "allowAttendeeToEnableCamera": True,
    "allowAttendeeToEnableMic": True,
    "allowRecording": True,
    "allowTranscription": True,
    "isEntryExitAnnounced": True,
    "recordAutomatically": False,
}
CREATE_FIELDS = frozenset(OPTIONS) | {"startDateTime", "endDateTime", "participants", "joinMeetingIdSettings"}
UPDATE_FIELDS = frozenset(OPTIONS) | {"startDateTime", "endDateTime", "participants"}


def options(body: dict[str, Any]) -> dict[str, Any]:
    """The meeting options of a checked body."""
    chosen = {name: value for name, value in body.items() if name in OPTIONS}
    for name, value in chosen.items():
        OPTIONS[name](name, value)
    roles = [attendee["role"] for attendee in attendees(body)]
    if chosen.get("allowedPresenters") == "roleIsPresenter" and not set(roles) & set(STAFF_ROLES):
        raise bad_request("allowedPresenters roleIsPresenter needs the attendee list with roles.")
    return chosen


def attendees(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The attendees of a body as Graph shows them; none if the body has none."""
    people = known_fields("participants", body.get("participants", {}), frozenset({"organizer", "attendees"}))
    listed = people.get("attendees", [])
    if not isinstance(listed, list):
        raise bad_request("participants.attendees must be a collection.")
    return [_attendee(one) for one in listed]


def _attendee(value: Any) -> dict[str, Any]:
    one = known_fields("attendee", value, frozenset({"identity", "upn", "role"}))
    identity = known_fields("identity", one.get("identity") or {}, frozenset({"user"}))
    user = known_fields("user", identity.get("user") or {}, frozenset({"id", "displayName", "tenantId"}))
    role = one.get("role", "attendee")
    one_of("attendee", *STAFF_ROLES)("role", role)
    oid, upn = user.get("id"), one.get("upn")
    if oid is not None and not (isinstance(oid, str) and GUID.fullmatch(oid)):
        raise bad_request("attendee: identity.user.id must be an object id.")
    if (oid is None and role in STAFF_ROLES) or (oid is None and not isinstance(upn, str)):
        raise bad_request("attendee: only a user of the directory can have this role.")
    return {"upn": upn, "role": role, "identity": {"user": {"id": oid}} if oid else None}
