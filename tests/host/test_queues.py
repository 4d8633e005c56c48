"""Queue functions through the host, against a real Azurite."""

import base64
import signal
import time

import pytest
from azure.core.exceptions import ResourceNotFoundError

from tests.host.conftest import Stage, elsewhere, eventually, run_azurite, running


def poisoned(stage: Stage) -> list[bytes]:
    poison = stage.queues.get_queue_client(stage.queue_name + "-poison")
    try:
        return [base64.b64decode(message.content) for message in poison.peek_messages(32)]
    except ResourceNotFoundError:
        return []


def waiting(stage: Stage) -> int:
    return stage.queue.get_queue_properties().approximate_message_count or 0


def test_a_message_is_worked_once_and_is_gone(stage):
    stage.put(b"hello")
    stage.ready()
    (end,) = eventually(lambda: stage.seen("end"))
    assert (end["body"], end["attempt"]) == (b"hello".hex(), 1)
    assert stage.seen("begin")[0]["inserted"].startswith("20")
    eventually(lambda: waiting(stage) == 0)


def test_a_failing_message_is_tried_as_often_as_host_json_says_and_then_is_poison(stage):
    stage.put(b"fail")
    host = stage.ready()
    assert eventually(lambda: poisoned(stage)) == [b"fail"]
    assert [entry["attempt"] for entry in stage.seen("begin")] == [1, 2, 3]
    eventually(lambda: waiting(stage) == 0)
    assert "ValueError: on purpose" in host.text


def test_a_binary_message_arrives_byte_for_byte(stage):
    stage.put(bytes(range(256)))
    stage.ready()
    (end,) = eventually(lambda: stage.seen("end"))
    assert end["body"] == bytes(range(256)).hex()


def test_a_message_that_is_not_base64_is_poison_at_once_and_nobody_sees_it(stage):
    stage.queue.send_message("not base64!")
    stage.ready()
    poison = stage.queues.get_queue_client(stage.queue_name + "-poison")

    def content() -> list[str]:
        try:
            return [message.content for message in poison.peek_messages()]
        except ResourceNotFoundError:
            return []

    assert eventually(content) == ["not base64!"]
    assert stage.seen() == []


def test_as_many_run_together_as_host_json_allows_and_no_more(stage):
    """batchSize 4, newBatchThreshold 2: a batch is fetched when two or fewer are in flight, so six at most."""
    for n in range(10):
        stage.put(b"gate%d" % n)
    stage.ready()
    eventually(lambda: len(stage.seen("begin")) == 4)
    started = [bytes.fromhex(entry["body"]).decode() for entry in stage.seen("begin")]
    stage.open_gate(started[0])
    eventually(lambda: len(stage.seen("end")) == 1)
    time.sleep(0.5)  # a fifth would have started by now: the polling interval is shorter
    assert len(stage.seen("begin")) == 4
    stage.open_gate(started[1])
    eventually(lambda: len(stage.seen("begin")) == 8)
    assert len(stage.seen("begin")) - len(stage.seen("end")) == 6
    for n in range(10):
        stage.open_gate(f"gate{n}")
    eventually(lambda: len(stage.seen("end")) == 10)
    assert [entry["attempt"] for entry in stage.seen("end")] == [1] * 10


@pytest.mark.parametrize("setting", ["AzureWebJobs.work.Disabled", "AzureWebJobs_work_Disabled"])
def test_a_disabled_functions_messages_wait(stage, setting):
    stage.put(b"later")
    host = stage.ready(**{setting: "true"})
    time.sleep(0.5)
    assert (stage.seen(), waiting(stage)) == ([], 1)
    assert host.stop() == 0
    stage.ready()
    eventually(lambda: stage.seen("end"))


def test_work_that_outlasts_its_lease_is_delivered_again(stage):
    stage.put(b"gate")
    host = stage.ready(SANDBOX_LEASE_SECONDS="1")
    eventually(lambda: len(stage.seen("begin")) == 2)
    assert [entry["attempt"] for entry in stage.seen("begin")] == [1, 2]
    stage.open_gate("gate")
    eventually(lambda: len(stage.seen("end")) >= 2)
    eventually(lambda: "lost its lease" in host.text)
    assert "queue lease shortened to 1 s (Azure: 600 s)" in host.text


def test_a_message_whose_lease_ran_out_too_often_is_poison_without_being_run(stage):
    stage.put(b"gone")
    for _ in range(3):
        (message,) = stage.queue.receive_messages(max_messages=1, visibility_timeout=60)
        stage.queue.update_message(message.id, message.pop_receipt, visibility_timeout=0)
    stage.ready()
    assert eventually(lambda: poisoned(stage)) == [b"gone"]
    assert stage.seen() == []


def test_the_host_makes_no_queue_and_works_once_it_is_there(stage):
    stage.queue.delete_queue()
    stage.ready()
    stage.queue.create_queue()
    stage.put(b"hello")
    eventually(lambda: stage.seen("end"))


def test_a_stop_lets_running_work_finish_and_takes_nothing_new(stage):
    stage.put(b"gate")
    host = stage.ready()
    eventually(lambda: stage.seen("begin"))
    host.popen.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    stage.put(b"late")
    stage.open_gate("gate")
    assert host.wait() == 0
    assert [entry["body"] for entry in stage.seen("end")] == [b"gate".hex()]
    assert waiting(stage) == 1


def test_a_listener_that_dies_ends_the_host_loudly(stage):
    """The connection's account has another key: the service answers 403."""
    other = base64.b64encode(b"another key").decode()
    wrong = stage.world.storage_connection.replace(
        stage.world.storage_connection.split("AccountKey=")[1].split(";")[0], other
    )
    host = stage.start(Work=wrong)
    assert host.wait() == 1
    assert host.text.count("host: listener work died: ") == 1
    assert "READY" not in host.text


def test_storage_that_goes_away_ends_the_host_loudly(stage, tmp_path):
    world = elsewhere(stage.world, tmp_path)
    with running(run_azurite(world)) as azurite:
        azurite.wait_ready()
        host = stage.ready(Work=world.storage_connection)
        assert azurite.stop() == 0
        assert host.wait(40) == 1
    assert "host: listener work died: " in host.text


def test_a_connection_that_is_nowhere_is_refused_with_the_hosts_text(stage):
    host = stage.start(Work="")
    assert host.wait() == 1
    assert "host: Storage account connection string 'Work' does not exist." in host.text
