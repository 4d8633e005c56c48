"""The pages a person sees: plain forms that a browser or a script can post."""

from html import escape

from aiohttp import web

from sandbox import world
from sandbox.entra.refusals import NOT_STORED

HEADERS = {**NOT_STORED, "X-Frame-Options": "DENY", "Referrer-Policy": "strict-origin-when-cross-origin"}


def choose_user(title: str, action: str, users: list[world.User], hint: str) -> web.Response:
    """A button per user (field `user`, the user's key) and one to refuse (field `cancel`); the hinted user first."""
    ordered = sorted(users, key=lambda user: user.upn != hint)
    buttons = "\n".join(_button(user, hinted=user.upn == hint) for user in ordered)
    return web.Response(content_type="text/html", headers=HEADERS, text=PAGE.format(
        title=escape(title), action=escape(action, quote=True), buttons=buttons,
    ))  # fmt: skip


def message(text: str) -> web.Response:
    """A page that only says something."""
    body = f'<!doctype html><html lang="en"><title>{escape(text)}</title><main><h1>{escape(text)}</h1></main></html>'
    return web.Response(content_type="text/html", headers=HEADERS, text=body)


def _button(user: world.User, *, hinted: bool) -> str:
    focus = " autofocus" if hinted else ""
    label = f"{escape(user.name)} ({escape(user.upn)})"
    return f'<p><button name="user" value="{escape(user.key, quote=True)}"{focus}>{label}</button></p>'


PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<main>
<h1>{title}</h1>
<p>This is the sandbox's stand-in for Microsoft Entra ID. Everybody here is invented.</p>
<form method="post" action="{action}">
{buttons}
<p><button name="cancel" value="1">Cancel</button></p>
</form>
</main>
</html>
"""
