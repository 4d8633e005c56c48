"""The CONTEXT of an FDI record: `k=v&k=v` with %MNEMONICS% that Epic replaces at launch (1.3)."""

import re
from datetime import UTC

from sandbox import world
from sandbox.epic.hospital import Appointment
from sandbox.world import EpicUser

MNEMONIC = re.compile(r"%([A-Z0-9]+)((?:;[^%]*)?)%")


def fill(context: str, values: dict[str, str]) -> dict[str, str]:
    """The pairs with every mnemonic replaced; what is not known here stays empty, as in Epic."""
    pairs = (pair.partition("=") for pair in context.split("&") if pair)
    return {key: MNEMONIC.sub(lambda found: values.get(found[1] + found[2], ""), value) for key, _, value in pairs}


def values(
    user: EpicUser, patient: EpicUser | None, csn: str, conference: str, appointment: Appointment | None
) -> dict[str, str]:
    """What Epic knows at the press of the button; an ad-hoc visit has no appointment time."""
    known = {
        "CSN": csn,
        "CONFERENCEID": conference,
        "EPICUSERID": user.external_id,
        "EPICUSERFHIRID": user.fhir_id,
        "USERFNAME": user.first,
        "USERLNAME": user.last,
        "SYSLOGIN": user.login,
    }
    if user.kind == "Practitioner":
        known |= {"USERPROVID": provider_id(user), "USERPROVFHIRID": user.fhir_id, "LOGINDEPTID": LOGIN_DEPARTMENT}
    if patient:
        known |= {"PATID": mrn(patient), "EPTID": f"Z{patient.external_id}"}
    if appointment:
        department = appointment.order.department
        known |= dict.fromkeys(("PERFDEPID;;; ; ;;NONE;", "DEPARTMENT", "LOCATION"), department)
        known["EXTENSION;15354"] = appointment.order.start.astimezone(UTC).strftime("%m/%d/%Y %I:%M %p")
    return known


#: The department a clinician is signed in to.
LOGIN_DEPARTMENT = "10101"


def mrn(patient: EpicUser) -> str:
    """The patient's medical record number."""
    return f"MRN{patient.external_id}"


def provider_id(user: EpicUser) -> str:
    """A clinician's provider record (SER), another number than the user record (EMP)."""
    return f"E{user.external_id}"


def patient_of(user: EpicUser) -> EpicUser | None:
    """Whose chart a MyChart user opens: their own, or the one they are proxy for."""
    if user.kind == "Practitioner":
        return None
    return world.EPIC_USERS[world.EPIC_PROXIES.get(user.key, user.key)]


def location_id(department: str) -> str:
    """The FHIR id of a department."""
    return f"eLocation{department}"
