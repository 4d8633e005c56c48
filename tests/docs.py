"""`python -m tests.docs`: the parts of docs/ that follow from the code.

    --check   1 and one line a page that is out of date, or has a gap only a person can fill (the default)
    --write   bring the pages up to date

A page keeps its own words; what stands between the two markers is made here.
"""

import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from shared.errors import CATALOGUE, Code
from shared.messages import Message
from tests.advanced import advanced
from tests.reach import Reached, Source, Trigger

ROOT = Path(__file__).parents[1]
_BEGIN = "<!-- made by `python -m tests.docs --write`; do not edit up to the end mark -->"
_END = "<!-- end -->"
_ADVICE = re.compile(r"^\| `([a-z0-9-]+)` \|.*\| ([^|]*) \|$", re.MULTILINE)
#: Stands where somebody has to say what a caller can do about a new code.
GAP = "**to be written**"


def errors(before: str) -> str:
    """The catalogue as a table. The last column is written by hand in the page and kept by code."""
    advice = dict(_ADVICE.findall(before))
    rows = [(f"`{code}`", str(CATALOGUE[code].status), CATALOGUE[code].title, advice.get(code, GAP)) for code in Code]
    return table(("code", "status", "what the caller reads", "what to do"), rows)


def functions(_before: str) -> str:
    """Every function with what it reaches, then the same by queue and by table."""
    source = Source(ROOT)
    reached = [(trigger, source.reached(trigger)) for trigger in source.triggers()]
    parts = [_of_app(app, [(t, r) for t, r in reached if t.app == app]) for app in ("main", "hl7")]
    queues, tables = source.members("Queue").values(), source.members("Table").values()
    return "\n\n".join([*parts, "## Queues", _by_queue(queues, reached), "## Tables", _by_table(tables, reached)])


def messages(_before: str) -> str:
    """Every queue with its message: fields, types, and what the model says of itself."""
    return "\n\n".join(_of_message(model) for model in Message.__subclasses__())


PAGES: dict[str, Callable[[str], str]] = {
    "docs/advanced.md": advanced,
    "docs/errors.md": errors,
    "docs/functions.md": functions,
    "docs/messages.md": messages,
}


def current(page: str) -> str:
    """A page as it should be, from the code and from what its hand-written parts say."""
    before = (ROOT / page).read_text()
    head, begin, rest = before.partition(_BEGIN)
    made, end, tail = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{page} lacks a marker")
    return f"{head}{begin}\n\n{PAGES[page](made)}\n\n{end}{tail}"


def faults(page: str) -> list[str]:
    """What is wrong with a page."""
    wanted = current(page)
    found = []
    if wanted != (ROOT / page).read_text():
        found.append(f"{page} is out of date: run `python -m tests.docs --write`")
    return found + [f"{page}: something is {GAP}" for _ in range(GAP in wanted)]


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def main(arguments: list[str]) -> int:
    """0 when every page is current."""
    if "--write" in arguments:
        for page in PAGES:
            (ROOT / page).write_text(current(page))
    found = [fault for page in PAGES for fault in faults(page)]
    print("\n".join(found) or "docs are current")  # noqa: T201 - the command's output
    return 1 if found else 0


def _of_message(model: type[Message]) -> str:
    own = [(name, field) for name, field in model.model_fields.items() if name not in Message.model_fields]
    rows = [
        (f"`{name}`", f"`{_type(field.annotation)}`", "" if field.is_required() else "optional") for name, field in own
    ]
    says = inspect.cleandoc(model.__doc__ or "")
    head, _, rest = says.partition("\n\n")
    more = f"\n\n```\n{rest}\n```" if rest else ""
    return f"## `{model.queue}`: {model.__name__}\n\n{head}{more}\n\n{table(('field', 'type', ''), rows)}"


def _type(annotation: object) -> str:
    return (annotation.__name__ if isinstance(annotation, type) else str(annotation)).replace("typing.", "")


def _of_app(app: str, reached: list[tuple[Trigger, Reached]]) -> str:
    rows = [
        (
            f"`{trigger.function}`",
            f"`{trigger.what}`",
            trigger.says,
            _listed(r.messages if r.puts else ()),
            _listed(r.reads),
            _listed(r.writes),
            _listed(r.peers),
        )
        for trigger, r in reached
    ]
    head = ("function", "started by", "what it does", "queues written", "tables read", "tables written", "asks")
    return f"## App `{app}`\n\n{table(head, rows)}"


def _by_queue(queues: Iterable[str], reached: list[tuple[Trigger, Reached]]) -> str:
    writers, readers = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    for trigger, r in reached:
        readers[trigger.what.removeprefix("queue ")].append(trigger.function)
        for queue in r.messages if r.puts else ():
            writers[queue].append(trigger.function)
    rows = [(f"`{queue}`", _code(writers[queue]), _code(readers[queue])) for queue in queues]
    return table(("queue", "written by", "worked on by"), rows)


def _by_table(tables: Iterable[str], reached: list[tuple[Trigger, Reached]]) -> str:
    rows = []
    for name in tables:
        writers = [trigger.function for trigger, r in reached if name in r.writes]
        readers = [trigger.function for trigger, r in reached if name in r.reads]
        rows.append((f"`{name}`", _code(writers), _code(readers)))
    return table(("table", "written by", "read by"), rows)


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "nothing yet"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "-"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
