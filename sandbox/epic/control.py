"""What a script asks of the stand-in, beside the routes of every peer. Bodies and answers are JSON.

    POST  /_sandbox/fdi                   an FdiRecord -> 201 the record; the same (instance, role, group) replaces
    GET   /_sandbox/fdi?instance=I        the records
    POST  /_sandbox/appointments          an AppointmentOrder -> 201 {"csn", "conference", "appointment", "encounter",
                                          "patient", "practitioner"}, the last four FHIR ids
    PATCH /_sandbox/appointments/{csn}?instance=I   members of an AppointmentOrder to change -> the same
    POST  /_sandbox/launch                a LaunchOrder -> 201 {"url", "launch_url", "iss", "launch"}: follow `url`, or
                                          post iss and launch to launch_url
    GET   /_sandbox/connections[?csn=C][&instance=I]   accepted statuses, oldest first (see Connection)
    GET   /_sandbox/apps?instance=I       app records by client id
    PATCH /_sandbox/apps/{client_id}      members of an AppRecord to change -> the record
    GET   /_sandbox/instances/{I}         an instance's Options
    PATCH /_sandbox/instances/{I}         members of Options to change -> the Options
    POST  /_sandbox/instances/{I}/keys    a new key signs id_tokens, the old stay published -> 201 {"kid"}
    POST  /_sandbox/reset                 back to the day after registration -> 204

`instance` is `test` unless said. A body that is not as described answers 400 with what is wrong.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import wraps

from aiohttp import web
from pydantic import ValidationError

from sandbox import world
from sandbox.epic import launches
from sandbox.epic.hospital import EPIC, Appointment, Epic, Instance
from sandbox.epic.records import AppointmentOrder, AppRecord, FdiRecord, LaunchOrder, Options
from sandbox.peer import CONTROL

Answer = Callable[[web.Request], Awaitable[web.Response]]


def checked(handler: Answer) -> Answer:
    """Say what was wrong with a script's order, instead of 500."""

    @wraps(handler)
    async def answer(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_context=False)
            return web.json_response({"error": wrong}, status=400)
        except (launches.CannotLaunch, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)

    return answer


@checked
async def type_fdi(request: web.Request) -> web.Response:
    """As the analyst types it in; Epic does not try the launch URL."""
    record = FdiRecord.model_validate(await request.json())
    instance = request.app[EPIC].instances[record.instance]
    if record.client_id not in instance.apps:
        raise ValueError("client_id is not an app of this instance")
    instance.fdis[record.role, record.group] = record
    return web.json_response(record.model_dump(mode="json"), status=201)


async def list_fdi(request: web.Request) -> web.Response:
    return web.json_response([one.model_dump(mode="json") for one in _instance(request).fdis.values()])


@checked
async def book(request: web.Request) -> web.Response:
    order = AppointmentOrder.model_validate(await request.json())
    instance = request.app[EPIC].instances[order.instance]
    if order.csn in instance.appointments:
        raise ValueError("this CSN is taken")
    visit = Appointment(order)
    if order.encounter:
        visit.encounter_id = "eEnc" + visit.fhir_id.removeprefix("eAppt")
    return web.json_response(_kept(instance, visit), status=201)


@checked
async def change_appointment(request: web.Request) -> web.Response:
    instance = _instance(request)
    visit = instance.appointments.get(request.match_info["csn"])
    if visit is None:
        raise web.HTTPNotFound
    change = await request.json()
    if {"csn", "instance", "encounter"} & change.keys():
        raise ValueError("csn, instance and encounter stay")
    visit.order = AppointmentOrder.model_validate(visit.order.model_dump() | change)
    return web.json_response(_kept(instance, visit))


@checked
async def launch(request: web.Request) -> web.Response:
    order = LaunchOrder.model_validate(await request.json())
    epic = request.app[EPIC]
    started = launches.start(epic.instances[order.instance], order)
    epic.saw("launch", user=order.user, how="script")
    return web.json_response(asdict(started) | {"url": started.url}, status=201)


async def connections(request: web.Request) -> web.Response:
    """All, or those of the conference an appointment belongs to."""
    instance, csn = _instance(request), request.query.get("csn")
    booked = instance.appointments.get(csn or "")
    conference = booked.conference if booked else csn
    kept = [asdict(one) for one in instance.connections if conference in (None, one.conference_id)]
    return web.json_response(kept)


async def list_apps(request: web.Request) -> web.Response:
    return web.json_response({key: app.model_dump() for key, app in _instance(request).registered.items()})


@checked
async def change_app(request: web.Request) -> web.Response:
    client_id, change = request.match_info["client_id"], await request.json()
    for instance in request.app[EPIC].instances.values():
        if client_id in instance.registered:
            changed = AppRecord.model_validate(instance.registered[client_id].model_dump() | change)
            if (changed.client_id, changed.role) != (client_id, instance.registered[client_id].role):
                raise ValueError("client_id and role stay")
            instance.registered[client_id] = changed
            return web.json_response(changed.model_dump())
    raise web.HTTPNotFound


async def options(request: web.Request) -> web.Response:
    return web.json_response(_named(request).options.model_dump())


@checked
async def change_options(request: web.Request) -> web.Response:
    instance = _named(request)
    instance.options = Options.model_validate(instance.options.model_dump() | await request.json())
    return web.json_response(instance.options.model_dump())


async def add_key(request: web.Request) -> web.Response:
    return web.json_response({"kid": _named(request).signing.add()}, status=201)


async def reset(request: web.Request) -> web.Response:
    request.app[EPIC].reset()
    return web.Response(status=204)


def _kept(instance: Instance, visit: Appointment) -> dict[str, str | None]:
    """Keep the visit and say what ids it has."""
    for key, kind in ((visit.order.patient, "Patient"), (visit.order.practitioner, "Practitioner")):
        if key not in world.EPIC_USERS or world.EPIC_USERS[key].kind != kind:
            raise ValueError(f"not a {kind}")
    instance.appointments[visit.order.csn] = visit
    instance.conferences.setdefault(visit.conference, set()).add(visit.patient.key)
    return {
        "csn": visit.order.csn,
        "conference": visit.conference,
        "appointment": visit.fhir_id,
        "encounter": visit.encounter_id,
        "patient": visit.patient.fhir_id,
        "practitioner": visit.practitioner.fhir_id,
    }


def _instance(request: web.Request) -> Instance:
    return _by_key(request.app[EPIC], request.query.get("instance", "test"))


def _named(request: web.Request) -> Instance:
    return _by_key(request.app[EPIC], request.match_info["instance"])


def _by_key(epic: Epic, key: str) -> Instance:
    if key not in epic.instances:
        raise web.HTTPNotFound
    return epic.instances[key]


routes = [
    web.post(CONTROL + "fdi", type_fdi),
    web.get(CONTROL + "fdi", list_fdi),
    web.post(CONTROL + "appointments", book),
    web.patch(CONTROL + "appointments/{csn}", change_appointment),
    web.post(CONTROL + "launch", launch),
    web.get(CONTROL + "connections", connections),
    web.get(CONTROL + "apps", list_apps),
    web.patch(CONTROL + "apps/{client_id}", change_app),
    web.get(CONTROL + "instances/{instance}", options),
    web.patch(CONTROL + "instances/{instance}", change_options),
    web.post(CONTROL + "instances/{instance}/keys", add_key),
    web.post(CONTROL + "reset", reset),
]
