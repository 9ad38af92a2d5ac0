"""AMQP.md, 'Queues': dead-lettering with x-death, and what policies set."""

import time
from datetime import timezone

import pytest

from clients import await_count, await_get, closes_channel, count, drain, fence, get, publish
from harness.waiting import eventually

operated = pytest.mark.operated


@pytest.fixture
def declare(channel):
    """Declares an exclusive queue with the arguments and returns its name."""
    def declarer(**arguments):
        named = {key.replace("_", "-"): value for key, value in arguments.items()}
        return channel.queue_declare("", exclusive=True, arguments=named).method.queue
    return declarer


@pytest.fixture
def pair(declare):
    """A queue and the queue its dead letters go to."""
    def maker(**arguments):
        dead = declare()
        return declare(x_dead_letter_exchange="", x_dead_letter_routing_key=dead, **arguments), dead
    return maker


def reject(channel, queue):
    """Takes the next message and rejects it for good; returns it."""
    message = await_get(channel, queue, auto_ack=False)
    channel.basic_reject(message.tag, requeue=False)
    return message


# Arguments

def test_a_missing_dead_letter_exchange_is_allowed_and_drops(channel, declare, name):
    queue = declare(x_dead_letter_exchange=name())
    publish(channel, queue, "lost")
    reject(channel, queue)
    fence(channel)
    assert get(channel, queue) is None


@pytest.mark.parametrize("arguments", [
    {"x-dead-letter-exchange": 5},
    {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": 5},
    {"x-dead-letter-routing-key": "key"},
])
def test_bad_dead_letter_arguments_are_406(channel, name, arguments):
    with closes_channel(406, "PRECONDITION_FAILED", "x-dead-letter"):
        channel.queue_declare(name(), arguments=arguments)


def test_redeclaring_with_another_dead_letter_routing_key_is_406(connection, channel, name):
    queue = name()
    channel.queue_declare(queue, exclusive=True,
                          arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "a"})
    with closes_channel(406, "x-dead-letter-routing-key"):
        connection.channel().queue_declare(queue, exclusive=True, arguments={
            "x-dead-letter-exchange": "", "x-dead-letter-routing-key": "b"})


# What makes a dead letter

@pytest.mark.parametrize("how", ["reject", "nack"])
def test_reject_and_nack_without_requeue_dead_letter(channel, pair, how):
    queue, dead = pair()
    publish(channel, queue, "bad")
    message = await_get(channel, queue, auto_ack=False)
    if how == "reject":
        channel.basic_reject(message.tag, requeue=False)
    else:
        channel.basic_nack(message.tag, requeue=False)
    letter = await_get(channel, dead)
    assert (letter.text, letter.headers["x-death"][0]["reason"]) == ("bad", "rejected")


def test_nack_of_several_dead_letters_all_in_order(channel, pair):
    queue, dead = pair()
    for text in "abcd":
        publish(channel, queue, text)
    for _ in range(3):
        last = await_get(channel, queue, auto_ack=False)
    channel.basic_nack(last.tag, multiple=True, requeue=False)
    await_count(channel, dead, 3)
    assert drain(channel, dead) == ["a", "b", "c"]


def test_requeue_and_ack_do_not_dead_letter(channel, pair):
    queue, dead = pair()
    publish(channel, queue, "fine")
    channel.basic_nack(await_get(channel, queue, auto_ack=False).tag, requeue=True)
    channel.basic_ack(await_get(channel, queue, auto_ack=False).tag)
    publish(channel, queue, "bad")
    reject(channel, queue)
    assert await_get(channel, dead).text == "bad"
    assert get(channel, dead) is None


@pytest.mark.parametrize("queue_ttl, expiration", [(150, None), (None, "150"), (0, None), (None, "0")])
def test_expiry_dead_letters_promptly(channel, pair, queue_ttl, expiration):
    queue, dead = pair(**({} if queue_ttl is None else {"x_message_ttl": queue_ttl}))
    publish(channel, queue, "late", **({} if expiration is None else {"expiration": expiration}))
    letter = await_get(channel, dead, within=3)
    death = letter.headers["x-death"][0]
    assert (letter.text, death["reason"]) == ("late", "expired")
    assert letter.properties.expiration is None
    assert death.get("original-expiration") == expiration


def test_expiry_on_requeue_dead_letters(channel, pair):
    queue, dead = pair(x_message_ttl=200)
    publish(channel, queue, "held too long")
    message = await_get(channel, queue, auto_ack=False)
    assert eventually(lambda: channel.connection.process_data_events(0.3) is None)
    channel.basic_nack(message.tag, requeue=True)
    assert await_get(channel, dead).headers["x-death"][0]["reason"] == "expired"


def test_a_purge_or_delete_does_not_dead_letter(channel, pair):
    queue, dead = pair()
    publish(channel, queue)
    channel.queue_purge(queue)
    publish(channel, queue)
    channel.queue_delete(queue)
    fence(channel)
    assert get(channel, dead) is None


# Where dead letters go

def test_without_a_routing_key_the_original_ones_are_used(channel, declare, name):
    exchange = name("dlx")
    channel.exchange_declare(exchange, "direct", auto_delete=True)
    queue, other = declare(x_dead_letter_exchange=exchange), declare()
    dead, by_cc = declare(), declare()
    channel.queue_bind(dead, exchange, queue)
    channel.queue_bind(by_cc, exchange, other)
    publish(channel, queue, "copied", headers={"CC": [other]})
    reject(channel, queue)
    for each in (dead, by_cc):
        letter = await_get(channel, each)
        assert letter.method.routing_key == queue
        assert letter.headers["CC"] == [other]
        assert letter.headers["x-death"][0]["routing-keys"] == [queue, other]


def test_a_new_routing_key_removes_cc(channel, pair, declare):
    queue, dead = pair()
    other = declare()
    publish(channel, queue, "copied", headers={"CC": [other], "BCC": [dead + "x"]})
    assert await_get(channel, other).text == "copied"
    reject(channel, queue)
    letter = await_get(channel, dead)
    assert "CC" not in letter.headers
    assert "BCC" not in letter.headers
    assert letter.method.routing_key == dead
    assert letter.headers["x-death"][0]["routing-keys"] == [queue, other]
    fence(channel)
    assert get(channel, other) is None


def test_dead_letters_go_to_several_queues(channel, declare, name):
    exchange = name("dlx")
    channel.exchange_declare(exchange, "fanout", auto_delete=True)
    queue, dead = declare(x_dead_letter_exchange=exchange), [declare(), declare()]
    for each in dead:
        channel.queue_bind(each, exchange)
    publish(channel, queue, "twice")
    reject(channel, queue)
    assert [await_get(channel, each).text for each in dead] == ["twice", "twice"]


def test_a_deleted_dead_letter_exchange_drops(channel, declare, name):
    exchange = name("dlx")
    channel.exchange_declare(exchange, "fanout")
    queue, dead = declare(x_dead_letter_exchange=exchange), declare()
    channel.queue_bind(dead, exchange)
    channel.exchange_delete(exchange)
    publish(channel, queue, "lost")
    reject(channel, queue)
    fence(channel)
    assert get(channel, dead) is None


# x-death

def test_x_death_tells_the_whole_story(channel, declare, name):
    exchange = name("work")
    channel.exchange_declare(exchange, "direct", auto_delete=True)
    dead = declare()
    queue = declare(x_dead_letter_exchange="", x_dead_letter_routing_key=dead)
    channel.queue_bind(queue, exchange, "key")
    publish(channel, "key", "body", exchange=exchange, message_id="m-1", headers={"mine": "kept"})
    reject(channel, queue)
    letter = await_get(channel, dead)
    assert letter.properties.message_id == "m-1"
    assert letter.headers["mine"] == "kept"
    (death,) = letter.headers["x-death"]
    assert (death["queue"], death["reason"], death["count"]) == (queue, "rejected", 1)
    assert (death["exchange"], death["routing-keys"]) == (exchange, ["key"])
    assert abs(death["time"].replace(tzinfo=timezone.utc).timestamp() - time.time()) < 60
    assert letter.headers["x-first-death-queue"] == queue
    assert letter.headers["x-first-death-reason"] == "rejected"
    assert letter.headers["x-first-death-exchange"] == exchange


def test_x_death_is_newest_first_and_counts_per_queue_and_reason(channel, declare, name):
    """A retry loop: rejected from `work` into `wait`, expired from `wait` back into `work`."""
    work, wait = name("work"), name("wait")
    channel.queue_declare(work, exclusive=True,
                          arguments={"x-dead-letter-exchange": "", "x-dead-letter-routing-key": wait})
    channel.queue_declare(wait, exclusive=True, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": work, "x-message-ttl": 50})
    publish(channel, work, "again", expiration="5000")
    for turn in range(4):
        message = reject(channel, work)
        assert [(death["queue"], death["reason"], death["count"]) for death in message.headers.get("x-death", [])] == (
            [] if turn == 0 else [(wait, "expired", turn), (work, "rejected", turn)])
    final = await_get(channel, work)
    assert len(final.headers["x-death"]) == 2, "bounded by pairs of queue and reason"
    assert final.headers["x-first-death-queue"] == work
    assert final.headers["x-first-death-reason"] == "rejected"
    assert [death.get("original-expiration") for death in final.headers["x-death"]] == [None, "5000"]


def test_an_automatic_cycle_is_broken(channel, name):
    first, second = name("first"), name("second")
    for queue, other in [(first, second), (second, first)]:
        channel.queue_declare(queue, exclusive=True, arguments={
            "x-dead-letter-exchange": "", "x-dead-letter-routing-key": other, "x-message-ttl": 30})
    publish(channel, first, "round and round")
    eventually(lambda: count(channel, first) == count(channel, second) == 0)
    channel.connection.process_data_events(0.2)
    assert get(channel, first) is None
    assert get(channel, second) is None


def test_a_queue_that_dead_letters_into_itself_by_expiry_drops(channel, name):
    queue = name()
    channel.queue_declare(queue, exclusive=True, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue, "x-message-ttl": 50})
    publish(channel, queue, "myself")
    await_count(channel, queue, 1)
    await_count(channel, queue, 0)


def test_a_cycle_by_reject_goes_on(channel, name):
    queue = name()
    channel.queue_declare(queue, exclusive=True, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue})
    publish(channel, queue, "again")
    for turn in range(5):
        message = reject(channel, queue)
        assert [death["count"] for death in message.headers.get("x-death", [])] == ([turn] if turn else [])


@pytest.mark.parametrize("foreign", ["text", 5, {"a": "table"}])
def test_a_foreign_x_death_that_is_no_array_is_replaced(channel, pair, foreign):
    queue, dead = pair()
    publish(channel, queue, "odd", headers={"x-death": foreign})
    reject(channel, queue)
    (death,) = await_get(channel, dead).headers["x-death"]
    assert (death["queue"], death["count"]) == (queue, 1)


def test_dead_lettering_keeps_order(channel, pair):
    queue, dead = pair(x_message_ttl=100)
    for number in range(200):
        publish(channel, queue, f"{number}")
    await_count(channel, dead, 200)
    assert drain(channel, dead) == [f"{number}" for number in range(200)]


# Policies

@pytest.fixture
def policy(ctl, name):
    """Sets a policy on names that begin with the prefix it returns; cleared at the end."""
    made = []

    def setter(definition, apply_to="queues", prefix=None):
        prefix = prefix or name("policed")
        ctl.policy_set(prefix, f"^{prefix}".replace(".", "\\."), definition, apply_to)
        if prefix not in made:
            made.append(prefix)
        return prefix

    yield setter
    for each in made:
        ctl.policy_clear(each)


@operated
def test_a_policy_sets_message_ttl_and_the_smaller_wins(channel, policy):
    prefix = policy({"message-ttl": 150})
    channel.queue_declare(prefix + ".plain", exclusive=True)
    channel.queue_declare(prefix + ".longer", exclusive=True, arguments={"x-message-ttl": 60_000})
    for each in (".plain", ".longer"):
        publish(channel, prefix + each)
        await_count(channel, prefix + each, 1)
        await_count(channel, prefix + each, 0, within=5)
    long_prefix = policy({"message-ttl": 60_000})
    channel.queue_declare(long_prefix, exclusive=True, arguments={"x-message-ttl": 150})
    publish(channel, long_prefix)
    await_count(channel, long_prefix, 0, within=5)


@operated
def test_a_policy_dead_letters_and_an_argument_wins_over_it(channel, policy, name):
    dead_by_policy, dead_by_argument = name("dead.p"), name("dead.a")
    for each in (dead_by_policy, dead_by_argument):
        channel.queue_declare(each, exclusive=True)
    prefix = policy({"dead-letter-exchange": "", "dead-letter-routing-key": dead_by_policy})
    channel.queue_declare(prefix + ".plain", exclusive=True)
    channel.queue_declare(prefix + ".own", exclusive=True, arguments={
        "x-dead-letter-exchange": "", "x-dead-letter-routing-key": dead_by_argument})
    for each in (".plain", ".own"):
        publish(channel, prefix + each, each)
        reject(channel, prefix + each)
    assert await_get(channel, dead_by_policy).text == ".plain"
    assert await_get(channel, dead_by_argument).text == ".own"


@operated
def test_a_policy_limits_length_and_the_lower_limit_wins(channel, policy):
    prefix = policy({"max-length": 2})
    for suffix, own, kept in [(".plain", None, 2), (".lower", 1, 1), (".higher", 5, 2)]:
        arguments = {} if own is None else {"x-max-length": own}
        channel.queue_declare(prefix + suffix, exclusive=True, arguments=arguments)
        for text in "abcdef":
            publish(channel, prefix + suffix, text)
        assert drain(channel, prefix + suffix) == list("abcdef")[-kept:]


@operated
def test_a_policy_expires_queues(connection, channel, policy):
    prefix = policy({"expires": 150})
    channel.queue_declare(prefix)

    def gone():
        other = connection.channel()
        returned = []
        other.add_on_return_callback(lambda *_: returned.append(True))
        publish(other, prefix, mandatory=True)
        fence(other)
        connection.process_data_events(0)
        other.close()
        return returned

    eventually(gone, within=5)


@operated
def test_a_policy_names_an_alternate_exchange(channel, policy, declare):
    spare = declare()
    channel.queue_bind(spare, "amq.fanout")
    prefix = policy({"alternate-exchange": "amq.fanout"}, apply_to="exchanges")
    channel.exchange_declare(prefix, "direct", auto_delete=True)
    publish(channel, "nowhere", "caught", exchange=prefix)
    assert await_get(channel, spare).text == "caught"


@operated
def test_a_policy_applies_to_existing_queues_and_its_end_too(channel, policy, ctl, name):
    queue = name("later")
    channel.queue_declare(queue, exclusive=True)
    for text in "abcd":
        publish(channel, queue, text)
    await_count(channel, queue, 4)
    policy({"max-length": 2}, prefix=queue)
    await_count(channel, queue, 2)
    policy({"max-length": 100}, prefix=queue)
    for text in "efgh":
        publish(channel, queue, text)
    await_count(channel, queue, 6)
