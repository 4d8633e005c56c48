"""What Epic must know of the connector's three apps: to be registered before the approver can sign in (F3, F4.3)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from cryptography.hazmat.primitives import serialization
from jwt import PyJWK

from shared.domain.connection import Connection, Environment, EpicSide
from shared.domain.model import Model
from shared.domain.records.record import LaunchApp
from shared.errors import Code, Refused

App = Literal["provider", "patient", "backend"]
LaunchKind = Literal["ehr-and-standalone", "ehr", "backend"]
UserType = Literal["Practitioner", "Patient", "RelatedPerson"]
_USER_TYPES: Mapping[App, tuple[UserType, ...]] = {
    "provider": ("Practitioner",),
    "patient": ("Patient", "RelatedPerson"),
    "backend": (),
}
#: The approver signs in outside of any launch; nobody else does.
_LAUNCHES: Mapping[App, LaunchKind] = {"provider": "ehr-and-standalone", "patient": "ehr", "backend": "backend"}
_WRITE_BACK = "SetExternalConnectionStatus"
#: What preflight tries a read with.
_BACKEND_READS = "Appointment.Read"
_IN_WORDS: Mapping[LaunchKind, str] = {
    "ehr-and-standalone": "EHR launch; standalone launch (approval only)",
    "ehr": "EHR launch",
    "backend": "backend system, no user",
}


class PublicKey(Model):
    """A key that may sign for the connector. `pem`: the same for an Epic that wants a file."""

    kid: str
    algorithm: str
    pem: str


class AppRegistration(Model):
    """One app at Epic."""

    app: App
    client_id: str
    launch: LaunchKind
    user_types: tuple[UserType, ...]
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    apis: tuple[str, ...]


class Registration(Model):
    """What to register, for the revision that waits, else for the one that serves.

    key_set   where Epic reads our keys; the first key signs. Of no use to apps that prove themselves by a secret
    text      the same for a file or a mail
    """

    id: str
    change: int
    revision: Literal["pending", "active"]
    environment: Environment
    fhir_base_url: str
    authentication: Literal["private_key_jwt", "client_secret"]
    pkce: bool
    key_set: str
    keys: tuple[PublicKey, ...]
    apps: tuple[AppRegistration, ...]
    text: str


@dataclass(frozen=True)
class Ours:
    """What the connector says of itself. `scopes`: what each launch asks for; `jwks`: the environment's key set."""

    app_url: str
    launch_callback: str
    epic_callback: str
    scopes: Mapping[LaunchApp, str]
    jwks: Sequence[Mapping[str, Any]]


def registration(connection: Connection, ours: Ours) -> Registration:
    """Everything an analyst registers. Refuses for a connection without any revision."""
    side = connection.pending.epic if connection.pending else connection.active
    if side is None:
        raise Refused(Code.WRONG_STATE, "pending")
    made = Registration(
        id=connection.id,
        change=connection.change,
        revision="pending" if connection.pending else "active",
        environment=connection.environment,
        fhir_base_url=side.fhir_base_url,
        authentication=side.authentication,
        pkce=side.pkce,
        key_set=f"{ours.app_url}/jwks/{connection.environment}",
        keys=tuple(_key(jwk) for jwk in ours.jwks),
        apps=(_launching("provider", side, ours), _launching("patient", side, ours), _backend(side)),
        text="",
    )
    return made.model_copy(update={"text": _text(made)})


def _launching(app: LaunchApp, side: EpicSide, ours: Ours) -> AppRegistration:
    scopes = ours.scopes[app].split()
    return AppRegistration(
        app=app,
        client_id=side.provider_client_id if app == "provider" else side.patient_client_id,
        launch=_LAUNCHES[app],
        user_types=_USER_TYPES[app],
        redirect_uris=(ours.launch_callback, ours.epic_callback) if app == "provider" else (ours.launch_callback,),
        scopes=tuple(scopes),
        apis=tuple(_api(scope) for scope in scopes if "/" in scope),
    )


def _backend(side: EpicSide) -> AppRegistration:
    writes = side.write_back.sink == "set-external-connection-status"
    return AppRegistration(
        app="backend",
        client_id=side.backend_client_id,
        launch=_LAUNCHES["backend"],
        user_types=(),
        redirect_uris=(),
        scopes=(),
        apis=(_BACKEND_READS, _WRITE_BACK) if writes else (_BACKEND_READS,),
    )


def _api(scope: str) -> str:
    """`user/Appointment.read`, or `.r`, as Epic's list of APIs calls it (epic.md 3.2)."""
    resource, _, verb = scope.partition("/")[2].partition(".")
    return f"{resource}.{'Read' if verb == 'r' else verb.capitalize()}"


def _key(jwk: Mapping[str, Any]) -> PublicKey:
    pem = PyJWK(dict(jwk)).key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return PublicKey(kid=jwk["kid"], algorithm=jwk["alg"], pem=pem.decode())


def _text(made: Registration) -> str:
    head = f"Registration at Epic ({made.environment.upper()})"
    lines = [head, "-" * len(head), f"FHIR base URL: {made.fhir_base_url}"]
    if made.authentication == "private_key_jwt":
        lines += [f"Key set (JWKS URL): {made.key_set}", *(f"Key id: {key.kid} ({key.algorithm})" for key in made.keys)]
    else:
        lines.append("Client authentication: secret")
    for app in made.apps:
        told = {
            "Launch": _IN_WORDS[app.launch],
            "Users": ", ".join(app.user_types),
            "Redirect URI": "\nRedirect URI: ".join(app.redirect_uris),
            "Scopes": " ".join(app.scopes),
            "APIs": ", ".join(app.apis),
        }
        lines += ["", f"App for {app.app}: client id {app.client_id}"]
        lines += [f"{label}: {value}" for label, value in told.items() if value]
    return "\n".join([*lines, ""])
