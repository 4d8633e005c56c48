"""Reading a record out of whatever was copied: a right record stays right in any clothes."""

import json
import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.records.check import check
from shared.domain.records.pasted import Held, values
from shared.domain.records.record import Kind
from tests.unit.domain.launch_records import escaped_form, ours, record, typed

pytestmark = pytest.mark.feature("F4.10")

type Values = dict[str, str]
KINDS: tuple[Kind, ...] = ("patient", "provider", "patient-group", "provider-group")
LABELS = {
    "launch_url": ["URL", "Launch URL", "launch_url", "Meeting URL", "LAUNCH-URL", "launchUrl"],
    "client_id": ["Client ID", "CLIENTID", "client_id", "clientId", "client id"],
    "context": ["Context token", "CONTEXT", "context", "Context"],
}


def fdi(all_: Values) -> str:
    """As Epic's integration record shows it."""
    return (
        "Type: PACS[1]   Model Record: SMART ON FHIR   Patient ID Type: EPI\nIntegration mnemonics:\n"
        f" 1 URL={all_['launch_url']}\n 2 PROTECTED=1\n 3 CLIENTID={all_['client_id']}\n 4 LAUNCHTYPE=6\n"
        f" 5 CONTEXT={all_['context']}\n 6 USEEDGEBROWSER=1\n"
    )


CLOTHES: dict[str, Callable[[Values], str]] = {
    "fdi": fdi,
    "fdi on windows": lambda all_: fdi(all_).replace("\n", "\r\n"),
    "bare lines": lambda all_: "\n".join(all_.values()),
    "bare lines with gaps": lambda all_: "\n\n  ".join(all_.values()) + "\n",
    "json": lambda all_: json.dumps(all_, indent=2),
    "json in one line": json.dumps,
    "json by html-safe writers": lambda all_: json.dumps(all_).replace("&", "\\u0026").replace("/", "\\/"),
    "table": lambda all_: "\n".join(f"| {name} | {value} |" for name, value in all_.items()),
    "spreadsheet": lambda all_: "\n".join(f"{name}\t{value}" for name, value in all_.items()),
    "screen": lambda all_: "\n".join(f"{LABELS[name][1]}\n{value}\n" for name, value in all_.items()),
    "html source": lambda all_: "\n".join(f"{name}: {value}" for name, value in all_.items()).replace("&", "&amp;"),
    "one line": lambda all_: " ".join(f"{name}={value}" for name, value in all_.items()),
    "quoted": lambda all_: "\n".join(f"{name}: '{value}'" for name, value in all_.items()),
    "escaped": escaped_form,
    "escaped twice": lambda all_: escaped_form({name: escaped(value) for name, value in all_.items()}),
    "escaped in part": lambda all_: fdi(all_ | {"context": all_["context"].replace(";", "%3B").replace(" ", "%20")}),
    "form": lambda all_: fdi(all_ | {"context": escaped(all_["context"]).replace("%20", "+")}),
}  # fmt: skip


def escaped(value: str) -> str:
    return escaped_form({"": value}).removeprefix("=")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("clothes", CLOTHES)
def test_a_right_record_is_right_in_any_clothes(kind: Kind, clothes: str):
    pasted = CLOTHES[clothes](typed(kind))
    assert values(Held(pasted=pasted)).model_dump(exclude={"words"}) == typed(kind)
    found = check(Held(pasted=pasted), ours())
    assert (found.kind, found.differences) == (kind, ())


@pytest.mark.parametrize("kind", KINDS)
def test_our_own_download_is_read_back(kind: Kind):
    found = check(Held(pasted=record(kind).text), ours())
    assert (found.kind, found.differences) == (kind, ())


@st.composite
def dressings(draw: st.DrawFn) -> tuple[Kind, str]:
    """A right record with any labels, order, separators, line breaks, gaps and capitals."""
    kind = draw(st.sampled_from(KINDS))
    rng = draw(st.randoms(use_true_random=False))
    parts = []
    for name, value in typed(kind).items():
        written = _any_context(value, rng) if name == "context" else value
        separator = rng.choice([": ", "=", ":", " = ", "\n", "\t", ":\n   "])
        quote = rng.choice(["", '"', "'"])
        label = rng.choice(["", "  ", "- ", "3 ", "* ", "1. "]) + rng.choice(LABELS[name])
        parts.append(f"{label}{separator}{quote}{written}{quote}{rng.choice(['', ' ', '  '])}")
    rng.shuffle(parts)
    ending = rng.choice(["\n", "\r\n", "\r", "\n\n"])
    return kind, ending.join(parts).replace("\n", ending)


def _any_context(context: str, rng: random.Random) -> str:
    pairs = context.split("&")
    rng.shuffle(pairs)
    pairs = [
        rng.choice([str.upper, str.lower, str])(name) + sign + value
        for name, sign, value in (pair.partition("=") for pair in pairs)
    ]
    joints = [rng.choice(["&", "&", "\n&", "&\n    "]) for _ in pairs[1:]]
    text = pairs[0] + "".join(joint + pair for joint, pair in zip(joints, pairs[1:], strict=True))
    wrapped = rng.choice([text, text.replace(" ; ", "\n; "), text.replace("; ;;", ";\n ;;")])
    return rng.choice([wrapped, wrapped, escaped(text), text.replace("&", "&amp;")])


@given(dressings())
def test_a_right_record_has_no_difference_however_it_was_written_down(dressed: tuple[Kind, str]):
    kind, pasted = dressed
    found = check(Held(pasted=pasted), ours())
    assert (found.kind, found.differences) == (kind, ())


def test_what_epic_itself_would_send_along_is_not_forgiven():
    right = typed("provider")
    curly = fdi(right | {"launch_url": f"\u201c{right['launch_url']}\u201d"})
    assert [one.id for one in check(Held(pasted=curly), ours()).differences] == ["quotes"]
    spaces = fdi(right | {"context": right["context"].replace("; ;", ";;")})
    assert [one.id for one in check(Held(pasted=spaces), ours()).differences] == ["mnemonic-spaces"]


def test_of_two_records_in_one_paste_the_first_is_read():
    both = record("provider").text + record("patient").text
    assert values(Held(pasted=both)).client_id == typed("provider")["client_id"]


def test_a_text_without_a_record_gives_nothing():
    assert values(Held(pasted="Good morning,\nhere are the values.")).model_dump(exclude={"words"}) == {
        "launch_url": "",
        "client_id": "",
        "context": "",
    }
