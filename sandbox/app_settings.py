"""App settings of the connector's two apps in the sandbox: what Bicep and Key Vault would provide on Azure."""

import base64
import json
import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sandbox import storage, world
from sandbox.plan import Plan
from shared.storage.names import Queue, Table


def environment(plan: Plan, role: str) -> dict[str, str]:
    """The environment variables of one app's process."""
    secrets = _secrets(plan)
    both = {
        "APP_ROLE": role,
        "AzureFunctionsWebHost__hostid": f"sandbox-{role}",
        "CLOCK_OFFSET_FILE": plan.files["clock"],
        "QUEUE_KEYS": secrets["queue"],
        "SSL_CERT_FILE": plan.files["ca"],
        **_storage(plan),
    }
    if role == "hl7":
        return both | {"CLIENT_CERT_FROM_FRONT_END": "true"}
    return both | {
        "DATA_KEYS": secrets["data"],
        "STAMP_SECRET": secrets["stamp"],
        "PUBLIC_URL": plan.urls["app"],
        "HL7_URL": plan.urls["hl7"],
        "ENTRA_AUTHORITY": plan.urls["entra"],
        "OPERATOR_TENANT_ID": world.OPERATOR_TENANT,
        "API_CLIENT_ID": world.API_APP,
        "API_CALLER_IDS": world.PORTAL_APP,
        "CONNECTOR_CLIENT_ID": world.CONNECTOR_APP,
        "CONNECTOR_CERTIFICATE": plan.path("connector_both").read_text(),
        "EPIC_KEYS_TEST": secrets["epic_test"],
        "EPIC_KEYS_PRODUCTION": secrets["epic_production"],
        "ACS_ENDPOINT": plan.urls["acs"],
        **_texting(plan),
        "EVENT_GRID_AUDIENCE": world.API_APP,
        "NOTIFICATION_KEYS": _ring("notifications-1", _both(plan, "encryption")),
        "GRAPH_URL": plan.urls["graph"],
        "TEAMS_HOSTS": plan.urls["graph"].removeprefix("https://"),
        "OUTBOUND_PORTS": ",".join(str(port) for port in sorted(plan.ports.values())),
        "OUTBOUND_CIDRS": "127.0.0.1/32",  # the peers; the rest of loopback is the inside, as everywhere
    }


async def prepare(plan: Plan) -> None:
    """Make the queues and tables, as infra does on Azure."""
    async with storage.tables(plan) as tables, storage.queues(plan) as queues:
        for table in Table:
            await tables.create_table_if_not_exists(table)
        for queue in Queue:
            await queues.create_queue(queue)
            await queues.create_queue(f"{queue}-poison")


def _storage(plan: Plan) -> dict[str, str]:
    if plan.identity:
        return {
            "ConnectorStorage__queueServiceUri": plan.urls["queue"],
            "ConnectorStorage__tableServiceUri": plan.urls["table"],
            "IDENTITY_ENDPOINT": f"{plan.urls['entra']}/msi/token",
            "IDENTITY_HEADER": world.MANAGED_IDENTITY_HEADER,
        }
    return {"ConnectorStorage": plan.storage_connection}


def _texting(plan: Plan) -> dict[str, str]:
    """With an identity no key is needed for Communication Services either."""
    return {} if plan.identity else {"ACS_ACCESS_KEY": world.ACS_ACCESS_KEY}


def _both(plan: Plan, name: str) -> str:
    return plan.path(f"{name}_key").read_text() + plan.path(f"{name}_cert").read_text()


def _secrets(plan: Plan) -> dict[str, str]:
    """Fresh keys for each sandbox, the same for every process of it and after a restart."""
    kept = Path(plan.folder) / "secrets.json"
    if not kept.exists():
        fresh = {
            "queue": f"q1:{_random()}",
            "data": f"k1:{_random()}",
            "stamp": _random(),
            "epic_test": _signing_key("test-1"),
            "epic_production": _signing_key("production-1"),
        }
        kept.write_text(json.dumps(fresh))
        kept.chmod(0o600)
    found: dict[str, str] = json.loads(kept.read_text())
    return found


def _random() -> str:
    return base64.b64encode(os.urandom(32)).decode()


def _signing_key(kid: str) -> str:
    key = rsa.generate_private_key(65537, 2048)
    return _ring(kid, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def _ring(kid: str, pem: str) -> str:
    """A ring of one key, as the apps take it."""
    return json.dumps([{"kid": kid, "pem": pem}])
