"""AMQP.md, 'Recovery': a client that redeclares after a cut, and what a server restart brings back."""

import asyncio
import contextlib
import threading

import aio_pika
import pika
import pytest
from pika.exceptions import AMQPConnectionError, ChannelClosedByBroker

from clients import PERSISTENT, Inbox, await_count, await_get, differs_on_rabbitmq, exists, publish
from harness.raw import Gone, RawConnection
from harness.waiting import Stopwatch, eventually

pytestmark = pytest.mark.operated


def in_time(coroutine, seconds=30):
    """Runs the coroutine to its end, with a deadline."""
    async def limited():
        return await asyncio.wait_for(coroutine, seconds)
    return asyncio.run(limited())


def test_a_robust_client_redeclares_everything_after_a_forced_close(broker, ctl, name):
    """aio-pika's robust connection: exchange, server-named queue, bindings, consumer, prefetch and confirms come back."""
    client, exchange_name = name("client"), name("exchange")

    async def scenario():
        connection = await aio_pika.connect_robust(
            broker.url(), client_properties={"connection_name": client}, reconnect_interval=0.1)
        async with connection:
            reconnected = asyncio.Event()
            connection.reconnect_callbacks.add(lambda *_: reconnected.set())
            channel = await connection.channel(publisher_confirms=True)
            await channel.set_qos(prefetch_count=5)
            exchange = await channel.declare_exchange(exchange_name, aio_pika.ExchangeType.TOPIC, auto_delete=True)
            queue = await channel.declare_queue(exclusive=True)
            first_name = queue.name
            await queue.bind(exchange, "news.#")
            inbox = asyncio.Queue()
            await queue.consume(inbox.put, no_ack=True)
            await exchange.publish(aio_pika.Message(b"before"), "news.a")
            assert (await inbox.get()).body == b"before"
            await asyncio.to_thread(eventually, lambda: client in ctl.connection_names())
            await asyncio.to_thread(ctl.connection_close, client, "test")
            await reconnected.wait()
            while True:
                with contextlib.suppress(aio_pika.exceptions.AMQPError, ConnectionError, asyncio.TimeoutError, RuntimeError):
                    await exchange.publish(aio_pika.Message(b"after"), "news.b", timeout=2)
                    break
                await asyncio.sleep(0.05)
            assert (await inbox.get()).body == b"after"
            assert queue.name != first_name or queue.name.startswith("amq_")

    in_time(scenario())


@pytest.fixture
def topology(connect, ctl, user, name):
    """Things that must, and things that must not, outlive a restart."""
    made = {key: name(key) for key in ["durable", "transient", "stream", "source", "sink", "fleeting", "vhost"]}
    channel = connect().channel()
    channel.confirm_delivery()
    channel.queue_declare(made["durable"], durable=True, arguments={"x-max-priority": 3})
    channel.queue_declare(made["transient"])
    channel.queue_declare(made["stream"], durable=True, arguments={"x-queue-type": "stream"})
    for exchange in ("source", "sink"):
        channel.exchange_declare(made[exchange], "topic", durable=True)
    channel.exchange_declare(made["fleeting"], "fanout")
    channel.exchange_bind(made["sink"], made["source"], "log.#")
    channel.queue_bind(made["durable"], made["sink"], "#.error")
    ctl.vhost_add(made["vhost"])
    made["user"] = user(".*", ".*", ".*", vhost=made["vhost"])
    yield made
    channel = connect().channel()
    for queue in ("durable", "stream"):
        channel.queue_delete(made[queue])
    for exchange in ("source", "sink"):
        channel.exchange_delete(made[exchange])
    ctl.vhost_delete(made["vhost"])


def fill(connect, made):
    """Messages of which only the transient one is to be lost; some unacked, some acked."""
    connection = connect()
    channel = connection.channel()
    channel.confirm_delivery()
    for number in range(5):
        channel.basic_publish("", made["durable"], f"{number}".encode(),
                              pika.BasicProperties(delivery_mode=2, headers={"n": number}, priority=number == 4))
    channel.basic_publish("", made["durable"], b"transient", pika.BasicProperties(delivery_mode=1))
    for text in "abc":
        channel.basic_publish("", made["stream"], text.encode(), PERSISTENT)
    acked = await_get(channel, made["durable"], auto_ack=False)
    assert acked.text == "4"
    channel.basic_ack(acked.tag)
    await_get(channel, made["durable"], auto_ack=False)
    channel.basic_publish("", made["durable"], b"5", PERSISTENT)


def stream_reader(connection, queue):
    """A reader from the first message; None while the broker still recovers the stream (RabbitMQ says 404 meanwhile)."""
    channel = connection.channel()
    channel.basic_qos(prefetch_count=10)
    try:
        return Inbox(channel, queue, arguments={"x-stream-offset": "first"})
    except ChannelClosedByBroker:
        return None


def check(connect, made):
    connection = connect()
    channel = connection.channel()
    assert not exists(connection, queue=made["transient"])
    assert not exists(connection, exchange=made["fleeting"])
    channel.queue_declare(made["durable"], durable=True, arguments={"x-max-priority": 3})
    channel.exchange_declare(made["source"], "topic", durable=True)
    await_count(channel, made["durable"], 5)
    got = [await_get(channel, made["durable"]) for _ in range(5)]
    assert [message.text for message in got] == ["0", "1", "2", "3", "5"]
    assert [message.headers.get("n") for message in got] == [0, 1, 2, 3, None]
    publish(channel, "log.x.error", "through both exchanges", exchange=made["source"])
    assert await_get(channel, made["durable"]).text == "through both exchanges"
    inbox = eventually(lambda: stream_reader(connection, made["stream"]), within=20)
    inbox.wait(3, within=20)
    assert inbox.texts == ["a", "b", "c"]
    connect(made["user"], "secret", made["vhost"]).channel().queue_declare("", exclusive=True)


@contextlib.contextmanager
def down(broker, end):
    """The broker, ended by `end`, is down within the block and up again after it, whatever happens."""
    try:
        end()
        yield
    finally:
        broker.start()


def test_an_orderly_restart_tells_clients_and_brings_durable_things_back(broker, connect, topology):
    fill(connect, topology)
    watcher = RawConnection(broker, timeout=30).open()
    watcher.call(1, "basic.consume", queue=topology["durable"])
    told = []

    def watch():
        try:
            told.append(watcher.expect_closed(320))
        except Gone as error:
            told.append(error)

    thread = threading.Thread(target=watch)
    thread.start()
    stopping = Stopwatch()
    with down(broker, broker.shut_down):
        if broker.kind == "chaski":
            assert stopping.seconds < 5
        thread.join(30)
        assert getattr(told[0], "reply_code", told[0]) == 320
        with pytest.raises((AMQPConnectionError, OSError)):
            connect()
    check(connect, topology)


def test_a_kill_loses_nothing_that_was_confirmed(broker, connect, topology):
    fill(connect, topology)
    with down(broker, broker.kill), pytest.raises((AMQPConnectionError, OSError)):
        connect()
    check(connect, topology)


@differs_on_rabbitmq("a quorum queue that was declared just before the kill may not come back")
def test_a_quorum_queue_outlives_a_kill(broker, connect, name):
    queue = name("quorum")
    channel = connect().channel()
    channel.confirm_delivery()
    channel.queue_declare(queue, durable=True, arguments={"x-queue-type": "quorum"})
    for text in "abc":
        channel.basic_publish("", queue, text.encode(), PERSISTENT)
    with down(broker, broker.kill):
        pass
    channel = connect().channel()
    assert [await_get(channel, queue).text for _ in range(3)] == ["a", "b", "c"]
    channel.queue_delete(queue)


def test_confirmed_dead_letters_and_expiries_outlive_a_kill(broker, connect, name):
    queue, dead = name("queue"), name("dead")
    channel = connect().channel()
    channel.confirm_delivery()
    channel.queue_declare(dead, durable=True)
    channel.queue_declare(queue, durable=True, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead, "x-message-ttl": 60_000})
    channel.basic_publish("", queue, b"brief", pika.BasicProperties(delivery_mode=2, expiration="1500"))
    with down(broker, broker.kill):
        pass
    channel = connect().channel()
    letter = await_get(channel, dead, within=20)
    assert letter.headers["x-death"][0]["reason"] == "expired"
    for each in (queue, dead):
        channel.queue_delete(each)
