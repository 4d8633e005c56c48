"""Who and what is registered: tenants, people, applications, the services they may call, and consent."""

from dataclasses import dataclass
from uuid import NAMESPACE_OID, uuid5

from cryptography import x509

from sandbox import plan, world
from sandbox.entra.refusals import Refusal

#: Tenants in a path that stand for "the user's own".
ANY_TENANT = ("common", "organizations")
GRAPH = "https://graph.microsoft.com"
COMMUNICATION = "https://communication.azure.com"
STORAGE = "https://storage.azure.com"
DEFAULT_GRAPH_SCOPE = f"{GRAPH}/.default"
#: What a managed identity's token is for when it stands in for an app's credential, and the audience it carries.
TOKEN_EXCHANGE = "api://AzureADTokenExchange"
TOKEN_EXCHANGE_AUDIENCE = "fb60f99c-7a34-4190-8149-302f77469936"
#: Services whose instances belong to the operator, who runs them in the operator's tenant.
OPERATED = (COMMUNICATION, STORAGE)
OPENID_SCOPES = ("openid", "profile", "email", "offline_access")
ADMIN_ROLES = {"ConfigAdmin", "Operator"}


@dataclass(frozen=True)
class Registration:
    """An application: `redirects` are whole addresses; `scopes` those of the API it may ask for."""

    client_id: str
    name: str
    redirects: tuple[str, ...] = ()
    spa: bool = False
    scopes: tuple[str, ...] = ()
    secret: str | None = None
    certificate: x509.Certificate | None = None


@dataclass(frozen=True)
class Principal:
    """An application as it stands in one tenant, with its permissions on the service it calls."""

    tenant: str
    client_id: str
    oid: str
    roles: tuple[str, ...] = ()


class Directory:
    """The registrations of the sandbox's world, and the consents given so far."""

    def __init__(self, layout: plan.Plan) -> None:
        self.registrations = {app.client_id: app for app in _registrations(layout)}
        #: Tenant -> the connector's permissions there. In its own tenant it exists without any.
        self.granted: dict[str, tuple[str, ...]] = {world.OPERATOR_TENANT: ()}
        for tenant in world.CONSENTED_TENANTS:
            self.consent(tenant)

    def consent(self, tenant: str) -> None:
        """An administrator accepts what the connector asks for."""
        self.granted[tenant] = world.GRAPH_ROLES

    def registration(self, client_id: str) -> Registration:
        """The application of this id. Raises Refusal."""
        if client_id not in self.registrations:
            raise Refusal(700016, client_id)
        return self.registrations[client_id]


def tenant(name: str) -> str:
    """A tenant id, or one of `ANY_TENANT`. Raises Refusal."""
    if name not in world.TENANTS and name not in ANY_TENANT:
        raise Refusal(90002)
    return name


def one_tenant(name: str) -> str:
    """A tenant id and nothing vaguer. Raises Refusal."""
    if tenant(name) in ANY_TENANT:
        raise Refusal(50059)
    return name


def users_of(tenant_name: str) -> list[world.User]:
    """Who may sign in at this tenant's address."""
    return [user for user in world.USERS.values() if tenant_name in (*ANY_TENANT, user.tenant)]


def user_of(tenant_name: str, key: str) -> world.User:
    """The user picked on a page. Raises Refusal for one who does not belong there."""
    for user in users_of(tenant_name):
        if user.key == key:
            return user
    raise Refusal(50020)


def principal(tenant_id: str, client_id: str, roles: tuple[str, ...]) -> Principal:
    """An application's service principal; its object id differs from tenant to tenant."""
    return Principal(tenant_id, client_id, str(uuid5(NAMESPACE_OID, f"{tenant_id}/{client_id}")), roles)


def _registrations(layout: plan.Plan) -> tuple[Registration, ...]:
    app, portal = layout.urls["app"], layout.urls["portal"]
    certificate = layout.path("connector_cert")
    return (
        Registration(world.API_APP, "Virtual visit connector API"),
        Registration(
            world.PORTAL_APP,
            "Virtual visit portal",
            redirects=tuple(portal + path for path in world.PORTAL_REDIRECTS),
            spa=True,
            scopes=(f"api://{world.API_APP}/{world.API_SCOPE}", f"{world.API_APP}/{world.API_SCOPE}"),
        ),
        Registration(
            world.CONNECTOR_APP,
            "Virtual visit connector",
            redirects=tuple(app + path for path in world.CONNECTOR_REDIRECTS),
            secret=world.CONNECTOR_SECRET,
            certificate=x509.load_pem_x509_certificate(certificate.read_bytes()) if certificate.exists() else None,
        ),
    )
