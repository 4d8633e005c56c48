"""What Epic's token endpoint says, read with Epic's habits in mind (epic.md 1.5).

Every member but the access token may be missing, `bearer` is in lower case, Epic's own example ends in a comma,
and what a hospital wrote into its launch record stands beside the standard members under any name.
"""

import json
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from shared.clients.jwts import Verified
from shared.errors import Code, Refused

type Kind = Literal["Practitioner", "Patient", "RelatedPerson"]

#: Members that are secrets or OAuth's own: no context.
_OAUTH = frozenset({"access_token", "refresh_token", "id_token", "token_type", "expires_in", "scope"})
#: A string, or a comma with nothing after it.
_STRING_OR_LAST_COMMA = re.compile(r'("(?:[^"\\]|\\.)*")|,(?=\s*[}\]])')
_FHIR_USER = re.compile(r"(?:^|/)(?P<kind>Practitioner|Patient|RelatedPerson)/(?P<id>[A-Za-z0-9.-]{1,128})$")


@dataclass(frozen=True)
class IdToken:
    """Who launched, proven.

    subject              FHIR id of the user
    kind, fhir_id        the last two parts of `fhirUser`; None when the app may not ask for it
    preferred_username   the directory's login; None without scope `profile`
    """

    subject: str = field(repr=False)
    kind: Kind | None
    fhir_id: str | None = field(repr=False)
    preferred_username: str | None = field(repr=False)


@dataclass(frozen=True)
class Tokens:
    """A token response.

    id         None when there was no id_token
    extras     every other top-level member that is text, by its name in lower case: the launch record's CONTEXT
    """

    access_token: str = field(repr=False)
    id: IdToken | None
    extras: dict[str, str] = field(repr=False)
    patient: str | None = field(repr=False)
    encounter: str | None = field(repr=False)
    appointment: str | None = field(repr=False)
    location: str | None = field(repr=False)
    login_department: str | None = field(repr=False)


def read(body: bytes) -> dict[str, Any]:
    """The token response, a trailing comma forgiven. Raises `Refused(EPIC_REFUSED)` without an access token."""
    try:
        text = body.decode()
        members = _loads(text)
    except (ValueError, RecursionError):
        raise Refused(Code.EPIC_REFUSED, "token_response") from None
    token = members.get("access_token") if isinstance(members, dict) else None
    if not isinstance(token, str) or not token or str(members.get("token_type", "bearer")).lower() != "bearer":
        raise Refused(Code.EPIC_REFUSED, "access_token")
    return dict(members)


def tokens(members: dict[str, Any], who: IdToken | None) -> Tokens:
    """The members in our words."""
    extras = {name.lower(): value for name, value in members.items() if isinstance(value, str) and name not in _OAUTH}
    standard = {name: value for name, value in members.items() if isinstance(value, str)}
    return Tokens(
        access_token=standard["access_token"],
        id=who,
        extras=extras,
        patient=standard.get("patient"),
        encounter=standard.get("encounter"),
        appointment=standard.get("appointment"),
        location=standard.get("location"),
        login_department=standard.get("loginDepartment"),
    )


def id_token(
    verified: Verified, issuers: frozenset[str], nonce: str, nonce_rule: Literal["always", "if-sent"]
) -> IdToken:
    """Who launched, once issuer and nonce fit. Raises `Refused(EPIC_REFUSED)` naming the claim.

    nonce_rule   `if-sent`: an id_token without any nonce is let through, for an Epic that does not return it
    """
    if verified.text("iss") not in issuers:
        raise Refused(Code.EPIC_REFUSED, "iss")
    forgiven = nonce_rule == "if-sent" and "nonce" not in verified.claims
    if not forgiven and (not nonce or verified.text("nonce") != nonce):
        raise Refused(Code.EPIC_REFUSED, "nonce")
    if not verified.text("sub"):
        raise Refused(Code.EPIC_REFUSED, "sub")
    user = _FHIR_USER.search(verified.text("fhirUser"))
    kind: Kind | None = user["kind"] if user else None  # type: ignore[assignment]  # the pattern holds the three words
    return IdToken(
        subject=verified.text("sub"),
        kind=kind,
        fhir_id=user["id"] if user else None,
        preferred_username=verified.text("preferred_username") or None,
    )


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(_STRING_OR_LAST_COMMA.sub(lambda found: found[1] or "", text))
