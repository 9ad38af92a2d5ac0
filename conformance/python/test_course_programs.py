"""INTERFACES.md, section 1: the programs of the course, with the names and the account that they use."""

import pika
import pytest

from clients import Inbox, await_get, drain
from harness.waiting import eventually

pytestmark = pytest.mark.operated


@pytest.fixture
def login(connect, ctl):
    """Connections of the account `user` with the password `password`, which the operator makes."""
    ctl.user_add("user", "password")
    ctl.permission_set("user")
    yield lambda: connect("user", "password")
    ctl.user_delete("user")


@pytest.fixture
def gone(connect):
    """Deletes the queues and exchanges that the programs leave behind."""
    yield
    channel = connect().channel()
    for queue in ("hello", "my_app", "chat.ana", "chat.luis", "chat.eva"):
        channel.queue_delete(queue)
    for exchange in ("my_exchange", "fanout_logs", "topic_logs", "group_chat"):
        channel.exchange_delete(exchange)


def test_publish_to_a_queue_by_its_name_and_consume_with_auto_ack(login, gone):
    for queue in ("hello", "my_app"):
        producer = login().channel()
        producer.queue_declare(queue)
        producer.basic_publish(exchange="", routing_key=queue, body="Hello World!")
        consumer = login().channel()
        consumer.queue_declare(queue)
        inbox = Inbox(consumer, queue, auto_ack=True)
        inbox.wait(1)
        assert inbox.texts == ["Hello World!"]


def test_publish_to_a_direct_exchange_with_a_key(login, gone):
    channel = login().channel()
    channel.exchange_declare("my_exchange", "direct")
    channel.queue_declare("my_app")
    channel.queue_bind("my_app", "my_exchange", "test")
    channel.basic_publish("my_exchange", "test", "Hello World!")
    channel.basic_publish("my_exchange", "other", "not for it")
    inbox = Inbox(login().channel(), "my_app", auto_ack=True)
    inbox.wait(1)
    inbox.stays_at(1)
    assert inbox.texts == ["Hello World!"]


def test_durable_fanout_logs_reach_every_listener(login, gone):
    listeners = []
    for _ in range(3):
        channel = login().channel()
        channel.exchange_declare("fanout_logs", "fanout", durable=True)
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, "fanout_logs")
        listeners.append(Inbox(channel, queue, auto_ack=True))
    emitter = login().channel()
    emitter.exchange_declare("fanout_logs", "fanout", durable=True)
    emitter.basic_publish("fanout_logs", "", "info: Hello World!")
    for listener in listeners:
        listener.wait(1)
        assert listener.texts == ["info: Hello World!"]


def test_durable_topic_logs_with_several_keys_on_one_queue(login, gone):
    channel = login().channel()
    channel.exchange_declare("topic_logs", "topic", durable=True)
    queue = channel.queue_declare("", exclusive=True).method.queue
    for key in ("*.critical", "kern.*", "audit.#"):
        channel.queue_bind(queue, "topic_logs", key)
    emitter = login().channel()
    emitter.exchange_declare("topic_logs", "topic", durable=True)
    for key in ("kern.critical", "kern.info", "cron.info", "audit", "audit.login.ok", "anonymous.info"):
        emitter.basic_publish("topic_logs", key, key)
    inbox = Inbox(channel, queue, auto_ack=True)
    inbox.wait(4)
    inbox.stays_at(4)
    assert inbox.texts == ["kern.critical", "kern.info", "audit", "audit.login.ok"]


def test_a_group_chat_that_reads_on_enter(login, gone):
    """Each member has a queue of their own on a shared exchange and gets what has come when pressing Enter."""
    members = {}
    for member in ("ana", "luis", "eva"):
        channel = login().channel()
        channel.exchange_declare("group_chat", "fanout")
        channel.queue_declare(f"chat.{member}")
        channel.queue_bind(f"chat.{member}", "group_chat")
        members[member] = channel

    def say(member, text):
        members[member].basic_publish("group_chat", "", f"{member}: {text}", pika.BasicProperties(app_id=member))

    def enter(member):
        return drain(members[member], f"chat.{member}")

    assert enter("eva") == []
    say("ana", "hola")
    assert await_get(members["luis"], "chat.luis").text == "ana: hola"
    say("luis", "¿qué tal?")
    assert await_get(members["ana"], "chat.ana").text == "ana: hola"
    eventually(lambda: members["eva"].queue_declare("chat.eva", passive=True).method.message_count == 2)
    assert enter("eva") == ["ana: hola", "luis: ¿qué tal?"]
    assert enter("eva") == []
