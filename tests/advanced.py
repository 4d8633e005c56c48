"""The table of docs/advanced.md: each unknown of Epic, the settings for it, their defaults and what they do."""

import json
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from shared.domain.connection import EpicSide, OwnSide

_CONTEXT = ("csn", "session", "conference", "external_id", "department", "first_name", "last_name")
_WRITE_BACK = ("sink", "url", "authentication", "vendor_name", "connected", "disconnected", "headers", "success_member",
               "success_value", "retryable_codes")  # fmt: skip
_PATIENTS = ("patient_external_id", "patient_department")

#: What is not public of Epic -> the settings for it, as the API names them.
ROWS: dict[str, tuple[str, ...]] = {
    "FDI and CONTEXT": (
        "own.launch.launch_type",
        "own.launch.record_rows",
        *(f"own.launch.context.{name}" for name in _CONTEXT),
        *(f"own.launch.mnemonics.{name}" for name in (*_CONTEXT, *_PATIENTS)),
    ),
    "meeting key": ("own.launch.meeting_key",),
    "write-back": tuple(f"epic.write_back.{name}" for name in _WRITE_BACK),
    "FHIR/OAuth": (
        "epic.accepted_iss",
        "epic.authentication",
        "epic.pkce",
        *(f"epic.fhir.{name}" for name in ("version", "csn_systems", "scopes", "authorize", "calls_per_minute")),
    ),
    '"is video"': (
        "own.hl7.video_visit_types",
        "own.launch.video_visit_types",
        "own.launch.video_encounter_types",
    ),
    "SIU feed": (
        *(f"own.hl7.{name}" for name in ("events", "processing_ids", "csn_fields", "moved_from")),
        *(f"own.hl7.{name}" for name in ("status_field", "status_actions")),
        "own.time_zone",
        "own.region",
        "own.hl7.home_phone",
        "own.hl7.work_phone",
    ),
    "HL7 origin proof": ("own.certificates", "own.hl7.content_types"),
}
#: Settings of the same models that no unknown of Epic is behind.
PLAIN = frozenset(
    {"epic.fhir_base_url", "epic.provider_client_id", "epic.patient_client_id", "epic.backend_client_id"}
    | {"own.approver", "own.organisers", "own.sms"}
    | {f"own.launch.{name}" for name in ("frame_ancestors", "patient_early_minutes", "late_minutes")}
)


def advanced(_before: str) -> str:
    """The table, row by row."""
    return "\n\n".join(f"## {row}\n\n{_table(paths)}" for row, paths in ROWS.items())


def setting(path: str) -> FieldInfo:
    """The field behind a path such as `own.launch.meeting_key`."""
    side, *names = path.split(".")
    model: Any = {"epic": EpicSide, "own": OwnSide}[side]
    for name in names[:-1]:
        model = model.model_fields[name].annotation
    found: FieldInfo = model.model_fields[names[-1]]
    return found


def paths(model: type[BaseModel], at: str) -> list[str]:
    """Every setting of a side; what holds settings is followed where each has a default of its own."""
    found = []
    for name, field in model.model_fields.items():
        inner = field.annotation
        whole = f"{at}.{name}"
        follow = isinstance(inner, type) and issubclass(inner, BaseModel) and whole not in PLAIN
        found += paths(inner, whole) if follow else [whole]
    return found


def default(field: FieldInfo) -> str:
    """A default as JSON has it; empty when there is none."""
    if field.is_required():
        return "none: must be given"
    kind: TypeAdapter[Any] = TypeAdapter(field.annotation)
    return f"`{json.dumps(kind.dump_python(field.default, mode='json'))}`"


def _table(named: tuple[str, ...]) -> str:
    rows = [(f"`{path}`", default(setting(path)), setting(path).description or "") for path in named]
    lines = [("setting", "default", "what it does"), ("---",) * 3, *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)
