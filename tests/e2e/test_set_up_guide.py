"""docs/set-up.md is played: its commands, word for word, in a bash of their own, on a sandbox without a hospital.

Only what a person does in a browser is done here instead: the approver's sign-in at Epic, the phone, the two launches.
"""

import asyncio
import json
import os
import re
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from subprocess import PIPE, STDOUT
from typing import Any

import pytest

from sandbox import stack as sandbox_stack
from sandbox.demo.api import call
from sandbox.demo.scene import Scene, eventually, opened
from sandbox.stack import Stack
from tests import free_ports
from tests.e2e.conftest import approve, follow, sign_in_to_epic
from tests.e2e.launch.launching import browsers, provider

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "set-up.md").read_text()
#: What the approver does, and calls that need what an answer or a browser showed.
_BY_HAND = re.compile(r"^call (ana .*|.*<\w+>.*)$", re.MULTILINE)
_DONE = "the block is done"
#: Of the guide's booking and appointment.
CSN = "9003001"


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A sandbox as `make up BARE=1` leaves it."""
    folder: Path = tmp_path_factory.mktemp("guide") / ".sandbox"
    with free_ports.block() as first, asyncio.Runner() as runner:
        made = sandbox_stack.sandbox(folder, first)
        runner.run(made.__aenter__())
        yield made
        runner.run(made.stop())


@pytest.fixture
async def scene(bare: Stack) -> AsyncIterator[Scene]:
    async with opened(bare) as made:
        yield made


@pytest.fixture
def shell(scene: Scene) -> Iterator["Shell"]:
    made = Shell(scene)
    yield made
    made.end()


class Shell:
    """A bash that stays, as the reader's does."""

    def __init__(self, scene: Scene) -> None:
        folder = Path(scene.plan.folder).parent
        (folder / ".venv").symlink_to(ROOT / ".venv")
        env = os.environ | {"SANDBOX_PORT": str(scene.plan.ports["app"]), "PYTHONPATH": str(ROOT)}
        env |= {"SANDBOX_FOLDER": scene.plan.folder}
        self._bash = subprocess.Popen(
            ["/bin/bash"], cwd=folder, env=env, text=True, stdin=PIPE, stdout=PIPE, stderr=STDOUT, bufsize=1
        )

    def play(self, block: str) -> str:
        """What the block printed; a refusal of the API or of a stand-in fails the test."""
        assert self._bash.stdin
        assert self._bash.stdout
        self._bash.stdin.write(f"{block}\necho; echo '{_DONE}'\n")
        said = ""
        while not said.endswith(f"{_DONE}\n"):
            line = self._bash.stdout.readline()
            assert line, (block, said)  # bash has ended
            said += line
        assert [word for word in ('"code":', "error", "Error") if word in said] == [], (block, said)
        return said

    def end(self) -> None:
        self._bash.communicate()


def commands() -> list[str]:
    """The guide's indented blocks that a shell plays; what a person does in between is left out."""
    blocks = re.findall(r"(?:^    .*\n)+(?:\n(?:    .*\n)+)*", GUIDE, re.MULTILINE)
    plain = [re.sub(r"^    ", "", block, flags=re.MULTILINE) for block in blocks]
    return [_BY_HAND.sub("", block) for block in plain if not block.startswith("csn=")]


async def test_the_guide_leads_from_nothing_to_a_visit(scene: Scene, shell: Shell) -> None:
    said = ""
    for block in commands():
        said += await asyncio.to_thread(shell.play, block)
        if "/validation" in block:
            added = json.loads((Path(scene.plan.folder) / "added.json").read_text())
            scene.facts["connection"] = added["id"]
            assert (await approve(scene)).status == 200
    assert "MSA|AA" in said
    assert len(await eventually(lambda: texts(scene), bool)) == 1
    async with browsers(scene, 2) as (pat, paula):
        assert (await pat.launch("pat", CSN, role="patient")).host == "graph"
        assert (await provider(paula, CSN)).host == "graph"


async def test_one_script_sets_a_hospital_up_from_the_request_to_a_green_preflight(scene: Scene) -> None:
    """docs/set-up.sh; only the approver's sign-in at Epic is a person's."""
    for one in (await call(scene, "adam", "GET", "/config/connections")).body["items"]:
        await call(scene, "adam", "DELETE", f"/config/connections/{one['id']}", etag=f'"{one["change"]}"')
    env = os.environ | {"SANDBOX_PORT": str(scene.plan.ports["app"]), "SANDBOX_FOLDER": scene.plan.folder}
    script = await asyncio.create_subprocess_exec(
        "bash", "docs/set-up.sh", cwd=ROOT, env=env, stdin=PIPE, stdout=PIPE, stderr=STDOUT
    )
    assert script.stdin
    assert script.stdout
    said = ""
    while "The code" not in said:
        line = (await script.stdout.readline()).decode()
        assert line, said
        said += line
    url = re.search(r"Sign in to Epic at (\S+)", said)
    assert url, said
    await follow(scene, await sign_in_to_epic(scene, url[1]))
    rest, _ = await script.communicate(f"{scene.facts['code']}\n".encode())
    assert script.returncode == 0, said + rest.decode()
    assert "ok       backend-token" in rest.decode()
    assert "failed" not in rest.decode()


async def texts(scene: Scene) -> list[Any]:
    """What the phone of the guide's booking shows."""
    url = f"{scene.plan.urls['acs']}/_sandbox/texts"
    async with scene.http.get(url, params={"to": "+16085550140"}) as answer:
        found: list[Any] = await answer.json()
        return found
