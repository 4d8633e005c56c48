"""infra/ in syntax that open parsers read, with every name declared."""

import json
import re
from pathlib import PurePosixPath

import pathspec
import pytest

from tests.infra import bicep
from tests.infra.conftest import GIVEN
from tests.unit.sources import ROOT, python_files

FILES = bicep.read()
#: Declarations that older parsers read too: no types, functions or imports of one's own.
CONSERVATIVE = {*bicep._DECLARATIONS, "comment", "decorators", "target_scope_assignment"}


def test_there_is_a_stamp():
    assert "main.bicep" in FILES


def test_both_parsers_read_every_file():
    assert bicep.syntax_faults(FILES) == []


def test_every_name_is_declared_and_every_module_gets_what_it_takes():
    assert bicep.name_faults(FILES) == []


@pytest.mark.parametrize("name", FILES)
def test_a_file_uses_no_newer_declarations(name: str):
    assert {node.type for node in bicep.root(FILES[name]).named_children} <= CONSERVATIVE


@pytest.mark.parametrize("name", FILES)
def test_parameters_and_outputs_are_described(name: str):
    described = [one for one in bicep.declarations(FILES[name]) if one.kind in {"param", "output"}]
    assert [one.name for one in described if "description" not in one.decorators] == []


@pytest.mark.parametrize("name", FILES)
def test_no_output_could_be_a_key(name: str):
    outputs = [bicep.words(one.node) for one in bicep.declarations(FILES[name]) if one.kind == "output"]
    assert [
        one for one in outputs if re.search(r"[cC]onnectionString|[kK]eys?\b|listKeys|InstrumentationKey", one)
    ] == []


def test_roles_are_named_in_one_place():
    found = {name for name, text in FILES.items() if re.search(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text)}
    assert found == {"app/roles.bicep"}
    assert {name for name, text in FILES.items() if "roleAssignments@" in text} == {"app/roles.bicep"}


def test_the_parameter_file_gives_what_has_no_default_and_nothing_unknown():
    given = json.loads((bicep.INFRA / "main.parameters.json").read_text())["parameters"].keys()
    parameters = {one.name: one for one in bicep.declarations(FILES["main.bicep"]) if one.kind == "param"}
    required = {name for name, one in parameters.items() if one.value is None}
    assert required <= given <= parameters.keys()
    assert required == GIVEN.keys()


def test_azd_has_a_service_for_each_app():
    services = (ROOT / "azure.yaml").read_text().partition("services:\n")[2]
    assert re.findall(r"^  (\w+):$", services, re.MULTILINE) == ["main", "hl7"]


IGNORED = pathspec.PathSpec.from_lines("gitignore", (ROOT / ".funcignore").read_text().splitlines())
APP = ["host.json", "requirements.txt", "function_app.py", *python_files("functions", "shared")]


def relative(path: object) -> str:
    return PurePosixPath(str(path)).as_posix().removeprefix(f"{ROOT.as_posix()}/")


@pytest.mark.parametrize("path", APP, ids=relative)
def test_what_the_app_is_made_of_is_deployed(path: object):
    assert not IGNORED.match_file(relative(path))


KEPT_BACK = ["sandbox/host/serve.py", "tests/conftest.py", "local.settings.json", ".sandbox/secrets.json",
             ".venv/bin/python", "infra/main.bicep", "requirements-dev.txt", ".git/config"]  # fmt: skip


@pytest.mark.parametrize("path", KEPT_BACK)
def test_what_is_for_one_machine_is_not_deployed(path: str):
    assert IGNORED.match_file(path)
