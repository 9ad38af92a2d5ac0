"""The seven RabbitMQ tutorials with pika, as their readers write them: each party has a connection of its own.

All seven on the blocking adapter; hello world, work queues and publisher confirms on the asyncio and select adapters too.
"""

import asyncio
import threading
import uuid

import pika
import pytest
from pika.adapters.asyncio_connection import AsyncioConnection
from pika.adapters.select_connection import SelectConnection

from harness.waiting import Stopwatch, eventually

DEADLINE = 20


@pytest.fixture
def party(broker):
    """Runs a function with a connection of its own in a thread; what it raises fails the test."""
    threads, failures = [], []

    def starter(work, *arguments):
        def body():
            try:
                parameters = pika.URLParameters(broker.url())
                with pika.BlockingConnection(parameters) as connection:
                    work(connection, *arguments)
            except BaseException as error:
                failures.append(error)

        thread = threading.Thread(target=body, daemon=True)
        thread.start()
        threads.append(thread)
        return thread

    yield starter
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive(), "a party does not come to its end"
    assert not failures, failures


def receive(connection, channel, queue, number, auto_ack=True):
    """start_consuming until that many messages have come; returns routing keys and texts."""
    got = []

    def callback(ch, method, _properties, body):
        got.append((method.routing_key, body.decode()))
        if not auto_ack:
            ch.basic_ack(delivery_tag=method.delivery_tag)
        if len(got) == number:
            ch.stop_consuming()

    channel.basic_consume(queue=queue, on_message_callback=callback, auto_ack=auto_ack)
    connection.call_later(DEADLINE, channel.stop_consuming)
    channel.start_consuming()
    return got


# The blocking adapter

def test_1_hello_world(connection, party, name):
    queue = name("hello")

    def send(mine):
        channel = mine.channel()
        channel.queue_declare(queue=queue)
        channel.basic_publish(exchange="", routing_key=queue, body="Hello World!")

    party(send)
    channel = connection.channel()
    channel.queue_declare(queue=queue)
    assert receive(connection, channel, queue, 1) == [(queue, "Hello World!")]


def test_2_work_queues_share_the_work_and_survive_a_dead_worker(connect, connection, party, name):
    queue = name("task")
    channel = connection.channel()
    channel.queue_declare(queue=queue, durable=True)
    doomed = connect()
    held = doomed.channel()
    held.basic_qos(prefetch_count=1)
    taken = []
    held.basic_consume(queue, lambda _ch, _method, _properties, body: taken.append(body.decode()))
    for number in range(20):
        channel.basic_publish(exchange="", routing_key=queue, body=f"task {number}",
                              properties=pika.BasicProperties(delivery_mode=pika.DeliveryMode.Persistent))
    eventually(lambda: doomed.process_data_events(0.01) or taken)
    assert len(taken) == 1
    done, lock, finished = [], threading.Lock(), threading.Event()
    busy, both_busy = set(), threading.Barrier(2)

    def work(mine):
        worker = mine.channel()
        worker.queue_declare(queue=queue, durable=True)
        worker.basic_qos(prefetch_count=1)

        def callback(ch, method, _properties, body):
            if mine not in busy:
                busy.add(mine)
                both_busy.wait(DEADLINE)
            ch.basic_ack(delivery_tag=method.delivery_tag)
            with lock:
                done.append(body.decode())
                if len(done) == 20:
                    finished.set()

        worker.basic_consume(queue=queue, on_message_callback=callback)
        watch = Stopwatch()
        while not finished.is_set() and watch.seconds < DEADLINE:
            mine.process_data_events(0.02)

    party(work)
    party(work)
    doomed.close()
    assert finished.wait(DEADLINE)
    assert sorted(done) == sorted(f"task {number}" for number in range(20))
    assert len(busy) == 2, "both workers got some"
    channel.queue_delete(queue)


def subscribe(connection, exchange, kind, keys):
    """A server-named exclusive queue bound with the keys."""
    channel = connection.channel()
    channel.exchange_declare(exchange=exchange, exchange_type=kind)
    queue = channel.queue_declare(queue="", exclusive=True).method.queue
    for key in keys:
        channel.queue_bind(exchange=exchange, queue=queue, routing_key=key)
    return channel, queue


def emit(connection, exchange, kind, messages):
    channel = connection.channel()
    channel.exchange_declare(exchange=exchange, exchange_type=kind)
    for key, text in messages:
        channel.basic_publish(exchange=exchange, routing_key=key, body=text)


@pytest.mark.parametrize("kind, subscriptions, messages, expected", [
    ("fanout", [[""], [""]], [("", "info: Hello")], [["info: Hello"], ["info: Hello"]]),
    ("direct", [["error"], ["info", "warning", "error"]],
     [("info", "i"), ("error", "e"), ("warning", "w"), ("debug", "d")], [["e"], ["i", "e", "w"]]),
    ("topic", [["#"], ["kern.*"], ["*.critical"], ["kern.*", "*.critical"]],
     [("kern.critical", "a"), ("kern.info", "b"), ("cron.critical", "c")],
     [["a", "b", "c"], ["a", "b"], ["a", "c"], ["a", "b", "c"]]),
], ids=["3_publish_subscribe", "4_routing", "5_topics"])
def test_logs_reach_their_subscribers(connect, party, name, kind, subscriptions, messages, expected):
    exchange = name("logs")
    listeners = []
    for keys in subscriptions:
        listener = connect()
        listeners.append((listener, *subscribe(listener, exchange, kind, keys)))
    party(emit, exchange, kind, messages)
    for (listener, channel, queue), texts in zip(listeners, expected, strict=True):
        assert [text for _, text in receive(listener, channel, queue, len(texts))] == texts
    listeners[0][0].channel().exchange_delete(exchange)


def test_6_remote_procedure_call(connection, party, name):
    queue, stop = name("rpc"), threading.Event()

    def fibonacci(number):
        before, after = 0, 1
        for _ in range(number):
            before, after = after, before + after
        return before

    def serve(mine):
        channel = mine.channel()
        channel.queue_declare(queue=queue)

        def on_request(ch, method, properties, body):
            ch.basic_publish(exchange="", routing_key=properties.reply_to, body=str(fibonacci(int(body))),
                             properties=pika.BasicProperties(correlation_id=properties.correlation_id))
            ch.basic_ack(delivery_tag=method.delivery_tag)

        channel.basic_qos(prefetch_count=1)
        channel.basic_consume(queue=queue, on_message_callback=on_request)
        while not stop.is_set():
            mine.process_data_events(0.02)

    party(serve)
    channel = connection.channel()
    channel.queue_declare(queue=queue)
    callback_queue = channel.queue_declare(queue="", exclusive=True).method.queue
    responses = {}
    channel.basic_consume(
        queue=callback_queue, auto_ack=True,
        on_message_callback=lambda _ch, _method, properties, body: responses.update({properties.correlation_id: body}))

    def call(number):
        correlation = str(uuid.uuid4())
        channel.basic_publish(exchange="", routing_key=queue, body=str(number), properties=pika.BasicProperties(
            reply_to=callback_queue, correlation_id=correlation))
        return eventually(lambda: connection.process_data_events(0.01) or responses.get(correlation))

    try:
        assert [int(call(number)) for number in (1, 10, 30)] == [1, 55, 832040]
    finally:
        stop.set()
    channel.queue_delete(queue)


def test_7_publisher_confirms_one_by_one(channel, name):
    queue = name("confirmed")
    channel.queue_declare(queue, durable=True)
    channel.confirm_delivery()
    for number in range(100):
        channel.basic_publish("", queue, str(number), pika.BasicProperties(delivery_mode=2), mandatory=True)
    assert channel.queue_delete(queue).method.message_count == 100


# The asyncio and select adapters

class Adapter:
    """Runs one of pika's callback-driven connections to its end."""

    def __init__(self, kind, broker):
        self.kind, self.broker, self.error, self._loop = kind, broker, None, None
        self._finished = False

    def run(self, on_open):
        """Calls `on_open(channel, finish)`; returns when `finish` is called and the connection is closed."""
        parameters = pika.URLParameters(self.broker.url())
        self._loop = asyncio.new_event_loop() if self.kind is AsyncioConnection else None
        connection = self.kind(
            parameters,
            on_open_callback=lambda opened: opened.channel(
                on_open_callback=lambda channel: on_open(channel, connection.close)),
            on_open_error_callback=self._ended,
            on_close_callback=self._ended,
            custom_ioloop=self._loop,
        )
        self._loop = self._loop or connection.ioloop
        self._loop.call_later(DEADLINE, self._loop.stop)
        self._loop.run_forever() if self.kind is AsyncioConnection else self._loop.start()
        assert self._finished, "not finished in time"
        assert getattr(self.error, "reply_code", None) == 200, self.error

    def _ended(self, _connection, error):
        self.error, self._finished = error, True
        self._loop.stop()


@pytest.fixture(params=[AsyncioConnection, SelectConnection], ids=["asyncio", "select"])
def adapter(request, broker):
    return Adapter(request.param, broker)


def test_hello_world_on_callback_adapters(adapter, name):
    queue, got = name("hello"), []

    def opened(channel, finish):
        def declared(_frame):
            channel.basic_consume(queue, received, auto_ack=True)
            channel.basic_publish("", queue, b"Hello World!")

        def received(_channel, _method, _properties, body):
            got.append(body)
            channel.queue_delete(queue, callback=lambda _frame: finish())

        channel.queue_declare(queue, callback=declared)

    adapter.run(opened)
    assert got == [b"Hello World!"]


def test_a_work_queue_on_callback_adapters(adapter, name):
    queue, done = name("task"), []

    def opened(channel, finish):
        def declared(_frame):
            for number in range(50):
                channel.basic_publish("", queue, str(number).encode(), pika.BasicProperties(delivery_mode=2))
            channel.basic_qos(prefetch_count=1, callback=lambda _frame: channel.basic_consume(queue, work))

        def work(_channel, method, _properties, body):
            done.append(int(body))
            channel.basic_ack(method.delivery_tag)
            if len(done) == 50:
                channel.queue_delete(queue, callback=lambda _frame: finish())

        channel.queue_declare(queue, durable=True, callback=declared)

    adapter.run(opened)
    assert done == list(range(50))


def test_confirms_on_callback_adapters(adapter, name):
    queue, outstanding = name("confirmed"), set(range(1, 501))

    def opened(channel, finish):
        def declared(_frame):
            channel.confirm_delivery(confirmed, callback=lambda _frame: publish())

        def publish():
            for number in range(1, 501):
                channel.basic_publish("", queue, str(number).encode(), pika.BasicProperties(delivery_mode=2))

        def confirmed(frame):
            assert isinstance(frame.method, pika.spec.Basic.Ack)
            tag = frame.method.delivery_tag
            outstanding.difference_update(range(1, tag + 1) if frame.method.multiple else [tag])
            if not outstanding:
                channel.queue_delete(queue, callback=lambda _frame: finish())

        channel.queue_declare(queue, durable=True, callback=declared)

    adapter.run(opened)
    assert outstanding == set()
