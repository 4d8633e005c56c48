"""SetExternalConnectionStatus: the provider's schedule shows who is connected (2.1, 2.2)."""

import base64
import binascii
from collections.abc import Mapping

from aiohttp import web

from sandbox import world
from sandbox.epic import bearer, mnemonics
from sandbox.epic.hospital import AT_INSTANCE, Connection, Instance, of
from sandbox.epic.records import WRITE_BACK_API
from sandbox.world import EpicUser

PARAMETERS = ("ConferenceID", "ExternalID", "ExternalIDType", "VendorName", "ConnectionStatus")
#: ExternalIDType -> the kinds of people with such an id: 1 EMP, 2 WPR (1.6).
KINDS = {"1": {"Practitioner"}, "2": {"Patient", "RelatedPerson"}}
#: 1 connected, 2 disconnected.
STATUSES = ("1", "2")
STACK_TRACE = "\r\n".join(
    f"   at Epic.Telehealth.ContextLinking.Frame{n}.SetExternalConnectionStatus(Request request) in Command.cs:line {n}"
    for n in range(60)
)


class Refused(Exception):
    """Answered as 400 with Epic's command error envelope."""

    def __init__(self, code: str, details: str) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


async def set_external_connection_status(request: web.Request) -> web.Response:
    """GET with five parameters; the body of a success is not published, so there is none."""
    epic, instance = of(request)
    facts: dict[str, str | None] = {name: request.query.get(name) for name in PARAMETERS}
    try:
        _check_caller(request, instance)
        user, given = _check(request, instance)
    except bearer.Unauthorized:
        epic.saw("write-back", accepted=False, code="401", **facts)
        return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="Epic"'})
    except bearer.InsufficientScope:
        epic.saw("write-back", accepted=False, code="403", **facts)
        return web.Response(status=403, headers={"WWW-Authenticate": bearer.INSUFFICIENT})
    except Refused as refused:
        epic.saw("write-back", accepted=False, code=refused.code, **facts)
        if instance.options.write_back_in_body:
            return web.json_response(_result(taken=False))
        return web.json_response(_envelope(refused), status=400)
    epic.saw("write-back", accepted=True, code=None, **facts)
    instance.connections.append(
        Connection(
            len(instance.connections),
            epic.now().isoformat(),
            given["ConferenceID"],
            given["ExternalID"],
            given["ExternalIDType"],
            user.key,
            given["ConnectionStatus"],
            given["VendorName"],
        )
    )
    return web.json_response(_result(taken=True)) if instance.options.write_back_in_body else web.Response(status=200)


def _check_caller(request: web.Request, instance: Instance) -> None:
    """`Epic-Client-ID` always; then `emp$` Basic, or the backend app's bearer token."""
    client_id = request.headers.get("Epic-Client-ID")
    if client_id not in instance.apps:
        raise Refused("INVALID-CLIENT-ID", "The Epic-Client-ID header is missing or unknown.")
    if request.headers.get("Authorization", "").lower().startswith("bearer "):
        if bearer.check(request, instance, WRITE_BACK_API).client_id != client_id:
            raise bearer.Unauthorized
    elif not _is_account(request.headers.get("Authorization", "")):
        raise bearer.Unauthorized


def _is_account(authorization: str) -> bool:
    user, password = world.EPIC_WRITE_BACK_ACCOUNT
    scheme, _, coded = authorization.partition(" ")
    try:
        given = base64.b64decode(coded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return False
    return scheme.lower() == "basic" and given == f"emp${user}:{password}"


def _check(request: web.Request, instance: Instance) -> tuple[EpicUser, Mapping[str, str]]:
    given = request.query
    if code := instance.options.write_back_code:
        raise Refused(code, "This instance is set to refuse.")
    for name in PARAMETERS:
        if len(given.getall(name, [])) != 1 or not given[name]:
            raise Refused(f"NO-{name.upper()}", f"{name} is required once.")
    if any(request.headers.get(name) != value for name, value in instance.options.write_back_headers.items()):
        raise Refused("MISSING-HEADER", "A header is missing.")
    if set(given) - set(PARAMETERS):
        raise Refused("INVALID-PARAMETER", "A parameter is not known.")
    if given["ConnectionStatus"] not in STATUSES:
        raise Refused("INVALID-CONNECTIONSTATUS", "ConnectionStatus is not known.")
    if given["ConferenceID"] not in instance.conferences:
        raise Refused("INVALID-CONFERENCEID", "The conference does not exist.")
    return _participant(given, instance.conferences[given["ConferenceID"]]), given


def _participant(given: Mapping[str, str], patients: set[str]) -> EpicUser:
    """Any of the staff; of the patients and proxies only who belongs to this conference."""
    if given["ExternalIDType"] not in KINDS:
        raise Refused("INVALID-EXTERNALIDTYPE", "ExternalIDType is not known.")
    for user in world.EPIC_USERS.values():
        if user.external_id == given["ExternalID"] and user.kind in KINDS[given["ExternalIDType"]]:
            patient = mnemonics.patient_of(user)
            if patient is None or patient.key in patients:
                return user
    raise Refused("INVALID-EXTERNALID", "The user does not exist or is not linked to the conference.")


def _result(*, taken: bool) -> dict[str, dict[str, bool]]:
    return {"Result": {"Success": taken}}


def _envelope(refused: Refused) -> dict[str, str]:
    return {
        "Message": "An error has occurred.",
        "ExceptionMessage": f"An error occurred while executing the command: {refused.code} details: {refused.details}",
        "ExceptionType": "Epic.ServiceModel.Internal.ServiceCommandException",
        "StackTrace": STACK_TRACE,
    }


routes = [web.get(AT_INSTANCE + world.WRITE_BACK_PATH, set_external_connection_status)]
