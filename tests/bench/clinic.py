"""A clinic that may be measured: an approved connection with texts, organisers and launch records at Epic."""

import base64

from sandbox import world
from sandbox.demo.api import call, change
from sandbox.demo.scene import Scene
from sandbox.demo.steps.set_up import ASSIGNMENT, ORGANISATION
from tests.e2e.conftest import add, approve
from tests.e2e.launch.launching import control, set_up

PHONE = "+16085550140"
_SMS = {
    "may_send_for_us": True,
    "patients_have_consented": True,
    "number": world.ACS_NUMBER,
    "reminders": [1440, 60],
}


async def open_up(scene: Scene) -> None:
    """Everything an operator, an administrator, an approver and Epic's analyst do before the first visit."""
    await call(scene, "olivia", "PUT", "/config/organisations", ORGANISATION)
    await call(scene, "olivia", "POST", "/config/numbers/assignments", ASSIGNMENT)
    scene.facts["connection"] = (await add(scene)).body["id"]
    await change(scene, "adam", "POST", "/certificates", scene.plan.path("engine_cer").read_bytes())
    approved = await approve(scene)
    if approved.status != 200:
        raise AssertionError(f"no clinic to measure: {approved.body}")
    await set_up(scene, sms=_SMS)
    await change(scene, "adam", "POST", "/allow-list", {"number": PHONE})
    grid = {"name": "texts", "auth": "entra", "audience": world.API_APP, "schema": "eventgrid"}
    grid["url"] = f"{scene.plan.urls['app']}/sms/events"
    await control(scene, "acs", "POST", "eventgrid/subscriptions", grid)


def certificate(scene: Scene) -> str:
    """The engine's certificate as App Service puts it in X-ARR-ClientCert."""
    lines = scene.plan.path("engine_cert").read_text().partition("-----BEGIN CERTIFICATE-----")[2]
    return base64.b64encode(base64.b64decode("".join(lines.partition("-----END")[0].split()))).decode()
