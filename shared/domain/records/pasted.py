"""What somebody copied out of Epic, out of a mail or out of our own file, read back into the three values.

Forgiven is what copying does: labels, order, line breaks, quotes, JSON, HTML and URL escapes. What Epic itself would
hold differently (curly quotes, invisible characters, lost spaces) is kept, so that `check` can name it.
"""

import re
from itertools import zip_longest
from urllib.parse import unquote

from pydantic import Field, model_validator

from shared.domain.model import Model
from shared.domain.records.record import MNEMONICS, Kind

#: Labels of the three values, as Epic, the public product and we write them.
_VALUES = {
    "launch_url": r"(?:launch|meeting)[ _-]?url|url",
    "client_id": r"client[ _-]?id",
    "context": r"context(?:[ _-]?token)?",
}
#: Labels of what else an FDI record holds, or a screen shows beside: a value ends where one of them begins.
_OTHERS = (
    r"protected|launch[ _-]?type|useedgebrowser|type|model record|patient id type|(?:integration )?mnemonics"
    r"|(?:patient|provider|device test|direct sms) integration details|environment|note"
)
_ANY = "|".join((*(f"(?P<{name}>{label})" for name, label in _VALUES.items()), _OTHERS))
#: A label stands at the start of a line, perhaps after a number, bullet or quote; or after a gap, before `=` or `:`.
_AT_START = rf"""^[ \t>*•|\-]*(?:\d+(?:[/.)]\d*)*[ \t]+)?["']?(?:{_ANY})["']?[ \t]*(?:[:=|]+|\t+|$)"""
_IN_LINE = rf"""(?<=[ \t,{{|])["']?(?:{_ANY.replace("?P<", "?P<in_")})["']?[ \t]*[:=]"""
_LABEL = re.compile(f"{_AT_START}|{_IN_LINE}", re.IGNORECASE | re.MULTILINE)
_URL = re.compile(r"https?(?::|%3A)\S+", re.IGNORECASE)
_GUID = re.compile(r"^[ \t]*([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})[ \t]*$", re.IGNORECASE | re.MULTILINE)
_PAIR = re.compile(r"^[ \t]*[A-Za-z][A-Za-z0-9_.-]*[ \t]*(?:=|%3D)", re.IGNORECASE | re.MULTILINE)
#: A percent sign that was escaped itself; a mnemonic's own percent signs are followed by a name.
_ESCAPED_PERCENT = re.compile("%25", re.IGNORECASE)
#: Escapes that no mnemonic begins with: these alone are found where only part of a text was escaped.
_ESCAPED = re.compile("%(?:3A|2F|3B|20|3D|26|3F)", re.IGNORECASE)
_WRAPPED_MNEMONIC = re.compile(r"%[^%&=]*\n[^%&=]*%")
_WRAP = re.compile(r"[ \t]*\n\s*")
_KNOWN = {"".join(one.split()): one for _, one in MNEMONICS}
_MOST_ESCAPES = 3
#: How line ends and a few signs are written by other systems, pages and JSON.
_WRITTEN = {"\r\n": "\n", "\r": "\n", "\\n": "\n", "\\u0026": "&", "\\/": "/"} | {
    "&amp;": "&", "&quot;": '"', "&#39;": "'", "&lt;": "<", "&gt;": ">", "&nbsp;": " "
}  # fmt: skip


class Held(Model):
    """What Epic holds: the three values, or all of it pasted as one text. `kind`: None = to be told from it.

    None of it is logged or kept: a value that Epic has already filled in may be a patient's.
    """

    kind: Kind | None = None
    launch_url: str | None = Field(default=None, max_length=2000, repr=False)
    client_id: str | None = Field(default=None, max_length=200, repr=False)
    context: str | None = Field(default=None, max_length=4000, repr=False)
    pasted: str | None = Field(default=None, max_length=20_000, repr=False)

    @model_validator(mode="after")
    def _one_way(self) -> "Held":
        values = (self.launch_url, self.client_id, self.context)
        if (self.pasted is None) == all(value is None for value in values):
            raise ValueError("either `pasted` or some of the three values")
        return self


class Values(Model):
    """The three values as Epic has them; empty for what was not there. `words`: what stood around them."""

    launch_url: str = Field(repr=False)
    client_id: str = Field(repr=False)
    context: str = Field(repr=False)
    words: str = Field(default="", repr=False)


def values(held: Held) -> Values:
    """The values that were given, or found in the paste."""
    if held.pasted is None:
        return Values(
            launch_url=held.launch_url or "", client_id=held.client_id or "", context=held.context or "", words=""
        )
    text = held.pasted
    for written, meant in _WRITTEN.items():
        text = text.replace(written, meant)
    found, rest = _labelled(text)
    url = found.get("launch_url") or _first(_URL, rest)
    client_id = found.get("client_id") or _first(_GUID, rest)
    context = found.get("context") or _bare_context(rest)
    return Values(
        launch_url=_unwrapped(unescaped(url)),
        client_id=_unwrapped(client_id),
        context=_unwrapped(unescaped(context)),
        words=rest,
    )


def _labelled(text: str) -> tuple[dict[str, str], str]:
    """The values behind labels, and all the text beside them."""
    marks = list(_LABEL.finditer(text))
    found: dict[str, str] = {}
    rest = [text[: marks[0].start()] if marks else text]
    for mark, after in zip_longest(marks, marks[1:]):
        end = after.start() if after else len(text)
        name = next((name.removeprefix("in_") for name, hit in mark.groupdict().items() if hit), None)
        value = _bare(text[mark.end() : end])
        if name and value and name not in found:
            found[name] = value
        else:
            rest.append(text[mark.start() : end])
    return found, "\n".join(rest)


def _bare(value: str) -> str:
    """Without what JSON, a table or a list puts around a value."""
    value = value.strip().rstrip("|}]").rstrip()
    for quote in ('"', "'"):
        if value.startswith(quote):
            return value[1:].partition(quote)[0]
    return value.removesuffix(",").removesuffix('"').strip()


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[found.lastindex or 0].strip() if found else ""


def _bare_context(text: str) -> str:
    """From the first `name=` at the start of a line on; a client id or a URL on a line of its own is none of it."""
    found = _PAIR.search(text)
    if found is None:
        return ""
    return _GUID.sub("", _URL.sub("", text[found.start() :])).strip()


def escaped(value: str) -> bool:
    """The value was escaped for an address."""
    return bool(_ESCAPED_PERCENT.search(value) or _ESCAPED.search(value))


def unescaped(value: str) -> str:
    """Without URL escapes, however often it was escaped."""
    for _ in range(_MOST_ESCAPES):
        if not _ESCAPED_PERCENT.search(value):
            break
        value = unquote(value.replace("+", " "))
    return _ESCAPED.sub(lambda one: unquote(one[0]), value)


def _unwrapped(value: str) -> str:
    """Without line breaks. One inside a mnemonic we know may have replaced a space: the mnemonic as it should be."""
    value = _WRAPPED_MNEMONIC.sub(lambda one: _KNOWN.get("".join(one[0].split()), one[0]), value)
    return _WRAP.sub("", value).strip()
