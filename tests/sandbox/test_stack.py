"""How the stack starts, watches and stops processes. The processes are small ones of this file's own."""

import argparse
import asyncio
import json
import os
import signal
import socket
from pathlib import Path

import pytest

from sandbox import __main__ as command_line
from sandbox import plan as sandbox_plan
from sandbox import ports, stack, state
from sandbox.demo.scene import eventually
from sandbox.stack import Program, Stack, StackError
from tests import free_ports

TALKS = """
import os, signal, socket, sys, time
port = socket.socket(); port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
port.bind(("127.0.0.1", {port})); port.listen()
print("some noise first"); print("READY {name} {port} pid", os.getpid(), "[one two]")
signal.signal(signal.SIGTERM, lambda *_: (print("{name} ends", time.monotonic_ns()), sys.exit(0)))
while True: signal.pause()
"""


@pytest.fixture
def programs(plan):
    def talks(name):
        return Program(name, ("-c", TALKS.format(name=name, port=plan.ports[name])), (name,), ready_within=20)

    return [[talks("entra"), talks("epic")], [talks("app")]]


def script(name, text, ready_within=20.0):
    return Program(name, ("-c", text), (), ready_within=ready_within)


async def test_everything_is_up_inside_and_down_after(plan, programs):
    async with Stack(plan, programs) as running:
        pids = running.pids()
        assert set(pids) == {"entra", "epic", "app"}
        assert running.functions("app") == ["one", "two"]
        assert not ports.are_free({name: plan.ports[name] for name in pids})
        assert state.read_pids(plan) == {"supervisor": os.getpid(), **pids}
        assert all(os.getpgid(pid) == pid for pid in pids.values())
    assert ports.are_free({name: plan.ports[name] for name in pids})
    assert not (plan.path("logs").parent / "state.json").exists()


async def test_a_stack_left_running_ends_well_when_it_is_told_to(plan, programs, capsys, monkeypatch):
    monkeypatch.setattr(stack, "sandbox", lambda *_, **__: Stack(plan, programs))
    up = asyncio.create_task(command_line._up(argparse.Namespace(bare=True, identity=False)))

    async def said() -> str:
        return str(capsys.readouterr().out)

    await eventually(said, lambda text: "No hospital is set up" in text)
    up.cancel()  # what Ctrl-C does, and the SIGTERM of `down`
    assert await up == 0
    assert capsys.readouterr().out == "\nstopped\n"
    assert state.alive(plan) == {}


async def test_what_was_started_last_is_ended_first(plan, programs):
    async with Stack(plan, programs) as running:
        logs = {name: running.log(name) for name in ("entra", "app")}
    ended = {name: int(log.read_text().split()[-1]) for name, log in logs.items()}
    assert ended["app"] < ended["entra"]


async def test_the_state_says_what_an_outsider_needs(plan, programs):
    async with Stack(plan, programs) as running:
        told = state.describe(plan, running.pids())
        assert (plan.path("logs").parent / "state.json").exists()
    assert {"urls", "users", "keys", "certs", "pids", "clock"} == set(told)
    assert {"app", "hl7", "portal", "epic", "graph", "acs", "entra", "queue", "table"} <= set(told["urls"])
    assert told["users"]["ana"]["roles"] == ("Approver",)
    assert {"ca", "engine_cert", "engine_key"} <= set(told["certs"])


async def test_a_process_that_ends_at_once_is_named_with_the_end_of_its_log_and_the_rest_is_stopped(plan, programs):
    bad = script("broken", "import sys; print('on the way'); sys.exit('the wheel came off')")
    with pytest.raises(StackError, match=r"(?s)broken ended with status 1.*the wheel came off"):
        async with Stack(plan, [*programs, [bad]]):
            pytest.fail("it must not get here")
    assert ports.are_free({"epic": plan.ports["epic"], "app": plan.ports["app"]})


async def test_a_process_that_never_says_ready_is_named(plan):
    mute = script("mute", "import signal; print('NOT READY'); signal.pause()", ready_within=1)
    with pytest.raises(StackError, match=r"(?s)mute did not answer in 1 s.*NOT READY"):
        async with Stack(plan, [[mute]]):
            pytest.fail("it must not get here")


async def test_a_taken_port_is_an_error_that_says_which_for_what_and_whose(plan, programs):
    with socket.socket() as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind(("127.0.0.1", plan.ports["epic"]))
        holder.listen()
        with pytest.raises(ports.PortTakenError) as caught:
            async with Stack(plan, programs):
                pytest.fail("it must not get here")
    assert f"port {plan.ports['epic']} (wanted for epic) is taken by pid {os.getpid()} (" in str(caught.value)
    assert "SANDBOX_PORT" in str(caught.value)


async def test_a_killed_process_comes_back_on_its_port_with_a_new_pid(plan, programs):
    async with Stack(plan, programs) as running:
        before = running.pids()
        await running.restart("epic", signal.SIGKILL)
        after = running.pids()
        assert before["epic"] != after["epic"]
        assert {**before, "epic": 0} == {**after, "epic": 0}
        assert running.dead() == {}
        assert "ends" not in running.log("epic").read_text()
        assert state.read_pids(plan)["epic"] == after["epic"]


async def test_a_process_that_dies_is_reported(plan, programs):
    async with Stack(plan, programs) as running:
        os.kill(running.pids()["epic"], signal.SIGKILL)
        told = await asyncio.wait_for(running.watch(), 10)
        assert told.startswith("epic ended with status -9")
        assert running.dead() == {"epic": -9}
        assert set(running.pids()) == {"entra", "app"}


async def test_what_a_process_leaves_behind_is_ended_with_it(plan):
    child = "import signal; print('child', __import__('os').getpid(), flush=True); signal.pause()"
    parent = f"import signal, subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}])"
    leaves = script("leaves", f"{parent}; print('READY leaves'); signal.pause()")

    async def orphan_lives():
        return ports.belongs_to(pid, plan.folder)

    async with Stack(plan, [[leaves]]) as running:

        async def log():
            return running.log("leaves").read_text()

        pid = int((await eventually(log, lambda text: "child" in text)).split("child")[1].split()[0])
        assert await orphan_lives()
    assert not await eventually(orphan_lives, lambda lives: not lives, within=5)


async def test_a_second_sandbox_in_the_same_folder_is_refused_and_harms_nothing(plan, programs):
    async with Stack(plan, programs) as running:
        with pytest.raises(StackError, match=f"already \\(pid {os.getpid()}\\)"):
            async with Stack(plan, programs):
                pytest.fail("it must not get here")
        assert running.dead() == {}
        assert running.log("app").exists()


async def test_a_fresh_run_forgets_the_one_before_and_keeps_nothing_but_certificates(plan, programs):
    for kept in (plan.path("azurite"), plan.path("logs"), plan.path("ca").parent):
        kept.mkdir()
        (kept / "old").write_text("old")
    plan.path("clock").write_text("3600")
    async with Stack(plan, programs):
        assert not (plan.path("azurite") / "old").exists()
        assert not (plan.path("logs") / "old").exists()
        assert not plan.path("clock").exists()
        assert (plan.path("ca").parent / "old").exists()


async def test_a_process_sees_the_plan_and_no_proxy_or_login_of_the_caller(plan, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example")
    monkeypatch.setenv("AZURE_CLIENT_SECRET", "made up")
    shows = script("shows", "import os, signal; print(sorted(os.environ)); print('READY shows'); signal.pause()")
    async with Stack(plan, [[shows]]) as running:
        seen = running.log("shows").read_text()
    assert "SANDBOX_PLAN" in seen
    assert "PROXY" not in seen
    assert "AZURE" not in seen


async def test_down_ends_what_a_killed_supervisor_left_and_touches_no_stranger(plan, programs):
    running = Stack(plan, programs)
    await running.__aenter__()
    running._held.close()  # as if this process had been killed: the lock is gone, the children run on
    state.write_pids(plan, {"supervisor": os.getpid(), "stranger": os.getppid(), **running.pids()})
    with pytest.raises(ports.PortTakenError, match="an earlier run of this sandbox: `make down` ends it"):
        async with Stack(plan, programs):
            pytest.fail("it must not get here")
    assert set(await stack.down(plan)) == {"entra", "epic", "app"}
    assert await stack.down(plan) == []
    await running.stop()


async def test_another_process_with_a_noted_number_is_left_alone(plan, programs):
    """The pids of a killed run were given anew: here to processes of this very sandbox, which only look the same."""
    async with Stack(plan, programs) as running:
        noted = Path(plan.folder) / "pids.json"
        stale = json.loads(noted.read_text())
        for name in ("supervisor", "epic"):
            stale[name]["started"] -= 1
        noted.write_text(json.dumps(stale))
        with pytest.raises(StackError, match="just starting"):
            await stack.down(plan)
        running._held.close()
        assert set(stack.left_behind(plan)) == {"entra", "app"}
        assert set(await stack.down(plan)) == {"entra", "app"}
        assert set(running.pids()) == {"epic"}


async def test_a_run_that_was_killed_is_not_forgotten_by_the_next_one_on_other_ports(plan, programs):
    first = Stack(plan, programs)
    await first.__aenter__()
    first._held.close()
    with free_ports.block() as other:
        elsewhere = sandbox_plan.make(Path(plan.folder), other)
        with pytest.raises(StackError, match=r"was killed, still running: entra \(pid .*`make down` ends them"):
            async with Stack(elsewhere, [[script("quick", "print('READY quick')")]]):
                pytest.fail("it must not get here")
    assert set(first.pids()) == {"entra", "epic", "app"}
    await first.stop()


async def test_status_tells_what_a_killed_supervisor_left_from_nothing_and_from_all_well(
    plan, programs, capsys, monkeypatch
):
    monkeypatch.setenv("SANDBOX_FOLDER", plan.folder)

    async def status() -> tuple[int, str]:
        return await command_line._status(argparse.Namespace()), capsys.readouterr().out

    async with Stack(plan, programs) as running:
        pids = running.pids()
        assert (await status())[0] == 0
        os.kill(pids["epic"], signal.SIGKILL)
        await asyncio.to_thread(running._running["epic"].wait)
        code, said = await status()
        assert code == 1
        assert f"epic       pid {pids['epic']:<8} has ended\n" in said
        running._held.close()
        code, said = await status()
        assert code == 1
        assert said.startswith(f"the supervisor is gone, still running: entra (pid {pids['entra']}), app (pid")
        assert "`make down` ends them" in said
        await stack.down(plan)
        assert await status() == (1, "the sandbox is down\n")


async def test_the_emulators_installation_is_announced_only_when_there_is_one(plan, monkeypatch):
    quick = script("azurite", "import signal; print('READY azurite'); signal.pause()")
    monkeypatch.setattr(stack.app_settings, "prepare", _nothing)
    for installed in (True, False):
        said = []
        monkeypatch.setattr(stack.node, "installed", lambda installed=installed: installed)
        async with Stack(plan, [[quick]], said.append):
            pass
        assert [line.startswith("installing Azurite") for line in said] == [False] if installed else [True, False]


async def _nothing(*_):
    pass


async def test_the_whole_sandbox_is_planned_in_order_with_keys_of_its_own(tmp_path):
    whole = stack.sandbox(tmp_path, sandbox_plan.FIRST_PORT)
    stages = [[program.name for program in stage] for stage in whole._stages]
    assert stages == [["azurite", "portal", "entra", "epic", "graph", "acs"], ["app", "hl7_host"], ["hl7"]]
    host = whole._program("app")
    assert host.env["SANDBOX_TIMERS"] == "manual"
    assert host.env["SANDBOX_MASTER_KEY"] == whole.plan.keys["master"]
    assert "SANDBOX_BREAK" not in host.env
