"""What the tests ask of pika again and again."""

from contextlib import contextmanager

import pika
import pytest
from pika.exceptions import ChannelClosedByBroker, ConnectionClosedByBroker

from harness.waiting import Stopwatch, eventually

PERSISTENT = pika.BasicProperties(delivery_mode=2)


def differs_on_rabbitmq(reason):
    """Marks a test of what Chaski must do where RabbitMQ 3.10 does otherwise."""
    return pytest.mark.differs_on_rabbitmq(reason)


@contextmanager
def closes_channel(code, *words):
    """The block ends with channel.close of that code, its text holding the words."""
    with pytest.raises(ChannelClosedByBroker) as caught:
        yield
    _check(caught.value, code, words)


@contextmanager
def closes_connection(code, *words):
    """The block ends with connection.close of that code, its text holding the words."""
    with pytest.raises(ConnectionClosedByBroker) as caught:
        yield
    _check(caught.value, code, words)


def _check(error, code, words):
    assert error.reply_code == code, f"{error.reply_code} {error.reply_text}"
    for word in words:
        assert word in error.reply_text, error.reply_text


def fence(channel):
    """Everything sent on the channel before has been seen by the broker when this returns."""
    channel.exchange_declare("amq.fanout", passive=True)


def publish(channel, queue, body=b"", exchange="", mandatory=False, **properties):
    """Publishes; with a body that is text, as UTF-8."""
    data = body.encode() if isinstance(body, str) else body
    channel.basic_publish(exchange, queue, data, pika.BasicProperties(**properties), mandatory)


def count(channel, queue):
    """Ready messages of the queue, by passive declare."""
    return channel.queue_declare(queue, passive=True).method.message_count


def await_count(channel, queue, expected, within=10):
    eventually(lambda: count(channel, queue) == expected, within, what=f"{expected} messages in {queue}")


def exists(connection, queue=None, exchange=None):
    """Whether a passive declare finds the queue (or exchange)."""
    channel = connection.channel()
    try:
        if queue is not None:
            channel.queue_declare(queue, passive=True)
        else:
            channel.exchange_declare(exchange, passive=True)
    except ChannelClosedByBroker as error:
        assert error.reply_code == 404, error
        return False
    channel.close()
    return True


class Message:
    """A message as received."""

    def __init__(self, method, properties, body):
        self.method, self.properties, self.body = method, properties, body
        self.tag, self.redelivered = method.delivery_tag, method.redelivered
        self.text = body.decode(errors="replace")
        self.headers = properties.headers or {}

    def __repr__(self):
        return f"Message({self.text!r}, tag {self.tag}, headers {self.headers})"


def get(channel, queue, auto_ack=True):
    """One basic.get: a Message or None."""
    method, properties, body = channel.basic_get(queue, auto_ack)
    return Message(method, properties, body) if method else None


def await_get(channel, queue, auto_ack=True, within=10):
    """Gets until there is a message."""
    return eventually(lambda: get(channel, queue, auto_ack), within, what=f"a message in {queue}")


def drain(channel, queue):
    """The bodies of all ready messages, taken with auto-ack."""
    texts = []
    while (message := get(channel, queue)) is not None:
        texts.append(message.text)
    return texts


class Inbox:
    """A consumer that keeps what it was delivered."""

    def __init__(self, channel, queue, auto_ack=False, **options):
        self.channel, self.messages = channel, []
        self.tag = channel.basic_consume(queue, self._take, auto_ack, **options)

    def _take(self, _channel, method, properties, body):
        self.messages.append(Message(method, properties, body))

    @property
    def texts(self):
        return [message.text for message in self.messages]

    def pump(self, seconds=0.01):
        """Lets pika read what has come."""
        self.channel.connection.process_data_events(seconds)

    def wait(self, number, within=10):
        """Until that many messages have come; returns them."""
        watch = Stopwatch()
        while len(self.messages) < number:
            assert watch.seconds < within, f"{len(self.messages)} of {number} messages within {within} s: {self.texts}"
            self.pump(0.02)
        return self.messages

    def stays_at(self, number, seconds=0.25):
        """That no more than `number` come: a round trip on the channel and a short wait."""
        watch = Stopwatch()
        fence(self.channel)
        while watch.seconds < seconds:
            self.pump(0.02)
        assert len(self.messages) == number, self.texts

    def ack_all(self):
        self.channel.basic_ack(0, multiple=True)
