"""Where the Epic analyst types things in by hand, as a page; scripts use the control routes instead.

    GET  /records                what stands: redirect URIs of the launch apps, FDI records, a form for each
    POST /records/app            form: client_id, redirect_uris (one a line)
    POST /records/fdi            form: role, group (`on` or left out), launch_url, client_id, context
    POST /records/appointment    form: csn, patient, practitioner, minutes (until it begins)

All of it belongs to the test instance. What is refused is said on a page with 400.
"""

from datetime import timedelta
from html import escape
from typing import Any

from aiohttp import web
from pydantic import BaseModel, ValidationError

from sandbox import world
from sandbox.epic import html
from sandbox.epic.hospital import EPIC, Appointment, Instance
from sandbox.epic.records import AppointmentOrder, AppRecord, FdiRecord

PATH = "/records"
TITLES = {"provider": "Provider app", "patient": "Patient app"}


class Soon(BaseModel):
    """When an appointment begins: minutes from now."""

    minutes: int


async def show(request: web.Request) -> web.Response:
    """What stands, and a form for each thing to type."""
    test = request.app[EPIC].instances["test"]
    apps = "".join(_app(app) for app in test.registered.values() if app.role in TITLES)
    parts = [
        ("1. App records: redirect URIs, one a line", apps),
        ("2. Integration record", FDI.format(**_choices())),
        ("Records in use", _in_use(test)),
        ("3. Appointment", APPOINTMENT.format(**_choices())),
        ("Appointments", _booked(test)),
    ]
    body = "".join(f"<h2>{title}</h2>{content}" for title, content in parts)
    return _page(STYLE + body)


async def type_app(request: web.Request) -> web.Response:
    """Replace an app's redirect URIs."""
    form, test = await request.post(), request.app[EPIC].instances["test"]
    app = test.registered.get(str(form.get("client_id")))
    if app is None:
        return _refused("client_id is not an app of this instance")
    uris = str(form.get("redirect_uris", "")).split()
    test.registered[app.client_id] = AppRecord.model_validate(app.model_dump() | {"redirect_uris": uris})
    return _back()


async def type_fdi(request: web.Request) -> web.Response:
    """A record; one for the same role and kind of visit replaces it. Epic does not try the launch URL."""
    form: dict[str, Any] = dict(await request.post())
    test = request.app[EPIC].instances["test"]
    try:
        record = FdiRecord.model_validate(form | {"group": "group" in form})
    except ValidationError as error:
        return _refused(_said(error))
    if record.client_id not in test.apps:
        return _refused("client_id is not an app of this instance")
    test.fdis[record.role, record.group] = record
    return _back()


async def type_appointment(request: web.Request) -> web.Response:
    """An appointment that begins in some minutes."""
    form: dict[str, Any] = dict(await request.post())
    epic = request.app[EPIC]
    test = epic.instances["test"]
    try:
        start = epic.now().replace(second=0, microsecond=0) + timedelta(minutes=Soon.model_validate(form).minutes)
        asked = {key: form.get(key) for key in ("csn", "patient", "practitioner")}
        order = AppointmentOrder.model_validate(asked | {"start": start})
    except ValidationError as error:
        return _refused(_said(error))
    if order.csn in test.appointments:
        return _refused("this CSN is taken")
    if (_kind(order.patient), _kind(order.practitioner)) != ("Patient", "Practitioner"):
        return _refused("not a patient and a practitioner")
    visit = Appointment(order)
    visit.encounter_id = "eEnc" + visit.fhir_id.removeprefix("eAppt")
    test.appointments[order.csn] = visit
    test.conferences.setdefault(visit.conference, set()).add(visit.patient.key)
    return _back()


def _kind(key: str) -> str:
    return world.EPIC_USERS[key].kind if key in world.EPIC_USERS else ""


def _app(app: AppRecord) -> str:
    uris = escape("\n".join(app.redirect_uris))
    name, label = escape(app.client_id), f"redirect-{app.role}"
    return f"""<form method="post" action="{PATH}/app"><input type="hidden" name="client_id" value="{name}">
<label for="{label}">{TITLES[app.role]} ({name})</label>
<textarea id="{label}" name="redirect_uris" rows="3" spellcheck="false">{uris}</textarea>
<button>Save {app.role} app</button></form>"""


def _in_use(test: Instance) -> str:
    head = "<tr><th>Record<th>Launch URL<th>Client id<th>Context</tr>"
    rows = "".join(
        f"<tr><td>{one.role}{' (group)' if one.group else ''}<td>{escape(str(one.launch_url))}"
        f"<td>{escape(one.client_id)}<td>{escape(one.context)}</tr>"
        for one in test.fdis.values()
    )
    return f"<table>{head}{rows}</table>" if rows else "<p>None yet.</p>"


def _booked(test: Instance) -> str:
    lines = (
        f"<li>CSN {one.order.csn}: {one.order.start:%Y-%m-%d %H:%M} UTC</li>" for one in test.appointments.values()
    )
    return f"<ul>{''.join(lines)}</ul>" if test.appointments else "<p>None yet.</p>"


def _choices() -> dict[str, str]:
    def options(kind: str) -> str:
        people = (one for one in world.EPIC_USERS.values() if one.kind == kind)
        return "".join(f'<option value="{one.key}">{one.first} {one.last}</option>' for one in people)

    return {"path": PATH, "patients": options("Patient"), "practitioners": options("Practitioner")}


def _said(error: ValidationError) -> str:
    """Which field and why; never what was typed."""
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False))


def _refused(why: str) -> web.Response:
    return _page(f'<p role="alert">{escape(why)}</p><p><a href="{PATH}">Back</a></p>', status=400)


def _page(body: str, status: int = 200) -> web.Response:
    return web.Response(text=html.page("Records in Epic (test)", body), status=status, content_type="text/html")


def _back() -> web.Response:
    return web.Response(status=303, headers={"Location": PATH})


STYLE = """<style>form{display:grid;gap:.3rem;margin:0 0 1rem;justify-items:start}textarea,.long{width:100%;
box-sizing:border-box;font:14px ui-monospace,monospace}td{overflow-wrap:anywhere;font-size:13px}h2{font-size:1.1rem}
</style>"""
FDI = """<form method="post" action="{path}/fdi">
<label>Role <select name="role"><option>provider</option><option>patient</option></select></label>
<label><input type="checkbox" name="group"> Group visit</label>
<label for="url">URL</label><input class="long" id="url" name="launch_url" type="url" required>
<label for="client">CLIENTID</label><input class="long" id="client" name="client_id" required>
<label for="context">CONTEXT</label><textarea id="context" name="context" rows="2" spellcheck="false"></textarea>
<button>Save record</button></form>"""
APPOINTMENT = """<form method="post" action="{path}/appointment">
<label>CSN <input name="csn" required inputmode="numeric"></label>
<label>Patient <select name="patient">{patients}</select></label>
<label>With <select name="practitioner">{practitioners}</select></label>
<label>Begins in minutes <input name="minutes" type="number" value="10" required></label>
<button>Book</button></form>"""
routes = [
    web.get(PATH, show),
    web.post(PATH + "/app", type_app),
    web.post(PATH + "/fdi", type_fdi),
    web.post(PATH + "/appointment", type_appointment),
]
