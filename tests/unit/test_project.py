"""The structure that the architecture asks for, each rule with its reason, checked by reading and loading the code."""

import ast
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox import app_settings, ca, plan
from shared.storage.names import STORAGE, Queue, Table
from tests.unit.sources import ROOT, module_name, python_files

APP = [ROOT / "function_app.py", *python_files("functions", "shared")]
DOMAIN = python_files("shared/domain")
by_name = pytest.mark.parametrize("path", APP, ids=module_name)


def imports(path: Path) -> set[str]:
    """Every dotted name that a module imports, wherever in it: `from a.b import c` is a.b and a.b.c."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module_name(path)} imports relatively"
            found |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def imported(path: Path, *packages: str) -> set[str]:
    """What a module imports of these packages."""
    return {name for name in imports(path) if within(name, *packages)}


def dotted(node: ast.AST) -> str:
    """`a.b.c` of an attribute chain, else an empty text."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{inner}.{node.attr}" if isinstance(node, ast.Attribute) and (inner := dotted(node.value)) else ""


# --- who may know whom


@pytest.mark.parametrize("path", python_files("functions"), ids=module_name)
def test_function_groups_meet_only_in_queues_and_tables(path: Path):
    assert imported(path, "functions") <= {module_name(path)}


@by_name
def test_the_app_does_not_know_the_sandbox_or_the_tests(path: Path):
    """What runs on Azure must not depend on what imitates it, nor branch for it."""
    assert not imported(path, "sandbox", "tests", "pytest")


@pytest.mark.parametrize("path", python_files("shared"), ids=module_name)
def test_what_is_shared_knows_no_function_group(path: Path):
    assert not imported(path, "functions", "function_app")


_IO = ("azure", "aiohttp", "asyncio", "http", "io", "logging", "os", "pathlib", "requests", "shutil", "socket", "ssl",
       "subprocess", "tempfile", "urllib.request")  # fmt: skip


@pytest.mark.parametrize("path", DOMAIN, ids=module_name)
def test_the_domain_is_pure(path: Path):
    """A rule that does no I/O can be tested as a table."""
    assert not imported(path, *_IO)
    calls = {dotted(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)}
    assert not calls & {"open", "print", "input"}
    outside = {name for name in imported(path, "shared") if not within(name, "shared.domain", "shared.errors")}
    assert outside <= {"shared"} or not outside, outside


@pytest.mark.parametrize("path", python_files("shared/workflows"), ids=module_name)
def test_a_workflow_is_handed_what_it_needs(path: Path):
    """A test hands it fakes or the sandbox; so it imports no SDK and builds nothing."""
    assert not imported(path, "azure", "aiohttp", "shared.bootstrap", "os")


@by_name
def test_only_storage_speaks_to_queues_and_tables(path: Path):
    """Names, sealing and errors of storage stand in one place; bootstrap builds the clients."""
    if not within(module_name(path), "shared.storage", "shared.bootstrap"):
        assert not imported(path, "azure.data", "azure.storage")


@by_name
def test_only_adapters_reach_for_the_process(path: Path):
    """Everything else is handed what it needs; shared.access and shared.api are what the adapters have in common."""
    if not within(module_name(path), "shared.bootstrap", "shared.access", "shared.api", "functions", "function_app"):
        assert not imported(path, "shared.bootstrap")


# --- what only one place may do

_CLOCKS = {
    "datetime.now", "datetime.utcnow", "datetime.today", "date.today", "datetime.datetime.now", "datetime.date.today",
    "datetime.datetime.utcnow", "time.time", "time.time_ns", "time.localtime", "time.gmtime", "time.ctime",
    "time.strftime",
}  # fmt: skip


@by_name
def test_only_the_clock_reads_the_clock(path: Path):
    """Time comes in as an argument, so that demo and tests can move it. Durations may use time.monotonic."""
    if module_name(path) != "shared.clock":
        read = {dotted(node) for node in ast.walk(ast.parse(path.read_text()))} & _CLOCKS
        assert not read
        assert not imports(path) & {"time.time", "time.time_ns", "time.localtime", "time.gmtime"}


@by_name
def test_only_settings_read_the_environment(path: Path):
    """What is missing is named at start; a setting read elsewhere would fail in the middle of a visit."""
    if module_name(path) != "shared.settings":
        read = {dotted(node) for node in ast.walk(ast.parse(path.read_text()))}
        assert not read & {"os.environ", "os.getenv", "environ", "getenv"}


@by_name
def test_nothing_is_printed(path: Path):
    """Logs go through shared.telemetry, which takes codes and counts."""
    called = {dotted(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)}
    assert not called & {"print", "sys.stdout.write", "sys.stderr.write"}
    if module_name(path) != "shared.telemetry":
        assert not imported(path, "logging")


def literals(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@by_name
def test_queues_and_tables_are_named_in_one_place(path: Path):
    if module_name(path) != "shared.storage.names":
        assert not {str(queue) for queue in Queue} & {word for word in literals(path) if "-" in word}


@by_name
def test_only_the_hl7_door_reads_the_front_ends_certificate_header(path: Path):
    """In the main app nobody sets it, so a caller could."""
    if module_name(path) != "functions.hl7":
        assert not [text for text in literals(path) if text.lower() == "x-arr-clientcert"]


@pytest.mark.parametrize("path", python_files("functions"), ids=module_name)
def test_a_function_group_of_the_folder_is_registered(path: Path):
    if path.name != "__init__.py":
        assert module_name(path) in imports(ROOT / "function_app.py"), "nobody would notice that it does not run"


@by_name
def test_a_module_says_what_it_is(path: Path):
    tree = ast.parse(path.read_text())
    assert not tree.body or ast.get_docstring(tree)


# --- names elsewhere


def test_queue_names_are_what_the_service_takes():
    for queue in Queue:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{1,61}[a-z0-9])", f"{queue}-poison")
        assert "--" not in queue
    for table in Table:
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]{2,62}", table)


INFRA = [path for path in (ROOT / "infra").rglob("*") if path.suffix in {".bicep", ".json"}]


@pytest.mark.skipif(not INFRA, reason="infra/ is not there yet")
@pytest.mark.parametrize("name", [*Queue, *Table])
def test_infra_makes_every_queue_and_table(name: str):
    text = "\n".join(path.read_text() for path in INFRA)
    assert re.search(rf"""['"]{name}['"]""", text)


def host_json() -> dict[str, Any]:
    return json.loads((ROOT / "host.json").read_text())


def _seconds(span: str) -> int:
    hours, minutes, seconds = map(int, span.split(":"))
    return hours * 3600 + minutes * 60 + seconds


def test_the_hosts_queue_settings_fit_our_messages_and_functions():
    queues = host_json()["extensions"]["queues"]
    assert queues["messageEncoding"] == "base64"  # as shared.storage.queues writes
    assert queues["batchSize"] <= 32  # the service's most in one read
    assert queues["newBatchThreshold"] <= queues["batchSize"]
    assert queues["maxDequeueCount"] >= 3  # a bug may be a hiccup
    assert 0 < _seconds(queues["visibilityTimeout"]) <= 60
    assert 0 < _seconds(queues["maxPollingInterval"]) <= 5  # event to Epic in a few polling intervals
    assert _seconds(host_json()["functionTimeout"]) < 600, "an invocation must end before its queue lease does"


def test_the_hosts_routes_have_no_prefix_and_its_log_keeps_what_failed():
    host = host_json()
    assert host["extensions"]["http"]["routePrefix"] == ""
    sampling = host["logging"]["applicationInsights"]["samplingSettings"]
    assert "Exception" in sampling["excludedTypes"].split(";")


# --- what is installed

#: Top-level imports by the distribution that a pin names. The longest match counts.
DISTRIBUTIONS = {
    "azure.functions": "azure-functions",
    "azure.core": "azure-core",
    "azure.data.tables": "azure-data-tables",
    "azure.storage.queue": "azure-storage-queue",
    "azure.identity": "azure-identity",
    "azure.communication.sms": "azure-communication-sms",
    "aiohttp": "aiohttp",
    "cryptography": "cryptography",
    "fhir": "fhir.resources",
    "hl7": "hl7",
    "jwt": "pyjwt",
    "phonenumbers": "phonenumberslite",
    "pydantic": "pydantic",
    "yarl": "yarl",
}
#: Pinned though nothing imports it: zoneinfo reads its files where the machine has none.
DATA_ONLY = {"tzdata"}
#: Pinned ahead of the slice that imports it.
AWAITED = {"fhir.resources"}


def pins() -> dict[str, str]:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def distribution(name: str) -> str | None:
    known = [package for package in DISTRIBUTIONS if within(name, package)]
    return DISTRIBUTIONS[max(known, key=len)] if known else None


def third_party() -> set[str]:
    """Distributions that the app imports; fails for an import nobody has mapped."""
    found = set()
    for path in APP:
        for name in imports(path):
            top = name.partition(".")[0]
            if top in sys.stdlib_module_names or top in {"shared", "functions"} or name == "azure":
                continue
            if name.startswith("azure.") and distribution(name) is None:
                assert any(package.startswith(f"{name}.") for package in DISTRIBUTIONS), name
                continue
            assert distribution(name), f"{module_name(path)} imports {name}: which distribution is that?"
            found.add(distribution(name))
    return found


def test_what_is_imported_is_pinned_and_what_is_pinned_is_imported():
    assert third_party() - pins().keys() == set(), "a transitive dependency may change under us"
    assert pins().keys() - third_party() - DATA_ONLY - AWAITED == set(), "what nobody needs only widens what can break"


@pytest.mark.parametrize(("name", "version"), pins().items())
def test_a_pin_is_what_the_tests_ran_with(name: str, version: str):
    assert importlib.metadata.version(name) == version


# --- what an app loads


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> plan.Plan:
    made = plan.make(tmp_path_factory.mktemp("world"), 7760)
    ca.make(made)
    return made


def run(world: plan.Plan, role: str, *arguments: str) -> str:
    """What a fresh process of this role prints."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    env = kept | app_settings.environment(world, role)
    done = subprocess.run(  # noqa: S603 - our own interpreter, modules of ours
        [sys.executable, *arguments], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def loaded(world: plan.Plan, role: str) -> set[str]:
    return set(run(world, role, "-c", "import sys, function_app; print(*sorted(sys.modules), sep='\\n')").split())


#: What the other role has no use for. Each would cost every cold start, and widen what an attacker can reach.
FOREIGN = {
    "hl7": ("fhir", "azure.identity", "azure.communication", "jwt", "shared.clients", "functions.config", "msal"),
    "main": ("hl7", "functions.hl7", "shared.domain.hl7v2.scheduling", "shared.domain.hl7v2.intake"),
}


@pytest.mark.promise("P10")
@pytest.mark.parametrize("role", FOREIGN)
def test_an_app_loads_only_what_its_role_needs(world: plan.Plan, role: str):
    modules = loaded(world, role)
    assert "shared.bootstrap" in modules
    assert not {name for name in modules if within(name, *FOREIGN[role])}


#: Every function of each app and what starts it. Literal, so that one that gets lost is seen; add yours.
FUNCTIONS: dict[str, dict[str, str]] = {
    "hl7": {"hl7v2": "POST /hl7v2/{connection}"},
    "main": {
        # agenda
        "dispatch_due": "timer 0 * * * * *",
        # config
        "add_connection": "POST /config/connections",
        "list_connections": "GET /config/connections",
        "show_connection": "GET /config/connections/{connection}",
        "show_history": "GET /config/connections/{connection}/history",
        "propose_epic_side": "PUT /config/connections/{connection}/epic",
        "withdraw_pending": "DELETE /config/connections/{connection}/pending",
        "change_own_side": "PUT /config/connections/{connection}/own",
        "add_certificate": "POST /config/connections/{connection}/certificates",
        "remove_certificate": "DELETE /config/connections/{connection}/certificates/{spki}",
        "disallow_number": "DELETE /config/connections/{connection}/allow-list/{pseudonym}",
        "forget_sign_in": "DELETE /config/connections/{connection}/sign-ins/{oid:guid}",
        "set_client_secret": "PUT /config/connections/{connection}/secrets/{app}",
        "allow_number": "POST /config/connections/{connection}/allow-list",
        "suspend_connection": "PUT /config/connections/{connection}/suspension",
        "validate_connection": "POST /config/connections/{connection}/validation",
        "begin_approval": "POST /config/connections/{connection}/approvals",
        "remove_connection": "DELETE /config/connections/{connection}",
        "show_difference": "GET /config/connections/{connection}/difference",
        "preview_difference": "POST /config/connections/{connection}/difference",
        "show_all_history": "GET /config/history",
        "export_history": "GET /config/history.csv",
        "show_attempt": "GET /config/connections/{connection}/approvals/{attempt}",
        "send_back": "POST /config/connections/{connection}/refusals",
        "show_openapi": "GET /openapi.json",
        "epic_answered": "GET /config/epic-callback",
        "approve": "POST /config/connections/{connection}/approvals/{attempt}",
        # join
        "show_invitation": "GET /j",
        "join_visit": "POST /j",
        # keys
        "jwks": "GET /jwks/{environment}",
        "healthz": "GET /healthz",
        # launch
        "begin_launch": "GET|POST /launch/{role}/{connection}",
        "launch_returned": "GET /launch/callback/{connection}",
        "begin_sign_in": "GET /launch/sign-in",
        "sign_in_returned": "GET /launch/sign-in/callback",
        "wait_for_visit": "GET /visit",
        # meetings
        "provision": "queue meeting-requests",
        # numbers
        "order_number": "POST /config/numbers",
        "list_numbers": "GET /config/numbers",
        "show_number": "GET /config/numbers/{order}",
        "say_verification": "PUT /config/numbers/{order}/verification",
        "release_number": "DELETE /config/numbers/{order}",
        "assign_number": "POST /config/numbers/assignments",
        "on_number_order": "queue number-orders",
        # onboarding
        "request_access": "POST /config/access-requests",
        "list_requests": "GET /config/access-requests",
        "decline_request": "POST /config/access-requests/{request}/refusals",
        "enable_organisation": "PUT /config/organisations",
        "list_organisations": "GET /config/organisations",
        "share_base": "PUT /config/shared-bases",
        "list_shared_bases": "GET /config/shared-bases",
        "show_onboarding": "GET /config/onboarding",
        "tick_prerequisite": "PUT /config/onboarding/prerequisites/{prerequisite}",
        "ask_consent": "POST /config/consents",
        "show_consent": "GET /config/consents/{consent}",
        "consent_answered": "GET /config/consent-callback",
        # people
        "find_people": "GET /config/people",
        "show_person": "GET /config/people/{oid:guid}",
        # preflight
        "discover_server": "POST /config/discovery",
        "run_preflight": "POST /config/connections/{connection}/preflight",
        "test_launch": "POST /config/connections/{connection}/launch-tests",
        # presence
        "graph_notifications": "POST /graph/notifications",
        "graph_lifecycle": "POST /graph/lifecycle",
        "on_call_event": "queue call-events",
        # records
        "show_registration": "GET /config/connections/{connection}/registration",
        "show_records": "GET /config/connections/{connection}/records",
        "check_record": "POST /config/connections/{connection}/records/check",
        "migrate_records": "POST /config/connections/{connection}/records/migration",
        # schedule
        "on_scheduling_event": "queue scheduling-events",
        # sms
        "send_sms": "queue sms-outbound",
        "on_receipt": "queue sms-receipts",
        "sms_events": "POST /sms/events",
        "sms_events_allowed": "OPTIONS /sms/events",
        "show_held_texts": "GET /config/connections/{connection}/held-texts",
        "decide_held_texts": "POST /config/connections/{connection}/held-texts",
        # trial_texts
        "preview_text": "POST /config/connections/{connection}/text-previews",
        "send_test_text": "POST /config/connections/{connection}/test-texts",
        "show_test_text": "GET /config/connections/{connection}/test-texts/{id}",
        "send_trial_text": "queue trial-texts",
        # upkeep
        "on_upkeep": "queue upkeep",
        # watch
        "watch": "timer 0 */15 * * * *",
        "expire": "timer 0 10 3 * * *",
        "reseal": "timer 0 40 * * * *",
        "list_parked": "GET /config/parked",
        "drive_again": "POST /config/parked/{kind}/{id}",
        # writeback
        "write_back": "queue ehr-writeback",
    },
}


def started_by(bindings: list[dict[str, Any]]) -> str:
    """A function's trigger in one line."""
    trigger = next(one for one in bindings if one["type"].endswith("rigger"))
    match trigger["type"]:
        case "httpTrigger":
            assert trigger["authLevel"].lower() == "anonymous", "each route has its own proof"
            return f"{'|'.join(sorted(trigger['methods']))} /{trigger['route']}"
        case "queueTrigger":
            assert trigger["connection"] == STORAGE
            assert trigger["queueName"] in {str(queue) for queue in Queue}
            return f"queue {trigger['queueName']}"
        case "timerTrigger":
            return f"timer {trigger['schedule']}"
        case other:
            return other


@pytest.mark.parametrize("role", FUNCTIONS)
def test_the_official_runtime_indexes_exactly_these_functions(world: plan.Plan, role: str):
    index = json.loads(run(world, role, "-m", "sandbox.host", "--app-dir", str(ROOT), "--index"))
    found = {one["name"]: started_by(one["bindings"]) for one in index}
    assert found == FUNCTIONS[role]
    assert not [one["name"] for one in index if one["retry"]], "retries are ours: done, later or bug"


@pytest.mark.parametrize("role", FUNCTIONS)
def test_each_queue_has_at_most_one_reader(role: str):
    triggers = [trigger for trigger in FUNCTIONS[role].values() if trigger.startswith("queue ")]
    assert len(triggers) == len(set(triggers))
