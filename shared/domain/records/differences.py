"""Every difference that a record in Epic may have, what it does, and what to do about it (F4.10, F14.4 to F14.9).

The page translates by id; the sentences here are for scripts and for the guide.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from shared.domain.model import Model

#: fails: launches do not arrive, or in the wrong place; loses: they do, and something is missing; harmless: no more
#: than another way of writing, or something that is ignored.
Effect = Literal["fails", "loses", "harmless"]
Where = Literal["record", "launch-url", "client-id", "context"]
#: Ids of the troubleshooting catalogue, F14 of docs/features.md.
Catalogue = Literal["F14.4", "F14.5", "F14.7", "F14.9"]


class What(StrEnum):
    """Stable ids of differences. None is ever reused."""

    KIND_UNKNOWN = "kind-unknown"
    KIND_NOT_SERVED = "kind-not-served"
    # any value
    STRAY_SPACE = "stray-space"
    QUOTES = "quotes"
    INVISIBLE_CHARACTERS = "invisible-characters"
    ESCAPED = "escaped"
    LOOKS_EXPANDED = "looks-expanded"
    # launch URL
    URL_MISSING = "url-missing"
    URL_UNREADABLE = "url-unreadable"
    URL_NOT_HTTPS = "url-not-https"
    URL_OF_PUBLIC_PRODUCT = "url-of-public-product"
    URL_OTHER_HOST = "url-other-host"
    URL_OTHER_PATH = "url-other-path"
    URL_OTHER_KIND = "url-other-kind"
    URL_SPELLING = "url-spelling"
    URL_HAS_QUERY = "url-has-query"
    URL_OTHER_ENVIRONMENT = "url-other-environment"
    URL_OTHER_CONNECTION = "url-other-connection"
    URL_UNKNOWN_CONNECTION = "url-unknown-connection"
    # client id
    CLIENT_MISSING = "client-id-missing"
    CLIENT_SWAPPED = "client-id-swapped"
    CLIENT_BACKEND = "client-id-backend"
    CLIENT_WAITS = "client-id-waits-for-approval"
    CLIENT_OTHER_ENVIRONMENT = "client-id-other-environment"
    CLIENT_OTHER_CONNECTION = "client-id-other-connection"
    CLIENT_UNKNOWN = "client-id-unknown"
    # context
    CONTEXT_MISSING = "context-missing"
    CONTEXT_MISSING_IN_GROUP = "context-missing-in-group"
    NOT_A_PAIR = "not-a-pair"
    KEY_TWICE = "key-twice"
    KEY_OTHER_NAME = "key-other-name"
    KEY_RESERVED = "key-reserved"
    KEY_IGNORED = "key-ignored"
    KEY_EXTRA = "key-extra"
    CSN_MISSING = "csn-missing"
    SESSION_MISSING = "session-missing"
    CONFERENCE_MISSING = "conference-missing"
    SESSION_IS_CSN = "session-is-csn"
    SESSION_IS_CONFERENCE = "session-is-conference"
    EXTERNAL_ID_MISSING = "external-id-missing"
    DEPARTMENT_MISSING = "department-missing"
    NAME_MISSING = "name-missing"
    VALUE_MISSING = "value-missing"
    OTHER_MNEMONIC = "other-mnemonic"
    MNEMONIC_CASE = "mnemonic-case"
    MNEMONIC_SPACES = "mnemonic-spaces"
    MNEMONIC_PERCENT = "mnemonic-percent"


@dataclass(frozen=True)
class Entry:
    """One row of the table: what it usually does, the entry of F14 it explains, why it matters, what to do."""

    effect: Effect
    see: Catalogue
    why: str
    do: str


_RECOPY = "Copy the value from this connection's record again."
TABLE: Mapping[What, Entry] = {
    What.KIND_UNKNOWN: Entry(
        "fails", "F14.4", "Nothing in it tells which record this is.", "Say which record it is, and check it again."
    ),
    What.KIND_NOT_SERVED: Entry(
        "fails", "F14.4", "This launch is not served yet: nobody answers at its address.", "Leave this record out."
    ),
    What.STRAY_SPACE: Entry(
        "fails",
        "F14.4",
        "A space or line break stands where none belongs; Epic sends it along as part of the value or the name.",
        "Take it out.",
    ),
    What.QUOTES: Entry(
        "fails",
        "F14.4",
        "Quotes stand around the value or in it, curly ones often from a word processor; Epic sends them along.",
        "Take the quotes out: no value has any.",
    ),
    What.INVISIBLE_CHARACTERS: Entry(
        "fails",
        "F14.4",
        "The value holds characters that nobody sees, from a web page or a mail; Epic sends them along.",
        "Clear the field and copy the value again with the copy button.",
    ),
    What.ESCAPED: Entry(
        "fails",
        "F14.4",
        "The value was escaped for an address (%3A, %25); Epic does not undo that.",
        _RECOPY,
    ),
    What.LOOKS_EXPANDED: Entry(
        "fails",
        "F14.4",
        "This looks like a value that Epic has filled in, not a mnemonic: every launch would carry the same one. It "
        "may belong to a patient, so it is not shown here, and has not been kept.",
        "Copy from the record in Epic, not from a launch; the mnemonic stands between percent signs.",
    ),
    What.URL_MISSING: Entry("fails", "F14.4", "Without a launch URL the button leads nowhere.", _RECOPY),
    What.URL_UNREADABLE: Entry("fails", "F14.4", "This is no web address.", _RECOPY),
    What.URL_NOT_HTTPS: Entry("fails", "F14.4", "The connector is reached by https only.", "Begin it with https://."),
    What.URL_OF_PUBLIC_PRODUCT: Entry(
        "fails",
        "F14.4",
        "This is a record of Microsoft's public connector; launches still go there.",
        "Replace launch URL and client id; most of the context may stay (see migration).",
    ),
    What.URL_OTHER_HOST: Entry("fails", "F14.4", "The address leads to another server.", _RECOPY),
    What.URL_OTHER_PATH: Entry("fails", "F14.4", "The connector has no launch at this path.", _RECOPY),
    What.URL_OTHER_KIND: Entry(
        "fails",
        "F14.4",
        "This is the launch URL of another record: the people who use this button are refused there.",
        _RECOPY,
    ),
    What.URL_SPELLING: Entry(
        "fails", "F14.4", "Behind the host, capitals and slashes count: the address is not found like this.", _RECOPY
    ),
    What.URL_HAS_QUERY: Entry(
        "fails",
        "F14.4",
        "Something follows the address: Epic adds what belongs there itself, once per launch.",
        "End the address after the connection's id.",
    ),
    What.URL_OTHER_ENVIRONMENT: Entry(
        "fails",
        "F14.5",
        "This launch URL belongs to a connection of the other environment: test and production are mixed up.",
        _RECOPY,
    ),
    What.URL_OTHER_CONNECTION: Entry(
        "fails", "F14.5", "This launch URL belongs to another of your connections.", _RECOPY
    ),
    What.URL_UNKNOWN_CONNECTION: Entry(
        "fails",
        "F14.7",
        "The id at the end of the launch URL is of no connection of yours.",
        _RECOPY,
    ),
    What.CLIENT_MISSING: Entry("fails", "F14.4", "Without a client id Epic begins no launch.", _RECOPY),
    What.CLIENT_SWAPPED: Entry(
        "fails",
        "F14.4",
        "Provider's and patient's client ids are swapped: Epic makes the launch for one app, the other one redeems it.",
        _RECOPY,
    ),
    What.CLIENT_BACKEND: Entry(
        "fails", "F14.4", "This is the backend app's client id; nobody launches by it.", _RECOPY
    ),
    What.CLIENT_WAITS: Entry(
        "fails",
        "F14.4",
        "This client id stands in the revision that waits for approval; the active one still serves.",
        "Change it back, or have the revision approved first.",
    ),
    What.CLIENT_OTHER_ENVIRONMENT: Entry(
        "fails",
        "F14.5",
        "This client id belongs to a connection of the other environment: test and production are mixed up.",
        _RECOPY,
    ),
    What.CLIENT_OTHER_CONNECTION: Entry(
        "fails", "F14.5", "This client id belongs to another of your connections.", _RECOPY
    ),
    What.CLIENT_UNKNOWN: Entry("fails", "F14.4", "No connection of yours has this client id.", _RECOPY),
    What.CONTEXT_MISSING: Entry(
        "loses",
        "F14.4",
        "Without a context the visit is looked up at Epic for each launch, and presence is not written back.",
        _RECOPY,
    ),
    What.CONTEXT_MISSING_IN_GROUP: Entry(
        "fails", "F14.9", "Without a context nobody knows which group a launch belongs to.", _RECOPY
    ),
    What.NOT_A_PAIR: Entry(
        "fails",
        "F14.4",
        "A part of the context is no name=value; Epic may drop it, or the rest with it.",
        "Separate the parts by & and write each as name=value.",
    ),
    What.KEY_TWICE: Entry(
        "fails", "F14.4", "The name stands twice; only one of the two arrives.", "Take the wrong one out."
    ),
    What.KEY_OTHER_NAME: Entry(
        "loses",
        "F14.4",
        "The value arrives under a name that this connection does not read.",
        "Rename it, or set the name under Advanced.",
    ),
    What.KEY_RESERVED: Entry(
        "fails",
        "F14.4",
        "Epic's own answer has a member of this name; the two get into each other's way.",
        "Take it out.",
    ),
    What.KEY_IGNORED: Entry(
        "harmless",
        "F14.4",
        "The public product read this; the connector does not: tenant, organiser and role come from the approved "
        "connection.",
        "It may stay.",
    ),
    What.KEY_EXTRA: Entry("harmless", "F14.4", "The connector does not read this.", "It may stay."),
    What.CSN_MISSING: Entry(
        "loses",
        "F14.4",
        "Without the CSN the visit is looked up at Epic for each launch; where Epic does not show it, the launch ends.",
        "Add it.",
    ),
    What.SESSION_MISSING: Entry(
        "harmless", "F14.4", "A single visit is known by its CSN; the session says the same.", "It may stay out."
    ),
    What.CONFERENCE_MISSING: Entry(
        "fails", "F14.9", "Without the conference id everybody of the group comes into a room alone.", "Add it."
    ),
    What.SESSION_IS_CSN: Entry(
        "fails",
        "F14.9",
        "In a group every patient has a CSN of their own, so everybody comes into a room alone.",
        "Use the conference id in the group records.",
    ),
    What.SESSION_IS_CONFERENCE: Entry(
        "fails",
        "F14.9",
        "The conference id belongs in the group records; a single visit would be taken for a group.",
        "Use the CSN in the records of single visits.",
    ),
    What.EXTERNAL_ID_MISSING: Entry(
        "loses",
        "F14.4",
        "Without the user's Epic id nobody can tell Epic who connected: presence is not written back.",
        "Add it.",
    ),
    What.DEPARTMENT_MISSING: Entry(
        "loses", "F14.4", "Reports do not know the visit's department, or a wrong one.", "Add it."
    ),
    What.NAME_MISSING: Entry(
        "loses", "F14.4", "Without a name patients of one call cannot be told apart in the panel.", "Add it."
    ),
    What.VALUE_MISSING: Entry("loses", "F14.4", "The name has no value.", _RECOPY),
    What.OTHER_MNEMONIC: Entry(
        "loses", "F14.4", "The mnemonic is another one, so another value arrives.", "Use the one of the record."
    ),
    What.MNEMONIC_CASE: Entry(
        "loses",
        "F14.4",
        "Epic documents its mnemonics in capitals only; this one may stay unfilled.",
        "Write it in capitals.",
    ),
    What.MNEMONIC_SPACES: Entry(
        "loses",
        "F14.4",
        "Spaces inside this mnemonic count and are not as they should be.",
        _RECOPY,
    ),
    What.MNEMONIC_PERCENT: Entry(
        "loses",
        "F14.4",
        "A percent sign is missing or too many, so Epic does not fill it in.",
        "Write it between two percent signs.",
    ),
}


class Difference(Model):
    """One difference of a record in Epic.

    key        the name within the context it is about
    found      what stands there, if it can hold nothing of a patient; expected: what should
    see        the entry of the troubleshooting catalogue
    why, do    the sentences in English
    """

    id: What
    where: Where
    effect: Effect
    see: Catalogue
    key: str | None = None
    found: str | None = None
    expected: str | None = None
    why: str
    do: str


def difference(
    what: What,
    where: Where,
    *,
    key: str | None = None,
    found: str | None = None,
    expected: str | None = None,
    effect: Effect | None = None,
) -> Difference:
    """A row of the table as it was met. `effect`: where it is worse, or better, than usual."""
    entry = TABLE[what]
    return Difference(
        id=what,
        where=where,
        effect=effect or entry.effect,
        see=entry.see,
        key=key,
        found=found,
        expected=expected,
        why=entry.why,
        do=entry.do,
    )
