"""The invented world that the sandbox plays: one hospital, its people, their ids.

Every name and number here is made up. Phone numbers come from the range reserved for fiction
(555-0100 to 555-0199). Stand-ins, demo and tests read this; the connector never does.
"""

from dataclasses import dataclass

OPERATOR_TENANT = "0f0f0f0f-0000-4000-8000-000000000001"
LAMNA_TENANT = "1a1a1a1a-0000-4000-8000-000000000002"
FABRIKAM_TENANT = "2b2b2b2b-0000-4000-8000-000000000003"
TENANTS = {
    OPERATOR_TENANT: "Connector operations",
    LAMNA_TENANT: "Lamna Healthcare",
    FABRIKAM_TENANT: "Fabrikam Clinics",
}

#: App registrations in Entra. The API is what the portal and scripts call; the connector is what calls Graph.
API_APP = "a0000000-0000-4000-8000-00000000a001"
PORTAL_APP = "a0000000-0000-4000-8000-00000000a002"
CONNECTOR_APP = "a0000000-0000-4000-8000-00000000a003"
#: Event Grid's own first-party application and Graph's change tracking (microsoft-apis.md 2b).
EVENT_GRID_APP = "4962773b-9cdb-44cf-a8bf-237846a00ab7"
GRAPH_CHANGE_TRACKING_APP = "0bf30f3b-4a52-48df-9a82-234910c4a086"
#: What is registered for them in Entra: redirect URIs (paths on the app and on the portal), the API's one scope,
#: the connector's password (its certificate is the plan's `connector`) and its Graph application permissions.
CONNECTOR_REDIRECTS = ("/launch/sign-in/callback", "/config/consent-callback")
PORTAL_REDIRECTS = ("/", "/index.html")
API_SCOPE = "access_as_user"
CONNECTOR_SECRET = "sandbox~connector~secret"
GRAPH_ROLES = (
    "OnlineMeetings.ReadWrite.All",
    "OnlineMeetingArtifact.Read.All",
    "CallRecords.Read.All",
    "User.Read.All",
)
#: Hospitals whose administrator has consented to the connector before the sandbox starts.
CONSENTED_TENANTS = (LAMNA_TENANT,)
#: The Function Apps' managed identity and the header that proves a caller runs inside them (IDENTITY_HEADER).
MANAGED_IDENTITY = "a0000000-0000-4000-8000-00000000a004"
MANAGED_IDENTITY_OID = "c0000000-0000-4000-8000-0000000000a4"
MANAGED_IDENTITY_HEADER = "sandbox-identity-header"


@dataclass(frozen=True)
class User:
    """Someone who signs in with Entra; `roles` are those of the API app."""

    key: str
    name: str
    upn: str
    oid: str
    tenant: str
    roles: tuple[str, ...] = ()


USERS = {
    user.key: user
    for user in (
        User(
            "olivia",
            "Olivia Operator",
            "olivia@ops.example",
            "c0000000-0000-4000-8000-000000000001",
            OPERATOR_TENANT,
            ("Operator",),
        ),
        User(
            "adam",
            "Adam Admin",
            "adam@lamna.example",
            "c0000000-0000-4000-8000-000000000002",
            LAMNA_TENANT,
            ("ConfigAdmin",),
        ),
        User(
            "ana",
            "Ana Analyst",
            "ana@lamna.example",
            "c0000000-0000-4000-8000-000000000003",
            LAMNA_TENANT,
            ("Approver",),
        ),
        User("paula", "Paula Provider", "paula@lamna.example", "c0000000-0000-4000-8000-000000000004", LAMNA_TENANT),
        User("noor", "Noor Nurse", "noor@lamna.example", "c0000000-0000-4000-8000-000000000005", LAMNA_TENANT),
        User("rooms", "Virtual Visits", "rooms@lamna.example", "c0000000-0000-4000-8000-000000000006", LAMNA_TENANT),
        User(
            "rooms2", "Virtual Visits 2", "rooms2@lamna.example", "c0000000-0000-4000-8000-000000000007", LAMNA_TENANT
        ),
        User(
            "rita",
            "Rita Reader",
            "rita@lamna.example",
            "c0000000-0000-4000-8000-000000000008",
            LAMNA_TENANT,
            ("ReportReader",),
        ),
        User(
            "mallory",
            "Mallory Elsewhere",
            "mallory@fabrikam.example",
            "c0000000-0000-4000-8000-000000000009",
            FABRIKAM_TENANT,
            ("ConfigAdmin", "Approver"),
        ),
    )
}

#: Client ids that the hospital's Epic gave to the connector's three apps, test environment and production.
EPIC_APPS = {
    ("test", "provider"): "e0000000-0000-4000-8000-0000000000a1",
    ("test", "patient"): "e0000000-0000-4000-8000-0000000000b1",
    ("test", "backend"): "e0000000-0000-4000-8000-0000000000c1",
    ("production", "provider"): "e0000000-0000-4000-8000-0000000000a2",
    ("production", "patient"): "e0000000-0000-4000-8000-0000000000b2",
    ("production", "backend"): "e0000000-0000-4000-8000-0000000000c2",
}
#: Paths of the hospital's two Epic instances on the Epic stand-in; the FHIR base adds /api/FHIR/R4.
EPIC_INSTANCES = {"test": "/interconnect-test", "production": "/interconnect-prod"}


@dataclass(frozen=True)
class EpicUser:
    """Someone Epic knows. `external_id` is the EMP id (staff) or WPR id (MyChart); `kind` as in fhirUser."""

    key: str
    kind: str  # Practitioner | Patient | RelatedPerson
    fhir_id: str
    external_id: str
    first: str
    last: str
    login: str = ""
    password: str = ""


EPIC_USERS = {
    user.key: user
    for user in (
        EpicUser(
            "paula", "Practitioner", "ePaulaPractitioner00001", "19001", "Paula", "Provider", "PPROVIDER", "hyperspace"
        ),
        EpicUser("noor", "Practitioner", "eNoorPractitioner000002", "19002", "Noor", "Nurse", "NNURSE", "hyperspace"),
        EpicUser("ana", "Practitioner", "eAnaPractitioner0000003", "19003", "Ana", "Analyst", "AANALYST", "hyperspace"),
        EpicUser("pat", "Patient", "ePatPatient000000000001", "70001", "Pat", "Quillfeather", "pat", "mychart"),
        EpicUser("mo", "Patient", "eMoPatient0000000000002", "70002", "Mo", "Umberslade", "mo", "mychart"),
        EpicUser(
            "prue", "RelatedPerson", "ePrueProxy0000000000003", "70003", "Prue", "Quillfeather", "prue", "mychart"
        ),
    )
}
#: Where the hospital's Epic expects SetExternalConnectionStatus, below the instance path (epic.md 2.1).
WRITE_BACK_PATH = "/api/epic/2018/Telehealth/ContextLinking/SetExternalConnectionStatus"

#: The Communication Services resource: a toll-free number that may text, one whose verification is pending, the key.
ACS_NUMBER = "+18335550100"
ACS_UNVERIFIED_NUMBER = "+18335550101"
ACS_ACCESS_KEY = "c2FuZGJveC1vbmx5LWNvbW11bmljYXRpb24tc2VydmljZXMta2V5LTAwMDAwMDE="
#: Whose MyChart a proxy opens.
EPIC_PROXIES = {"prue": "pat"}
#: The account that Epic's security team made for the connector's Basic write-back, without `emp$`: user, password.
EPIC_WRITE_BACK_ACCOUNT = ("VVCONNECT", "write-back-password")
