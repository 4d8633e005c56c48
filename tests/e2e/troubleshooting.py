"""The table of docs/troubleshooting.md: what a check says of a fault that a test has injected.

A test that has seen a check say something calls `shown`: it fails when the page says otherwise, or nothing. With
TROUBLESHOOTING=write in the environment it writes the row instead. Any check may have rows: preflight, discovery,
launch test, record check.
"""

import os
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/troubleshooting.md"
_BEGIN = "<!-- rows: written by tests with TROUBLESHOOTING=write; do not edit up to the end mark -->"
_END = "<!-- end -->"
_HEAD = "| entry | fault injected | check | what it says |\n| --- | --- | --- | --- |\n"
_ROW = re.compile(r"^\| (F14\.\d+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)

type Rows = dict[tuple[str, str, str], str]


def shown(entry: str, fault: str, check: str, words: str) -> None:
    """A check said these words of this fault; `words` with {names} for what differs from hospital to hospital."""
    rows, key, words = read(), (entry, fault, check), " ".join(words.replace("|", "/").split())
    if os.environ.get("TROUBLESHOOTING") == "write":
        _write(rows | {key: words})
    else:
        assert rows.get(key) == words, f"docs/troubleshooting.md lacks: {' | '.join((*key, words))}"


def read() -> Rows:
    """The rows as the page has them."""
    return {(entry, fault, check): words for entry, fault, check, words in _ROW.findall(_parts()[1])}


def _write(rows: Rows) -> None:
    before, _, after = _parts()
    lines = [f"| {' | '.join((*key, words))} |\n" for key, words in sorted(rows.items(), key=_order)]
    PAGE.write_text(f"{before}{_BEGIN}\n\n{_HEAD}{''.join(lines)}\n{_END}{after}")


def _order(row: tuple[tuple[str, str, str], str]) -> tuple[int, str, str]:
    (entry, fault, check), _ = row
    return int(entry.partition(".")[2]), check, fault


def _parts() -> tuple[str, str, str]:
    before, begin, rest = PAGE.read_text().partition(_BEGIN)
    made, end, after = rest.partition(_END)
    assert (begin, end) == (_BEGIN, _END), "docs/troubleshooting.md lacks a marker"
    return before, made, after
