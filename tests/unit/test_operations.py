"""docs/operations.md knows every alarm, so that nobody on call meets a name that nobody explained."""

import ast
import re
from collections.abc import Iterator

from shared.storage.names import Queue
from tests.unit.sources import ROOT, python_files

PAGE = (ROOT / "docs/operations.md").read_text()
ALARMS = re.findall(r"^\| `([^`]+)` \| (?:now|today|soon) \|", PAGE, re.MULTILINE)
#: Its name is the function's own (shared/web.py).
BY_FUNCTION = "<function> end=unexpected"


def raised() -> Iterator[tuple[str, set[str]]]:
    """Every alarm in the code with the facts it gives, where they are written out."""
    for path in python_files("functions", "shared"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "alarm":
                name = node.args[0]
                said = name.value if isinstance(name, ast.Constant) else BY_FUNCTION
                yield str(said), {keyword.arg for keyword in node.keywords if keyword.arg}


def row(alarm: str) -> str:
    return next(line for line in PAGE.splitlines() if line.startswith(f"| `{alarm}` |"))


def test_every_alarm_is_explained_and_none_that_nobody_raises() -> None:
    assert sorted(ALARMS) == sorted({name for name, _ in raised()})


def test_the_page_names_the_facts_of_an_alarm() -> None:
    for name, facts in raised():
        missing = {fact for fact in facts - {"end"} if fact not in row(name).split("|")[3]}
        assert not missing, name


def test_the_page_says_of_every_queue_what_driving_again_does() -> None:
    assert set(re.findall(r"^\| `([a-z-]+)` \| [A-Z]", PAGE, re.MULTILINE)) == set(Queue)
