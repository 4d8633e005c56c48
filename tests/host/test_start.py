"""What the host refuses to start, and in whose words; how it stops."""

import asyncio
import json
import signal
import socket

import aiohttp
import pytest

from tests.host.conftest import APP, Process, eventually, spare

HEAD = "import azure.functions as func\napp = func.FunctionApp()\n"
#: What Azure itself would not load, and the official library's words for it.
UNLOADABLE = {
    "a parameter without a binding": (
        HEAD + "@app.route('x')\ndef x(req: func.HttpRequest, extra) -> str: ...\n",
        "FunctionLoadError: cannot load the x function: the following parameters are declared in Python but not in "
        "the function definition (function.json or function decorators):  {'extra'}",
    ),
    "a name used twice": (
        HEAD + "@app.route('x')\ndef x(req: func.HttpRequest) -> str: ...\n"
        "@app.function_name('x')\n@app.route('y')\ndef y(req: func.HttpRequest) -> str: ...\n",
        "ValueError: Function x does not have a unique function name.",
    ),
    "a wrong annotation": (
        HEAD + "@app.timer_trigger('t', '0 0 0 * * *')\ndef t(t: func.QueueMessage) -> None: ...\n",
        "do not match the corresponding function parameter's Python type annotation QueueMessage",
    ),
    "a missing package": ("import not_there\n" + HEAD, "Cannot find module. Please check the requirements.txt file"),
    "no app": ("x = 1\n", "Could not find top level function app instances in function_app.py."),
}
#: What this host does not do, and its sentence.
UNSUPPORTED = {
    "an output binding": (
        "@app.queue_output('out', 'q', 'Work')\n@app.route('x')\n"
        "def x(req: func.HttpRequest, out: func.Out[str]) -> str: ...\n",
        "x: the sandbox's host has no queue binding",
    ),
    "another trigger": (
        "@app.blob_trigger('b', 'c/{n}', 'Work')\ndef b(b: func.InputStream) -> None: ...\n",
        "b: the sandbox's host does not run a blobTrigger",
    ),
    "a retry policy": (
        "@app.retry('fixed_delay', '3', delay_interval='00:00:01')\n@app.timer_trigger('t', '0 0 0 * * *')\n"
        "def t(t: func.TimerRequest) -> None: ...\n",
        "t: @app.retry is not supported by the sandbox's host",
    ),
    "an unknown route constraint": (
        "@app.route('x/{y:odd}')\ndef x(req: func.HttpRequest) -> str: ...\n",
        "x: the sandbox's host does not know the route constraint 'odd'",
    ),
    "a built-in route": (
        "@app.route('admin/x')\ndef x(req: func.HttpRequest) -> str: ...\n",
        "x: The specified route conflicts with one or more built in routes.",
    ),
    "a setting that is not there": (
        "@app.timer_trigger('t', '%NOT_THERE%')\ndef t(t: func.TimerRequest) -> None: ...\n",
        "'%NOT_THERE%' does not resolve to a value",
    ),
}


@pytest.fixture
def port(world) -> str:
    return str(spare(world, 6))


def write_app(folder, source, host_json='{"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}'):
    folder.mkdir()
    (folder / "function_app.py").write_text(source)
    (folder / "host.json").write_text(host_json)
    return folder


def run(folder, *arguments, **env) -> Process:
    process = Process("sandbox.host", "--app-dir", folder / "app", *arguments, output=folder / "host.log", env=env)
    process.wait()
    return process


@pytest.mark.parametrize("what", UNLOADABLE)
def test_an_app_that_azure_would_not_load_is_refused_with_the_official_text(what, port, tmp_path):
    source, words = UNLOADABLE[what]
    write_app(tmp_path / "app", source)
    for mode in (["--index"], ["--port", port]):
        process = run(tmp_path, *mode)
        assert process.popen.returncode == 1
        assert words in process.text


@pytest.mark.parametrize("what", UNSUPPORTED)
def test_what_the_host_does_not_do_is_refused_with_a_sentence(what, port, tmp_path):
    source, words = UNSUPPORTED[what]
    write_app(tmp_path / "app", HEAD + source)
    process = run(tmp_path, "--port", port)
    assert process.popen.returncode == 1
    assert f"host: {words}\n" in process.text


@pytest.mark.parametrize(
    ("queues", "words"),
    [
        ({"batchSize": 33}, "host.json: batchSize is out of range"),
        ({"maxDequeueCount": 0}, "host.json: maxDequeueCount is out of range"),
        ({"visibilityTimeout": "5"}, "host.json: visibilityTimeout is not a time span like 00:00:02"),
        ({"maxPollingInterval": "00:00:00.01"}, "host.json: maxPollingInterval is below 100 ms"),
        ({"messageEncoding": "hex"}, "host.json: messageEncoding is neither base64 nor none"),
    ],
)
def test_a_host_json_out_of_bounds_is_refused(queues, words, port, tmp_path):
    write_app(tmp_path / "app", HEAD, json.dumps({"version": "2.0", "extensions": {"queues": queues}}))
    assert f"host: {words}\n" in run(tmp_path, "--port", port).text


def test_the_index_is_json_and_needs_no_storage(tmp_path):
    (tmp_path / "app").symlink_to(APP)
    process = run(tmp_path, "--index", SEEN=str(tmp_path / "seen"))
    text = process.text
    found = {entry["name"]: entry for entry in json.loads(text[text.index("[\n") :])}
    assert process.popen.returncode == 0
    assert found["work"]["bindings"][0]["queueName"] == "%WORK_QUEUE%"
    assert {binding["type"] for binding in found["echo"]["bindings"]} == {"httpTrigger", "http"}


def test_local_settings_are_defaults_that_the_environment_overrides(port, tmp_path):
    source = HEAD + "@app.timer_trigger('t', '%A% %B%')\ndef t(t: func.TimerRequest) -> None: ...\n"
    write_app(tmp_path / "app", source)
    values = {"Values": {"A": "from file", "B": "from file"}}
    (tmp_path / "app" / "local.settings.json").write_text(json.dumps(values))
    assert "'from file from env'" in run(tmp_path, "--port", port, B="from env").text


def test_a_taken_port_is_one_clear_line(port, tmp_path):
    write_app(tmp_path / "app", HEAD + "@app.route('x')\ndef x(req: func.HttpRequest) -> str: ...\n")
    with socket.create_server(("127.0.0.1", int(port))):
        process = run(tmp_path, "--port", port)
    assert process.popen.returncode == 1
    assert "address already in use" in process.text
    assert "Traceback" not in process.text


async def test_a_stop_lets_a_running_request_finish(stage):
    host = stage.ready()
    async with aiohttp.ClientSession(stage.url) as web:
        request = asyncio.create_task(web.get("/slow"))
        await asyncio.to_thread(eventually, lambda: stage.seen("slow"))
        host.popen.send_signal(signal.SIGTERM)
        await asyncio.to_thread(eventually, lambda: _is_closed(stage.port))
        stage.open_gate("slow.gate")
        async with await request as answer:
            assert answer.status == 200
    assert await asyncio.to_thread(host.wait) == 0


async def test_a_stop_gives_up_on_a_request_that_does_not_finish(stage):
    host = stage.ready()
    async with aiohttp.ClientSession(stage.url) as web:
        request = asyncio.create_task(web.get("/slow"))
        await asyncio.to_thread(eventually, lambda: stage.seen("slow"))
        host.popen.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(host.wait, 15) == 0
        with pytest.raises(aiohttp.ClientError):
            await request
    assert "stopped with invocations still running after 10 s" in host.text


def _is_closed(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
