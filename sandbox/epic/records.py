"""What an Epic analyst types in: app records, FDI records, and how an instance behaves."""

from itertools import product
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, HttpUrl

from sandbox import plan, world

UserType = Literal["Practitioner", "Patient", "RelatedPerson"]
InstanceKey = Literal["test", "production"]
WRITE_BACK_API = "SetExternalConnectionStatus"
IDENTITY_SCOPES = ["launch", "openid", "fhirUser", "profile", "launch/patient", "launch/encounter"]
USER_TYPES: dict[str, list[UserType]] = {
    "provider": ["Practitioner"],
    "patient": ["Patient", "RelatedPerson"],
    "backend": [],
}
SCOPE_CONTEXTS = {"provider": ("user", "patient"), "patient": ("patient",), "backend": ("system",)}
FHIR_APIS = ["Appointment.Read", "Appointment.Search", "Encounter.Read", "Patient.Read", "Practitioner.Read"]
Digits = Annotated[str, Field(pattern=r"^[0-9]{1,20}$")]


class Record(BaseModel):
    """A record knows its members and refuses others."""

    model_config = ConfigDict(extra="forbid")


class AppRecord(Record):
    """One app as Epic's registration holds it.

    secret        None = none; may hold `+ / =`
    public        True = may come without credentials, with PKCE
    incoming_apis what it may call at all; Read and Search are separate (3.2)
    oauth_folder  differs from `oauth2` where the endpoints are overridden for this client id (1.4)
    mapped_user   False = no Epic user stands behind the backend app, so no token issues (3.3)
    synced        False = registered, and not known to this Epic yet: that takes about 12 hours (3.3)
    """

    client_id: str
    role: Literal["provider", "patient", "backend"]
    redirect_uris: list[str] = []
    jwks_url: str | None = None
    secret: str | None = None
    public: bool = False
    user_types: list[UserType]
    scopes: list[str]
    incoming_apis: list[str]
    fhir_version: Literal["R4", "DSTU2"] = "R4"
    oauth_folder: Annotated[str, Field(pattern=r"^oauth2(-[a-z0-9]+)?$")] = "oauth2"
    mapped_user: bool = True
    synced: bool = True


class Options(Record):
    """How one instance behaves; the defaults are a current Epic.

    smart_configuration  False = before August 2021: `.well-known` answers 404
    pkce                 False = before August 2019: the parameters are unknown and ignored
    id_token_iss         `2020` = .../oauth2, `2018` = .../oauth2/token
    id_token_claims      replaces claims; null takes one out
    id_token_signature   `own`; `none` = alg none; `hs256` = HMAC with the public key; `stranger` = another key
    omit                 members left out of every token response
    trailing_comma       the token response ends in `,}` as in Epic's example
    bare_scopes          `Patient.read` instead of `patient/Patient.read` in the token response
    encounter_period     `date` = without times
    break_the_glass      FHIR ids that answer 4130
    empty_launch         every launch is sent with an empty `launch`
    write_back_code      SetExternalConnectionStatus fails with this code, whatever is asked
    write_back_headers   headers without which SetExternalConnectionStatus fails with MISSING-HEADER
    write_back_in_body   True = always 200, and `{"Result": {"Success": ..}}` says whether it was taken
    authorize_by_get     False = an EHR launch must be posted
    version_by_accept    True = a FHIR read must name `fhirVersion=4.0`, else 406
    cid, environment     two parts of the OIDs: 1 Epic, 2 production, 3 non-production
    csn_system           the end of the CSN's OID
    """

    smart_configuration: bool = True
    pkce: bool = True
    id_token_iss: Literal["2020", "2018"] = "2020"
    id_token_claims: dict[str, Any] = {}
    id_token_signature: Literal["own", "none", "hs256", "stranger"] = "own"
    omit: list[str] = []
    trailing_comma: bool = False
    bare_scopes: bool = True
    encounter_period: Literal["datetime", "date"] = "datetime"
    break_the_glass: list[str] = []
    empty_launch: bool = False
    write_back_code: Annotated[str, Field(pattern=r"^[A-Z0-9-]+$")] | None = None
    write_back_headers: dict[str, str] = {}
    write_back_in_body: bool = False
    authorize_by_get: bool = True
    version_by_accept: bool = False
    launch_seconds: int = 300
    code_seconds: int = 300
    expires_in: int = 3240
    cid: Digits = "5325"
    environment: Literal["1", "2", "3"] = "3"
    csn_system: Annotated[str, Field(pattern=r"^(\.[0-9]+)+$")] = ".7.3.698084.8"


class FdiRecord(Record):
    """Where a button leads (1.2). Group visits have records of their own; the same key typed again replaces."""

    instance: InstanceKey = "test"
    role: Literal["provider", "patient"]
    launch_url: HttpUrl
    client_id: str
    context: str = ""
    group: bool = False


class AppointmentOrder(Record):
    """An appointment as the scheduling desk enters it; `patient` and `practitioner` are keys of EPIC_USERS."""

    instance: InstanceKey = "test"
    csn: Digits
    patient: str
    practitioner: str
    start: AwareDatetime
    minutes: Annotated[int, Field(gt=0)] = 30
    visit_type: str = "6"
    visit_type_name: str = "Office Visit"
    encounter_type: str = "101"
    conference_id: Digits | None = None
    encounter: bool = True
    department: Digits = "10101"
    status: Literal["proposed", "pending", "booked", "arrived", "fulfilled", "cancelled", "noshow", "checked-in"] = (
        "booked"
    )


class LaunchOrder(Record):
    """One press of "Begin virtual visit".

    role        None = what the user's kind says
    conference  a group conference the appointment does not itself name
    ad_hoc      the CSN has no appointment; `patient` says whose chart is open
    omit, extra members left out of, and put into, this launch's token response
    iss         which FHIR base is sent
    """

    instance: InstanceKey = "test"
    user: str
    csn: Digits
    role: Literal["provider", "patient"] | None = None
    conference: Digits | None = None
    ad_hoc: bool = False
    patient: str | None = None
    omit: list[str] = []
    extra: dict[str, Any] = {}
    empty_launch: bool = False
    iss: Literal["R4", "DSTU2"] = "R4"


def seed_apps(urls: plan.Plan, instance: str) -> dict[str, AppRecord]:
    """The connector's three apps as they stand after registration, by client id."""
    apps = [
        _app(urls, instance, role, client_id)
        for (environment, role), client_id in world.EPIC_APPS.items()
        if environment == instance
    ]
    return {app.client_id: app for app in apps}


def _app(urls: plan.Plan, instance: str, role: str, client_id: str) -> AppRecord:
    app = urls.urls["app"]
    redirects = {
        "provider": [f"{app}/launch/callback", f"{app}/config/epic-callback"],
        "patient": [f"{app}/launch/callback"],
        "backend": [],
    }
    resources = sorted({api.split(".")[0] for api in FHIR_APIS})
    wording = ("read", "search", "r", "s", "rs")
    scopes = [f"{about}/{res}.{may}" for about, res, may in product(SCOPE_CONTEXTS[role], resources, wording)]
    return AppRecord.model_validate(
        {
            "client_id": client_id,
            "role": role,
            "redirect_uris": redirects[role],
            "jwks_url": f"{app}/jwks/{instance}",
            "user_types": USER_TYPES[role],
            "scopes": scopes if role == "backend" else IDENTITY_SCOPES + scopes,
            "incoming_apis": [*FHIR_APIS, WRITE_BACK_API] if role == "backend" else FHIR_APIS,
        }
    )
