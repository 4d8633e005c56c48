"""Who calls the token endpoint: a signed assertion, a secret, or a public app with PKCE (1.4)."""

import base64
import binascii
import hmac
import re
from collections.abc import Mapping
from urllib.parse import unquote_plus

from sandbox.epic import assertion
from sandbox.epic.hospital import Epic, Instance
from sandbox.epic.records import AppRecord

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
#: What may stand in a URL-encoded id or secret; a raw `+`-as-plus, `/` or `=` is `invalid_client` (field reports).
URL_ENCODED = re.compile(r"(?:[A-Za-z0-9._~*+-]|%[0-9A-Fa-f]{2})+")
#: Members of the form that carry a proof of the client. Exactly one way may be used.
PROOFS = ("client_assertion", "client_secret")


class BadClient(Exception):
    """The caller did not prove which app it is; the text says why."""


async def identify(
    epic: Epic, instance: Instance, folder: str, authorization: str | None, form: Mapping[str, str]
) -> tuple[AppRecord, str]:
    """The app and how it proved itself: key, secret or public. Raises BadClient."""
    if authorization is not None:
        return _basic(instance, folder, authorization, form), "secret"
    if sum(name in form for name in PROOFS) > 1:
        raise BadClient("two ways at once")
    if "client_assertion" in form:
        return await _asserted(epic, instance, folder, form), "key"
    app = _known(instance, folder, form.get("client_id"))
    if "client_secret" in form:
        return _with_secret(app, form["client_secret"]), "secret"
    if not app.public:
        raise BadClient("this app is not public")
    return app, "public"


def _basic(instance: Instance, folder: str, authorization: str, form: Mapping[str, str]) -> AppRecord:
    if {"client_id", *PROOFS} & form.keys():
        raise BadClient("client_id or a second proof in the body beside Basic")
    scheme, _, coded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise BadClient("not Basic")
    try:
        client_id, _, secret = base64.b64decode(coded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise BadClient("Basic cannot be read") from error
    if not URL_ENCODED.fullmatch(client_id) or not URL_ENCODED.fullmatch(secret):
        raise BadClient("id and secret must be URL-encoded")
    return _with_secret(_known(instance, folder, unquote_plus(client_id)), unquote_plus(secret))


def _with_secret(app: AppRecord, secret: str) -> AppRecord:
    if app.secret is None or not hmac.compare_digest(app.secret.encode(), secret.encode()):
        raise BadClient("wrong secret, or the app has none")
    return app


async def _asserted(epic: Epic, instance: Instance, folder: str, form: Mapping[str, str]) -> AppRecord:
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise BadClient("client_assertion_type")
    token = form["client_assertion"]
    app = _known(instance, folder, assertion.subject(token))
    if form.get("client_id", app.client_id) != app.client_id:
        raise BadClient("client_id is not the assertion's")
    if app.jwks_url is None:
        raise BadClient("the app has no JWKS URL")
    try:
        await assertion.check(
            token,
            app.client_id,
            jwks_url=app.jwks_url,
            audience=instance.token_url(app),
            key_sets=epic.key_sets,
            used=instance.used_jtis,
        )
    except assertion.BadAssertion as bad:
        raise BadClient(str(bad)) from bad
    return app


def _known(instance: Instance, folder: str, client_id: str | None) -> AppRecord:
    """The app, at the endpoint that is its own."""
    app = instance.apps.get(client_id or "")
    if app is None or app.oauth_folder != folder:
        raise BadClient("unknown client, or not its endpoint")
    return app
