"""Scopes: which an app may ask for, and which calls they open (3.2)."""

import re

from sandbox.epic.records import AppRecord

#: Wording after the dot -> Epic's API entries. SMART v1 `read` is both; Epic lists Read and Search apart.
INTERACTIONS = {
    "read": ("Read", "Search"),
    "search": ("Search",),
    "r": ("Read",),
    "s": ("Search",),
    "rs": ("Read", "Search"),
}
RESOURCE_SCOPE = re.compile(r"^(?:user|patient|system)/(?P<resource>\w+)\.(?P<may>\w+)$")


def apis(scopes: tuple[str, ...], app: AppRecord) -> frozenset[str]:
    """The calls a token opens: the scopes and the app's incoming APIs both gate."""
    asked = set()
    for scope in scopes:
        if found := RESOURCE_SCOPE.match(scope):
            asked |= {f"{found['resource']}.{one}" for one in INTERACTIONS.get(found["may"], ())}
    return frozenset(asked & set(app.incoming_apis))


def answered(scopes: tuple[str, ...], opened: frozenset[str], *, bare: bool) -> str:
    """`scope` of a token response: v1 wording, and bare of its prefix in Epic's example (1.5)."""
    identity = [scope for scope in scopes if not RESOURCE_SCOPE.match(scope)]
    if not bare:
        return " ".join(scopes)
    listed = sorted(api for api in opened if "." in api)
    return " ".join(identity + [f"{name}.{may.lower()}" for name, may in (api.split(".") for api in listed)])
