"""What can go wrong, in three words.

ConnectorError
├── Refused            the caller is wrong: a code of the catalogue, which fixes the HTTP status; never retried
├── Later              the other side is busy or away: the queue adapter sends the message again with a delay
└── Broken             ours: raise, the host retries, then poison and alarm

Nothing here carries what a patient owns: an error holds its code and, at most, names of fields.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum


class Code(StrEnum):
    """Stable codes. They stand in answers, pages, logs and in docs/errors.md; none is ever reused."""

    # who is asking
    TOKEN_MISSING = "token-missing"  # noqa: S105 - the name of an error, no secret
    TOKEN_REFUSED = "token-refused"  # noqa: S105 - the name of an error, no secret
    ROLE_MISSING = "role-missing"
    NOT_THE_APPROVER = "not-the-approver"
    CERTIFICATE_MISSING = "certificate-missing"
    CERTIFICATE_REFUSED = "certificate-refused"
    # what is asked for
    CONNECTION_UNKNOWN = "connection-unknown"
    CONNECTION_NOT_SERVING = "connection-not-serving"
    ORGANISATION_UNKNOWN = "organisation-unknown"
    NOT_FOUND = "not-found"
    # what was sent
    BODY_TOO_LARGE = "body-too-large"
    BODY_UNREADABLE = "body-unreadable"
    CONTENT_TYPE = "content-type"
    VALUE_REFUSED = "value-refused"
    ADDRESS_REFUSED = "address-refused"
    FHIR_BASE_TAKEN = "fhir-base-taken"
    FHIR_BASE_INVALID = "fhir-base-invalid"
    CHANGED_MEANWHILE = "changed-meanwhile"
    PRECONDITION_MISSING = "precondition-missing"
    WRONG_STATE = "wrong-state"
    NOT_ENTITLED = "not-entitled"
    ORGANISATION_OFF = "organisation-off"
    CONSENT_MISSING = "consent-missing"
    NUMBER_NOT_YOURS = "number-not-yours"
    NUMBER_TAKEN = "number-taken"
    NUMBER_IN_USE = "number-in-use"
    RELEASE_UNCONFIRMED = "release-unconfirmed"
    TEXTS_NOT_READY = "texts-not-ready"
    TOO_SOON = "too-soon"
    # a launch
    ISSUER_UNKNOWN = "issuer-unknown"
    LAUNCH_EMPTY = "launch-empty"
    LAUNCH_ROLE = "launch-role"
    LAUNCH_STALE = "launch-stale"
    LAUNCH_REPLAYED = "launch-replayed"
    EPIC_REFUSED = "epic-refused"
    SIGN_IN_REFUSED = "sign-in-refused"
    VISIT_UNKNOWN = "visit-unknown"
    VISIT_OVER = "visit-over"
    VISIT_NOT_VIDEO = "visit-not-video"
    VISIT_CANCELLED = "visit-cancelled"
    TOO_EARLY = "too-early"
    NOT_READY = "not-ready"
    LINK_UNKNOWN = "link-unknown"
    # ours
    BUSY = "busy"
    UNEXPECTED = "unexpected"


@dataclass(frozen=True)
class Entry:
    """One row of the catalogue: the HTTP status and the sentence a caller may read."""

    status: int
    title: str


CATALOGUE: dict[Code, Entry] = {
    Code.TOKEN_MISSING: Entry(401, "Sign in: this address needs an access token."),
    Code.TOKEN_REFUSED: Entry(401, "The access token is not valid here."),
    Code.ROLE_MISSING: Entry(403, "Your account does not have the role this needs."),
    Code.NOT_THE_APPROVER: Entry(403, "Only the approver named for this connection can do this."),
    Code.CERTIFICATE_MISSING: Entry(401, "The interface engine must present its client certificate."),
    Code.CERTIFICATE_REFUSED: Entry(403, "This client certificate is not one of the connection's, or is out of date."),
    Code.CONNECTION_UNKNOWN: Entry(404, "There is no such connection."),
    Code.CONNECTION_NOT_SERVING: Entry(403, "The connection is suspended, switched off or has not been approved."),
    Code.ORGANISATION_UNKNOWN: Entry(404, "The organisation has not been enabled."),
    Code.NOT_FOUND: Entry(404, "There is nothing here."),
    Code.BODY_TOO_LARGE: Entry(413, "The message is too large."),
    Code.BODY_UNREADABLE: Entry(400, "The body cannot be read."),
    Code.CONTENT_TYPE: Entry(415, "This content type is not accepted here."),
    Code.VALUE_REFUSED: Entry(422, "A value is missing or not allowed."),
    Code.ADDRESS_REFUSED: Entry(422, "The connector may not call this address."),
    Code.FHIR_BASE_TAKEN: Entry(409, "This FHIR base URL belongs to another connection."),
    Code.FHIR_BASE_INVALID: Entry(422, "No FHIR server with SMART launch answers at this base URL."),
    Code.CHANGED_MEANWHILE: Entry(412, "Somebody changed this since you read it."),
    Code.PRECONDITION_MISSING: Entry(428, "Send If-Match with the ETag you read."),
    Code.WRONG_STATE: Entry(409, "This cannot be done in the present state."),
    Code.NOT_ENTITLED: Entry(403, "The organisation is not entitled to the production environment."),
    Code.ORGANISATION_OFF: Entry(403, "The operator has switched the organisation off."),
    Code.CONSENT_MISSING: Entry(409, "The connector has no consent of your tenant's administrator yet."),
    Code.NUMBER_NOT_YOURS: Entry(422, "This is not one of your organisation's numbers."),
    Code.NUMBER_TAKEN: Entry(409, "This number belongs to another tenant."),
    Code.NUMBER_IN_USE: Entry(409, "A connection texts from this number."),
    Code.RELEASE_UNCONFIRMED: Entry(
        428, "The number would be given back for good: no more texts from it, no replies, no STOP. Confirm it."
    ),
    Code.TEXTS_NOT_READY: Entry(409, "Texts need both consents and a linked number first."),
    Code.TOO_SOON: Entry(429, "Too many test texts in a minute."),
    Code.ISSUER_UNKNOWN: Entry(403, "This Epic system is not the one the connection was approved for."),
    Code.LAUNCH_EMPTY: Entry(
        400, "Epic did not say which visit to start. Please begin it from your schedule or MyChart."
    ),
    Code.LAUNCH_ROLE: Entry(403, "This way in is for somebody else. Please begin the visit from your own Epic."),
    Code.LAUNCH_STALE: Entry(400, "This start took too long. Please begin the visit again."),
    Code.LAUNCH_REPLAYED: Entry(400, "This start has been used already. Please begin the visit again."),
    Code.EPIC_REFUSED: Entry(502, "Epic did not let the visit start."),
    Code.SIGN_IN_REFUSED: Entry(403, "The sign-in was not completed."),
    Code.VISIT_UNKNOWN: Entry(404, "We cannot tell which visit this is."),
    Code.VISIT_CANCELLED: Entry(410, "This visit was cancelled. If you have questions, please call the clinic."),
    Code.VISIT_OVER: Entry(410, "This visit is over."),
    Code.VISIT_NOT_VIDEO: Entry(403, "This visit is not booked as a video visit. Please call the clinic."),
    Code.TOO_EARLY: Entry(403, "It is too early for this visit."),
    Code.NOT_READY: Entry(503, "The meeting room is being prepared. Please try again in a moment."),
    Code.LINK_UNKNOWN: Entry(404, "This link is not valid, or no longer."),
    Code.BUSY: Entry(503, "We cannot take this just now. Please send it again."),
    Code.UNEXPECTED: Entry(500, "Something went wrong on our side."),
}


class ConnectorError(Exception):
    """The root of the tree."""


class Refused(ConnectorError):
    """The caller is wrong. `fields` names what is wrong, never its content."""

    def __init__(self, code: Code, *fields: str) -> None:
        super().__init__(code, *fields)
        self.code = code
        self.fields = fields

    @property
    def entry(self) -> Entry:
        """The catalogue's row for this code."""
        return CATALOGUE[self.code]


class Later(ConnectorError):
    """Not now: the peer is busy, away or slow. `after` is what the peer asked for, if it did."""

    def __init__(self, peer: str, after: timedelta | None = None) -> None:
        super().__init__(peer)
        self.peer = peer
        self.after = after


class Broken(ConnectorError):
    """A fault of ours, or an answer that no contract allows: a bug, loud and kept."""
