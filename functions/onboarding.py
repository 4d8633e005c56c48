"""The way in: access requests, organisations, stages and checklist, admin consent."""

from typing import Annotated, Literal
from uuid import UUID

import azure.functions as func
from pydantic import Field

from shared.api import ADMINISTRATORS, ANYBODY, BOTH, OPERATORS, Call, Page, Paging, operation, paged
from shared.bootstrap import deps
from shared.domain.connection import Organisation, OrganisationId
from shared.domain.model import Model
from shared.domain.onboarding import AccessRequest, Onboarding, SharedBase, Wanted
from shared.errors import Code, Refused
from shared.web import page
from shared.web import shown as people_see
from shared.workflows import consent, fhir_bases, onboarding

bp = func.Blueprint()


class Declined(Model):
    """Why the operator says no; the person who asked reads it."""

    reason: Annotated[str, Field(min_length=1, max_length=500)]


class OrganisationShown(Organisation):
    """One with its tag, for If-Match."""

    change: str


class SharedBaseShown(SharedBase):
    """One with its tag, for If-Match."""

    change: str


class Organisations(Paging):
    """Whose organisations. Only an operator may name a tenant; without one they see all."""

    tenant: UUID | None = None


class Which(Model):
    """An organisation of the caller's tenant; none: the first."""

    organisation: OrganisationId | None = None


class Ticked(Which):
    """Whether a prerequisite is met."""

    done: bool


class ConsentAsked(Model):
    """Where the tenant's administrator answers; `id` leads to what became of it."""

    id: str
    url: str


class ConsentState(Model):
    """unproven: Entra says yes, but Graph does not let us in yet; the address that Entra led to may be loaded again."""

    id: str
    state: Literal["waiting", "refused", "unproven", "granted"]


@operation(bp, "POST", "config/access-requests", roles=ANYBODY, status=201)
async def request_access(call: Call, body: Wanted) -> AccessRequest:
    """Ask the operator to let an organisation of the caller's tenant in."""
    return await onboarding.ask(body, call.who, deps())


@operation(bp, "GET", "config/access-requests", roles=OPERATORS)
async def list_requests(call: Call, query: Paging) -> Page[AccessRequest]:
    """All requests of all tenants, for the operator."""
    del call
    return paged(await deps().onboarding.requests(None), lambda one: one.id, query)


@operation(bp, "POST", "config/access-requests/{request}/refusals", roles=OPERATORS)
async def decline_request(call: Call, body: Declined) -> AccessRequest:
    """The operator declines a request, with a reason."""
    return await onboarding.decline(call.path["request"], body.reason, call.who, deps())


@operation(bp, "PUT", "config/organisations", roles=OPERATORS, guards=True)
async def enable_organisation(call: Call, body: Organisation) -> OrganisationShown:
    """The operator lets an organisation in, changes its entitlement, or switches it off and on."""
    await onboarding.let_in(body, call.who, deps(), call.expects)
    return OrganisationShown(**dict(body), change=body.tag)


@operation(bp, "GET", "config/organisations", roles=ANYBODY)
async def list_organisations(call: Call, query: Organisations) -> Page[OrganisationShown]:
    """The organisations of the caller's tenant; for an operator those of a tenant, or all."""
    own = UUID(call.who.tenant)
    operator = "Operator" in call.who.roles
    if not operator and query.tenant not in {None, own}:
        raise Refused(Code.ROLE_MISSING)
    found = await deps().connections.organisations(query.tenant if operator else own)
    seen = [OrganisationShown(**dict(one), change=one.tag) for one in found]
    return paged(seen, lambda one: f"{one.tenant}|{one.id}", query)


@operation(bp, "PUT", "config/shared-bases", roles=OPERATORS, guards=True)
async def share_base(call: Call, body: SharedBase) -> SharedBaseShown:
    """The operator lets other tenants of a network use a FHIR base URL; without children, no longer."""
    await fhir_bases.share(body, deps(), call.expects)
    return SharedBaseShown(**dict(body), change=body.tag)


@operation(bp, "GET", "config/shared-bases", roles=OPERATORS)
async def list_shared_bases(call: Call, query: Paging) -> Page[SharedBaseShown]:
    """Every FHIR base URL that tenants share."""
    del call
    seen = [SharedBaseShown(**dict(one), change=one.tag) for one in await fhir_bases.shared(deps())]
    return paged(seen, lambda one: one.fhir_base_url, query)


@operation(bp, "GET", "config/onboarding", roles=BOTH)
async def show_onboarding(call: Call, query: Which) -> Onboarding:
    """How far the caller's organisation has come: requests, consent, stages, prerequisites."""
    return await onboarding.view(query.organisation, call.who, deps())


@operation(bp, "PUT", "config/onboarding/prerequisites/{prerequisite}", roles=ADMINISTRATORS)
async def tick_prerequisite(call: Call, body: Ticked) -> Onboarding:
    """Say whether a prerequisite is met."""
    name = call.path["prerequisite"]
    await onboarding.tick(name, body.organisation, call.who, deps(), done=body.done)
    return await onboarding.view(body.organisation, call.who, deps())


@operation(bp, "POST", "config/consents", roles=ADMINISTRATORS, status=201)
async def ask_consent(call: Call) -> ConsentAsked:
    """Begin admin consent of the caller's own tenant: the answer says where its administrator gives it."""
    asked = await consent.begin(call.who, deps())
    return ConsentAsked(id=asked.id, url=asked.url)


@operation(bp, "GET", "config/consents/{consent}", roles=ADMINISTRATORS)
async def show_consent(call: Call) -> ConsentState:
    """What became of a question that the caller asked."""
    state = await consent.progress(call.path["consent"], call.who, deps())
    return ConsentState(id=call.path["consent"], state=state)


@bp.route("config/consent-callback", methods=["GET"])
@people_see
async def consent_answered(req: func.HttpRequest) -> func.HttpResponse:
    """Entra sends the administrator's browser back. What its query says is not believed: it is tried."""
    agreed = req.params.get("admin_consent", "").lower() == "true" and "error" not in req.params
    state, tenant = req.params.get("state", ""), req.params.get("tenant", "")
    return _SAID[await consent.arrive(state, tenant, deps(), agreed=agreed)]()


def _granted() -> func.HttpResponse:
    return page(
        "The connector is let in",
        "<p>Your organisation's consent works. You can close this page and go on where you began.</p>",
    )


def _unproven() -> func.HttpResponse:
    return page(
        "Almost there",
        "<p>Microsoft has taken your consent, but it does not work yet. It may take some minutes: "
        "please load this page again.</p>",
    )


def _refused() -> func.HttpResponse:
    return page(
        "Consent was not given",
        "<p>The connector may not read anything of your organisation. You can begin again where you came from.</p>",
    )


_SAID = {"granted": _granted, "unproven": _unproven, "refused": _refused, "waiting": _unproven}
