"""What Entra says when it refuses: AADSTS number, OAuth error, HTTP status.

Numbers and wording follow Microsoft's public list of AADSTS error codes. Where Entra's own number is not
known the nearest one stands, so clients should read `error`, not the number.
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from aiohttp import web

#: number: (OAuth error, HTTP status, text)
REFUSALS: dict[int, tuple[str, int, str]] = {
    28002: ("invalid_scope", 400, "Provided value for the input parameter scope is not valid."),
    50011: ("invalid_request", 400, "The redirect URI specified in the request does not match those registered."),
    50020: ("invalid_grant", 400, "The user account does not exist in the tenant."),
    50027: ("invalid_client", 401, "The client assertion is not a well-formed JWT."),
    50058: ("login_required", 400, "A silent sign-in request was sent but no user is signed in."),
    50059: ("invalid_request", 400, "No tenant-identifying information found in the request."),
    50148: ("invalid_grant", 400, "The code_verifier does not match the code_challenge."),
    50149: ("invalid_request", 400, "Invalid code_challenge_method parameter: S256 is required."),
    54005: ("invalid_grant", 400, "The authorization code was already redeemed."),
    65001: ("invalid_grant", 400, "The user or administrator has not consented to use the application."),
    65004: ("access_denied", 400, "The user declined."),
    70000: ("invalid_grant", 400, "The provided grant is invalid or malformed."),
    70003: ("unsupported_grant_type", 400, "The app returned an unsupported grant type."),
    70005: ("unsupported_response_type", 400, "The response_type is not supported: use 'code'."),
    70007: ("invalid_request", 400, "The response_mode is not supported: use 'query' or 'fragment'."),
    70008: ("invalid_grant", 400, "The authorization code has expired."),
    70011: ("invalid_scope", 400, "The provided value for the input parameter 'scope' is not valid."),
    90002: ("invalid_request", 400, "The tenant was not found."),
    90014: ("invalid_request", 400, "A required field is missing."),
    90023: ("invalid_request", 400, "The value of the parameter 'prompt' is not valid."),
    90094: ("access_denied", 400, "An administrator has to consent."),
    500011: ("invalid_resource", 400, "The resource principal was not found in the tenant."),
    501491: ("invalid_request", 400, "Invalid size of the code_challenge parameter."),
    650053: ("invalid_client", 400, "The application asked for a scope that it is not registered for."),
    700016: ("unauthorized_client", 400, "The application was not found in the directory."),
    700021: ("invalid_client", 401, "The assertion's application identifier does not match 'client_id'."),
    700023: ("invalid_client", 401, "The client assertion's audience is not this token endpoint."),
    700024: ("invalid_client", 401, "The client assertion is not within its valid time range."),
    700025: ("invalid_client", 401, "The client is public: neither assertion nor secret should be presented."),
    700027: ("invalid_client", 401, "The client assertion's key is not registered or its signature is not valid."),
    700211: ("invalid_client", 401, "No federated identity record matches the assertion's issuer."),
    700212: ("invalid_client", 401, "No federated identity record matches the assertion's audience."),
    700213: ("invalid_client", 401, "No federated identity record matches the assertion's subject."),
    900144: ("invalid_request", 400, "The request must contain a parameter that is missing."),
    900561: ("invalid_request", 405, "The endpoint does not accept this method."),
    1000502: ("invalid_client", 401, "The certificate is not within its specified validity period."),
    1002012: ("invalid_scope", 400, "Client credential flows need one scope: the resource identifier and /.default."),
    7000215: ("invalid_client", 401, "Invalid client secret provided."),
    7000216: ("invalid_client", 401, "The client_assertion_type is not supported."),
    7000218: ("invalid_client", 401, "The request must contain 'client_assertion' or 'client_secret'."),
    7000229: ("unauthorized_client", 400, "The application has no service principal in the tenant."),
    9000411: ("invalid_request", 400, "The request is not properly formatted: a parameter is duplicated."),
    9002313: ("invalid_request", 400, "The request is malformed or invalid."),
    9002325: ("invalid_request", 400, "Proof Key for Code Exchange is required for authorization code redemption."),
    9002326: ("invalid_request", 400, "Only a single-page application may redeem a code cross-origin."),
    9002327: ("invalid_request", 400, "A single-page application must redeem its code cross-origin."),
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refusal(Exception):
    """Entra's no. `detail` names the parameter or value at fault, never a secret."""

    def __init__(self, number: int, detail: str = "") -> None:
        self.number = number
        self.error, self.status, text = REFUSALS[number]
        self.description = f"AADSTS{number}: {text}" + (f" ({detail})" if detail else "")
        super().__init__(self.description)

    def body(self) -> dict[str, Any]:
        """The JSON that Entra's token endpoint answers."""
        return {
            "error": self.error,
            "error_description": self.description,
            "error_codes": [self.number],
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%SZ"),
            "trace_id": str(uuid4()),
            "correlation_id": str(uuid4()),
        }


def only(fields: Any, name: str) -> str:
    """A parameter's one value, or empty; a repeated parameter is refused (RFC 6749, 3.1)."""
    values = fields.getall(name, [])
    if len(values) > 1:
        raise Refusal(9000411, name)
    return str(values[0]) if values else ""


def needed(fields: Any, name: str) -> str:
    """A parameter that must be there."""
    if not (value := only(fields, name)):
        raise Refusal(900144, name)
    return value


def answering(saw: Callable[..., None]) -> Any:
    """A middleware that turns every refusal into Entra's JSON and remembers it."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPMethodNotAllowed:
            refusal = Refusal(900561, request.method)
        except web.HTTPNotFound:
            return web.json_response({"error": "not_found"}, status=404)
        except Refusal as no:
            refusal = no
        saw("refused", path=request.path, number=refusal.number, error=refusal.error)
        return web.json_response(refusal.body(), status=refusal.status, headers=NOT_STORED)

    return answer


NOT_STORED = {"Cache-Control": "no-store, no-cache", "Pragma": "no-cache"}
