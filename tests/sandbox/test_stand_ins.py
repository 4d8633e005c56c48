"""Our mistakes must not be the stand-ins': they import nothing of the connector (architecture, section 9)."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PARTS = ("entra", "epic", "graph", "acs", "peer", "clock", "plan", "world")
OURS = {"shared", "functions", "function_app"}


def modules():
    folder = ROOT / "sandbox"
    for part in PARTS:
        yield from (
            [folder / f"{part}.py"] if (folder / f"{part}.py").exists() else sorted((folder / part).rglob("*.py"))
        )


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def test_every_stand_in_is_looked_at():
    seen = {path.relative_to(ROOT / "sandbox").parts[0].removesuffix(".py") for path in modules()}
    assert seen == set(PARTS)


@pytest.mark.parametrize("path", list(modules()), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_stand_in_imports_nothing_of_the_connector(path):
    names = set(imported(path))
    assert not {name for name in names if name.split(".")[0] in OURS}
    assert not {name for name in names if name.startswith("..")}, "a relative import could leave the sandbox"
    assert "importlib" not in names, "an import by name would escape this test"


@pytest.mark.parametrize(
    "path", [p for where in ("shared", "functions") for p in sorted((ROOT / where).rglob("*.py"))],
    ids=lambda path: path.relative_to(ROOT).as_posix(),
)  # fmt: skip
def test_the_connector_does_not_know_the_sandbox(path):
    assert not {name for name in imported(path) if name.split(".")[0] == "sandbox"}
