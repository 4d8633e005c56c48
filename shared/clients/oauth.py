"""What OAuth 2.0 asks of every client: PKCE, and reading a token endpoint's no."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field

from shared.clients.outbound import Answer

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_VERIFIER_BYTES = 64
#: RFC 6749, 5.2 and 4.1.2.1. Any other word may be content and is not passed on.
_ERRORS = frozenset(
    {
        "access_denied",
        "interaction_required",
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "server_error",
        "temporarily_unavailable",
        "unauthorized_client",
        "unsupported_grant_type",
        "unsupported_response_type",
    }
)


@dataclass(frozen=True)
class Pkce:
    """A verifier to keep and the S256 challenge to send (RFC 7636)."""

    verifier: str = field(repr=False)
    challenge: str


def pkce() -> Pkce:
    """A fresh pair."""
    verifier = secrets.token_urlsafe(_VERIFIER_BYTES)
    return Pkce(verifier, base64url(hashlib.sha256(verifier.encode()).digest()))


def error_word(answer: Answer) -> str:
    """The `error` of a token endpoint's answer, or its status when that is no known word."""
    try:
        body = json.loads(answer.body)
    except (ValueError, RecursionError):
        body = None
    return known_error(body.get("error")) if isinstance(body, dict) else str(answer.status)


def known_error(word: object) -> str:
    """The word, if OAuth knows it."""
    return word if isinstance(word, str) and word in _ERRORS else "unknown_error"


def base64url(raw: bytes) -> str:
    """Base64url without padding (RFC 7515)."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
