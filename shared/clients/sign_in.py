"""A provider's one sign-in with Entra: authorization code with PKCE, by a client that a certificate proves."""

from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode
from uuid import uuid4

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from shared.clients.jwts import Verified, Verifier
from shared.clients.keysets import KeySets
from shared.clients.oauth import ASSERTION_TYPE, base64url, error_word
from shared.clients.outbound import Outbound
from shared.clock import Clock
from shared.errors import Broken, Code, Refused

_SCOPE = "openid profile"  # without `profile` an id token has no `oid`
_LIFETIME = timedelta(minutes=5)
_OK = 200


@dataclass(frozen=True)
class SignedIn:
    """Who signed in: Entra's identity key."""

    tenant: str
    oid: str


@dataclass(frozen=True)
class ClientCertificate:
    """What proves the connector to Entra; the public half is uploaded in the app registration."""

    key: rsa.RSAPrivateKey
    thumbprint: str  # x5t#S256


class SignIn:
    """Sends a provider to Entra and reads who came back. `tenant` is always the connection's."""

    def __init__(
        self, authority: str, client_id: str, certificate: str, outbound: Outbound, keysets: KeySets, clock: Clock
    ) -> None:
        """`certificate`: PEM with the private key and the certificate. Raises `Broken` when it is not that."""
        self._authority = authority
        self._client_id = client_id
        self._certificate = read_certificate(certificate)
        self._outbound = outbound
        self._verifier = Verifier(keysets, Code.SIGN_IN_REFUSED)
        self._clock = clock

    def authorize_url(self, tenant: str, redirect_uri: str, state: str, nonce: str, challenge: str) -> str:
        """Where the browser goes.

        The account is always picked by hand: clinicians share machines, and this identity is kept.
        """
        query = {
            "client_id": self._client_id,
            "response_type": "code",
            "response_mode": "query",
            "redirect_uri": redirect_uri,
            "scope": _SCOPE,
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "prompt": "select_account",
        }
        return f"{self._authority}/{tenant}/oauth2/v2.0/authorize?{urlencode(query)}"

    def consent_url(self, tenant: str, redirect_uri: str, state: str) -> str:
        """Where an administrator of the tenant lets the connector in, with all the rights it is registered for."""
        query = {
            "client_id": self._client_id,
            "scope": "https://graph.microsoft.com/.default",
            "redirect_uri": redirect_uri,
            "state": state,
        }
        return f"{self._authority}/{tenant}/v2.0/adminconsent?{urlencode(query)}"

    async def redeem(self, tenant: str, code: str, redirect_uri: str, verifier: str, nonce: str) -> SignedIn:
        """Who signed in. Raises `Refused(SIGN_IN_REFUSED)` with Entra's error word, `Later`."""
        url = f"{self._authority}/{tenant}/oauth2/v2.0/token"
        form = {
            "grant_type": "authorization_code",
            "client_id": self._client_id,
            "code": code,
            "redirect_uri": redirect_uri,
            "code_verifier": verifier,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": self._assertion(url),
        }
        answer = (await self._outbound.call("POST", url, form=form)).or_later()
        if answer.status != _OK:
            raise Refused(Code.SIGN_IN_REFUSED, error_word(answer))
        id_token = str(answer.json().get("id_token", ""))
        keys = f"{self._authority}/{tenant}/discovery/v2.0/keys"
        return self._signed_in(await self._verifier.verify(id_token, keys, {self._client_id}), tenant, nonce)

    def _signed_in(self, token: Verified, tenant: str, nonce: str) -> SignedIn:
        issuer = f"{self._authority}/{tenant}/v2.0"
        signs_for = (token.key_issuer or issuer).replace("{tenantid}", tenant)
        ours = token.text("tid") == tenant and token.text("iss") == issuer == signs_for
        fresh = bool(nonce) and token.text("nonce") == nonce
        if not ours or not fresh or not token.text("oid"):
            raise Refused(Code.SIGN_IN_REFUSED)
        return SignedIn(tenant, token.text("oid"))

    def _assertion(self, token_url: str) -> str:
        """A client assertion as Entra takes it: PS256, the certificate named by its SHA-256."""
        now = self._clock.real()
        claims = {"iss": self._client_id, "sub": self._client_id, "aud": token_url, "jti": str(uuid4())}
        times = {"iat": now, "nbf": now, "exp": now + _LIFETIME}
        headers = {"x5t#S256": self._certificate.thumbprint}
        return jwt.encode({**claims, **times}, self._certificate.key, "PS256", headers=headers)


def read_certificate(pem: str) -> ClientCertificate:
    """Key and certificate out of one PEM text, in any order. Raises `Broken`."""
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
        certificate = x509.load_pem_x509_certificate(pem.encode())
    except (ValueError, TypeError):
        raise Broken("the connector's certificate cannot be read") from None
    if not isinstance(key, rsa.RSAPrivateKey) or key.public_key() != certificate.public_key():
        raise Broken("the connector's certificate and key do not belong together, or are not RSA")
    return ClientCertificate(key, base64url(certificate.fingerprint(hashes.SHA256())))
