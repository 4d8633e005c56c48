"""What is wrong with a message, as the answer must say it.

    Hl7Fault
    ├── Unreadable        content we cannot read: answered AE, with the field
    └── WrongType         wrong MSH-9, MSH-11 or MSH-12: answered AR
    UnsupportedMedia      the body's Content-Type: HTTP 415, no HL7 answer

None of them ever holds anything of the message.
"""

from dataclasses import dataclass
from enum import StrEnum


class ErrorCode(StrEnum):
    """HL7 table 0357, the codes we use."""

    SEGMENT_SEQUENCE = "100"
    REQUIRED_FIELD = "101"
    DATA_TYPE = "102"
    UNSUPPORTED_TYPE = "200"
    UNSUPPORTED_EVENT = "201"
    UNSUPPORTED_PROCESSING_ID = "202"
    UNSUPPORTED_VERSION = "203"


#: The table's own wording.
ERROR_TEXT = {
    ErrorCode.SEGMENT_SEQUENCE: "Segment sequence error",
    ErrorCode.REQUIRED_FIELD: "Required field missing",
    ErrorCode.DATA_TYPE: "Data type error",
    ErrorCode.UNSUPPORTED_TYPE: "Unsupported message type",
    ErrorCode.UNSUPPORTED_EVENT: "Unsupported event code",
    ErrorCode.UNSUPPORTED_PROCESSING_ID: "Unsupported processing id",
    ErrorCode.UNSUPPORTED_VERSION: "Unsupported version id",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a message: segment, its number among its kind (from 1), field (0: the segment as a whole)."""

    segment: str
    sequence: int = 1
    field: int = 0

    def parts(self) -> tuple[str, ...]:
        """As the components of ERR-2, without the field if there is none."""
        return (self.segment, str(self.sequence), *([str(self.field)] if self.field else []))


class Hl7Fault(Exception):
    """A message is answered with an error: `code` (table 0357) and `place`."""

    def __init__(self, code: ErrorCode, segment: str, field: int = 0, sequence: int = 1) -> None:
        self.code = code
        self.place = Place(segment, sequence, field)
        super().__init__(f"{'^'.join(self.place.parts())} {code.value} {ERROR_TEXT[code]}")


class Unreadable(Hl7Fault):
    """The content cannot be read."""


class WrongType(Hl7Fault):
    """Not a scheduling message, or a processing id or version that this connection does not take."""


class UnsupportedMedia(Exception):
    """The Content-Type is not HL7v2 text in a character set we know."""
