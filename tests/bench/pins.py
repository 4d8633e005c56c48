"""The exact counts, as the table of docs/bench.md: what a test compares a run with, and `make bench` prints."""

from pathlib import Path

_PAGE = Path(__file__).parents[2] / "docs" / "bench.md"
_HEAD = "| step "
#: Heads of the columns by name of the count (tests/bench/counting.py).
_COLUMNS = {
    "tables": "table requests",
    "read": "rows read",
    "written": "rows written",
    "messages": "messages sent",
    "graph": "Graph calls",
    "epic": "Epic calls",
}


def lines(counts: dict[str, dict[str, int]]) -> list[str]:
    """A Markdown table that a person can read unrendered."""
    wide = max(len(step) for step in counts)
    head = [f"{'step':{wide}}", *_COLUMNS.values()]
    rules = ["-" * wide, *("-" * (len(title) - 1) + ":" for title in _COLUMNS.values())]
    rows = [
        [f"{step:{wide}}", *(f"{one[name]:>{len(title)}}" for name, title in _COLUMNS.items())]
        for step, one in counts.items()
    ]
    return ["| " + " | ".join(cells) + " |" for cells in (head, rules, *rows)]


def pinned() -> dict[str, dict[str, int]]:
    """The page's counts by step."""
    text = _PAGE.read_text().splitlines()
    first = next(number for number, line in enumerate(text) if line.startswith(_HEAD)) + 2
    found = {}
    for line in text[first:]:
        if not line.startswith("|"):
            break
        step, *numbers = (cell.strip() for cell in line.strip("|").split("|"))
        found[step] = dict(zip(_COLUMNS, map(int, numbers), strict=True))
    return found
