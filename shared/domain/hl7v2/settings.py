"""What one connection's feed looks like; handed in from its active revision (epic.md section 6)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from shared.domain import phone
from shared.domain.hl7v2.event import Action

#: The events one could act on (epic.md 4.1).
Trigger = Literal["S12", "S13", "S14", "S15", "S16", "S17", "S26"]

#: What a message is for (table 0103): production, training, debugging.
ProcessingId = Literal["P", "T", "D"]


class MediaType(StrEnum):
    """HL7 over HTTP names three, in text, example and code; plain text is what curl users send (epic.md 4.5)."""

    X_ER7 = "x-application/hl7-v2+er7"
    ER7 = "application/hl7-v2+er7"
    V2 = "application/hl7-v2"
    PLAIN = "text/plain"


class StatusField(StrEnum):
    """The fields that may hold an appointment's status (epic.md 4.2); the first component counts."""

    SCH_25 = "SCH-25"
    AIS_10 = "AIS-10"


class IdField(StrEnum):
    """The fields that may hold an appointment's id; the first component counts."""

    PV1_19 = "PV1-19"
    SCH_2 = "SCH-2"
    SCH_1 = "SCH-1"


@dataclass(frozen=True, slots=True)
class FieldMap:
    """How to read this sender. Only the zone has no default: HL7 times from Epic carry none.

    Raises ZoneInfoNotFoundError or ValueError for a zone that does not exist, ValueError for an unknown region.
    """

    zone: str  # IANA name
    region: str = "US"  # whose numbering plan a phone without country code belongs to
    csn_fields: tuple[IdField, ...] = (IdField.PV1_19, IdField.SCH_2, IdField.SCH_1)  # the first that is filled
    moved_from: IdField | None = IdField.SCH_2  # where S13 and S14 name the older appointment
    video_visit_types: frozenset[str] = frozenset()  # codes or names; empty: the feed holds video visits only
    home_phone: bool = False  # a shared line discloses, so only if the organisation says so
    work_phone: bool = False
    status_field: StatusField = StatusField.SCH_25
    status_actions: Mapping[str, Action] = field(default_factory=dict)  # statuses that outdo S12-S14; by default none
    triggers: frozenset[Trigger] = frozenset(get_args(Trigger))  # acted on
    content_types: frozenset[str] = frozenset(MediaType)
    provider_name: bool = False  # a text may name the provider; else the name is not even read
    processing_ids: frozenset[ProcessingId] = frozenset(get_args(ProcessingId))  # MSH-11 taken, and a missing one

    def __post_init__(self) -> None:
        ZoneInfo(self.zone)
        if not phone.is_region(self.region):
            raise ValueError("unknown region")

    @property
    def timezone(self) -> ZoneInfo:
        """The zone of times without an offset."""
        return ZoneInfo(self.zone)
