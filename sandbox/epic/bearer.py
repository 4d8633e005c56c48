"""Who calls an API with a bearer token issued here."""

import time

from aiohttp import web

from sandbox.epic.hospital import Access, Instance

#: As field reports quote it (3.4).
INSUFFICIENT = (
    'Bearer error="insufficient_scope", error_description="The access token provided is valid, but is not '
    'authorized for this service"'
)


class Unauthorized(Exception):
    """No token of this instance, or one that is over: 401."""


class InsufficientScope(Exception):
    """A token that does not open this call: 403 with INSUFFICIENT."""


def check(request: web.Request, instance: Instance, api: str) -> Access:
    """The rights behind the request's bearer token. Raises Unauthorized or InsufficientScope."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    access = instance.accesses.get(token)
    if scheme.lower() != "bearer" or access is None or access.expires < time.time():
        raise Unauthorized
    app = instance.apps.get(access.client_id)
    if app is None:
        raise Unauthorized
    if api not in access.apis or api not in app.incoming_apis:
        raise InsufficientScope
    return access
