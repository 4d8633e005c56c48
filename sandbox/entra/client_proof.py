"""How an application proves itself at the token endpoint.

Answers how it did: `public`, `secret`, `certificate` or `federated`. The connector trusts the managed identity
of its Function Apps as a federated credential.
"""

import hmac
import time
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from sandbox import world
from sandbox.entra import directory
from sandbox.entra.directory import Registration
from sandbox.entra.keys import KeyRing, base64url
from sandbox.entra.refusals import Refusal, only

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: azure-identity signs for 30 minutes, MSAL for 10; nobody needs longer.
LONGEST_ASSERTION_SECONDS = 3600
#: `nbf` may be missing: MSAL sends none.
REQUIRED_CLAIMS = ["aud", "exp", "iss", "jti", "sub"]


class ClientProof:
    """Checks a client's secret or assertion. Assertions may be used again until they end, as with Entra
    (MSAL keeps one for nine minutes and sends it with every request)."""

    def __init__(self, keys: KeyRing, federated_issuer: str) -> None:
        self.keys = keys
        self.federated_issuer = federated_issuer

    def check(self, app: Registration, fields: Any, endpoint: str) -> str:
        """How the client proved itself. Raises Refusal."""
        secret, assertion = only(fields, "client_secret"), only(fields, "client_assertion")
        if app.spa:
            if secret or assertion:
                raise Refusal(700025)
            return "public"
        if assertion:
            if only(fields, "client_assertion_type") != JWT_BEARER:
                raise Refusal(7000216)
            return self._assertion(app, assertion, endpoint)
        return _secret(app, secret)

    def _assertion(self, app: Registration, assertion: str, endpoint: str) -> str:
        try:
            header = jwt.get_unverified_header(assertion)
        except jwt.InvalidTokenError as bad:
            raise Refusal(50027) from bad
        if "x5t" in header or "x5t#S256" in header:
            _certificate(app, header, assertion, endpoint)
            return "certificate"
        self._federated(app, header, assertion)
        return "federated"

    def _federated(self, app: Registration, header: dict[str, Any], assertion: str) -> None:
        key = self.keys.published.get(str(header.get("kid")))
        if key is None:
            raise Refusal(700027)
        if app.client_id != world.CONNECTOR_APP:
            raise Refusal(700211)
        required = ["aud", "exp", "iss", "sub"]
        claims = _claims(assertion, key.private.public_key(), ["RS256"], directory.TOKEN_EXCHANGE_AUDIENCE, required)
        if claims["iss"] != self.federated_issuer:
            raise Refusal(700211)
        if claims["sub"] != world.MANAGED_IDENTITY_OID:
            raise Refusal(700213)


def _secret(app: Registration, secret: str) -> str:
    if not secret:
        raise Refusal(7000218)
    if app.secret is None or not hmac.compare_digest(secret.encode(), app.secret.encode()):
        raise Refusal(7000215)
    return "secret"


def _certificate(app: Registration, header: dict[str, Any], assertion: str, endpoint: str) -> None:
    if app.certificate is None or not _names(header, app.certificate):
        raise Refusal(700027)
    now = datetime.now(UTC)
    if not app.certificate.not_valid_before_utc <= now <= app.certificate.not_valid_after_utc:
        raise Refusal(1000502)
    claims = _claims(assertion, app.certificate.public_key(), ["RS256", "PS256"], endpoint, REQUIRED_CLAIMS)
    if claims["iss"] != app.client_id or claims["sub"] != app.client_id:
        raise Refusal(700021)
    if claims["exp"] > time.time() + LONGEST_ASSERTION_SECONDS:
        raise Refusal(700024)


def _names(header: dict[str, Any], certificate: x509.Certificate) -> bool:
    """Whether every thumbprint in the header is the certificate's; padding differs between clients."""
    sha1 = certificate.fingerprint(hashes.SHA1())  # noqa: S303 - a thumbprint: x5t is SHA-1 (RFC 7515)
    expected = {"x5t": sha1, "x5t#S256": certificate.fingerprint(hashes.SHA256())}
    return all(str(header[name]).rstrip("=") == base64url(own) for name, own in expected.items() if name in header)


def _claims(assertion: str, key: Any, algorithms: list[str], audience: str, required: list[str]) -> dict[str, Any]:
    try:
        return jwt.decode(
            assertion, key, algorithms, audience=audience, options={"require": required, "strict_aud": True}
        )
    except (jwt.ExpiredSignatureError, jwt.ImmatureSignatureError) as bad:
        raise Refusal(700024) from bad
    except jwt.InvalidAudienceError as bad:
        federated = audience == directory.TOKEN_EXCHANGE_AUDIENCE
        raise Refusal(700212 if federated else 700023) from bad
    except (jwt.InvalidSignatureError, jwt.InvalidAlgorithmError) as bad:
        raise Refusal(700027) from bad
    except jwt.InvalidTokenError as bad:
        raise Refusal(50027) from bad
