"""What Epic's Appointment or Encounter says of a visit (epic.md 3.5): its CSN, its times, its kind, who takes part.

Epic's own example breaks the standard, so the library judges and does not decide: only the few fields we need are
read, whether the resource conforms or not. No text of its judgement goes on: it quotes names and numbers.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shared.domain.advanced import FhirSetup
from shared.domain.connection import LaunchSetup

#: Ends of the systems by which Epic codes kinds of visits; what stands before differs from one Epic to the next.
_VISIT_TYPE = ".7.2.808267"
_ENCOUNTER_TYPE = ".7.10.698084.30"


@dataclass(frozen=True)
class Booked:
    """What was read.

    csn          None when no identifier is a CSN
    start, end   None when missing, or a day without a time
    people       references such as `Patient/eNO3`, of all who take part
    conforms     False: the resource is none that FHIR R4 allows
    visit_types, encounter_types   codes and names, by which Epic tells kinds of Appointments and Encounters apart
    """

    csn: str | None = field(repr=False)
    start: datetime | None
    end: datetime | None
    people: frozenset[str] = field(repr=False)
    conforms: bool
    visit_types: frozenset[str] = frozenset()
    encounter_types: frozenset[str] = frozenset()


def booked(resource: dict[str, Any], csn_systems: Iterable[str] = FhirSetup().csn_systems) -> Booked:
    """Read an Appointment or an Encounter. What is missing or of another shape stays out.

    csn_systems   how the identifier systems of a CSN end, the one that counts most first
    """
    period = _member(resource, "period") or resource  # an Encounter's times stand one level down
    actors = [_member(one, "actor") or _member(one, "individual") for one in _members(resource, "participant")]
    return Booked(
        csn=next(filter(None, (_identifier(resource, end) for end in csn_systems)), None),
        start=_time(_text(period, "start")),
        end=_time(_text(period, "end")),
        people=frozenset(filter(None, map(_reference, [*actors, _member(resource, "subject")]))),
        conforms=_conforms(resource),
        visit_types=_types(resource, _VISIT_TYPE),
        encounter_types=_types(resource, _ENCOUNTER_TYPE),
    )


def is_video(found: Booked, setup: LaunchSetup) -> bool | None:
    """Whether this hospital calls such a visit a video visit; None: nobody said what is one, or what this is."""
    told = ((setup.video_visit_types, found.visit_types), (setup.video_encounter_types, found.encounter_types))
    return next((bool(types.intersection(wanted)) for wanted, types in told if wanted and types), None)


def _conforms(resource: dict[str, Any]) -> bool:
    # Imported when first needed: the library is large, and most launches read nothing.
    from fhir.resources.R4B.appointment import Appointment  # noqa: PLC0415
    from fhir.resources.R4B.encounter import Encounter  # noqa: PLC0415

    kinds: dict[str, Any] = {"Appointment": Appointment, "Encounter": Encounter}
    kind = kinds.get(_text(resource, "resourceType"))
    try:
        return kind is not None and bool(kind.model_validate(resource))
    except (ValueError, TypeError, RecursionError):  # pydantic's refusal is a ValueError
        return False


def _identifier(resource: dict[str, Any], end: str) -> str:
    found = (one for one in _members(resource, "identifier") if _text(one, "system").endswith(end))
    return next((_text(one, "value") for one in found), "")


def _types(resource: dict[str, Any], end: str) -> frozenset[str]:
    """Epic's own codes only: others beside them, of the standard, say less."""
    concepts = (*_members(resource, "serviceType"), *_members(resource, "type"))
    codings = [coding for concept in concepts for coding in _members(concept, "coding")]
    ours = [coding for coding in codings if _text(coding, "system").endswith(end)]
    return frozenset(filter(None, (_text(coding, name) for coding in ours for name in ("code", "display"))))


def _reference(actor: dict[str, Any]) -> str:
    """The last two parts: a reference may be a whole address."""
    return "/".join(_text(actor, "reference").split("/")[-2:])


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None


def _text(source: dict[str, Any], name: str) -> str:
    value = source.get(name)
    return value if isinstance(value, str) else ""


def _member(source: dict[str, Any], name: str) -> dict[str, Any]:
    value = source.get(name)
    return value if isinstance(value, dict) else {}


def _members(source: dict[str, Any], name: str) -> list[dict[str, Any]]:
    value = source.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
