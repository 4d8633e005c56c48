"""What each function of the app reaches: queues it writes, tables it reads and writes, peers it asks.

Read from source by a walk over names, starting at the function's own body. It follows

    f, module.f            functions of functions/ and shared/, called or handed on
    deps.texts.save        to the class that `Deps` of shared/bootstrap.py builds under this name
    self.f, argument.f     to the class that stands there, or that the argument's annotation names
    Tables.get(Table.X)    a read or a write of that table
    TextOrder(...)         a message made; where something reaches `Queues.put`, one for its queue

It sees what may happen, not what does, and not which rows. A message that is put back into its own queue to be
tried again (shared/work.py) is not shown.
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

_READS = frozenset({"get", "get_in_clear", "query", "in_clear", "partition"})
_WRITES = frozenset({"insert", "replace", "save", "put", "delete", "batch", "delete_batch", "sweep", "reseal"})
_DEPS = "shared.bootstrap.Deps"
_PEERS = "shared.clients."
_PUT = "shared.storage.queues.Queues.put"

type Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Trigger:
    """What starts a function: `POST hl7v2/{connection}`, `queue upkeep` or `timer 0 * * * * *`."""

    function: str
    app: str
    group: str
    what: str
    says: str


@dataclass
class Reached:
    """What a walk came upon."""

    messages: set[str] = field(default_factory=set)
    puts: bool = False
    reads: set[str] = field(default_factory=set)
    writes: set[str] = field(default_factory=set)
    peers: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Unit:
    """One function or method, with what the names in it mean. `owner`: the class of a method, as a full name."""

    node: Function
    module: str
    owner: str | None


class Source:
    """All functions and methods of functions/ and shared/, by full name (`shared.storage.texts.Texts.save`)."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._trees = {_module(root, path): ast.parse(path.read_text()) for path in _files(root)}

    @cached_property
    def units(self) -> dict[str, Unit]:
        """Every function at module level and every method."""
        units: dict[str, Unit] = {}
        for module, tree in self._trees.items():
            for node in tree.body:
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    units[f"{module}.{node.name}"] = Unit(node, module, None)
                elif isinstance(node, ast.ClassDef):
                    owner = f"{module}.{node.name}"
                    units |= {f"{owner}.{one.name}": Unit(one, module, owner) for one in _functions(node)}
        return units

    @cached_property
    def names(self) -> dict[str, dict[str, str]]:
        """Per module: what a bare name stands for, as a full name."""
        return {module: dict(_meanings(module, tree)) for module, tree in self._trees.items()}

    @cached_property
    def queues(self) -> dict[str, str]:
        """Full name of a message class -> name of its queue."""
        queues = self.members("Queue")
        found = {}
        classes = [node for node in self._trees["shared.messages"].body if isinstance(node, ast.ClassDef)]
        for node in classes:
            for line in node.body:
                if isinstance(line, ast.AnnAssign) and ast.unparse(line.target) == "queue" and line.value:
                    found[f"shared.messages.{node.name}"] = queues[ast.unparse(line.value).removeprefix("Queue.")]
        return found

    def members(self, enum: str) -> dict[str, str]:
        """Members of an enumeration in shared/storage/names.py."""
        tree = self._trees["shared.storage.names"]
        (node,) = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == enum)
        lines = [line for line in node.body if isinstance(line, ast.Assign)]
        return {ast.unparse(line.targets[0]): str(ast.literal_eval(line.value)) for line in lines}

    def triggers(self) -> list[Trigger]:
        """Every function that Azure would index, group by group."""
        apps = _apps(ast.parse((self._root / "function_app.py").read_text()))
        found = []
        for group, app in sorted(apps.items(), key=lambda pair: (pair[1] != "main", pair[0])):
            for node in _functions(self._trees[f"functions.{group}"]):
                for decorator in node.decorator_list:
                    if what := self._trigger(decorator):
                        says = (ast.get_docstring(node) or "").partition("\n")[0]
                        found.append(Trigger(node.name, app, group, what, says))
        return found

    def reached(self, trigger: Trigger) -> Reached:
        """Everything that the walk from a function comes upon."""
        found, todo, done = Reached(), [f"functions.{trigger.group}.{trigger.function}"], set[str]()
        if trigger.what.partition("/")[2].startswith("config/"):
            todo.append("shared.api._route")
        while todo:
            name = todo.pop()
            if name in done or name not in self.units:
                continue
            done.add(name)
            found.puts |= name == _PUT
            todo += self._look(self.units[name], found)
        return found

    def _trigger(self, decorator: ast.expr) -> str | None:
        if not isinstance(decorator, ast.Call):
            return None
        given = {keyword.arg: keyword.value for keyword in decorator.keywords}
        match ast.unparse(decorator.func).rpartition(".")[2]:
            case "operation":
                return f"{ast.literal_eval(decorator.args[1])} /{ast.literal_eval(decorator.args[2])}"
            case "route":
                return f"{' '.join(ast.literal_eval(given['methods']))} /{ast.literal_eval(decorator.args[0])}"
            case "queue_trigger":
                return f"queue {self.members('Queue')[ast.unparse(given['queue_name']).removeprefix('Queue.')]}"
            case "timer_trigger":
                return f"timer {ast.literal_eval(given['schedule'])}"
        return None

    def _look(self, unit: Unit, found: Reached) -> list[str]:
        """Note what stands in one body; the full names that it leads to."""
        types = {**self._arguments(unit.node, unit.module), **self._fields(unit)}
        names = self.names[unit.module]
        leads: list[str] = []
        for node in ast.walk(unit.node):
            if isinstance(node, ast.Call):
                self._note_call(node, names, found)
            if isinstance(node, ast.Attribute):
                leads += self._of_attribute(node, unit, types, names, found)
            elif isinstance(node, ast.Name) and node.id in names:
                leads.append(names[node.id])
        return leads

    def _note_call(self, call: ast.Call, names: dict[str, str], found: Reached) -> None:
        made = call.func.value if isinstance(call.func, ast.Attribute) else call.func
        if isinstance(made, ast.Name) and names.get(made.id) in self.queues:
            found.messages.add(self.queues[names[made.id]])
        if isinstance(call.func, ast.Attribute):
            tables = {name for argument in call.args for name in _members(argument, "Table")}
            into = found.reads if call.func.attr in _READS else found.writes if call.func.attr in _WRITES else set()
            into.update(self.members("Table")[name] for name in tables)

    def _of_attribute(
        self, node: ast.Attribute, unit: Unit, types: dict[str, str], names: dict[str, str], found: Reached
    ) -> list[str]:
        text = ast.unparse(node.value)
        if text in {"deps", "deps()"}:
            return self._of_deps(node.attr, found)
        if text.startswith(("deps.", "deps().")):
            held = self._held.get(text.rpartition(".")[2])
            return [f"{held}.{node.attr}"] if held else []
        if text == "self":
            return [f"{unit.owner}.{node.attr}"]
        return [f"{owner}.{node.attr}" for owner in (types.get(text), names.get(text)) if owner]

    def _of_deps(self, name: str, found: Reached) -> list[str]:
        held = self._held.get(name, "")
        if held.startswith(_PEERS):
            found.peers.add(held.removeprefix(_PEERS).partition(".")[0])
        return [f"{_DEPS}.{name}"]

    @cached_property
    def _held(self) -> dict[str, str]:
        """What `Deps` builds: name of the property -> full name of the class."""
        names = self.names["shared.bootstrap"]
        units = {name.removeprefix(f"{_DEPS}."): unit for name, unit in self.units.items() if name.startswith(_DEPS)}
        return {name: names[kind] for name, unit in units.items() if (kind := _kind(unit.node.returns)) in names}

    def _arguments(self, node: Function, module: str) -> dict[str, str]:
        names = self.names[module]
        return {one.arg: names[kind] for one in _all(node.args) if (kind := _kind(one.annotation)) in names}

    def _fields(self, unit: Unit) -> dict[str, str]:
        """`self._texts` -> full name of the class, from what `__init__` was given."""
        begin = self.units.get(f"{unit.owner}.__init__")
        if begin is None:
            return {}
        given = self._arguments(begin.node, unit.module)
        pairs = [(line.targets[0], line.value) for line in begin.node.body if isinstance(line, ast.Assign)]
        return {ast.unparse(to): given[ast.unparse(of)] for to, of in pairs if ast.unparse(of) in given}


def _files(root: Path) -> Iterable[Path]:
    return (path for folder in ("functions", "shared") for path in sorted((root / folder).rglob("*.py")))


def _module(root: Path, path: Path) -> str:
    return ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")


def _functions(node: ast.Module | ast.ClassDef) -> list[Function]:
    return [one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]


def _meanings(module: str, tree: ast.Module) -> Iterator[tuple[str, str]]:
    """Imports, also those for type checking only, and what the module defines itself."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(("shared", "functions")):
            yield from ((name.asname or name.name, f"{node.module}.{name.name}") for name in node.names)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name, f"{module}.{node.name}"


def _apps(tree: ast.Module) -> dict[str, str]:
    """Function group -> role of the app that registers it, from the two branches of function_app.py."""
    (choice,) = (node for node in tree.body if isinstance(node, ast.If))
    hl7, main = ({name.name for node in part for name in _imported(node)} for part in (choice.body, choice.orelse))
    return dict.fromkeys(hl7, "hl7") | dict.fromkeys(main, "main")


def _imported(node: ast.stmt) -> list[ast.alias]:
    return node.names if isinstance(node, ast.ImportFrom) and node.module == "functions" else []


def _members(node: ast.expr, enum: str) -> Iterator[str]:
    for one in ast.walk(node):
        if isinstance(one, ast.Attribute) and ast.unparse(one.value) == enum:
            yield one.attr


def _all(arguments: ast.arguments) -> list[ast.arg]:
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]


def _kind(annotation: ast.expr | None) -> str:
    """The class's name in an annotation, quoted or not."""
    if annotation is None:
        return ""
    return str(annotation.value) if isinstance(annotation, ast.Constant) else ast.unparse(annotation)
