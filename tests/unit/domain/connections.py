"""Settings of a connection, as tests start from them."""

from typing import Any
from uuid import UUID

from shared.domain.connection import Approver, EpicSide, Organisation, OwnSide, WriteBack

LAMNA = Organisation(tenant=UUID("1a1a1a1a-0000-4000-8000-000000000002"), id="lamna", name="Lamna Healthcare")
BASE = "https://epic.lamna.example/interconnect/api/FHIR/R4"


def epic_side(**changes: Any) -> EpicSide:
    """What Epic must agree to."""
    usual: dict[str, Any] = {
        "fhir_base_url": BASE,
        "provider_client_id": "provider",
        "patient_client_id": "patient",
        "backend_client_id": "backend",
        "write_back": WriteBack(url="https://epic.lamna.example/write-back"),
    }
    return EpicSide(**usual | changes)


def own_side(**changes: Any) -> OwnSide:
    """What the hospital decides."""
    approver = Approver(oid=UUID("c0000000-0000-4000-8000-000000000003"), upn="ana@lamna.example")
    return OwnSide(**{"approver": approver, "time_zone": "America/Chicago"} | changes)
