"""Texts as an organisation writes them: words with placeholders in braces, for each kind and language (F5.15).

A placeholder is there only if the connector has its value. There is none for a patient's name.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import AfterValidator, Field

from shared.domain.model import Model

#: Always allowed.
PLACEHOLDERS = ("organisation", "day", "time", "link")
#: Allowed only by a switch each: whoever sees the phone learns from it what the visit is about.
TELLING = ("department", "provider", "visit_type")
LONGEST_TEMPLATE = 600

#: What word processors put before a French colon would make a text cost twice as much.
_PLAIN_SPACES = str.maketrans({"\u00a0": " ", "\u202f": " "})
#: Unicode categories: control, surrogate, private use, unassigned.
_NO_LETTERS = frozenset({"Cc", "Cs", "Co", "Cn"})
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def placeholders(template: str) -> frozenset[str]:
    """The names in braces."""
    return frozenset(_PLACEHOLDER.findall(template))


def filled(template: str, values: Mapping[str, str | None]) -> str:
    """The template with values in place of names; one without value leaves nothing."""
    return _PLACEHOLDER.sub(lambda found: values.get(found[1]) or "", template)


def _checked(template: str) -> str:
    text = template.replace("\r\n", "\n").translate(_PLAIN_SPACES).strip()
    if not text or any(unicodedata.category(letter) in _NO_LETTERS for letter in text.replace("\n", "")):
        raise ValueError("must be words, without control characters")
    if set(_PLACEHOLDER.sub("", text)) & set("{}"):
        raise ValueError("has a brace that stands alone")
    if unknown := placeholders(text) - {*PLACEHOLDERS, *TELLING}:
        raise ValueError(f"has {len(unknown)} placeholders that nobody fills")
    return text


def _linked(template: str) -> str:
    if "link" not in placeholders(template):
        raise ValueError("must have {link}: without it nobody can join")
    return template


Template = Annotated[str, Field(max_length=LONGEST_TEMPLATE), AfterValidator(_checked)]
Linked = Annotated[Template, AfterValidator(_linked)]
#: A primary language subtag of BCP 47, as messages of Epic name it.
LanguageTag = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]


class TextTemplates(Model):
    """The texts of one language. What is left out is said in the connector's own words."""

    booked: Linked | None = Field(default=None, description="Text when a visit is booked.")
    changed: Linked | None = Field(default=None, description="Text when the time of a visit has changed.")
    cancelled: Template | None = Field(default=None, description="Text when a visit is cancelled.")
    reminder: Linked | None = Field(default=None, description="Text that reminds of a visit.")


def telling(texts: Mapping[str, TextTemplates]) -> Iterator[tuple[str, str]]:
    """Paths of the templates that need a switch, such as `en.booked`, and what they name."""
    for language, of_language in texts.items():
        for kind, template in of_language.model_dump(exclude_none=True).items():
            for name in TELLING:
                if name in placeholders(template):
                    yield f"{language}.{kind}", name
