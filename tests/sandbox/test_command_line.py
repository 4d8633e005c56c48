"""What the command line says to those who ask for what there is not."""

import socket
from datetime import timedelta

import pytest

from sandbox import __main__ as command_line
from sandbox import clock


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, plan, monkeypatch):
    monkeypatch.setenv("SANDBOX_FOLDER", str(tmp_path))
    monkeypatch.setenv("SANDBOX_PORT", str(plan.ports["app"]))


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*arguments):
        monkeypatch.setattr("sys.argv", ["sandbox", *arguments])
        code = command_line.main()
        written = capsys.readouterr()
        return code, written.out, written.err

    return call


@pytest.mark.parametrize(
    ("text", "by"),
    [
        ("+2h", timedelta(hours=2)),
        ("+30m", timedelta(minutes=30)),
        ("+1d12h", timedelta(days=1, hours=12)),
        ("+90s", timedelta(seconds=90)),
    ],
)
def test_a_way_forward_in_time(text, by):
    assert command_line.duration(text) == by


@pytest.mark.parametrize("text", ["2h", "-2h", "+", "+2", "+2w", "+2h tomorrow", "", "+h"])
def test_no_way_back_or_sideways(text):
    with pytest.raises(command_line.UsageError, match=r"\+2h"):
        command_line.duration(text)


@pytest.mark.parametrize("command", [("token", "adam"), ("seen", "epic"), ("clock",), ("run", "dispatch"), ("status",)])
def test_a_sandbox_that_never_ran_is_one_short_sentence(run, command):
    code, out, err = run(*command)
    assert (code, out) == (2, "")
    assert "make up" in err
    assert err.count("\n") == 1


def test_a_sandbox_that_has_stopped_is_said_to_be_down(run, plan):
    plan.save()
    assert run("status") == (1, "the sandbox is down\n", "")
    assert run("down") == (0, "nothing was running\n", "")
    assert run("clock")[0] == 2


def test_a_sandbox_that_does_not_answer_is_said_to_be_so(run, plan):
    from sandbox import ca  # noqa: PLC0415 - two seconds of key making, for this test only

    ca.make(plan)
    plan.save()
    (plan.path("logs").parent / "state.json").write_text("{}")
    code, _, err = run("seen", "epic")
    assert code == 2
    assert "does not answer" in err


def test_the_clock_moves_and_shows_where_it_is(run, plan):
    plan.save()
    (plan.path("logs").parent / "state.json").write_text("{}")
    assert run("clock", "+2h")[0] == 0
    assert run("clock", "+30m")[0] == 0
    assert clock.offset(plan.path("clock")) == timedelta(hours=2, minutes=30)
    assert "moved by 2:30:00" in run("clock")[1]


def test_an_unknown_user_or_fault_is_answered_with_those_there_are(run):
    code, _, err = run("token", "nobody")
    assert code == 2
    assert "adam" in err
    code, _, err = run("demo", "--break", "nothing-of-the-kind")
    assert code == 2
    assert "no fault is called nothing-of-the-kind" in err


@pytest.mark.parametrize("command", [("demo",), ("breaks",), ("up",)])
def test_without_curl_and_openssl_the_demo_says_so_before_anything_starts(run, plan, monkeypatch, command):
    monkeypatch.setenv("PATH", "")
    code, out, err = run(*command)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "curl or openssl" in err
    assert not plan.path("logs").exists()


def test_a_demo_whose_stack_does_not_start_says_why_and_keeps_the_report_of_the_run_before(run, plan):
    report = plan.path("logs").parent / "report.json"
    report.write_text("of the run before")
    with socket.create_server(("127.0.0.1", plan.ports["graph"])):
        code, out, _ = run("demo")
    assert code == 1
    assert f"port {plan.ports['graph']} (wanted for graph) is taken by" in out
    assert report.read_text() == "of the run before"


@pytest.mark.parametrize("port", ["", "80", "seventy", "65530"])
def test_a_first_port_must_be_one(run, monkeypatch, port):
    monkeypatch.setenv("SANDBOX_PORT", port)
    if not port:
        assert command_line.first_port() == 7400
        return
    with pytest.raises(command_line.UsageError, match="SANDBOX_PORT"):
        command_line.first_port()
