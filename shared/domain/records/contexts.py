"""The context of a record: every name and every mnemonic against what this connection reads."""

import re
from collections.abc import Iterator

from shared.domain.advanced import Mnemonics
from shared.domain.records.copied import tidied
from shared.domain.records.differences import Difference, Effect, What, difference
from shared.domain.records.record import SHAPES, Member, Ours, Record, Shape, context

#: Read by the public product (F4.6), ignored here: whose authority it was now comes from the approved connection.
AUTHORITY = frozenset({"tenantid", "upn", "organizerid", "usertype"})
#: Members of Epic's own token response (epic.md 1.5).
_RESERVED = frozenset(
    {"access_token", "token_type", "expires_in", "refresh_token", "scope", "id_token", "state"}
    | {"patient", "encounter", "appointment", "location", "logindepartment", "__epic.dstu2.patient"}
)
_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MNEMONIC = re.compile(r"%[A-Za-z]+(;[A-Za-z0-9; ]{0,40})?%")
#: As many digits as the shortest record number that says something of somebody.
_NUMBER_OF_SOMEBODY = re.compile(r"\d{5}")
_MISSING: dict[Member, What] = {
    "csn": What.CSN_MISSING,
    "session": What.SESSION_MISSING,
    "conference": What.CONFERENCE_MISSING,
    "external_id": What.EXTERNAL_ID_MISSING,
    "department": What.DEPARTMENT_MISSING,
    "first_name": What.NAME_MISSING,
    "last_name": What.NAME_MISSING,
}
_ADDED = frozenset({*_MISSING.values(), What.CONFERENCE_MISSING})

#: Name in lower case -> name as written and value.
type _Pairs = dict[str, tuple[str, str]]


def differing(raw: str, record: Record, ours: Ours) -> Iterator[Difference]:
    """The differences of a context, in the order of ours; then what stands there beside."""
    text, copied = tidied(raw, "context")
    yield from copied
    if text:
        yield from _pair_by_pair(text, SHAPES[record.kind], ours)
    else:
        what = What.CONTEXT_MISSING_IN_GROUP if SHAPES[record.kind].group else What.CONTEXT_MISSING
        yield difference(what, "context", expected=record.value("context"))


def in_order(raw: str, found: tuple[Difference, ...]) -> tuple[str, ...]:
    """The names in a context that no difference is about."""
    named = {one.key.lower() for one in found if one.key}
    pairs, _ = _pairs(tidied(raw, "context")[0], set())
    return tuple(name for lower, (name, _) in pairs.items() if lower not in named)


def added(found: Difference) -> str:
    """What is typed behind a context for a member that is missing; empty for any other difference."""
    return f"&{found.key}={found.expected}" if found.id in _ADDED else ""


def _pair_by_pair(text: str, shape: Shape, ours: Ours) -> Iterator[Difference]:
    setup = ours.connection.own.launch
    wanted = context(setup, shape)
    known = {name.lower() for name in wanted}
    pairs, faults = _pairs(text, known)
    yield from faults
    for name, (member, mnemonic) in wanted.items():
        if name.lower() in pairs:
            yield from _value(name, pairs[name.lower()][1], (member, mnemonic), shape, setup.mnemonics)
            continue
        spare = _spare(pairs, known, mnemonic)
        yield _absent(name, member, mnemonic, pairs[spare][0] if spare else None, shape)
        known |= {spare} if spare else set()
    for lower, (name, value) in pairs.items():
        if lower not in known:
            yield _beside(name, value)


def _pairs(text: str, wanted: set[str]) -> tuple[_Pairs, list[Difference]]:
    """The pairs, and what cannot be read as one."""
    pairs: _Pairs = {}
    found = []
    for part in (part for part in text.split("&") if part.strip()):
        name, sign, value = part.partition("=")
        plain = name.strip()
        if not sign or not (_KEY.fullmatch(plain) or plain.lower() in wanted):
            found.append(difference(What.NOT_A_PAIR, "context"))
            continue
        if (name, value) != (plain, value.strip()):
            found.append(difference(What.STRAY_SPACE, "context", key=plain))
        if plain.lower() in pairs:
            found.append(difference(What.KEY_TWICE, "context", key=plain))
        else:
            pairs[plain.lower()] = plain, value.strip()
    return pairs, found


def _value(
    name: str, value: str, about: tuple[Member, str], shape: Shape, mnemonics: Mnemonics
) -> Iterator[Difference]:
    member, mnemonic = about
    if value == mnemonic:
        return
    what = _wrong(value, member, mnemonic, mnemonics)
    group = _of_group(member, shape)
    somebody_elses = member in {"csn", "session", "conference"} and what in {What.OTHER_MNEMONIC, What.MNEMONIC_PERCENT}
    worse: Effect | None = "fails" if group or somebody_elses else None
    shown = value if _MNEMONIC.fullmatch(value) and what is not What.LOOKS_EXPANDED else None
    yield difference(what, "context", key=name, found=shown, expected=mnemonic, effect=worse)


def _of_group(member: Member, shape: Shape) -> bool:
    """By this member a group is known."""
    return shape.group and member in {"session", "conference"}


def _wrong(value: str, member: Member, mnemonic: str, mnemonics: Mnemonics) -> What:
    """What is wrong with a value that is not the mnemonic."""
    if not value:
        return What.VALUE_MISSING
    if (spelling := _misspelt(value, mnemonic)) is not None:
        return spelling
    if not _MNEMONIC.fullmatch(value):
        return What.LOOKS_EXPANDED
    if member == "session" and {value, mnemonic} == {mnemonics.csn, mnemonics.conference}:
        return What.SESSION_IS_CSN if mnemonic == mnemonics.conference else What.SESSION_IS_CONFERENCE
    return What.OTHER_MNEMONIC


def _misspelt(value: str, mnemonic: str) -> What | None:
    """How the right mnemonic was written wrongly; None when it is not the right one."""
    if value.upper() == mnemonic:
        return What.MNEMONIC_CASE
    if "".join(value.split()) == "".join(mnemonic.split()):
        return What.MNEMONIC_SPACES
    plain = value.replace("%", "").upper() == mnemonic.replace("%", "")
    return What.MNEMONIC_PERCENT if plain else None


def _spare(pairs: _Pairs, taken: set[str], mnemonic: str) -> str | None:
    """A pair under another name that carries the mnemonic."""
    return next((lower for lower, (_, value) in pairs.items() if lower not in taken and value == mnemonic), None)


def _absent(name: str, member: Member, mnemonic: str, spare: str | None, shape: Shape) -> Difference:
    group = _of_group(member, shape)
    if spare is not None:
        worse: Effect | None = "fails" if group else None
        return difference(What.KEY_OTHER_NAME, "context", key=spare, found=spare, expected=name, effect=worse)
    what = What.CONFERENCE_MISSING if group else _MISSING[member]
    return difference(what, "context", key=name, expected=mnemonic)


def _beside(name: str, value: str) -> Difference:
    """A pair that we do not read."""
    lower = name.lower()
    if lower in AUTHORITY:
        return difference(What.KEY_IGNORED, "context", key=name)
    if lower in _RESERVED:
        return difference(What.KEY_RESERVED, "context", key=name)
    if _NUMBER_OF_SOMEBODY.search(value) and not _MNEMONIC.fullmatch(value) and not _GUID.fullmatch(value):
        return difference(What.LOOKS_EXPANDED, "context", key=name)
    return difference(What.KEY_EXTRA, "context", key=name)
