"""The token endpoint (1.4, 1.5, 3.3, 3.4)."""

import base64
import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from sandbox.epic import client_auth, mnemonics, scopes
from sandbox.epic.authorize import FOLDER
from sandbox.epic.hospital import Access, Grant, Instance, of
from sandbox.epic.records import AppRecord
from sandbox.epic.signing import opaque

VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
ID_TOKEN_SECONDS = 300
BACKEND_SECONDS = 3600
GRANTS = ("authorization_code", "client_credentials")


class Refused(Exception):
    """Answered as 400 with this `error` and a null description; `why` stays with us."""

    def __init__(self, error: str, why: str) -> None:
        super().__init__(why)
        self.error = error
        self.why = why


async def token(request: web.Request) -> web.Response:
    """POST of a form; every refusal is a 400 that does not say why (3.4)."""
    epic, instance = of(request)
    form: dict[str, str] = {}
    try:
        form = await _form(request)
        authorization = request.headers.get("Authorization")
        app, proof = await client_auth.identify(epic, instance, request.match_info["folder"], authorization, form)
        answer = _answer(instance, app, proof, form)
    except (Refused, client_auth.BadClient) as refused:
        error = refused.error if isinstance(refused, Refused) else "invalid_client"
        epic.saw("token", accepted=False, grant_type=form.get("grant_type"), error=error, why=str(refused))
        return web.json_response({"error": error, "error_description": None}, status=400)
    epic.saw("token", accepted=True, grant_type=form["grant_type"], client_id=app.client_id, proof=proof)
    text = json.dumps(answer)
    if instance.options.trailing_comma:
        text = text.removesuffix("}") + ",}"
    headers = {"Cache-Control": "no-cache, no-store", "Pragma": "no-cache"}
    return web.Response(text=text, content_type="application/json", headers=headers)


async def _form(request: web.Request) -> dict[str, str]:
    if request.content_type != "application/x-www-form-urlencoded" or request.query_string:
        raise Refused("invalid_request", "not a form, or a query beside it")
    given = await request.post()
    if len(set(given)) != len(given):
        raise Refused("invalid_request", "a parameter comes twice")
    return {name: str(value) for name, value in given.items()}


def _answer(instance: Instance, app: AppRecord, proof: str, form: Mapping[str, str]) -> dict[str, Any]:
    kind = form.get("grant_type")
    if kind not in GRANTS:
        raise Refused("unsupported_grant_type", "grant_type")
    if (app.role == "backend") != (kind == "client_credentials"):
        raise Refused("unauthorized_client", "not a grant of this app")
    if kind == "client_credentials":
        return _backend(instance, app, proof, form)
    grant = _redeem(instance, app, proof, form)
    return _user_tokens(instance, app, grant)


def _backend(instance: Instance, app: AppRecord, proof: str, form: Mapping[str, str]) -> dict[str, Any]:
    """No scope need be named: the app's record says what it may call."""
    asked = tuple(form.get("scope", "").split())
    if proof != "key" or not app.mapped_user:
        raise Refused("invalid_client", "no signed assertion, or no Epic user behind the app")
    if set(asked) - set(app.scopes):
        raise Refused("invalid_scope", "unknown scope")
    opened = frozenset(app.incoming_apis)
    if asked:
        opened = scopes.apis(asked, app) | {api for api in opened if "." not in api}
    access = Access(app.client_id, opened, None, time.time() + BACKEND_SECONDS)
    return {
        "access_token": _issue(instance, access),
        "token_type": "bearer",
        "expires_in": BACKEND_SECONDS,
        "scope": scopes.answered(asked, opened, bare=instance.options.bare_scopes or not asked),
    }


def _redeem(instance: Instance, app: AppRecord, proof: str, form: Mapping[str, str]) -> Grant:
    """Take the code. Presented once by a client that proved itself it is gone, right or wrong."""
    grant = instance.grants.pop(form.get("code", ""), None)
    if grant is None:
        raise Refused("invalid_grant", "code is unknown or was used")
    if grant.issued + instance.options.code_seconds < time.time():
        raise Refused("invalid_grant", "code is too old")
    if grant.asked.client_id != app.client_id or grant.asked.redirect_uri != form.get("redirect_uri"):
        raise Refused("invalid_grant", "code belongs to another client or redirect URI")
    if grant.asked.challenge is None and proof == "public":
        raise Refused("invalid_client", "a public app without PKCE")
    if grant.asked.challenge is not None and not _verified(form.get("code_verifier", ""), grant.asked.challenge):
        raise Refused("invalid_grant", "code_verifier does not fit")
    return grant


def _verified(verifier: str, challenge: str) -> bool:
    hashed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return bool(VERIFIER.fullmatch(verifier)) and hmac.compare_digest(hashed, challenge)


def _user_tokens(instance: Instance, app: AppRecord, grant: Grant) -> dict[str, Any]:
    """All members of 1.5; what the instance or the launch omits is left out last."""
    opened = scopes.apis(grant.asked.scopes, app)
    access = Access(app.client_id, opened, mnemonics.patient_of(grant.user), time.time() + instance.options.expires_in)
    answer: dict[str, Any] = {
        "access_token": _issue(instance, access),
        "token_type": "bearer",
        "expires_in": instance.options.expires_in,
        "scope": scopes.answered(grant.asked.scopes, opened, bare=instance.options.bare_scopes),
        "state": grant.asked.state,
    }
    if "openid" in grant.asked.scopes:
        answer["id_token"] = instance.signing.sign(
            _id_claims(instance, app, grant), instance.options.id_token_signature
        )
    answer |= _context(grant)
    omit = {*instance.options.omit, *(grant.launch.omit if grant.launch else ())}
    return {name: value for name, value in answer.items() if name not in omit}


def _context(grant: Grant) -> dict[str, Any]:
    """What the launch knew. A standalone launch has no visit, only a MyChart user's own chart."""
    launch = grant.launch
    patient = launch.patient if launch else mnemonics.patient_of(grant.user)
    answer: dict[str, Any] = {}
    if patient:
        answer |= {"patient": patient.fhir_id, "__epic.dstu2.patient": f"T{patient.fhir_id}"}
    if launch and grant.user.kind == "Practitioner":
        answer["loginDepartment"] = mnemonics.location_id(mnemonics.LOGIN_DEPARTMENT)
    if launch and launch.appointment:
        visit = launch.appointment
        answer |= {"appointment": visit.fhir_id, "location": mnemonics.location_id(visit.order.department)}
        answer |= {"encounter": visit.encounter_id} if visit.encounter_id else {}
    return answer | launch.context | launch.extra if launch else answer


def _id_claims(instance: Instance, app: AppRecord, grant: Grant) -> dict[str, Any]:
    """The path of `fhirUser` is the one in Epic's sample: only its last two parts mean something (1.5)."""
    now, user, asked = int(time.time()), grant.user, grant.asked
    claims: dict[str, Any] = {
        "iss": instance.issuer,
        "sub": user.fhir_id,
        "aud": app.client_id,
        "iat": now,
        "exp": now + ID_TOKEN_SECONDS,
    }
    if "fhirUser" in asked.scopes and app.fhir_version == "R4":
        claims["fhirUser"] = f"{instance.url}/oauth2/api/FHIR/R4/{user.kind}/{user.fhir_id}"
    if "profile" in asked.scopes:
        claims["preferred_username"] = user.login
    if asked.nonce is not None:
        claims["nonce"] = asked.nonce
    claims |= instance.options.id_token_claims
    return {name: value for name, value in claims.items() if value is not None}


def _issue(instance: Instance, access: Access) -> str:
    issued = opaque("access")
    instance.accesses[issued] = access
    return issued


routes = [web.post(FOLDER + "/token", token)]
