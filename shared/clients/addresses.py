"""Which addresses the connector may call (architecture, rule 7). Pure: it judges, it does not connect.

`Guarded` is for addresses that somebody else wrote: a FHIR base, what it discovers, a webhook's address.
`Trusted` is for those that stand in our own settings: Entra, Graph.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from yarl import URL

from shared.errors import Code, Refused

type Address = ipaddress.IPv4Address | ipaddress.IPv6Address
type Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_HTTPS = 443
#: Never called, whatever an operator allows: they name this machine's platform, nobody, many, or hide an IPv4
#: address that would be reached instead.
_NEVER: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",
        "169.254.0.0/16",  # link-local, with the platform's metadata service
        "168.63.129.16/32",  # Azure's own virtual address: DNS, health, certificates
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/96",  # unspecified, loopback and IPv4-compatible
        "64:ff9b::/96",  # NAT64 (RFC 6052)
        "64:ff9b:1::/48",  # NAT64 for local use (RFC 8215)
        "2001::/32",  # Teredo (RFC 4380)
        "2002::/16",  # 6to4 (RFC 3056)
        "fe80::/10",
        "ff00::/8",
    )
)
#: What Python calls global and IANA's registries do not promise to be a host on the internet.
_SPECIAL: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text) for text in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20")
)
#: The only IPv6 space handed out to hosts (RFC 4291, 2.4; IANA).
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")
#: A last label like these makes a host an IPv4 address for some readers (WHATWG URL, "ends in a number").
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")


class Policy(Protocol):
    """Says yes by returning; says no with `Refused(ADDRESS_REFUSED)`."""

    def check_port(self, port: int) -> None:
        """May this port be called?"""

    def check_address(self, address: str) -> None:
        """May this IP address, as a resolver or a URL wrote it, be called?"""


@dataclass(frozen=True)
class Trusted:
    """Any https address: it is from our settings."""

    def check_port(self, port: int) -> None:
        """Any port."""

    def check_address(self, address: str) -> None:
        """Any address."""


@dataclass(frozen=True)
class Guarded:
    """The internet, and what an operator of this stamp added.

    ports    TCP ports that may be called
    allowed  networks that may be called although they are private: a hospital's Epic may stand on one
    """

    ports: frozenset[int] = frozenset({_HTTPS})
    allowed: tuple[Network, ...] = ()

    def check_port(self, port: int) -> None:
        """Only the listed ports."""
        if port not in self.ports:
            raise Refused(Code.ADDRESS_REFUSED, "port")

    def check_address(self, address: str) -> None:
        """Only addresses on the internet or in a network that was allowed."""
        try:
            asked = _plain(ipaddress.ip_address(address))
        except ValueError:
            raise Refused(Code.ADDRESS_REFUSED, "address") from None
        if _within(asked, _NEVER) or not (_within(asked, self.allowed) or _public(asked)):
            raise Refused(Code.ADDRESS_REFUSED, "address")


def checked_url(text: str, policy: Policy) -> URL:
    """The URL as it will be called. Its host, if it is an IP address, and its port have passed the policy."""
    url = _parsed(text)
    if url.scheme != "https":
        raise Refused(Code.ADDRESS_REFUSED, "scheme")
    if url.raw_user is not None or url.raw_password is not None:
        raise Refused(Code.ADDRESS_REFUSED, "userinfo")
    policy.check_port(url.port or 0)
    _check_host((url.raw_host or "").lower(), policy)
    return url.with_fragment(None)


def authority(text: str) -> str:
    """Host, and port if it is not 443, in lower case: what two URLs of one service have in common."""
    url = _parsed(text)
    host = (url.raw_host or "").lower()
    return host if url.port == _HTTPS else f"{host}:{url.port}"


def _parsed(text: str) -> URL:
    if not text.isascii() or not text.isprintable() or "\\" in text or " " in text:
        raise Refused(Code.ADDRESS_REFUSED, "url")
    try:
        return URL(text)
    except ValueError:  # among them UnicodeError, from host names that IDNA cannot read
        raise Refused(Code.ADDRESS_REFUSED, "url") from None


def _check_host(host: str, policy: Policy) -> None:
    """A name is judged when it has been resolved; here only its form."""
    if ":" in host or _NUMERIC.fullmatch(host.rpartition(".")[2]):
        try:
            ipaddress.ip_address(host)  # refuses octal, hexadecimal, short and zoned forms
            literal = "%" not in host
        except ValueError:
            literal = False
        if not literal:
            raise Refused(Code.ADDRESS_REFUSED, "host")
        policy.check_address(host)
    elif not _NAME.fullmatch(host):
        raise Refused(Code.ADDRESS_REFUSED, "host")


def _plain(address: Address) -> Address:
    """The IPv4 address inside ::ffff:0:0/96; a zone makes any other address a local one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            raise ValueError("zone")
        return address.ipv4_mapped or address
    return address


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address in network for network in networks)


def _public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved and not _within(address, _SPECIAL)
