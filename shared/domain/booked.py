"""What Epic's Appointment or Encounter says of a visit (epic.md 3.5): its CSN, its times, who takes part.

Epic's own example breaks the standard, so the library judges and does not decide: only the few fields we need are
read, whether the resource conforms or not. No text of its judgement goes on: it quotes names and numbers.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

#: The identifier system of a CSN ends so at every Epic; what stands before differs from one to the next.
_CSN = ".7.3.698084.8"


@dataclass(frozen=True)
class Booked:
    """What was read.

    csn          None when no identifier is a CSN
    start, end   None when missing, or a day without a time
    people       references such as `Patient/eNO3`, of all who take part
    conforms     False: the resource is none that FHIR R4 allows
    """

    csn: str | None = field(repr=False)
    start: datetime | None
    end: datetime | None
    people: frozenset[str] = field(repr=False)
    conforms: bool


def booked(resource: dict[str, Any]) -> Booked:
    """Read an Appointment or an Encounter. What is missing or of another shape stays out."""
    period = _member(resource, "period") or resource  # an Encounter's times stand one level down
    actors = [_member(one, "actor") or _member(one, "individual") for one in _members(resource, "participant")]
    return Booked(
        csn=next((_text(one, "value") for one in _members(resource, "identifier") if _is_csn(one)), None) or None,
        start=_time(_text(period, "start")),
        end=_time(_text(period, "end")),
        people=frozenset(filter(None, map(_reference, [*actors, _member(resource, "subject")]))),
        conforms=_conforms(resource),
    )


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


def _is_csn(identifier: dict[str, Any]) -> bool:
    return _text(identifier, "system").endswith(_CSN)


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
