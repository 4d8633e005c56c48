"""Scheduling messages as a hospital's interface engine would send them: Epic's shape, invented people."""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

ZONE = ZoneInfo("America/Chicago")


@dataclass(frozen=True)
class Booking:
    """One appointment as the hospital's scheduling knows it. `start` is aware."""

    csn: str
    start: datetime
    phone: str
    minutes: int = 30
    mrn: str = "E4471203"
    family: str = "QUILLFEATHER"
    given: str = "PAT"
    language: str = "en"
    department: str = "5001^TELEHEALTH CARDIOLOGY"
    visit_type: str = "VV^VIDEO VISIT"

    def moved(self, start: datetime) -> "Booking":
        """The same appointment at another time."""
        return replace(self, start=start)


def message(event: str, booking: Booking, sent: datetime, control_id: str, kind: str = "SIU") -> bytes:
    """An HL7v2.3 message of this trigger event, local times without a zone as Epic sends them, UTF-8, CR line ends."""
    status = {"S15": "3^CANCELED", "S26": "4^NO SHOW"}.get(event, "1^SCH")
    segments = [
        f"MSH|^~\\&|SCHED|LAMNA|CONNECTOR|LAMNA|{_local(sent, seconds=True)}||{kind}^{event}|{control_id}|P|2.3||",
        f"SCH|1|{booking.csn}|||||{booking.visit_type}||{booking.minutes}|MIN|^^^{_local(booking.start)}"
        f"||||||||||||||{status}",
        f"PID|||{booking.mrn}||{booking.family}^{booking.given}^^^^||19720324|F|||1 MAIN ST^^MADISON^WI^53703^"
        f"||{booking.phone}^PRN^CP||{booking.language}|||||||||||||||N",
        f"PV1||O|IM||||||||||||||||{booking.csn}|||||||||||||||||",
        f"RGS|1||{booking.department}",
        f"AIS|1||{booking.visit_type}",
        f"AIP|1||400^PROVIDER^PAULA^^^^|1^MD||{_local(booking.start)}|0|MIN|{booking.minutes}|MIN",
    ]
    return "".join(f"{segment}\r" for segment in segments).encode()


def without_times(body: bytes) -> bytes:
    """The message with every time of minute precision blanked: the appointment's, not the header's."""
    return re.sub(rb"(?<!\d)\d{12}(?!\d)", b"", body)


def _local(moment: datetime, *, seconds: bool = False) -> str:
    return moment.astimezone(ZONE).strftime("%Y%m%d%H%M%S" if seconds else "%Y%m%d%H%M")


def acknowledgement(body: str) -> tuple[str, str]:
    """MSA-1 and the place that ERR names, from an answer: ("AA", "") or ("AE", "SCH^1^11...")."""
    lines = {line[:3]: line for line in body.replace("\n", "\r").split("\r") if line}
    error = lines.get("ERR", "||").split("|")
    return lines.get("MSA", "|?").split("|")[1], error[2] if len(error) > 2 and error[2] else error[1]


def whole_minute(moment: datetime) -> datetime:
    """Without seconds: scheduling knows none."""
    return moment.astimezone(UTC).replace(second=0, microsecond=0)
