"""What copying leaves in a value, and Epic sends along: quotes, spaces, invisible characters, escapes."""

import re
import unicodedata

from shared.domain.records.differences import Difference, What, Where, difference
from shared.domain.records.pasted import escaped, unescaped

#: Straight ones and those of word processors in any language.
_QUOTES = dict.fromkeys(map(ord, "\"'\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u201b\u00ab\u00bb"))
_BREAKS = re.compile(r"[ \t]*[\r\n\t]+[ \t]*")
_INVISIBLE = frozenset({"Cf", "Cc", "Co", "Cn", "Cs"})


def tidied(raw: str, where: Where) -> tuple[str, list[Difference]]:
    """A value without what copying left in it, and what that was."""
    found = []
    text = "".join(_plain(sign) for sign in raw)
    if len(text) < len(raw) or any(sign != " " and unicodedata.category(sign) == "Zs" for sign in raw):
        found.append(difference(What.INVISIBLE_CHARACTERS, where))
    if (unquoted := text.translate(_QUOTES)) != text:
        found.append(difference(What.QUOTES, where))
    if (tidy := _BREAKS.sub("", unquoted).strip()) != unquoted:
        found.append(difference(What.STRAY_SPACE, where))
    if escaped(tidy):
        found.append(difference(What.ESCAPED, where))
    return unescaped(tidy), found


def _plain(sign: str) -> str:
    category = unicodedata.category(sign)
    if category == "Zs":
        return " "
    return "" if category in _INVISIBLE and sign not in "\r\n\t" else sign
