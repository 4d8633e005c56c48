"""Authorization codes: issued to a client and a redirect URI, bound to a verifier, good once, for ten minutes."""

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass

from sandbox import world
from sandbox.entra.keys import base64url
from sandbox.entra.refusals import Refusal

LIFETIME_SECONDS = 600
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636, 4.1
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")  # base64url of a SHA-256


@dataclass
class Grant:
    """What a user agreed to; `issued` in real seconds."""

    user: world.User
    client_id: str
    redirect_uri: str
    challenge: str
    scopes: tuple[str, ...]
    nonce: str
    issued: float
    redeemed: bool = False


class Codes:
    """The codes of this process."""

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}

    def issue(self, grant: Grant) -> str:
        """A fresh code for a grant."""
        code = secrets.token_urlsafe(48)
        self._grants[code] = grant
        return code

    def expire(self, code: str) -> None:
        """Make a code as old as if it had been left lying."""
        if grant := self._grants.get(code):
            grant.issued -= LIFETIME_SECONDS

    def redeem(self, code: str, client_id: str, redirect_uri: str, verifier: str) -> Grant:
        """The grant behind a code. A code that reached its client is spent, whatever else was wrong.

        Raises Refusal.
        """
        grant = self._grants.get(code)
        if grant is None or grant.client_id != client_id:
            raise Refusal(70000, "code")
        if grant.redeemed:
            raise Refusal(54005)
        grant.redeemed = True
        if time.time() - grant.issued >= LIFETIME_SECONDS:
            raise Refusal(70008)
        if grant.redirect_uri != redirect_uri:
            raise Refusal(70000, "redirect_uri")
        if not VERIFIER.fullmatch(verifier) or not hmac.compare_digest(challenge_of(verifier), grant.challenge):
            raise Refusal(50148)
        return grant


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a verifier (RFC 7636, 4.2)."""
    return base64url(hashlib.sha256(verifier.encode()).digest())
