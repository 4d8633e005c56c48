"""Bicep files as open parsers see them: syntax, and names that nothing declares.

There is no Bicep compiler here, so two parsers and these checks stand in for what it would refuse first. Files are a
mapping of path below infra/ to text, so that a test can break a copy.
"""

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import tree_sitter_bicep
from pycep import BicepParser
from tree_sitter import Language, Node, Parser

INFRA = Path(__file__).parents[2] / "infra"

type Files = Mapping[str, str]

#: Functions of the language that infra/ uses and evaluate.py knows.
FUNCTIONS = frozenset(
    {"empty", "guid", "resourceGroup", "subscriptionResourceId", "take", "tenant", "union", "uniqueString"}
)
DECORATORS = frozenset({"allowed", "description", "maxLength", "maxValue", "minLength", "minValue"})
_DECLARATIONS = {
    "parameter_declaration": "param",
    "variable_declaration": "var",
    "resource_declaration": "resource",
    "module_declaration": "module",
    "output_declaration": "output",
}


def read() -> dict[str, str]:
    """The Bicep files of this repository."""
    return {path.relative_to(INFRA).as_posix(): path.read_text() for path in sorted(INFRA.rglob("*.bicep"))}


@dataclass(frozen=True)
class Declared:
    """One declaration. `value`: the expression it stands for, None for a parameter without a default."""

    kind: str
    name: str
    node: Node
    value: Node | None
    type: str = ""
    existing: bool = False
    decorators: dict[str, Node] = field(default_factory=dict)


@cache
def root(text: str) -> Node:
    """The syntax tree."""
    return Parser(Language(tree_sitter_bicep.language())).parse(text.encode()).root_node


def words(node: Node) -> str:
    """The source text of a node."""
    return (node.text or b"").decode()


def literal(node: Node) -> str:
    """A string without interpolation."""
    return "".join(words(part) for part in node.named_children if part.type == "string_content")


@cache
def declarations(text: str) -> tuple[Declared, ...]:
    """Everything that a file declares, in order."""
    found, decorators = [], {}
    for node in root(text).named_children:
        if node.type == "decorators":
            calls = [one.named_children[0] for one in node.named_children]
            decorators = {words(call.named_children[0]): call.named_children[1] for call in calls}
        if node.type in _DECLARATIONS:
            found.append(_declared(node, decorators))
            decorators = {}
    return tuple(found)


def _declared(node: Node, decorators: dict[str, Node]) -> Declared:
    kind = _DECLARATIONS[node.type]
    name, *rest = node.named_children
    typed = rest and (rest[0].type == "type" or kind in {"resource", "module"})
    type_ = (literal(rest[0]) or words(rest[0])) if typed else ""
    values = rest[1:] if typed else rest
    existing = any(child.type == "existing" or words(child) == "existing" for child in node.children)
    value = values[-1] if values else None
    return Declared(kind, words(name), node, value, type_, existing, decorators)


def syntax_faults(files: Files) -> list[str]:
    """Where a parser stumbles."""
    found = []
    for name, text in files.items():
        try:
            BicepParser().parse(text=text)
        except Exception as error:  # pycep raises those of the parser it is made with
            found.append(f"{name}: pycep: {type(error).__name__}")
        broken = [node for node in _all(root(text)) if node.is_error or node.is_missing]
        found += [f"{name}:{node.start_point[0] + 1}: tree-sitter: error" for node in broken]
    return found


def name_faults(files: Files) -> list[str]:
    """Names nobody declares, names nobody uses, and modules called with what they do not take."""
    return [fault for name in files for fault in _name_faults(files, name)]


def _name_faults(files: Files, name: str) -> Iterator[str]:
    known = {one.name: one for one in declarations(files[name]) if one.kind != "output"}
    used = set()
    for node in _all(root(files[name])):
        line = f"{name}:{node.start_point[0] + 1}"
        if _is_reference(node):
            used.add(words(node))
            if words(node) not in known.keys() | _loop_names(node):
                yield f"{line}: {words(node)} is not declared"
        if node.type == "call_expression":
            called = words(node.named_children[0])
            allowed = DECORATORS if node.parent is not None and node.parent.type == "decorator" else FUNCTIONS
            if called not in allowed:
                yield f"{line}: {called} is no function that is known here"
        yield from (f"{line}: {fault}" for fault in _output_faults(files, name, known, node))
    yield from (
        f"{name}: {one} is never used" for one in known if one not in used and known[one].kind in {"param", "var"}
    )
    for module in known.values():
        if module.kind == "module":
            yield from _module_faults(files, name, module)


def _module_faults(files: Files, name: str, module: Declared) -> Iterator[str]:
    target = beside(name, module.type)
    if target not in files:
        yield f"{name}: module {module.name}: {target} is not there"
        return
    takes = {one.name: one for one in declarations(files[target]) if one.kind == "param"}
    given = set(properties(properties(module.value)["params"]))
    yield from (f"{name}: module {module.name} takes no {one}" for one in sorted(given - takes.keys()))
    needed = {one for one, param in takes.items() if param.value is None}
    yield from (f"{name}: module {module.name} needs {one}" for one in sorted(needed - given))


def _output_faults(files: Files, name: str, known: dict[str, Declared], node: Node) -> Iterator[str]:
    """`module.outputs.x` where the module has no such output."""
    parts = words(node).split(".")
    if node.type != "member_expression" or len(parts) != 3 or parts[1] != "outputs":
        return
    module = known.get(parts[0])
    text = files.get(beside(name, module.type)) if module else None
    if text and parts[2] not in {one.name for one in declarations(text) if one.kind == "output"}:
        yield f"{parts[0]} has no output {parts[2]}"


def beside(name: str, path: str) -> str:
    """The path of a module's file, given the file that calls it."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), path))


def properties(node: Node | None) -> dict[str, Node]:
    """The properties of an object literal."""
    pairs = [one.named_children for one in node.named_children if one.type == "object_property"] if node else []
    return {literal(key) if key.type == "string" else words(key): value for key, value in pairs}


def _is_reference(node: Node) -> bool:
    """An identifier that stands for a value: no declared name, key of an object, function or loop variable."""
    parent = node.parent
    if node.type != "identifier" or parent is None:
        return False
    first = parent.named_children[0] == node
    return not (first and parent.type in {*_DECLARATIONS, "object_property", "call_expression", "for_statement"})


def _loop_names(node: Node) -> set[str]:
    """Variables of the loops around a node."""
    found, around = set(), node.parent
    while around is not None:
        if around.type == "for_statement":
            found.add(words(around.named_children[0]))
        around = around.parent
    return found


def _all(node: Node) -> Iterator[Node]:
    yield node
    for child in node.children:
        yield from _all(child)
