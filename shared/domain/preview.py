"""A text as it would be, with values that are made up, and what should be said about it."""

from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Literal

from shared.domain.model import Model
from shared.domain.permission import Occasion
from shared.domain.segments import Encoding, counted
from shared.domain.templates import placeholders
from shared.domain.wording import LONGEST, Said, Wording, words

#: long: carriers may split or drop it; letters: a letter outside GSM-7 makes it cost twice as much or more; nameless:
#: nobody sees whom it is from; no-time: it does not say when; the others: it tells what the visit is about.
TextWarning = Literal["long", "letters", "nameless", "no-time", "department", "provider", "visit_type"]
_TELLING: tuple[TextWarning, ...] = ("department", "provider", "visit_type")
#: As long as a real one.
TOKEN = "example-example-example"[:22]


class Preview(Model):
    """A text with made-up values.

    template     what was rendered; own: it is the organisation's
    outside      letters that GSM-7 does not have
    """

    template: str
    own: bool
    body: str
    characters: int
    segments: int
    encoding: Encoding
    outside: str
    warnings: tuple[TextWarning, ...]


def sample(occasion: Occasion, organisation: str, zone: str, language: str, address: str, now: datetime) -> Wording:
    """A visit in three days. `address`: of this connector, for a link as long as a real one."""
    start = datetime.combine(now.date() + timedelta(days=3), time(20, 30), UTC)
    link = f"{address}/j?t={TOKEN}"
    told = {"department": "Cardiology", "provider": "Dr. Tina Best", "visit_type": "Video visit"}
    return Wording(occasion, organisation, start, zone, language, link, first=occasion == "booked", **told)


def preview(wording: Wording, said: Said, *, own: bool) -> Preview:
    """The text, what it costs, and what should be said about it."""
    body = words(wording, said)
    count = counted(body)
    return Preview(
        template=said.template,
        own=own,
        body=body,
        characters=count.characters,
        segments=count.segments,
        encoding=count.encoding,
        outside=count.outside,
        warnings=tuple(_warnings(said, count.characters, count.outside)),
    )


def _warnings(said: Said, characters: int, outside: str) -> Iterator[TextWarning]:
    names = placeholders(said.template)
    if characters > LONGEST:
        yield "long"
    if outside:
        yield "letters"
    if "organisation" not in names:
        yield "nameless"
    if not {"day", "time"} <= names:
        yield "no-time"
    yield from (name for name in _TELLING if name in names)
