"""What stands where in one run of the sandbox: ports, addresses, files.

`sandbox.stack` makes the plan and writes it to `.sandbox/plan.json`; every process of the sandbox
reads it there (the environment variable SANDBOX_PLAN names the file). Nothing else is passed on.
"""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

FIRST_PORT = 7400
#: Offsets from SANDBOX_PORT. The app and the portal are `localhost`, the peers `127.0.0.1`: two sites, as in life.
PORTS = {
    "app": 0, "hl7": 1, "hl7_host": 2, "portal": 3, "epic": 4, "graph": 5, "acs": 6, "entra": 7,
    "blob": 8, "queue": 9, "table": 10, "sink": 11,
}  # fmt: skip
SITES = {"app": "localhost", "hl7": "localhost", "portal": "localhost"}
PLAIN = {"hl7_host", "blob", "queue", "table"}
ACCOUNT = "devstoreaccount1"
#: Azurite's published development key: no secret.
ACCOUNT_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@dataclass(frozen=True)
class Plan:
    """Addresses and files of one run. `urls` have no trailing slash; `files` are absolute paths."""

    folder: str
    ports: dict[str, int]
    urls: dict[str, str]
    files: dict[str, str]
    #: True: Azurite speaks https with OAuth and every client uses an identity instead of the account key.
    identity: bool = False
    keys: dict[str, str] = field(default_factory=dict)

    def path(self, name: str) -> Path:
        """One of the plan's files: clock, names, ca, server_cert, server_key, engine_cert, engine_key, ..."""
        return Path(self.files[name])

    @property
    def storage_connection(self) -> str:
        """The connection string of the emulator."""
        scheme = "https" if self.identity else "http"
        ends = ";".join(f"{kind.title()}Endpoint={self.urls[kind]}" for kind in ("blob", "queue", "table"))
        return f"DefaultEndpointsProtocol={scheme};AccountName={ACCOUNT};AccountKey={ACCOUNT_KEY};{ends};"

    def save(self) -> Path:
        """Write the plan where the processes look for it."""
        target = Path(self.folder) / "plan.json"
        target.write_text(json.dumps(asdict(self), indent=2))
        return target


def make(folder: Path, first_port: int = FIRST_PORT, *, identity: bool = False) -> Plan:
    """Lay out a sandbox in `folder`; nothing is started and no file but the folder is made."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    ports = {name: first_port + offset for name, offset in PORTS.items()}
    urls = {name: _url(name, port, identity=identity) for name, port in ports.items()}
    certs = folder / "certs"
    files = {"clock": folder / "clock", "ca": certs / "ca.pem", "logs": folder / "logs"}
    files |= {"names": folder / "names.json"}  # what the apps' hosts resolve besides DNS, see sandbox.host.names
    files |= {"azurite": folder / "azurite"}  # what the emulator keeps on disk
    for who in ("server", "engine", "stranger", "expired", "connector", "encryption"):
        files |= {f"{who}_cert": certs / f"{who}.pem", f"{who}_key": certs / f"{who}.key"}
    # As azure-identity takes it (key and certificate in one file), and as an administrator uploads it (base64).
    files |= {"connector_both": certs / "connector-both.pem", "engine_cer": certs / "engine.cer"}
    return Plan(str(folder), ports, urls, {name: str(path) for name, path in files.items()}, identity)


def load() -> Plan:
    """The plan of the run this process belongs to."""
    return read(Path(os.environ["SANDBOX_PLAN"]))


def read(path: Path) -> Plan:
    """A plan as `save` wrote it."""
    return Plan(**json.loads(path.read_text()))


def _url(name: str, port: int, *, identity: bool) -> str:
    storage = name in {"blob", "queue", "table"}
    scheme = "http" if name in PLAIN and not (storage and identity) else "https"
    return f"{scheme}://{SITES.get(name, '127.0.0.1')}:{port}" + (f"/{ACCOUNT}" if storage else "")
