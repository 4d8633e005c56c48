"""What patients own rests encrypted, and keys of rows are pseudonyms (architecture, rule 5).

A sealed value reads `<key id>.<base64url of nonce and AES-256-GCM ciphertext>`. Its place (table, row and
property, or queue and message id) is associated data: a value copied to another place does not open.
"""

import base64
import hashlib
import hmac
import os
from dataclasses import dataclass
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.errors import Broken

_NONCE = 12


@dataclass(frozen=True)
class KeyRing:
    """Data keys by id. The first seals; all open, so a key can be added, used and dropped."""

    keys: dict[str, bytes]

    @property
    def newest(self) -> str:
        """The id of the key that seals."""
        return next(iter(self.keys))

    def seal(self, plain: str, *place: str) -> str:
        """Encrypt `plain` for one place."""
        return self.seal_bytes(plain.encode(), *place)

    def open(self, sealed: str, *place: str) -> str:
        """Decrypt what was sealed for this place; `Broken` when the key is gone, or the value was moved or spoilt."""
        return self.open_bytes(sealed, *place).decode()

    def seal_bytes(self, plain: bytes, *place: str) -> str:
        """The same of what is no text."""
        kid, nonce = self.newest, os.urandom(_NONCE)
        sealed = nonce + AESGCM(self.keys[kid]).encrypt(nonce, plain, _bind(kid, place))
        return f"{kid}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open_bytes(self, sealed: str, *place: str) -> bytes:
        """The same of what is no text."""
        kid, _, payload = sealed.partition(".")
        if kid not in self.keys:
            raise Broken("a sealed value does not open: its key is not in the ring")
        try:
            raw = base64.urlsafe_b64decode(payload)
            return AESGCM(self.keys[kid]).decrypt(raw[:_NONCE], raw[_NONCE:], _bind(kid, place))
        except (ValueError, InvalidTag):
            raise Broken(f"a sealed value does not open: key {kid}") from None


@dataclass(frozen=True)
class Pseudonyms:
    """Stands for a CSN, a phone number or a user id where a table needs a key.

    One secret per stamp; from it a key per purpose and scope (HKDF), so the same CSN in two connections,
    or the same number as row key and as lookup, cannot be told to be the same.
    """

    secret: bytes

    def of(self, purpose: str, scope: str, value: str) -> str:
        """Base32 of HMAC-SHA256, lower case, without padding: fit for a table key."""
        digest = hmac.new(_derived(self.secret, purpose, scope), value.encode(), hashlib.sha256).digest()
        return base64.b32encode(digest).decode().rstrip("=").lower()


@lru_cache(maxsize=1024)
def _derived(secret: bytes, purpose: str, scope: str) -> bytes:
    info = "\x1f".join(("pseudonym", purpose, scope)).encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(secret)


def _bind(kid: str, place: tuple[str, ...]) -> bytes:
    return "\x1f".join((kid, *place)).encode()
