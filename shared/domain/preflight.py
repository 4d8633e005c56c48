"""What a check of a connection says: stable ids for the page's translations, and the same in plain English. Pure.

A finding's id fixes its state, its sentences, who mends it and which features and troubleshooting entries it is of:
shared/domain/preflight_findings.py. Its parameters fill the sentences; none is a secret or a patient's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, get_args

from shared.domain.model import Model

State = Literal["ok", "warning", "failed", "skipped"]
#: Who can mend it: the hospital's administrator, its Epic team, its approver, or whoever runs the connector.
Who = Literal["administrator", "epic-team", "approver", "operator"]
LinkId = Literal[
    "serving",
    "entitlement",
    "discovery",
    "app",
    "keys",
    "backend-token",
    "fhir-read",
    "write-back",
    "graph-token",
    "approver",
    "organiser",
    "notifications",
    "sms",
    "sms-reports",
    "allow-list",
    "hl7-certificate",
    "hl7-times",
]
HopId = Literal["launch-url", "authorize-url", "epic-authorize", "token", "visit", "organiser", "meeting", "join-url"]
#: The order in which the page shows them: that of a launch, then texts and messages.
ORDER: tuple[LinkId, ...] = get_args(LinkId)
_WORST: tuple[State, ...] = ("failed", "warning", "skipped", "ok")


@dataclass(frozen=True)
class Entry:
    """A row of the catalogue. `found` and `to_do` are sentences with {parameters}."""

    state: State
    found: str
    to_do: str = ""
    who: Who | None = None
    ids: tuple[str, ...] = ()


class Finding(Model):
    """One thing that was found, and what to do about it.

    finding     stable id: the page translates by it, and by `parameters`
    found       the same in English; `what_to_do` is empty when nothing is to be done
    ids         features and troubleshooting entries of docs/features.md and docs/troubleshooting.md
    """

    finding: str
    state: State
    parameters: dict[str, str]
    found: str
    what_to_do: str
    who: Who | None
    ids: tuple[str, ...]


class Link(Finding):
    """One link of the chain. `about` tells those apart that a chain has several of: an organiser, an app, a key."""

    id: LinkId
    about: str
    took_ms: int


class Hop(Finding):
    """One hop of a launch test. `shown`: what passed there, by name; every value of a person is invented."""

    id: HopId
    shown: dict[str, str]
    took_ms: int


class Preflight(Model):
    """What came of a preflight. `state` is that of the worst link."""

    revision: Literal["active", "pending"]
    at: datetime
    state: State
    links: tuple[Link, ...]


class LaunchTest(Model):
    """What came of a launch test. `not_shown`: what no test without an Epic user can show."""

    role: Literal["provider", "patient"]
    at: datetime
    state: State
    hops: tuple[Hop, ...]
    not_shown: tuple[Finding, ...]


def finding(catalogue: Mapping[str, Entry], name: str, parameters: Mapping[str, str]) -> Finding:
    """The catalogue's row with its parameters. `KeyError` for a name or a parameter that is not there: a bug."""
    entry = catalogue[name]
    return Finding(
        finding=name,
        state=entry.state,
        parameters=dict(parameters),
        found=entry.found.format_map(parameters),
        what_to_do=entry.to_do.format_map(parameters),
        who=entry.who,
        ids=entry.ids,
    )


def worst(findings: Iterable[Finding]) -> State:
    """The state of the whole: a warning outdoes what was left out, a failure outdoes both."""
    states = {one.state for one in findings}
    return next(state for state in _WORST if state in states or state == "ok")


def in_order(links: Iterable[Link]) -> tuple[Link, ...]:
    """As the page shows them."""
    return tuple(sorted(links, key=lambda link: (ORDER.index(link.id), link.about)))
