"""The stand-in's pages as text: sign-in, a schedule, the form of a POST launch."""

from collections.abc import Iterable
from html import escape

from sandbox.epic.hospital import Appointment, Connection, Instance
from sandbox.epic.launches import Started
from sandbox.epic.resources import comma_name
from sandbox.world import EPIC_USERS, EpicUser

SKELETON = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px system-ui;margin:2rem;max-width:60rem}}td,th{{padding:.4rem .8rem;text-align:left}}
iframe{{width:100%;height:30rem}}</style><h1>{title}</h1>{body}</html>"""


def page(title: str, body: str) -> str:
    """A whole page; the body is HTML already."""
    return SKELETON.format(title=escape(title), body=body)


def sign_in(instance: str, action: str, handle: str, notice: str = "") -> str:
    """Epic's sign-in page for a standalone launch."""
    return page(
        f"Sign in to Epic ({instance})",
        f"""<p role="alert">{escape(notice)}</p><form method="post" action="{escape(action)}">
<input type="hidden" name="request" value="{escape(handle)}">
<label>User <input name="login" autocomplete="off"></label>
<label>Password <input name="password" type="password"></label>
<button>Sign in</button><button name="cancel" value="1">Cancel</button></form>""",
    )


def choose(title: str, action: str, people: Iterable[EpicUser]) -> str:
    """Who is sitting here? One button each."""
    buttons = "".join(f'<button name="user" value="{user.key}">{escape(comma_name(user))}</button> ' for user in people)
    return page(title, f'<form method="post" action="{escape(action)}">{buttons}</form>')


def schedule(title: str, at: str, instance: Instance, visits: Iterable[Appointment], *, framed: bool) -> str:
    """The visits with who is connected. In a frame the visit opens below, else in another window."""
    target = "visit" if framed else "_blank"
    rows = "".join(_row(at, instance, visit, target) for visit in visits)
    frame = '<iframe name="visit" title="Visit" allow="camera; microphone"></iframe>' if framed else ""
    head = "<tr><th>Time (UTC)<th>Patient<th>With<th>Status<th>Connected<th></tr>"
    leave = f'<form method="post" action="{at}/sign-out"><button>Sign out</button></form>'
    return page(title, f"<table>{head}{rows}</table>{frame}{leave}")


def _row(at: str, instance: Instance, visit: Appointment, target: str) -> str:
    link = f"{at}/begin?instance={instance.key}&amp;csn={visit.order.csn}"
    cells = (
        f"{visit.order.start:%Y-%m-%d %H:%M}",
        escape(comma_name(visit.patient)),
        escape(comma_name(visit.practitioner)),
        visit.order.status,
        "<br>".join(escape(line) for line in presence(instance.connections, visit.conference)),
        f'<a href="{link}" target="{target}">Begin virtual visit</a> '
        f'<a href="{link}&amp;how=post" target="{target}">(by POST)</a>',
    )
    return f'<tr data-csn="{visit.order.csn}">' + "".join(f"<td>{cell}" for cell in cells) + "</tr>"


def presence(connections: list[Connection], conference: str) -> list[str]:
    """What Epic was last told of each participant of a conference."""
    last = {one.user: one.status for one in connections if one.conference_id == conference}
    words = {"1": "connected", "2": "disconnected"}
    return [f"{comma_name(EPIC_USERS[user])} {words[status]}" for user, status in last.items()]


def post_launch(started: Started) -> str:
    """A form that posts itself to the launch URL."""
    fields = "".join(
        f'<input type="hidden" name="{name}" value="{escape(value)}">'
        for name, value in (("iss", started.iss), ("launch", started.launch))
    )
    return page(
        "Begin virtual visit",
        f'<form method="post" action="{escape(started.launch_url)}">{fields}<button>Begin</button></form>'
        "<script>document.forms[0].submit()</script>",
    )
