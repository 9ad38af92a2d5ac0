"""docs/chat.md, 'AMQP': rooms as keys of the exchange `chat`. Whoever has a queue is a member like any other, and nobody speaks for others."""

import contextlib
import json
import secrets
import threading

import pika
import pytest
from pika.exceptions import AMQPError, NackError, UnroutableError

from clients import closes_channel, differs_on_rabbitmq, drain
from harness.waiting import eventually
from rest import PASSWORD

pytestmark = [pytest.mark.operated, differs_on_rabbitmq("it has no chat")]

JSON = pika.BasicProperties(content_type="application/json")


@pytest.fixture
def room(rest):
    """Makes rooms that stay, each with a name that no other test uses."""
    made = []

    def maker(label="Room"):
        name = f"{label}-{secrets.token_hex(4)}"
        rest.post("/v1/rooms", {"room": name, "keep": True}).ok(201)
        made.append(name)
        return name

    yield maker
    for name in made:
        rest.delete(f"/v1/rooms/{name}")


class Member:
    """An account that chats with nothing but AMQP: a queue of its own, the shared exchange."""

    def __init__(self, connection, login):
        self.connection, self.login = connection, login
        self.channel = connection.channel()
        self.channel.confirm_delivery()
        self.queue = self.channel.queue_declare(f"chat.{login}.{secrets.token_hex(3)}", durable=True).method.queue

    def enter(self, room):
        self.channel.exchange_declare("chat", "topic")
        self.channel.queue_bind(self.queue, "chat", f"room.{room}")
        return self

    def say(self, room, text, **properties):
        self.channel.basic_publish("chat", f"room.{room}", text, pika.BasicProperties(**properties), mandatory=True)

    def heard(self):
        """What has come since the last time, as somebody reads it who presses Enter."""
        return [json.loads(text) for text in drain(self.channel, self.queue)]

    def hears(self, count):
        """The next so many messages."""
        got = []

        def enough():
            got.extend(self.heard())
            return len(got) >= count

        eventually(enough, what=f"{count} messages for {self.login}")
        assert len(got) == count, got
        return got


@pytest.fixture
def joins(member, connect, broker):
    """Makes members of the chat by AMQP."""
    queues = []

    def maker(label="amqp"):
        account = member(label)
        joined = Member(connect(account.login, PASSWORD), account.login)
        queues.append(joined)
        return joined

    yield maker
    for joined in queues:
        with contextlib.suppress(AMQPError):
            joined.connection.channel().queue_delete(joined.queue)


def said(messages):
    return [(message["from"], message["text"]) for message in messages]


def test_a_chat_of_nothing_but_amqp_and_a_member_by_rest(room, joins, member):
    """Own queue, shared exchange, reading what came on Enter: everybody gets every message once, in one order."""
    lobby = room()
    ana, luis = joins("ana").enter(lobby), joins("luis").enter(lobby.upper())
    eva = member("eva")
    ana.say(lobby, "hola")
    luis.say(lobby.lower(), "¿qué tal?")
    eva.post(f"/v1/rooms/{lobby}/messages", {"text": "buenas"}).ok(201)
    ana.channel.basic_publish(
        "chat", f"room.{lobby}", json.dumps({"text": "waves", "action": True, "reply_to": 1}), JSON)
    expected = [(ana.login, "hola"), (luis.login, "¿qué tal?"), (eva.login, "buenas"), (ana.login, "waves")]
    heard = ana.hears(4)
    assert said(heard) == expected
    assert luis.hears(4) == heard, "the same order and the same objects"
    assert [message["seq"] for message in heard] == [1, 2, 3, 4]
    assert {message["room"] for message in heard} == {lobby}
    assert heard[3]["action"] and heard[3]["reply_to"] == 1
    page = eva.get(f"/v1/rooms/{lobby}/messages").ok()
    assert said(page["messages"]) == expected
    assert ana.heard() == []


def test_a_bot_in_ten_lines(room, joins, broker):
    """What the README shows: it answers whoever says ping."""
    lobby = room()
    human = joins("human").enter(lobby)
    parameters = pika.ConnectionParameters(broker.host, broker.port)
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, "chat", f"room.{lobby}")

    def on_message(channel, method, properties, body):
        if json.loads(body)["text"] == "ping":
            channel.basic_publish("chat", method.routing_key, "pong, " + properties.user_id)

    channel.basic_consume(queue, on_message, auto_ack=True)
    human.say(lobby, "ping")
    heard = []
    for _ in range(100):
        connection.process_data_events(0.1)
        heard += human.heard()
        if len(heard) == 2:
            break
    assert said(heard) == [(human.login, "ping"), ("guest", f"pong, {human.login}")]
    connection.close()


def test_a_message_says_in_its_properties_who_said_it_and_where(room, joins):
    lobby = room()
    ana = joins("ana").enter(lobby)
    ana.say(lobby, "hola", message_id="my-own")
    got = []
    eventually(lambda: got.append(ana.channel.basic_get(ana.queue, auto_ack=True)) or got[-1][0])
    method, properties, body = got[-1]
    message = json.loads(body)
    assert method.exchange == "chat" and method.routing_key == f"room.{lobby.lower()}"
    assert properties.content_type == "application/json" and properties.type == "message"
    assert properties.message_id == str(message["id"]) and message["sent_id"] == "my-own"
    assert properties.user_id == ana.login
    assert properties.timestamp == message["at_ms"] // 1000
    assert properties.headers == {"room": lobby, "from": ana.login, "seq": 1}


def test_a_message_that_is_sent_again_is_one_message(room, joins):
    lobby = room()
    ana = joins("ana").enter(lobby)
    for _ in range(3):
        ana.say(lobby, "once", message_id="the-same")
    ana.say(lobby, "after")
    assert [message["text"] for message in ana.hears(2)] == ["once", "after"]


def test_edits_come_as_changed(room, joins, member):
    lobby = room()
    ana, eva = joins("ana").enter(lobby), member("eva")
    sent = eva.post(f"/v1/rooms/{lobby}/messages", {"text": "helo"}).ok(201)
    eva.put(f"/v1/rooms/{lobby}/messages/{sent['seq']}", {"text": "hello"}).ok()
    first, second = ana.hears(2)
    assert (first["type"], first["text"]) == ("message", "helo")
    assert (second["type"], second["text"], second["seq"]) == ("changed", "hello", first["seq"])


@pytest.mark.parametrize("key", ["room.*", "#", "room.lobby.#", "*.lobby"])
def test_patterns_are_for_administrators(joins, connect, room, key):
    ana = joins("ana")
    with closes_channel(403, "administrators"):
        ana.channel.queue_bind(ana.queue, "chat", key)
    operator = connect().channel()
    queue = operator.queue_declare("", exclusive=True).method.queue
    operator.queue_bind(queue, "chat", key)
    operator.queue_unbind(queue, "chat", key)


def test_an_administrator_hears_all_rooms_also_new_ones(connect, room, joins):
    first = room("before")
    operator = connect().channel()
    queue = operator.queue_declare("", exclusive=True).method.queue
    operator.queue_bind(queue, "chat", "room.*")
    second = room("behind")
    ana = joins("ana")
    ana.say(first, "1")
    ana.say(second, "2")
    heard = []
    eventually(lambda: heard.extend(drain(operator, queue)) or len(heard) == 2)
    assert [json.loads(text)["room"] for text in heard] == [first, second]


def test_a_key_that_names_no_room_is_refused(joins):
    for key in ("", "lobby", "room.", "room.a.b"):
        ana = joins("ana")
        with closes_channel(406, "room.<name>"):
            ana.channel.queue_bind(ana.queue, "chat", key)


def test_a_binding_waits_for_its_room(joins, rest):
    name = f"later-{secrets.token_hex(4)}"
    ana = joins("ana").enter(name.upper())
    with pytest.raises(UnroutableError):
        ana.say(name, "nobody there")
    ana.channel.basic_publish("chat", f"room.{name}", "dropped")
    rest.post("/v1/rooms", {"room": name, "keep": True}).ok(201)
    ana.say(name, "now")
    assert [message["text"] for message in ana.hears(1)] == ["now"]
    ana.channel.queue_unbind(ana.queue, "chat", f"room.{name.title()}")
    ana.say(name, "unheard")
    assert ana.heard() == []
    rest.delete(f"/v1/rooms/{name}").ok(204)


def test_whoever_is_banned_neither_hears_nor_speaks(joins, room, rest):
    lobby = room()
    ana, bob = joins("ana").enter(lobby), joins("bob").enter(lobby)
    ana.say(lobby, "before")
    bob.hears(1)
    rest.put(f"/v1/rooms/{lobby}/bans/{bob.login}", {"reason": "spam"}).ok(204)
    ana.say(lobby, "behind")
    assert [message["text"] for message in ana.hears(2)] == ["before", "behind"]
    assert bob.heard() == [], "the ban ended the binding"
    with closes_channel(403, "banned", "spam"):
        bob.say(lobby, "let me in")
    bob.channel = bob.connection.channel()
    with closes_channel(403, "banned"):
        bob.enter(lobby)
    rest.delete(f"/v1/rooms/{lobby}/bans/{bob.login}").ok(204)
    bob.channel = bob.connection.channel()
    bob.enter(lobby)
    ana.say(lobby, "again")
    assert [message["text"] for message in bob.hears(1)] == ["again"]


def test_nobody_binds_the_queue_of_somebody_who_is_banned(joins, room, rest, connect):
    lobby = room()
    bob = joins("bob")
    rest.put(f"/v1/rooms/{lobby}/bans/{bob.login}", {}).ok(204)
    with closes_channel(403, "banned"):
        connect().channel().queue_bind(bob.queue, "chat", f"room.{lobby}")


def test_whoever_is_muted_hears_and_does_not_speak(joins, room, rest):
    lobby = room()
    bob = joins("bob").enter(lobby)
    rest.put(f"/v1/rooms/{lobby}/mutes/{bob.login}", {}).ok(204)
    with closes_channel(403, "muted"):
        bob.say(lobby, "mmm")
    rest.post(f"/v1/rooms/{lobby}/messages", {"text": "quiet"}).ok(201)
    bob.channel = bob.connection.channel()
    assert [message["text"] for message in bob.hears(1)] == ["quiet"]


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"x" * 8193, b"x" * 200_000])
def test_what_is_no_message_is_refused(joins, room, body):
    lobby = room()
    ana = joins("ana").enter(lobby)
    with closes_channel(406):
        ana.say(lobby, body)


@pytest.mark.parametrize("body", ["hola", '{"text": 1}', '{"text": "x", "from": "guest"}'])
def test_json_that_is_no_post_is_refused(joins, room, body):
    lobby = room()
    ana = joins("ana").enter(lobby)
    with closes_channel(406):
        ana.channel.basic_publish("chat", f"room.{lobby}", body, JSON)


# ABUSE B.21 and B.22: nothing reaches the bindings but what somebody said in their own name.


def test_a_user_id_that_is_not_ones_own_is_refused(joins, room, connect):
    lobby = room()
    ana = joins("ana").enter(lobby)
    with closes_channel(406, "user_id"):
        ana.say(lobby, "I am guest", user_id="guest")
    ana.channel = ana.connection.channel()
    assert ana.heard() == []


@pytest.mark.parametrize("header", ["CC", "BCC"])
def test_copies_are_no_way_into_a_room(joins, room, header):
    lobby = room()
    ana = joins("ana").enter(lobby)
    for exchange, key in (("chat", "room.other"), ("chat", "x"), ("amq.topic", "x"), ("", ana.queue)):
        mallory = joins("mallory")
        copies = pika.BasicProperties(headers={header: [f"room.{lobby}"]})
        with contextlib.suppress(AMQPError):
            mallory.channel.basic_publish(exchange, key, "forged", copies)
            mallory.heard()
    assert ana.heard() == []


def test_no_exchange_and_no_queue_leads_into_the_exchange(joins, room, connect):
    lobby = room()
    ana = joins("ana").enter(lobby)
    mallory = joins("mallory")
    fresh = mallory.connection.channel
    name = f"mallory-{secrets.token_hex(4)}"
    with closes_channel(403):
        fresh().exchange_declare(name, "topic", arguments={"alternate-exchange": "chat"})
    with closes_channel(403):
        fresh().queue_declare(name, arguments={
            "x-dead-letter-exchange": "chat", "x-dead-letter-routing-key": f"room.{lobby}", "x-message-ttl": 0})
    fresh().exchange_declare(name, "topic", auto_delete=True)
    with closes_channel(403):
        fresh().exchange_bind("chat", name, f"room.{lobby}")
    with closes_channel(403):
        fresh().exchange_bind(name, "chat", f"room.{lobby}")
    # Administrators neither: nobody speaks for others.
    for declare in (
        lambda channel: channel.exchange_declare(f"{name}-2", "topic", arguments={"alternate-exchange": "chat"}),
        lambda channel: channel.queue_declare(f"{name}-2", arguments={"x-dead-letter-exchange": "chat"}),
        lambda channel: channel.exchange_bind("chat", name, f"room.{lobby}"),
    ):
        with closes_channel(403):
            declare(connect().channel())
    fresh().exchange_delete(name)
    assert ana.heard() == []


def test_a_policy_that_leads_dead_letters_there_leads_them_nowhere(joins, room, ctl, connect):
    lobby = room()
    ana = joins("ana").enter(lobby)
    channel = connect().channel()
    queue = f"dying-{secrets.token_hex(4)}"
    ctl.policy_set(queue, f"^{queue}$", {
        "dead-letter-exchange": "chat", "dead-letter-routing-key": f"room.{lobby}", "message-ttl": 0}, apply_to="queues")
    channel.queue_declare(queue)
    channel.basic_publish("", queue, "forged")
    eventually(lambda: channel.queue_declare(queue, passive=True).method.message_count == 0)
    channel.queue_delete(queue)
    ctl.policy_clear(queue)
    ana.say(lobby, "after")
    assert [message["text"] for message in ana.hears(1)] == ["after"]


def test_the_exchange_stays_and_is_a_topic(joins, connect):
    ana = joins("ana")
    for flags in ({}, {"durable": True}, {"auto_delete": True}):
        ana.channel.exchange_declare("chat", "topic", **flags)
    ana.channel.exchange_declare("chat", passive=True)
    with closes_channel(406, "type"):
        ana.channel.exchange_declare("chat", "fanout")
    with closes_channel(403):
        connect().channel().exchange_delete("chat")


def test_a_transaction_says_all_at_its_commit(joins, room):
    lobby = room()
    ana, luis = joins("ana"), joins("luis").enter(lobby)
    channel = ana.connection.channel()
    channel.tx_select()
    for text in ("1", "2"):
        channel.basic_publish("chat", f"room.{lobby}", text)
    channel.queue_declare(ana.queue, passive=True)
    assert luis.heard() == []
    channel.tx_commit()
    assert [message["text"] for message in luis.hears(2)] == ["1", "2"]
    channel.basic_publish("chat", f"room.{lobby}", "undone")
    channel.tx_rollback()
    channel.tx_commit()
    assert luis.heard() == []


def test_whoever_talks_too_fast_is_slowed_and_not_cut(joins, room):
    """Beyond the burst the flood limit holds: all is said, in order, only later."""
    lobby = room()
    ana = joins("ana").enter(lobby)
    texts = [str(number) for number in range(28)]
    for text in texts:
        ana.say(lobby, text)
    assert [message["text"] for message in ana.hears(len(texts))] == texts


def test_rest_publishes_to_the_topic_as_the_account(room, joins, member):
    lobby = room()
    ana, eva = joins("ana").enter(lobby), member("eva")
    eva.post("/v1/topics/chat/messages", body=b"by REST", routing_key=f"room.{lobby}").ok()
    assert said(ana.hears(1)) == [(eva.login, "by REST")]


def test_what_was_confirmed_survives_a_kill_and_nothing_is_missing(broker, room, joins, connect):
    """kill -9 while people talk: every message that was confirmed is in the durable queue, and in its order without a hole."""
    lobby = room()
    listener, talker = joins("listener").enter(lobby), joins("talker")
    confirmed, counter = [], 0
    killer = threading.Timer(0.4, broker.kill)
    killer.start()
    with contextlib.suppress(AMQPError, NackError, ConnectionError):
        while counter < 10_000:
            counter += 1
            talker.say(lobby, str(counter), message_id=f"m{counter}")
            confirmed.append(str(counter))
    killer.join()
    broker.start()
    assert confirmed
    again = connect(talker.login, PASSWORD).channel()
    again.confirm_delivery()
    # Whoever does not know says it again, under the same name.
    again.basic_publish("chat", f"room.{lobby}", str(counter), pika.BasicProperties(message_id=f"m{counter}"))
    listener.channel = connect(listener.login, PASSWORD).channel()
    wanted = len(confirmed) + 1
    heard = {}

    def complete():
        for message in listener.heard():
            heard.setdefault(message["seq"], message["text"])
        return len(heard) >= wanted

    eventually(complete, what=f"{wanted} messages")
    assert list(heard) == list(range(1, wanted + 1)), "in their order, and none twice in the room"
    assert list(heard.values()) == confirmed + [str(counter)]


def test_after_an_orderly_restart_nothing_comes_twice(broker, room, joins, connect):
    lobby = room()
    ana = joins("ana").enter(lobby)
    for text in ("1", "2", "3"):
        ana.say(lobby, text)
    ana.hears(3)
    broker.restart()
    ana.connection = connect(ana.login, PASSWORD)
    ana.channel = ana.connection.channel()
    ana.channel.confirm_delivery()
    ana.say(lobby, "4")
    assert [message["seq"] for message in ana.hears(1)] == [4]
