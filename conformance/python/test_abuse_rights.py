"""ABUSE.md B as far as it concerns AMQP: what accounts with few rights reach, and for how long."""

import contextlib
import secrets
import threading
import time

import pytest
from pika.exceptions import AMQPError, ChannelClosedByBroker

from clients import (Inbox, await_get, closes_channel, differs_on_rabbitmq, drain, fence, get, publish)
from harness.raw import Closed, Gone
from harness.waiting import Stopwatch, eventually

operated = pytest.mark.operated


@pytest.fixture
def limited(connect, user):
    """A connection of an account that may touch only names that begin with `mine`."""
    account = user("^mine", "^mine", "^mine")
    return connect(account, "secret")


FORBIDDEN = {
    "passive declare": lambda channel, queue: channel.queue_declare(queue, passive=True),
    "declare": lambda channel, queue: channel.queue_declare(queue),
    "purge": lambda channel, queue: channel.queue_purge(queue),
    "delete": lambda channel, queue: channel.queue_delete(queue),
    "bind": lambda channel, queue: channel.queue_bind(queue, "amq.fanout"),
    "unbind": lambda channel, queue: channel.queue_unbind(queue, "amq.fanout"),
    "get": lambda channel, queue: channel.basic_get(queue),
    "consume": lambda channel, queue: channel.basic_consume(queue, print),
    "publish": lambda channel, queue: (publish(channel, queue), channel.queue_declare("mine.fence")),
}


@operated
@pytest.mark.parametrize("verb", [
    pytest.param(verb, marks=differs_on_rabbitmq("a passive declare needs no permission")) if verb == "passive declare"
    else verb for verb in FORBIDDEN])
def test_b18_every_verb_on_anothers_queue_is_403_as_on_a_missing_one(channel, limited, name, verb):
    theirs, missing = name("theirs"), name("missing")
    channel.queue_declare(theirs)
    texts = []
    for queue in (theirs, missing):
        with pytest.raises(ChannelClosedByBroker) as caught:
            FORBIDDEN[verb](limited.channel(), queue)
        texts.append((caught.value.reply_code, caught.value.reply_text.replace(queue, "QUEUE")))
    assert texts[0][0] == 403
    assert texts[0] == texts[1], "the answer tells whether the queue exists"


@operated
@pytest.mark.parametrize("queue", ["amq.theirs", "amq.gen-guessed", "mine\0", "mine/../theirs", "mine%2ftheirs", "mıne",
                                   "Mine", " mine"])
def test_b20_names_that_look_like_others_are_no_way_around(limited, queue):
    channel = limited.channel()
    if queue.startswith("mine"):
        assert channel.queue_declare(queue, exclusive=True).method.queue == queue
    else:
        with closes_channel(403, "ACCESS_REFUSED"):
            channel.queue_declare(queue)


def test_b20_a_reply_queue_cannot_be_read_by_another(connect, channel):
    requester = connect().channel()
    answers = Inbox(requester, "amq.rabbitmq.reply-to", auto_ack=True)
    queue = channel.queue_declare("", exclusive=True).method.queue
    publish(requester, queue, reply_to="amq.rabbitmq.reply-to")
    reply = await_get(channel, queue).properties.reply_to
    for operation in ("basic_get", "queue_purge"):
        with pytest.raises(AMQPError):
            getattr(connect().channel(), operation)(reply)
    with contextlib.suppress(AMQPError):
        connect().channel().queue_delete(reply)
    publish(channel, reply, "only for you")
    answers.wait(1)


@operated
def test_b21_a_user_id_is_checked_also_in_a_transaction_and_by_headers(connect, limited):
    channel = limited.channel()
    channel.exchange_declare("mine.direct", auto_delete=True)
    channel.tx_select()
    with closes_channel(406, "user_id"):
        publish(channel, "key", exchange="mine.direct", user_id="guest")
        channel.tx_commit()


REACH = {
    "alternate exchange": lambda channel: channel.exchange_declare(
        "mine.exchange", arguments={"alternate-exchange": "theirs"}),
    "dead letter exchange": lambda channel: channel.queue_declare(
        "mine.queue", exclusive=True, arguments={"x-dead-letter-exchange": "theirs"}),
    "binding to their exchange": lambda channel: (
        channel.exchange_declare("mine.destination", auto_delete=True),
        channel.exchange_bind("mine.destination", "amq.fanout")),
    "binding from my exchange": lambda channel: (
        channel.exchange_declare("mine.source", auto_delete=True),
        channel.exchange_bind("amq.fanout", "mine.source")),
    "queue of mine on their exchange": lambda channel: (
        channel.queue_declare("mine.tap", exclusive=True), channel.queue_bind("mine.tap", "amq.fanout")),
}


@operated
@pytest.mark.parametrize("way", REACH)
def test_b22_there_is_no_way_round_to_where_the_user_may_not_write_or_read(limited, way):
    with closes_channel(403, "ACCESS_REFUSED"):
        REACH[way](limited.channel())


@operated
def test_b22_a_cc_header_reaches_no_exchange_but_the_one_published_to(channel, limited, name):
    theirs = name("theirs")
    channel.queue_declare(theirs, exclusive=True)
    sender = limited.channel()
    sender.exchange_declare("mine.copy", "direct", auto_delete=True)
    publish(sender, "key", exchange="mine.copy", headers={"CC": [theirs], "BCC": [theirs]})
    fence_by_declare = sender.queue_declare("mine.fence", exclusive=True)
    assert fence_by_declare and get(channel, theirs) is None


# 19: patterns that overlap

# Each pattern with names that it allows and names that it does not.
PATTERNS = {
    "nothing": ("", [], ["a", "^$", ".*"]),
    "nothing, said otherwise": ("^$", [], ["a", ".*"]),
    "everything": (".*", ["a", "a.secret", "[a-c]", "\u202ex"], []),
    "found anywhere": ("mine", ["mine", "not.mine"], ["min", "Mine"]),
    "at the beginning": ("^mine", ["mine", "mine.x"], ["not.mine", " mine", "\u200bmine"]),
    "whole": ("^mine$", ["mine"], ["mine.x", "x.mine", "mine "]),
    "anchors of one branch each": ("^one|two$", ["one", "one.x", "x.two"], ["x.one", "two.x"]),
    "anchors of both branches": ("^(one|two)$", ["one", "two"], ["one.x", "x.two", "onetwo"]),
    "a part between dots": ("^a\\.[^.]+$", ["a.b"], ["a.b.secret", "a", "a.", "ab"]),
    "a range": ("^[a-c]+$", ["abc"], ["a-c", "d", "-"]),
    "a hyphen at the end": ("^[a-c-]+$", ["a-c"], ["d", "_"]),
    "a hyphen at the beginning": ("^[-ac]+$", ["a-c"], ["b"]),
    "a hyphen with a backslash": ("^[a\\-c]+$", ["a-c"], ["b"]),
    "a range of signs": ("^[+-/]+$", ["+,-./"], ["0", "*"]),
    "a bracket that comes first": ("^[]a]+$", ["]a"], ["[", "b"]),
    "a caret inside": ("^[a^]+$", ["^a"], ["b"]),
}


@operated
@pytest.mark.parametrize("case", PATTERNS)
def test_b19_a_pattern_allows_what_it_reads_as(connect, user, case):
    pattern, allowed, forbidden = PATTERNS[case]
    connection = connect(user(pattern, "", ""), "secret")
    for queue in allowed:
        assert connection.channel().queue_declare(queue, exclusive=True).method.queue == queue
    for queue in forbidden:
        with closes_channel(403, f"access to queue '{queue}'"):
            connection.channel().queue_declare(queue, exclusive=True)


@operated
@pytest.mark.parametrize("pattern", ["^mine$", "^mine", ".*mine$", ".*"])
def test_b19_a_line_break_hides_nothing_from_a_pattern(raw, channel, user, name, pattern):
    """A name is declared without its line breaks, so that `theirs` cannot be dressed as two lines of which one says `mine`."""
    account, theirs = user(pattern, pattern, pattern), name("theirs")
    link = raw().open(response=f"\0{account}\0secret".encode())
    assert link.call(1, "queue.declare", queue="mi\r\nne", exclusive=True).queue == "mine"
    channel.queue_declare(theirs)
    publish(channel, theirs, "stays")
    for queue in (f"{theirs}\n", f"mine\n{theirs}", f"{theirs}\nmine"):
        for method in ("queue.purge", "queue.delete", "basic.get", "basic.consume"):
            link.send(1, method, queue=queue)
            with contextlib.suppress(Closed):
                link.recv()
                continue
            link.call(1, "channel.open")
    if pattern != ".*":
        assert drain(channel, theirs) == ["stays"]


@operated
@differs_on_rabbitmq("its regular expressions have other words for it")
@pytest.mark.parametrize("pattern", ["[a--z]", "[a&&b]", "[a[b]]", "\\<mine", "^(?!secret)", "(a)\\1", "(", "a{999999999}"])
def test_b19_a_pattern_that_would_mean_something_else_is_refused(ctl, user, pattern):
    account = user("^mine", "^mine", "^mine")
    with pytest.raises(RuntimeError, match="not a usable pattern"):
        ctl.permission_set(account, "/", pattern, ".*", ".*")


@operated
def test_b19_a_binding_key_is_no_wider_than_the_topics_that_may_be_read(connect, ctl, user):
    account = user(".*", ".*", ".*")
    ctl.topic_permission_set(account, "amq.topic", write=r"^a\.[a-z]+$", read=r"^a\.[a-z]+$")
    connection = connect(account, "secret")
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "amq.topic", "a.news")
    for key in ("#", "*", "a.#", "a.*", "*.news", "#.news", "a.news.#", "a", "b.news", "a.#.news"):
        with closes_channel(403, "access to topic"):
            connection.channel().queue_bind(queue, "amq.topic", key)
    # Nor by way of an exchange of one's own.
    mine = f"mine.{secrets.token_hex(4)}"
    channel.exchange_declare(mine, "fanout", auto_delete=True)
    with closes_channel(403, "access to topic"):
        connection.channel().exchange_bind(mine, "amq.topic", "#")
    with closes_channel(403, "access to topic"):
        forbidden = connection.channel()
        publish(forbidden, "a.news.secret", exchange="amq.topic")
        fence(forbidden)


@operated
@differs_on_rabbitmq("its $ also stands before a line break at the end")
def test_b19_the_end_of_a_pattern_is_the_end_of_the_key(connect, ctl, user):
    account = user(".*", ".*", ".*")
    ctl.topic_permission_set(account, "amq.topic", write=r"^a\.[a-z]+$", read=r"^a\.[a-z]+$")
    channel = connect(account, "secret").channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    with closes_channel(403, "access to topic"):
        channel.queue_bind(queue, "amq.topic", "a.news\n")


@operated
def test_b19_a_topic_exchange_that_may_not_be_read_is_not_bound_to(connect, user):
    connection = connect(user(".*", ".*", "^mine|^amq\\.gen"), "secret")
    queue = connection.channel().queue_declare("", exclusive=True).method.queue
    for key in ("#", "*", "a.#", "a"):
        with closes_channel(403, "access to exchange 'amq.topic'"):
            connection.channel().queue_bind(queue, "amq.topic", key)


LOCKED = {
    "declare": lambda channel, queue: channel.queue_declare(queue, exclusive=True),
    "passive declare": lambda channel, queue: channel.queue_declare(queue, passive=True),
    "consume": lambda channel, queue: channel.basic_consume(queue, print),
    "exclusive consume": lambda channel, queue: channel.basic_consume(queue, print, exclusive=True),
    "get": lambda channel, queue: channel.basic_get(queue),
    "purge": lambda channel, queue: channel.queue_purge(queue),
    "delete": lambda channel, queue: channel.queue_delete(queue),
    "bind": lambda channel, queue: channel.queue_bind(queue, "amq.fanout"),
    "unbind": lambda channel, queue: channel.queue_unbind(queue, "amq.fanout"),
}


@pytest.mark.parametrize("verb", [
    pytest.param(verb, marks=differs_on_rabbitmq("to unbind what is not bound is no error")) if verb == "unbind" else verb
    for verb in LOCKED])
def test_b19_an_exclusive_queue_is_its_connections_alone_whatever_others_may(connect, name, verb):
    queue = connect().channel().queue_declare(name(), exclusive=True).method.queue
    with closes_channel(405, "RESOURCE_LOCKED"):
        LOCKED[verb](connect().channel(), queue)


@operated
@differs_on_rabbitmq("a connection goes on with what it began")
def test_b19_what_comes_back_goes_to_nobody_whose_right_is_gone(connect, channel, ctl, name, user):
    account, queue = user(".*", ".*", ".*"), name("shared")
    channel.queue_declare(queue)
    inbox = Inbox(connect(account, "secret").channel(), queue)
    publish(channel, queue, "seen once")
    inbox.wait(1)
    ctl.permission_set(account, "/", ".*", ".*", "^other")
    with pytest.raises(AMQPError):
        inbox.wait(2)
    for attempt in (lambda again: again.basic_consume(queue, print), lambda again: again.basic_get(queue)):
        with closes_channel(403, "read access to queue"):
            attempt(connect(account, "secret").channel())
    back = await_get(channel, queue)
    assert (back.text, back.redelivered) == ("seen once", True)


@operated
@differs_on_rabbitmq("a connection goes on with what it began")
def test_b19_a_stream_is_not_replayed_to_whoever_lost_the_right(connect, channel, ctl, name, user):
    account, stream = user(".*", ".*", ".*"), name("stream")
    channel.queue_declare(stream, durable=True, arguments={"x-queue-type": "stream"})
    for index in range(3):
        publish(channel, stream, f"line {index}")

    def reader():
        mine = connect(account, "secret").channel()
        mine.basic_qos(prefetch_count=10)
        return mine

    inbox = Inbox(reader(), stream, arguments={"x-stream-offset": "first"})
    inbox.wait(3)
    ctl.permission_set(account, "/", ".*", ".*", "^other")
    with pytest.raises(AMQPError):
        inbox.wait(4)
    for offset in ("first", 0, "last", "next"):
        with closes_channel(403, "read access to queue"):
            reader().basic_consume(stream, print, arguments={"x-stream-offset": offset})
    channel.queue_delete(stream)


# 24: rights that go while a consumer is open

class Stream:
    """A connection that sends itself message after message until it is closed; knows when the last one came and how it ended."""

    def __init__(self, link, queue):
        self.link, self.queue, self.count, self.closed = link, queue, 0, None
        self.last = self.end = 0.0
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self):
        link = self.link
        link.call(1, "basic.consume", queue=self.queue)
        with contextlib.suppress(Gone, OSError):
            try:
                while True:
                    link.publish(1, self.queue, b"tick")
                    delivered = link.expect(1, "basic.deliver")
                    link.recv_content(1)
                    self.last, self.count = time.monotonic(), self.count + 1
                    link.send(1, "basic.ack", delivery_tag=delivered.delivery_tag)
            except Closed as closed:
                # A channel may learn first that what it uses is gone.
                close = closed.method if closed.method.name == "connection.close" else link.expect_closed(320)
                self.closed, self.end = close, time.monotonic()
            # Whatever may still come.
            while True:
                if link.recv_frame(0.3).channel == 1:
                    self.last = time.monotonic()

    def join(self):
        self._thread.join(10)
        assert not self._thread.is_alive()


def permission_cleared(ctl, account, vhost):
    ctl.permission_clear(account, vhost)


def right_to_read_taken(ctl, account, vhost):
    ctl.permission_set(account, vhost, ".*", ".*", "^other")


def password_changed(ctl, account, _vhost):
    ctl.user_password(account, "another")


def account_deleted(ctl, account, _vhost):
    ctl.user_delete(account)


def vhost_deleted(ctl, _account, vhost):
    ctl.vhost_delete(vhost)


GOES_ON = differs_on_rabbitmq("the connection goes on")


@pytest.fixture
def vhost(ctl):
    name = f"vhost-{secrets.token_hex(4)}"
    ctl.vhost_add(name)
    yield name
    with contextlib.suppress(RuntimeError):
        ctl.vhost_delete(name)


@operated
@pytest.mark.parametrize("revoke, words", [
    pytest.param(permission_cleared, "rights or password were changed", marks=GOES_ON),
    pytest.param(right_to_read_taken, "rights or password were changed", marks=GOES_ON),
    pytest.param(password_changed, "rights or password were changed", marks=GOES_ON),
    pytest.param(account_deleted, "rights or password were changed", marks=differs_on_rabbitmq("other words")),
    pytest.param(vhost_deleted, "is deleted", marks=differs_on_rabbitmq("closed within a few seconds")),
])
def test_b24_delivery_stops_within_a_second_of_what_allowed_it(raw, ctl, user, vhost, revoke, words):
    account = user(".*", ".*", ".*", vhost=vhost)
    link = raw().open(vhost=vhost, response=f"\0{account}\0secret".encode())
    stream = Stream(link, link.call(1, "queue.declare", exclusive=True).queue)
    try:
        eventually(lambda: stream.count > 100)
        asked = time.monotonic()
        revoke(ctl, account, vhost)
        stream.join()
    finally:
        link.close()
    assert stream.closed.reply_code == 320 and words in stream.closed.reply_text
    # Measured from before the operator's command was even started.
    assert stream.end - asked < 1, f"{stream.end - asked:.2f} s"
    assert stream.last < stream.end, "something came after the close"


@operated
@differs_on_rabbitmq("the connection goes on")
@pytest.mark.parametrize("revoke", [permission_cleared, password_changed, account_deleted, vhost_deleted])
def test_b24_a_login_that_was_not_finished_when_its_right_went_gets_nowhere(raw, ctl, user, vhost, revoke):
    """The password was right and the virtual host is asked for only now."""
    account = user(".*", ".*", ".*", vhost=vhost)
    link = raw()
    link.start()
    link.start_ok(response=f"\0{account}\0secret".encode())
    link.tune()
    revoke(ctl, account, vhost)
    link.send(0, "connection.open", vhost=vhost)
    with contextlib.suppress(Gone):
        assert link.expect_closed(530).reply_code == 530


@operated
@differs_on_rabbitmq("the connection goes on")
def test_b24_nothing_more_is_sent_to_a_consumer_that_does_not_read(raw, connect, ctl, user, name):
    """What waits for its socket is lost with the connection, and the messages are another's."""
    account, queue = user(".*", ".*", ".*"), name("stuck")
    channel = connect().channel()
    channel.queue_declare(queue)
    stuck = raw(receive_buffer=4096).open(response=f"\0{account}\0secret".encode())
    stuck.call(1, "basic.consume", queue=queue)
    for index in range(100):
        publish(channel, queue, f"{index:0>100000}")
    fence(channel)
    watch = Stopwatch()
    ctl.user_delete(account)
    eventually(lambda: channel.queue_declare(queue, passive=True).method.message_count == 100, within=5)
    assert watch.seconds < 1
    assert [text[-2:] for text in drain(channel, queue)] == [f"{index:02}" for index in range(100)]
