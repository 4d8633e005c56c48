"""The life of a connection's settings: draft -> validated -> needs approval -> approved (architecture, section 8).

Each function takes a connection and gives the changed one, or refuses. The active revision serves throughout.
"""

import hashlib
import re
import secrets
from datetime import datetime
from uuid import UUID

from pydantic import TypeAdapter, ValidationError

from shared.domain.connection import (
    AppName,
    Connection,
    Environment,
    EpicSide,
    Organisation,
    OwnSide,
    Pending,
    PendingState,
    Refusal,
    SecretSet,
    SmsSetup,
)
from shared.domain.templates import TELLING, telling
from shared.errors import Code, Refused

_ID = re.compile(r"[0-9a-f]{32}-[a-z2-7]{8}")
_APP: TypeAdapter[AppName] = TypeAdapter(AppName)
_ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


class Shown(Connection):
    """A connection as the API shows it. `change` is its ETag; `warnings`: what is allowed and weak."""

    warnings: tuple[str, ...]


def shown(connection: Connection) -> Shown:
    """A connection with what should be said about it."""
    return Shown(**dict(connection), warnings=tuple(warnings(connection)))


def app_name(name: str) -> AppName:
    """The app of this name; refuses when there is none."""
    try:
        return _APP.validate_python(name)
    except ValidationError:
        raise Refused(Code.NOT_FOUND) from None


def new_id(tenant: UUID) -> str:
    """A connection's id. It starts with the tenant, so that one point read finds the row.

    The tenant in an id selects and proves nothing: whoever comes is checked against the row.
    """
    return f"{tenant.hex}-{''.join(secrets.choice(_ALPHABET) for _ in range(8))}"


def tenant_of(connection_id: str) -> UUID:
    """The tenant under which a connection with this id would stand."""
    if not _ID.fullmatch(connection_id):
        raise Refused(Code.CONNECTION_UNKNOWN)
    return UUID(connection_id[:32])


_SPOKEN = {name: name.replace("_", " ") for name in TELLING}


def check_texts(sms: SmsSetup, prefix: str = "") -> None:
    """A template that tells what a visit is about needs the switch that allows it."""
    untold = [(path, name) for path, name in telling(sms.texts) if name not in sms.may_name]
    if untold:
        raise Refused(
            Code.VALUE_REFUSED,
            *(f"{prefix}sms.texts.{path}: names the {_SPOKEN[name]}, which is not allowed" for path, name in untold),
        )


def check_apps(epic: EpicSide, prefix: str = "") -> None:
    """Epic's apps differ by user type, so patients, providers and the backend have one each."""
    apps = ("provider_client_id", "patient_client_id", "backend_client_id")
    ids = [getattr(epic, app) for app in apps]
    twice = [app for index, app in enumerate(apps) if ids[index] in ids[:index]]
    if twice:
        raise Refused(Code.VALUE_REFUSED, *(f"{prefix}{app}: is another app's as well" for app in twice))


def drafted(organisation: Organisation, environment: Environment, epic: EpicSide, own: OwnSide) -> Connection:
    """A new connection: nothing serves yet."""
    check_entitlement(organisation, environment)
    return Connection(
        tenant=organisation.tenant,
        id=new_id(organisation.tenant),
        organisation=organisation.id,
        environment=environment,
        own=own,
        pending=Pending(epic=epic),
    )


def check_entitlement(organisation: Organisation, environment: Environment) -> None:
    """Production is for organisations that the operator let in there: asked at the draft, and again at approval."""
    if not organisation.enabled:
        raise Refused(Code.ORGANISATION_OFF)
    if environment == "production" and not organisation.production:
        raise Refused(Code.NOT_ENTITLED)


def proposed(connection: Connection, epic: EpicSide) -> Connection:
    """A new pending revision; what was validated or awaiting approval starts again."""
    return _changed(connection, pending=Pending(epic=epic))


def validated(connection: Connection) -> Connection:
    """The addresses of the pending revision answered as they should: it needs approval now."""
    return _changed(connection, pending=_moved(connection, {"draft", "needs-approval"}, "needs-approval"))


def approved(connection: Connection) -> Connection:
    """The pending revision takes the active one's place, in one write."""
    pending = _moved(connection, {"needs-approval"}, "needs-approval")
    return _changed(connection, active=pending.epic, pending=None, revision=connection.revision + 1)


def sent_back(connection: Connection, reason: str, who: str, at: datetime) -> Connection:
    """The approver does not agree: the revision stays to be seen, and waits for another proposal."""
    pending = _moved(connection, {"needs-approval"}, "refused")
    refusal = Refusal(reason=reason, who=who, at=at)
    return _changed(connection, pending=pending.model_copy(update={"refusal": refusal}))


def withdrawn(connection: Connection) -> Connection:
    """The pending revision is dropped; the active one never noticed."""
    if connection.pending is None:
        raise Refused(Code.WRONG_STATE, "pending")
    return _changed(connection, pending=None)


def with_own_side(connection: Connection, own: OwnSide) -> Connection:
    """What Epic need not agree to, at once."""
    return _changed(connection, own=own)


def suspended(connection: Connection, *, stopped: bool) -> Connection:
    """Stop serving, or serve again."""
    return _changed(connection, suspended=stopped)


def switched(connection: Connection, *, off: bool) -> Connection:
    """As the operator says of the whole organisation."""
    return _changed(connection, off=off)


def ended(connection: Connection) -> Connection:
    """What history keeps of a connection that is removed: nothing serves or waits any more."""
    return _changed(connection, active=None, pending=None, secrets=())


def with_secret(
    connection: Connection, app: AppName, who: str, at: datetime, *, serving: bool
) -> tuple[Connection, str]:
    """The connection after one of its apps got a client secret, and the secret's name.

    serving   for the revision that serves, while another one waits; else for the one that waits, if there is one
    """
    side = connection.pending.epic if connection.pending and not serving else connection.approved
    client_ids = {
        "provider": side.provider_client_id,
        "patient": side.patient_client_id,
        "backend": side.backend_client_id,
        "write-back": WRITE_BACK,
    }
    given = SecretSet(app=app, client_id=client_ids[app], fhir_base_url=side.fhir_base_url, who=who, at=at)
    others = [one for one in connection.secrets if _for(one) != _for(given)]
    return _changed(connection, secrets=(*others, given)), secret_name(side, client_ids[app])


def _for(secret: SecretSet) -> tuple[str, str]:
    return secret.client_id, secret.fhir_base_url


#: In place of a client id, for the account that writes back by Basic.
WRITE_BACK = "write-back"


def secret_name(side: EpicSide, client_id: str) -> str:
    """Under this name the client secret of an app is kept. It is for one Epic only.

    A revision may point to another server before anybody approved it: no secret that is there already goes there.
    """
    return f"{client_id}|{hashlib.sha256(side.fhir_base_url.encode()).hexdigest()[:32]}"


def warnings(connection: Connection) -> list[str]:
    """What is allowed and weak: Epic's newer versions can do better (epic.md, version table)."""
    sides = {"active": connection.active, "pending": connection.pending.epic if connection.pending else None}
    found = []
    for name, side in sides.items():
        if side and not side.pkce:
            found.append(f"{name}: launches go without PKCE, which Epic knows since August 2019")
        if side and side.authentication == "client_secret":
            found.append(f"{name}: the apps prove themselves by a secret; a signed assertion is safer")
    telling_of = "texts: may name the {}: whoever sees the phone learns what the visit is about"
    return [*found, *(telling_of.format(_SPOKEN[name]) for name in connection.own.sms.may_name)]


def _moved(connection: Connection, before: set[PendingState], after: PendingState) -> Pending:
    if connection.pending is None or connection.pending.state not in before:
        raise Refused(Code.WRONG_STATE, "pending")
    return connection.pending.model_copy(update={"state": after})


def _changed(connection: Connection, **updates: object) -> Connection:
    return connection.model_copy(update={**updates, "change": connection.change + 1})
