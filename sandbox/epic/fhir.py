"""FHIR R4: four reads and the Appointment search (3.4, 3.5)."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from aiohttp import web

from sandbox import world
from sandbox.epic import bearer, fhir_xml, resources
from sandbox.epic.hospital import AT_INSTANCE, Access, Appointment, Instance, of

SEARCH_PARAMETERS = {"date", "identifier", "patient", "service-category", "status", "_id", "_count"}
#: One of these must be there, or the search would be over the whole hospital.
NARROWING = {"identifier", "patient", "_id"}


class Refused(Exception):
    """Answered as an OperationOutcome."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text


async def read(request: web.Request) -> web.Response:
    """GET {base}/{Type}/{id}"""
    kind = request.match_info["kind"]
    return _answer(request, f"{kind}.Read", lambda instance, access: _read(request, instance, access, kind))


async def search(request: web.Request) -> web.Response:
    """GET {base}/Appointment?..."""
    return _answer(request, "Appointment.Search", lambda instance, access: _search(request, instance, access))


def _answer(request: web.Request, api: str, find: Callable[[Instance, Access], dict[str, Any]]) -> web.Response:
    """Check the token, look, answer; what was asked is remembered either way."""
    epic, instance = of(request)
    try:
        _check_version(request, instance)
        found, status, headers = find(instance, bearer.check(request, instance, api)), 200, None
    except bearer.Unauthorized:
        found, status, headers = None, 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    except bearer.InsufficientScope:
        found, status, headers = None, 403, {"WWW-Authenticate": bearer.INSUFFICIENT}
    except Refused as refused:
        found, status, headers = resources.outcome(refused.code, refused.text), refused.status, None
    epic.saw("fhir", call=api, status=status)
    if found is None:
        return web.Response(status=status, headers=headers)
    return fhir_xml.answer(request, found, status)


def _check_version(request: web.Request, instance: Instance) -> None:
    """A base URL that does not end in a version leaves it to the reader (FHIR R4, http.html)."""
    if instance.options.version_by_accept and "fhirversion=4.0" not in request.headers.get("Accept", "").lower():
        raise Refused(406, "4100", "Bad parameter: fhirVersion")


def _read(request: web.Request, instance: Instance, access: Access, kind: str) -> dict[str, Any]:
    fhir_id = request.match_info["id"]
    owner, resource = _find(instance, kind, fhir_id)
    if access.patient and owner not in (None, access.patient.fhir_id):
        raise Refused(403, "4118", "User not authorized for request")
    if {fhir_id, owner} & set(instance.options.break_the_glass):
        raise Refused(403, "4130", "Break-the-Glass security prevents access to this record")
    return resource


def _find(instance: Instance, kind: str, fhir_id: str) -> tuple[str | None, dict[str, Any]]:
    """The resource and the patient it belongs to."""
    for one in instance.appointments.values():
        if (kind, fhir_id) == ("Appointment", one.fhir_id):
            return one.patient.fhir_id, resources.appointment(instance, one)
        if (kind, fhir_id) == ("Encounter", one.encounter_id):
            return one.patient.fhir_id, resources.encounter(instance, one)
    for user in world.EPIC_USERS.values():
        if (user.kind, user.fhir_id) == (kind, fhir_id):
            return user.fhir_id if kind == "Patient" else None, resources.person(instance, user)
    raise Refused(404, "4102", "The read resource request contained an invalid resource ID.")


def _search(request: web.Request, instance: Instance, access: Access) -> dict[str, Any]:
    query = request.query
    if set(query) - SEARCH_PARAMETERS or any(len(query.getall(name)) > 1 for name in set(query) - {"date"}):
        raise Refused(400, "4100", "Bad parameter")
    if not NARROWING & set(query):
        raise Refused(400, "4111", "Missing parameter")
    found = [one for one in _matching(request, instance) if not access.patient or one.patient == access.patient]
    if any({one.fhir_id, one.patient.fhir_id} & set(instance.options.break_the_glass) for one in found):
        raise Refused(403, "4130", "Break-the-Glass security prevents access to this record")
    if len(found) > _count(query.get("_count", "100")):
        raise Refused(400, "4127", "Too many results")
    return _bundle(instance, str(request.url), found)


def _matching(request: web.Request, instance: Instance) -> Iterator[Appointment]:
    query = request.query
    wanted = [_date_test(text) for text in query.getall("date", [])]
    for one in instance.appointments.values():
        facts = {"_id": one.fhir_id, "patient": one.patient.fhir_id, "status": one.order.status}
        facts["service-category"] = "appointment"
        fits = all(query.get(name, fact).removeprefix("Patient/") == fact for name, fact in facts.items())
        named = "identifier" not in query or _is_identifier(instance, one, query["identifier"])
        if fits and named and all(test(one.order.start) for test in wanted):
            yield one


def _is_identifier(instance: Instance, one: Appointment, token: str) -> bool:
    """`value` or `system|value`."""
    system, bar, value = token.rpartition("|")
    return value == one.order.csn and (not bar or system == instance.oid(instance.options.csn_system))


def _date_test(text: str) -> Callable[[datetime], bool]:
    """A FHIR date with its prefix; a day is taken as a day in UTC."""
    prefix, rest = (text[:2], text[2:]) if text[:2].isalpha() else ("eq", text)
    try:
        if "T" in rest:
            first = last = datetime.fromisoformat(rest).astimezone(UTC)
        else:
            first = datetime.combine(date.fromisoformat(rest), datetime.min.time(), UTC)
            last = first + timedelta(days=1, microseconds=-1)
        return {
            "eq": lambda at: first <= at <= last,
            "ge": lambda at: at >= first,
            "gt": lambda at: at > last,
            "le": lambda at: at <= last,
            "lt": lambda at: at < first,
        }[prefix]
    except (ValueError, KeyError) as error:
        raise Refused(400, "4100", "Bad parameter: date") from error


def _count(text: str) -> int:
    if not text.isdecimal() or not 0 < int(text) <= 100:
        raise Refused(400, "4100", "Bad parameter: _count")
    return int(text)


def _bundle(instance: Instance, url: str, found: list[Appointment]) -> dict[str, Any]:
    """No match is a warning inside the bundle, not an empty one."""
    entries: list[dict[str, Any]] = [
        {
            "fullUrl": f"{instance.r4}/Appointment/{one.fhir_id}",
            "resource": resources.appointment(instance, one),
            "search": {"mode": "match"},
        }
        for one in found
    ]
    if not found:
        nothing = resources.outcome("4101", "Resource request returns no results.", "warning")
        entries = [{"resource": nothing, "search": {"mode": "outcome"}}]
    link = [{"relation": "self", "url": url}]
    return {"resourceType": "Bundle", "type": "searchset", "total": len(found), "link": link, "entry": entries}


BASE = AT_INSTANCE + "/api/FHIR/R4"
routes = [
    web.get(BASE + "/{kind:Appointment|Encounter|Patient|Practitioner}/{id}", read),
    web.get(BASE + "/Appointment", search),
]
