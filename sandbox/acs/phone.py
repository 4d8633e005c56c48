"""/phone/{number}: a number's texts as its phone shows them, with links to follow and a box to answer.

/phone lists the numbers that got texts. Only what arrived is shown: a blocked or failed text is on no phone.
"""

import re
from html import escape

from aiohttp import web

from sandbox import world
from sandbox.acs.bodies import digits
from sandbox.acs.carrier import Carrier, Text
from sandbox.acs.events import Events
from sandbox.acs.reports import DELIVERED

LINK = re.compile(r"https?://[^\s<>\"]*[^\s<>\".,;:!?)]")
POLICY = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font:1rem system-ui;max-width:26rem;margin:1rem auto;padding:0 1rem;background:#eef1f4;color:#111}}
li{{list-style:none;background:#fff;border-radius:1rem;padding:.6rem .9rem;margin:.6rem 0;overflow-wrap:anywhere}}
ul{{padding:0}}time{{display:block;color:#555;font-size:.8rem}}</style></head>
<body><h1>{title}</h1><p><a href="">Look again</a></p>{body}</body></html>"""
REPLY = """<form method="post"><label>Reply <input name="text" maxlength="160" required></label>
<button>Send</button></form>"""


class Phone:
    """The pages."""

    def __init__(self, app: web.Application, carrier: Carrier, events: Events) -> None:
        self._carrier = carrier
        self._events = events
        app.router.add_get("/phone", self._list)
        app.router.add_get("/phone/{number}", self._show)
        app.router.add_post("/phone/{number}", self._reply)

    async def _list(self, _: web.Request) -> web.Response:
        numbers = sorted({text.order.to for text in self._arrived()})
        items = "".join(f'<li><a href="/phone/{digits(number)}">{escape(number)}</a></li>' for number in numbers)
        return page("Phones", f"<ul>{items or '<li>No texts yet.</li>'}</ul>")

    async def _show(self, request: web.Request) -> web.Response:
        number = number_in(request)
        items = "".join(bubble(text) for text in self._arrived() if text.order.to == number)
        return page(number, f"<ul>{items or '<li>No texts yet.</li>'}</ul>{REPLY}")

    async def _reply(self, request: web.Request) -> web.Response:
        """Answers the number that texted last; STOP and START do what they do."""
        number, form = number_in(request), await request.post()
        senders = [text.order.sender for text in self._arrived() if text.order.to == number]
        self._events.inbound(
            self._carrier, number, senders[-1] if senders else world.ACS_NUMBER, str(form.get("text", ""))
        )
        raise web.HTTPSeeOther(f"/phone/{digits(number)}")

    def _arrived(self) -> list[Text]:
        return [text for text in self._carrier.texts.values() if text.code == DELIVERED]


def number_in(request: web.Request) -> str:
    """The number in the path, with or without its plus sign."""
    return f"+{digits(request.match_info['number'].strip())}"


def bubble(text: Text) -> str:
    """One text."""
    sent = f"<time>{text.at:%Y-%m-%d %H:%M} UTC, from {escape(text.order.sender)}</time>"
    return f"<li>{sent}{linked(text.order.message)}</li>"


def linked(message: str) -> str:
    """The text as HTML, its web addresses as links."""
    parts, end = [], 0
    for found in LINK.finditer(message):
        address = escape(found.group())
        parts += [escape(message[end : found.start()]), f'<a href="{address}" rel="noreferrer">{address}</a>']
        end = found.end()
    return "".join([*parts, escape(message[end:])]).replace("\n", "<br>")


def page(title: str, body: str) -> web.Response:
    """A page that runs no script and loads nothing."""
    html = PAGE.format(title=escape(title), body=body)
    return web.Response(text=html, content_type="text/html", headers={"Content-Security-Policy": POLICY})
