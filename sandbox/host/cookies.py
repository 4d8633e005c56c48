"""Set-Cookie as ASP.NET Core writes it: the value percent-encoded, a path always there, attributes in its order."""

from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote

from sandbox.host.rpc import RpcHttpCookie

_SAME_SITE = {1: "lax", 2: "strict", 3: "none"}


def set_cookie(cookie: RpcHttpCookie) -> str:
    """One header value; an attribute the app did not set is left out."""
    parts = [f"{quote(cookie.name, safe='')}={quote(cookie.value, safe='')}"]
    if cookie.expires:
        moment = datetime.fromtimestamp(cookie.expires.value.seconds, UTC)
        parts.append(f"expires={format_datetime(moment, usegmt=True)}")
    if cookie.max_age:
        parts.append(f"max-age={cookie.max_age.value:.0f}")
    if cookie.domain and cookie.domain.value:
        parts.append(f"domain={cookie.domain.value}")
    parts.append(f"path={(cookie.path and cookie.path.value) or '/'}")
    if cookie.secure and cookie.secure.value:
        parts.append("secure")
    if cookie.same_site in _SAME_SITE:
        parts.append(f"samesite={_SAME_SITE[cookie.same_site]}")
    if cookie.http_only and cookie.http_only.value:
        parts.append("httponly")
    return "; ".join(parts)
