"""From an HTTP body to single messages: content type, character set, line ends, MLLP, batches.

The splitting is ours because the library's splits lines inside fields (at form feeds, U+0085, U+2028) and puts
what it stumbles over into logs and exceptions (hl7 0.4.5, `parse_batch`, `split_file`).
"""

import codecs
import re
from collections.abc import Collection
from dataclasses import dataclass, field

from shared.domain.hl7v2 import header
from shared.domain.hl7v2.errors import ErrorCode, Unreadable, UnsupportedMedia
from shared.domain.hl7v2.header import Header
from shared.domain.hl7v2.settings import MediaType

#: The character sets of HL7 table 0211 that Python has, and Windows' own. Not every codec: some are not
#: character sets at all, and some take quadratic time.
_CHARSETS = frozenset(
    {
        *("ascii", "utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32"),
        *(f"iso8859-{part}" for part in (1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 15)),
        *(f"cp125{page}" for page in range(9)),
        *("gb18030", "big5", "shift_jis", "euc_jp", "euc_kr"),
    }
)

_FRAMING = ("MSH", "FHS", "BHS", "FTS", "BTS")

_MLLP = re.compile(r"\x0b(?=\ufeff?(?:MSH|FHS|BHS))|\x1c(?=\r|\n|$)")
_LINE_END = re.compile(r"[\r\n]+")
#: Around a line: blanks, a byte order mark, padding, DOS end of file.
_PADDING = " \t\ufeff\x00\x1a"


@dataclass(frozen=True, slots=True)
class Media:
    """A Content-Type we take: the media type as sent, and the codec."""

    type: str
    charset: str


@dataclass(frozen=True, slots=True)
class RawMessage:
    """One message: its header, its other segments as sent, and where it stood in the body (from 0)."""

    header: Header
    segments: tuple[str, ...]
    position: int = 0
    batch: int | None = None  # index into the envelope's batches
    fault: Unreadable | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """What one body holds."""

    messages: tuple[RawMessage, ...]
    file: Header | None = None
    batches: tuple[Header, ...] = ()


def media(content_type: str, taken: Collection[str] = tuple(MediaType)) -> Media:
    """Read a Content-Type header; `taken` are the types let in. Raises UnsupportedMedia (HTTP 415).

    The charset parameter decides, else UTF-8; over HTTP MSH-18 is ignored (epic.md 4.3).
    """
    name, *parameters = (part.strip() for part in content_type.split(";"))
    if name.lower() not in taken:
        raise UnsupportedMedia("content type")
    pairs = (parameter.partition("=") for parameter in parameters)
    given = {key.strip().lower(): value.strip().strip('"') for key, _, value in pairs}
    return Media(name.lower(), _charset(given.get("charset", "utf-8")))


def _charset(name: str) -> str:
    try:
        codec = codecs.lookup(name).name
    except (LookupError, ValueError):
        raise UnsupportedMedia("charset") from None
    if codec not in _CHARSETS:
        raise UnsupportedMedia("charset")
    return codec


def decode(body: bytes, charset: str) -> str:
    """The body as text. Raises Unreadable if it is not in that character set."""
    try:
        return body.decode(charset)
    except UnicodeError:
        raise Unreadable(ErrorCode.DATA_TYPE, "MSH", 18) from None  # its text holds the body


def split(text: str) -> Envelope:
    """Split a body into its messages, with or without FHS and BHS.

    Lines may end in CR, LF or CRLF, blank ones are dropped. A line that is no segment goes on with the one before
    it: a line break inside a field. Segments that belong to no message (a second BHS inside a message, or a message
    that lost its MSH) make the message before them unreadable, or the first one if none is before them.
    Raises Unreadable if there is no message at all.
    """
    splitter = _Splitter()
    for line in _LINE_END.split(_MLLP.sub("\r", text)):
        if content := line.strip(_PADDING):
            splitter.take(content)
    return splitter.finish()


@dataclass(slots=True)
class _Draft:
    header: Header
    batch: int | None
    segments: list[list[str]] = field(default_factory=list)  # each in pieces: fields may hold line breaks
    broken: bool = False

    def finish(self, position: int) -> RawMessage:
        fault = Unreadable(ErrorCode.SEGMENT_SEQUENCE, "MSH") if self.broken else self.header.fault
        segments = tuple(" ".join(pieces) for pieces in self.segments)
        return RawMessage(self.header, segments, position, self.batch, fault)


class _Splitter:
    """Takes line after line and knows what is open."""

    def __init__(self) -> None:
        self._drafts: list[_Draft] = []
        self._file: Header | None = None
        self._batches: list[Header] = []
        self._in_batch = False
        self._in_message = False
        self._orphans_first = False

    def take(self, line: str) -> None:
        match framing(line):
            case "MSH":
                batch = len(self._batches) - 1 if self._in_batch else None
                self._drafts.append(_Draft(header.read(line), batch))
                self._in_message = True
            case "FHS" | "BHS" | "FTS" | "BTS" as name:
                self._frame(name, line)
            case _:
                self._segment(line)

    def finish(self) -> Envelope:
        if not self._drafts:
            raise Unreadable(ErrorCode.SEGMENT_SEQUENCE, "MSH")
        self._drafts[0].broken |= self._orphans_first
        messages = tuple(draft.finish(position) for position, draft in enumerate(self._drafts))
        return Envelope(messages, self._file, tuple(self._batches))

    def _frame(self, name: str, line: str) -> None:
        self._in_message = False
        if name == "FHS" and self._file is None:
            self._file = header.read(line)
        if name == "BHS":
            self._batches.append(header.read(line))
        self._in_batch = name == "BHS"

    def _segment(self, line: str) -> None:
        if not self._in_message:
            self._orphan()
        elif _is_segment(line, self._drafts[-1].header.delimiters.field):
            self._drafts[-1].segments.append([line])
        elif self._drafts[-1].segments:
            self._drafts[-1].segments[-1].append(line)

    def _orphan(self) -> None:
        if self._drafts:
            self._drafts[-1].broken = True
        else:
            self._orphans_first = True


def framing(line: str) -> str | None:
    """The name of a line that begins or ends a message, batch or file.

    "MSH" in running text is followed by a blank or a letter, a header by its field separator.
    """
    name, after = line[:3], line[3:4]
    return name if name in _FRAMING and not (after.isalnum() or after.isspace()) else None


def _is_segment(line: str, separator: str) -> bool:
    """Up to four letters and digits before the first separator: a segment, if perhaps one nobody knows (`PIDX`)."""
    name = line.partition(separator)[0]
    return name.isalnum() and 2 <= len(name) <= 4
