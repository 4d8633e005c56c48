"""Looks for needles in bytes, whatever they were wrapped in.

The cost is one dictionary look-up per byte, however many forms there are to look for.
"""

import base64
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sandbox.scan.forms import SHORTEST, Needle

#: What looks like base64 and is long enough to hold a value; a queue message in an emulator file is one run.
BASE64_RUN = re.compile(rb"[A-Za-z0-9+/_-]{12,}={0,2}")
QUOTED = re.compile(rb'\\(["\\/])')
URL_ALPHABET = bytes.maketrans(b"-_", b"+/")

type Patterns = dict[bytes, list[tuple[bytes, str, str]]]


@dataclass(frozen=True, order=True)
class Finding:
    """A needle's label, the form in which it was found, and where; never the value."""

    label: str
    form: str
    place: str


class Matcher:
    """Needles, ready to be looked for."""

    def __init__(self, needles: Iterable[Needle]) -> None:
        self._folded: Patterns = {}
        self._exact: Patterns = {}
        for needle in needles:
            _index(self._folded, needle.label, needle.folded)
            _index(self._exact, needle.label, needle.exact)

    def search(self, place: str, content: bytes) -> set[Finding]:
        """Each needle that lies in `content`, once per form."""
        found: set[tuple[str, str]] = set()
        for view in _views(content):
            found.update(_scan(view.lower(), self._folded))
            found.update(_scan(view, self._exact))
        return {Finding(label, form, place) for label, form in found}


def _index(patterns: Patterns, label: str, forms: dict[bytes, str]) -> None:
    for pattern, form in forms.items():
        patterns.setdefault(pattern[:SHORTEST], []).append((pattern, label, form))


def _scan(content: bytes, patterns: Patterns) -> Iterator[tuple[str, str]]:
    starts = [at for at in range(len(content) - SHORTEST + 1) if content[at : at + SHORTEST] in patterns]
    for at in starts:
        for pattern, label, form in patterns[content[at : at + SHORTEST]]:
            if content.startswith(pattern, at):
                yield label, form


def _views(content: bytes) -> Iterator[bytes]:
    """The content and what its base64 decodes to, each also without one layer of JSON string quoting."""
    for layer in (content, b"\n".join(_decoded(content))):
        yield layer
        if (unquoted := QUOTED.sub(rb"\1", layer)) != layer:
            yield unquoted


def _decoded(content: bytes) -> Iterator[bytes]:
    for run in BASE64_RUN.findall(content):
        text = run.translate(URL_ALPHABET).rstrip(b"=")
        text = text[: len(text) - (len(text) % 4 == 1)]
        yield base64.b64decode(text + b"=" * (-len(text) % 4))
