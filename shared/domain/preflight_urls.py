"""What people paste for a FHIR base URL, and what they meant (product F2.6, F2.10, F14.1). Pure.

Nothing is corrected in silence: each suggestion names the mistake, and the workflow tries it for real.
"""

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from pydantic import TypeAdapter, ValidationError

from shared.domain.connection import Environment, Https

Mistake = Literal["scheme", "query", "metadata", "sign-in-address", "trailing-path", "version-missing", "version-old",
                  "version-case"]  # fmt: skip
_HTTPS: TypeAdapter[str] = TypeAdapter(Https)
_VERSION = re.compile(r"^(?P<base>.*/(?P<version>R4|STU3|DSTU2))(?P<rest>/.*)?$", re.IGNORECASE)
_NOT_A_BASE = re.compile(r"^(?P<base>.*?)/(metadata|\.well-known(/.*)?)$", re.IGNORECASE)
_OAUTH = re.compile(r"^(?P<base>.*)/oauth2(-[a-z0-9]+)?(/.*)?$", re.IGNORECASE)
_FHIR = re.compile(r"^(?P<base>.*/api)(/FHIR)?$", re.IGNORECASE)
#: Words by which Epic customers tell their environments apart, as parts of host or path.
_WORDS: dict[Environment, re.Pattern[str]] = {
    "production": re.compile(r"(?<![a-z])(?:prd|prod|production|live)(?![a-z])|ocurprd"),
    "test": re.compile(r"(?<![a-z])(?:tst|test|testing|nonprod|non-prod|sandbox|poc|sup|rel|dev|stg|staging)(?![a-z])"),
}


@dataclass(frozen=True)
class Suggestion:
    """Another address that may have been meant, and why."""

    mistake: Mistake
    url: str


def base_url(text: str) -> str | None:
    """The address as a connection keeps it, or None when it cannot be one."""
    try:
        return _HTTPS.validate_python(text.strip())
    except ValidationError:
        return None


def suggestions(text: str) -> list[Suggestion]:
    """What may have been meant, the likeliest first; nothing that is what was typed."""
    typed = text.strip()
    mistake, url = _plain(typed)
    found = [Suggestion(mistake, url)] if mistake else []
    if cut := _NOT_A_BASE.match(url):
        url = cut["base"]
        found = [Suggestion("metadata", url)]
    if versioned := _VERSION.match(url):
        found += _of_version(versioned["base"], versioned["version"], versioned["rest"])
    else:
        found += [Suggestion(why, guess) for why, guess in _with_version(url)]
    return [one for one in found if base_url(one.url) not in {None, typed}]


def version_of(base: str) -> str:
    """R4, STU3 or DSTU2 as the address ends; empty when it says none."""
    end = base.rstrip("/").rpartition("/")[2].upper()
    return end if end in {"R4", "STU3", "DSTU2"} else ""


def spoken(fhir_version: str) -> str:
    """What a capability statement's `fhirVersion` is called; empty for one we do not know."""
    names = {"4.0": "R4", "4.3": "R4B", "3.0": "STU3", "1.0": "DSTU2", "5.0": "R5"}
    return names.get(fhir_version[:3], "")


def other_environment(url: str, environment: Environment) -> str | None:
    """The word in the address by which it looks like one of the other environment; None when it does not."""
    parts = urlsplit(url)
    text = f"{parts.netloc}{parts.path}".lower()
    other: Environment = "test" if environment == "production" else "production"
    if _WORDS[environment].search(text):
        return None
    word = _WORDS[other].search(text)
    return word[0] if word else None


def server(url: str) -> str:
    """What two FHIR bases of one server have in common: everything before /api/FHIR."""
    return re.split(r"/api/fhir", url, maxsplit=1, flags=re.IGNORECASE)[0].lower()


def _plain(url: str) -> tuple[Mistake | None, str]:
    """Without query and fragment, https in front."""
    bare = re.split(r"[?#]", url, maxsplit=1)[0].rstrip("/")
    mistake: Mistake | None = "query" if bare != url.rstrip("/") else None
    scheme, mark, rest = bare.partition("://")
    if not mark:
        return "scheme", f"https://{bare}"
    return ("scheme", f"https://{rest}") if scheme.lower() != "https" else (mistake, bare)


def _of_version(base: str, version: str, rest: str | None) -> list[Suggestion]:
    r4 = base[: -len(version)] + "R4"
    if version.upper() != "R4":
        return [Suggestion("version-old", r4)]
    if version != "R4":
        return [Suggestion("version-case", r4)]
    return [Suggestion("trailing-path", r4)] if rest else []


def _with_version(url: str) -> list[tuple[Mistake, str]]:
    if oauth := _OAUTH.match(url):
        return [("sign-in-address", f"{oauth['base']}/api/FHIR/R4")]
    if fhir := _FHIR.match(url):
        return [("version-missing", f"{fhir['base']}/FHIR/R4")]
    return [("version-missing", f"{url}/api/FHIR/R4"), ("version-missing", f"{url}/R4")]
