"""A real Azurite, real certificates and hosts as processes, on twenty ports nobody else has."""

import base64
import dataclasses
import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from azure.storage.queue import QueueServiceClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sandbox import plan
from tests import free_ports

ROOT = Path(__file__).parents[2]
APP = Path(__file__).parent / "apps" / "every_kind"
MASTER_KEY = "the-master-key"


def eventually[T](ask: Callable[[], T], seconds: float = 15) -> T:
    """The first true answer; a test fails when there is none in time."""
    deadline = time.monotonic() + seconds
    while not (answer := ask()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.05)
    return answer


class Process:
    """A process of the sandbox; its output goes to a file."""

    def __init__(self, module: str, *arguments: object, output: Path, env: dict[str, str]) -> None:
        self.output = output
        command = [sys.executable, "-m", module, *map(str, arguments)]
        with output.open("w") as sink:
            self.popen = subprocess.Popen(  # noqa: S603 - our own modules, no shell
                command, cwd=ROOT, env={**os.environ, **env}, stdout=sink, stderr=subprocess.STDOUT
            )

    @property
    def text(self) -> str:
        return self.output.read_text()

    def wait_ready(self) -> str:
        """The READY line."""

        def line() -> str | None:
            assert self.popen.poll() is None, self.text
            return next((one for one in self.text.splitlines() if one.startswith("READY ")), None)

        return eventually(line, 300)  # the first start of Azurite installs it

    def stop(self) -> int:
        self.popen.terminate()
        return self.wait()

    def wait(self, seconds: float = 20) -> int:
        return self.popen.wait(seconds)


@contextmanager
def running(process: Process) -> Iterator[Process]:
    try:
        yield process
    finally:
        if process.popen.poll() is None:
            process.popen.kill()
            process.popen.wait()


def _self_signed(names: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    who = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "somebody")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(who, who, key.public_key(), x509.random_serial_number(), now, now + timedelta(1))
    names.with_suffix(".pem").write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    pem = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    names.with_suffix(".key").write_bytes(key.private_bytes(*pem))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[plan.Plan]:
    """A plan with certificates: server, engine (of the CA), expired (of the CA), stranger (self-signed)."""
    with free_ports.block() as first:
        yield _laid_out(plan.make(tmp_path_factory.mktemp("sandbox"), first))


def _laid_out(made: plan.Plan) -> plan.Plan:
    ca = trustme.CA()
    made.path("ca").parent.mkdir()
    ca.cert_pem.write_to_path(made.path("ca"))
    past = datetime.now(UTC) - timedelta(days=1)
    issued = {
        "server": ca.issue_cert("localhost", "127.0.0.1"),
        "engine": ca.issue_cert("engine.example"),
        "expired": ca.issue_cert("engine.example", not_before=past - timedelta(1), not_after=past),
    }
    for who, leaf in issued.items():
        leaf.private_key_pem.write_to_path(made.path(f"{who}_key"))
        leaf.cert_chain_pems[0].write_to_path(made.path(f"{who}_cert"))
    _self_signed(made.path("stranger_cert").with_suffix(""))
    made.save()
    return made


@pytest.fixture(scope="session")
def azurite(world: plan.Plan) -> Iterator[Process]:
    with running(run_azurite(world)) as process:
        process.wait_ready()
        yield process
        assert process.stop() == 0


def run_azurite(world: plan.Plan) -> Process:
    env = {"SANDBOX_PLAN": str(Path(world.folder) / "plan.json")}
    return Process("sandbox.azurite", output=Path(world.folder) / "azurite.log", env=env)


class Stage:
    """One host over the fixture app, its queue and what the app saw."""

    def __init__(self, world: plan.Plan, folder: Path, port: int) -> None:
        self.world = world
        self.port = port
        self.folder = folder
        self.queue_name = f"work-{uuid.uuid4().hex[:12]}"
        self.queues = QueueServiceClient.from_connection_string(world.storage_connection)
        self.queue = self.queues.create_queue(self.queue_name)
        self.url = f"http://127.0.0.1:{port}"
        self.hosts: list[Process] = []

    def start(self, *arguments: str, app: Path = APP, **settings: str) -> Process:
        env = {
            "SANDBOX_PLAN": str(Path(self.world.folder) / "plan.json"),
            "SANDBOX_MASTER_KEY": MASTER_KEY,
            "SANDBOX_TIMERS": "manual",
            "SEEN": str(self.folder / "seen.jsonl"),
            "WORK_QUEUE": self.queue_name,
            "Work": self.world.storage_connection,
            "TICK": "0 0 3 * * *",
            **settings,
        }
        output = self.folder / f"host{len(self.hosts)}.log"
        host = Process("sandbox.host", "--app-dir", app, "--port", self.port, *arguments, output=output, env=env)
        self.hosts.append(host)
        return host

    def ready(self, *arguments: str, **settings: str) -> Process:
        host = self.start(*arguments, **settings)
        host.wait_ready()
        return host

    def put(self, body: bytes) -> None:
        self.queue.send_message(base64.b64encode(body).decode())

    def seen(self, what: str | None = None) -> list[dict[str, object]]:
        path = self.folder / "seen.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [entry for entry in map(json.loads, lines) if what in (None, entry["what"])]

    def open_gate(self, name: str) -> None:
        (self.folder / name).touch()

    def close(self) -> None:
        for host in self.hosts:
            with running(host):
                pass
        self.queue.delete_queue()
        self.queues.close()


@pytest.fixture
def stage(world: plan.Plan, azurite: Process, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(world, tmp_path, world.ports["app"])
    yield made
    made.close()


def spare(world: plan.Plan, n: int) -> int:
    """A port of the range that no service of the plan has; 0 to 2 are those of `elsewhere`."""
    return max(world.ports.values()) + 1 + n


def elsewhere(world: plan.Plan, folder: Path, *, identity: bool = False) -> plan.Plan:
    """A second storage emulator's plan, on spare ports."""
    ports = {**world.ports, **{kind: spare(world, n) for n, kind in enumerate(("blob", "queue", "table"))}}
    scheme = "https" if identity else "http"
    urls = {kind: f"{scheme}://127.0.0.1:{ports[kind]}/{plan.ACCOUNT}" for kind in ("blob", "queue", "table")}
    made = dataclasses.replace(world, folder=str(folder), ports=ports, urls={**world.urls, **urls}, identity=identity)
    made.save()
    return made
