"""`python -m tests.features`: every id of docs/features.md and docs/promises.md with what has seen it, or "open".

Reads the marks from source, so nothing of the app is imported and no test is run:

    @pytest.mark.feature("F7.3")          on a test, a class, a parameter set or, as `pytestmark`, a module
    @step(..., features=("F7.3",))        on a step of the demo

A test that asks a stand-in without our code shows that the stand-in is right, not that we are: it is listed as
such and does not count as seen.
"""

import ast
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_ROW = re.compile(r"^\| ([FP][^ |]*) \| ([^ |]+) \| ([^|]+) \|$", re.MULTILINE)
_MARKS = {"pytest.mark.feature", "pytest.mark.promise"}
#: Tests in these folders that import nothing of ours speak with a stand-in only.
_BESIDE_THE_PRODUCT = ("tests/contract", "tests/sandbox")

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
type Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class Feature:
    """One row of docs/features.md."""

    id: str
    mark: str
    line: str


@dataclass(frozen=True)
class Sighting:
    """A test or step that carries an id. `where` is a pytest node or `demo 3.1`."""

    feature: str
    where: str
    ours: bool = True


def listed(document: str) -> list[Feature]:
    """The rows of docs/features.md, in their order."""
    return [Feature(id_, mark, line.strip()) for id_, mark, line in _ROW.findall(document)]


def everything(root: Path) -> list[Feature]:
    """Features and promises."""
    return [row for page in ("features", "promises") for row in listed((root / f"docs/{page}.md").read_text())]


def seen_in_tests(root: Path) -> Iterator[Sighting]:
    """What the marks of all tests say."""
    for path in sorted((root / "tests").rglob("test_*.py")):
        node = path.relative_to(root).as_posix()
        tree = ast.parse(path.read_text())
        ours = not node.startswith(_BESIDE_THE_PRODUCT) or _imports_ours(tree)
        for where, mark in _marks(node, tree):
            yield from (Sighting(id_, where, ours) for id_ in _texts(mark.args, where))


def seen_in_demo(root: Path) -> Iterator[Sighting]:
    """What the steps of the demo say."""
    for path in sorted((root / "sandbox/demo/steps").glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            for call in _decorators(node):
                if isinstance(call.func, ast.Name) and call.func.id == "step":
                    yield from _of_step(call, path.name)


def unknown(features: Iterable[Feature], sightings: Iterable[Sighting]) -> list[str]:
    """Complaints about ids that docs/features.md does not list."""
    known = {feature.id for feature in features}
    return [f"{one.where}: {one.feature} is not in docs/features.md" for one in sightings if one.feature not in known]


def told(features: Iterable[Feature], sightings: Iterable[Sighting]) -> str:
    """The whole list for the terminal; counts at the end."""
    by_feature: dict[str, list[Sighting]] = defaultdict(list)
    for one in sightings:
        by_feature[one.feature].append(one)
    lines: list[str] = []
    counts: Counter[str] = Counter()
    for feature in features:
        state = _state(by_feature[feature.id])
        counts[state] += 1
        lines.append(f"{feature.id:<7}{feature.mark:<9}{state:<15}{feature.line}")
        lines += dict.fromkeys(_line(one) for one in by_feature[feature.id])
    summary = ", ".join(f"{counts[state]} {state}" for state in ("seen", "stand-in only", "open"))
    return "\n".join([*lines, f"{sum(counts.values())} features: {summary}"])


def main() -> int:
    """0 when every id is known."""
    features = everything(ROOT)
    sightings = [*seen_in_demo(ROOT), *seen_in_tests(ROOT)]
    print(told(features, sightings))  # noqa: T201 - the command's output
    complaints = unknown(features, sightings)
    print("\n".join(complaints), file=sys.stderr)  # noqa: T201 - the command's output
    return 1 if complaints else 0


def _line(one: Sighting) -> str:
    return f"{'':<16}{one.where}{'' if one.ours else ' (stand-in only)'}"


def _state(sightings: list[Sighting]) -> str:
    if not sightings:
        return "open"
    return "seen" if any(one.ours for one in sightings) else "stand-in only"


def _marks(node: str, tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    for child in tree.body:
        if isinstance(child, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id == "pytestmark" for t in child.targets
        ):
            yield from ((node, call) for call in _feature_calls(child.value))
        elif isinstance(child, _DEFINITIONS):
            yield from _marks_of(node, child)


def _marks_of(outer: str, definition: Definition) -> Iterator[tuple[str, ast.Call]]:
    node = f"{outer}::{definition.name}"
    for decorator in definition.decorator_list:
        yield from ((node, call) for call in _feature_calls(decorator))
    if isinstance(definition, ast.ClassDef):
        for child in definition.body:
            if isinstance(child, _DEFINITIONS):
                yield from _marks_of(node, child)


def _feature_calls(tree: ast.AST) -> Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in _MARKS:
            yield node


def _of_step(call: ast.Call, file: str) -> Iterator[Sighting]:
    (id_,) = _texts(call.args[:1], file)
    for keyword in call.keywords:
        if keyword.arg == "features":
            ids = keyword.value.elts if isinstance(keyword.value, ast.Tuple) else [keyword.value]
            yield from (Sighting(feature, f"demo {id_}") for feature in _texts(ids, file))


def _decorators(node: ast.AST) -> list[ast.Call]:
    found = node.decorator_list if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else []
    return [decorator for decorator in found if isinstance(decorator, ast.Call)]


def _texts(nodes: Iterable[ast.expr], where: str) -> list[str]:
    """The strings written there. A name or an expression would hide an id from this reader, so it is refused."""
    texts = [node.value if isinstance(node, ast.Constant) else None for node in nodes]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{where}: a feature id must be written out as a string")
    return [str(text) for text in texts]


def _imports_ours(tree: ast.Module) -> bool:
    for node in ast.walk(tree):
        names = [name.name for name in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        if {name.partition(".")[0] for name in names} & {"shared", "functions"}:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
