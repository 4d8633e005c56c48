"""Epic: launch, tokens and FHIR reads of one hospital's server, in our words.

Endpoints come from `shared.clients.smart`, token responses are read by `shared.clients.epic_tokens`. No body, code
or token reaches an exception: a refusal holds OAuth's error word, an HTTP status or Epic's numeric code.
"""

import asyncio
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import quote_plus
from uuid import uuid4

from yarl import URL

from shared.clients import epic_tokens
from shared.clients.epic_tokens import IdToken, Tokens
from shared.clients.jwts import Verifier
from shared.clients.keysets import KeySets
from shared.clients.oauth import ASSERTION_TYPE, error_word
from shared.clients.outbound import Answer, Outbound
from shared.clients.pace import Pace
from shared.clients.smart import FHIR_JSON, SmartDiscovery, SmartEndpoints
from shared.clock import Clock
from shared.domain.advanced import FhirSetup
from shared.domain.signing import SigningKeys
from shared.errors import Code, Later, Refused

_OK = 200
_MARGIN = timedelta(seconds=60)
_REFERENCE = re.compile(r"[A-Z][A-Za-z]{1,63}/[A-Za-z0-9.-]{1,128}")
_EPIC_CODE = re.compile(r"\d{3,6}")
#: epic.md 3.4.
_TRY_TOMORROW = "4135"
_TOMORROW = timedelta(days=1)
#: A setting's word for a FHIR version, as the media type's parameter (FHIR R4, http.html, "FHIR Version Parameter").
_BY_NAME = {"R4": "4.0"}
_USUAL = FhirSetup()


@dataclass(frozen=True)
class KeyCredential:
    """`private_key_jwt` with the key ring of the connection's environment."""

    client_id: str
    keys: SigningKeys = field(repr=False)


@dataclass(frozen=True)
class SecretCredential:
    """A client secret, sent as Basic."""

    client_id: str
    secret: str = field(repr=False)


type Credential = KeyCredential | SecretCredential


class Epic:
    """Speaks to any connection's Epic; keeps discovered endpoints and backend tokens."""

    def __init__(self, outbound: Outbound, keysets: KeySets, clock: Clock, pace: Pace) -> None:
        self._outbound = outbound
        self._clock = clock
        self._pace = pace
        self._discovery = SmartDiscovery(outbound, clock)
        self._verifier = Verifier(keysets, Code.EPIC_REFUSED)
        self._backend: dict[tuple[str, Credential], _BackendToken] = {}

    async def discover(self, base: str, client_id: str, approved_hosts: Iterable[str] = ()) -> SmartEndpoints:
        """See `SmartDiscovery.discover`."""
        return await self._discovery.discover(base, client_id, approved_hosts)

    async def fhir_version(self, base: str, client_id: str) -> tuple[int, str]:
        """See `SmartDiscovery.fhir_version`."""
        return await self._discovery.fhir_version(base, client_id)

    async def redeem(
        self,
        endpoints: SmartEndpoints,
        code: str,
        redirect_uri: str,
        verifier: str | None,
        credential: Credential,
        *,
        nonce: str,
        nonce_rule: Literal["always", "if-sent"] = "always",
        fhir: FhirSetup = _USUAL,
    ) -> Tokens:
        """Turn a code into tokens, the id_token checked.

        verifier     None for an Epic without PKCE
        nonce        as sent to the authorize endpoint; `nonce_rule` as in `epic_tokens.id_token`
        Raises `Refused(EPIC_REFUSED)`, `Later`.
        """
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect_uri}
        form |= {"code_verifier": verifier} if verifier else {}
        members = await self._token(endpoints, form, credential, fhir)
        who = await self._who(members, endpoints, credential.client_id, nonce, nonce_rule)
        return epic_tokens.tokens(members, who)

    async def backend_token(self, endpoints: SmartEndpoints, credential: Credential, fhir: FhirSetup = _USUAL) -> str:
        """An access token for the connector itself, kept until a minute before its end.

        Kept per proof, not per client id: who cannot prove to be the client gets no token that another one got.
        """
        kept = self._backend.setdefault((endpoints.token, credential), _BackendToken())
        async with kept.lock:
            now = self._clock.real()
            if kept.until is None or now >= kept.until:
                members = await self._token(endpoints, {"grant_type": "client_credentials"}, credential, fhir)
                kept.token, kept.until = members["access_token"], now + _lifetime(members) - _MARGIN
            return kept.token

    def forget(self, token: str) -> None:
        """Epic does not take this backend token any more: the next one is asked for anew."""
        for kept in self._backend.values():
            if kept.token == token:
                kept.until = None

    async def read(self, base: str, token: str, reference: str, fhir: FhirSetup = _USUAL) -> dict[str, Any]:
        """One FHIR resource, e.g. `Appointment/eVa-Ad`.

        Raises `Later` for 429, 5xx and "try tomorrow"; `Refused(VALUE_REFUSED)` for what is no reference, else
        `Refused(EPIC_REFUSED)` with the status and Epic's numeric codes (epic.md 3.4).
        """
        if not _REFERENCE.fullmatch(reference) or "/." in reference:
            raise Refused(Code.VALUE_REFUSED, "reference")
        await self._pace.turn(base, fhir.calls_per_minute)
        headers = {"Authorization": f"Bearer {token}", "Accept": _accepted(fhir)}
        return _resource(await self._outbound.call("GET", f"{base.rstrip('/')}/{reference}", headers=headers))

    async def _token(
        self, endpoints: SmartEndpoints, form: dict[str, str], credential: Credential, fhir: FhirSetup
    ) -> dict[str, Any]:
        await self._pace.turn(endpoints.base, fhir.calls_per_minute)
        proof, basic = self._proof(credential, endpoints.token)
        answer = (await self._outbound.call("POST", endpoints.token, form=form | proof, basic=basic)).or_later()
        if answer.status != _OK:
            raise Refused(Code.EPIC_REFUSED, error_word(answer))
        return epic_tokens.read(answer.body)

    def _proof(self, credential: Credential, token_url: str) -> tuple[dict[str, str], tuple[str, str] | None]:
        """Form members and Basic credentials that prove the client (epic.md 1.4, step 4)."""
        if isinstance(
            credential, SecretCredential
        ):  # encoded first: a raw + / = is invalid_client; no client_id beside
            return {}, (quote_plus(credential.client_id), quote_plus(credential.secret))
        signed = credential.keys.assertion(credential.client_id, token_url, self._clock.real(), str(uuid4()))
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": signed}, None

    async def _who(
        self,
        members: dict[str, Any],
        endpoints: SmartEndpoints,
        client_id: str,
        nonce: str,
        nonce_rule: Literal["always", "if-sent"],
    ) -> IdToken | None:
        presented = members.get("id_token")
        if presented is None:
            return None
        if endpoints.jwks is None or not isinstance(presented, str):
            raise Refused(Code.EPIC_REFUSED, "id_token")
        verified = await self._verifier.verify(presented, endpoints.jwks, {client_id})
        return epic_tokens.id_token(verified, endpoints.issuers, nonce, nonce_rule)


@dataclass
class _BackendToken:
    """One client's token; the lock keeps a burst to one request."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    token: str = field(default="", repr=False)
    until: datetime | None = None


def authorize_url(
    endpoints: SmartEndpoints,
    *,
    client_id: str,
    redirect_uri: str,
    scope: str,
    state: str,
    aud: str,
    nonce: str,
    challenge: str | None,
    launch: str | None,
) -> str:
    """Where the browser goes (epic.md 1.4, step 3).

    aud         the FHIR base; in an EHR launch `iss` exactly as it came
    challenge   None for an Epic without PKCE
    launch      Epic's launch token; None for a standalone launch
    """
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": scope,
        "state": state,
        "nonce": nonce,
        "aud": aud,
    }
    query |= {"launch": launch} if launch is not None else {}
    query |= {"code_challenge": challenge, "code_challenge_method": "S256"} if challenge else {}
    return str(URL(endpoints.authorize).update_query(query))


def _accepted(fhir: FhirSetup) -> str:
    """FHIR's JSON, of the version that is asked for by name."""
    named = f"application/fhir+json; fhirVersion={_BY_NAME[fhir.version]}" if fhir.version else None
    return f"{named}, {FHIR_JSON}" if named else FHIR_JSON


def _lifetime(members: dict[str, Any]) -> timedelta:
    """`expires_in`; nothing, or nonsense, is not kept at all."""
    seconds = members.get("expires_in")
    return timedelta(seconds=min(seconds, 86_400)) if isinstance(seconds, int) and seconds > 0 else timedelta()


def _resource(answer: Answer) -> dict[str, Any]:
    """The resource, or what Epic's no means."""
    codes = _epic_codes(answer)
    if _TRY_TOMORROW in codes:
        raise Later(answer.peer, _TOMORROW)
    answer.or_later()
    if answer.status != _OK or codes:
        raise Refused(Code.EPIC_REFUSED, str(answer.status), *codes)
    return answer.json()


def _epic_codes(answer: Answer) -> list[str]:
    """The numeric codes of an OperationOutcome; empty when the body is something else."""
    try:
        body = json.loads(answer.body)
        if body["resourceType"] != "OperationOutcome":
            return []
        codings = [coding for issue in body["issue"] for coding in issue["details"]["coding"]]
        return [str(coding["code"]) for coding in codings if _EPIC_CODE.fullmatch(str(coding["code"]))]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
