"""AMQP.md, 'Exchanges': declaring, routing by each type, alternate exchanges, bindings between exchanges, CC and BCC."""

import pytest

from clients import await_get, closes_channel, count, drain, exists, fence, get, publish
from harness.waiting import eventually


@pytest.fixture
def queue(channel):
    """Makes exclusive queues."""
    return lambda: channel.queue_declare("", exclusive=True).method.queue


@pytest.fixture
def exchange(channel, name):
    """Makes exchanges of a type."""
    def maker(kind="direct", **options):
        made = name(kind)
        channel.exchange_declare(made, kind, **options)
        return made
    return maker


def bound(channel, queue, exchange, *keys, arguments=None):
    """A new queue bound to the exchange with the keys."""
    made = queue()
    for key in keys or ("",):
        channel.queue_bind(made, exchange, key, arguments)
    return made


# Declaring and deleting

@pytest.mark.parametrize("kind", ["direct", "fanout", "topic", "headers", "x-consistent-hash"])
def test_redeclaring_the_same_is_ok(channel, exchange, kind):
    made = exchange(kind, durable=True)
    channel.exchange_declare(made, kind, durable=True)


@pytest.mark.parametrize("other, differing", [
    ({"exchange_type": "fanout"}, "type"),
    ({"exchange_type": "direct", "durable": True}, "durable"),
    ({"exchange_type": "direct", "auto_delete": True}, "auto_delete"),
    ({"exchange_type": "direct", "internal": True}, "internal"),
])
def test_redeclaring_otherwise_is_406_and_names_the_argument(channel, exchange, other, differing):
    made = exchange("direct")
    with closes_channel(406, "PRECONDITION_FAILED", f"'{differing}'", made):
        channel.exchange_declare(made, **other)


def test_unknown_arguments_are_ignored_in_equivalence(channel, exchange):
    made = exchange("direct", arguments={"x-something": 1})
    channel.exchange_declare(made, "direct", arguments={"x-something": 2, "another": "value"})
    channel.exchange_declare(made, "direct")


def test_an_unknown_type_is_refused(channel, raw, name):
    link = raw().open()
    link.send(1, "exchange.declare", exchange=name(), type="no-such-type")
    assert "no-such-type" in link.expect_closed({503, 406}, "connection").reply_text


def test_line_breaks_are_stripped_from_names(connection, channel, raw, name):
    plain = name("lines")
    broken = plain.replace(".", ".\r\n", 1)
    channel.exchange_declare(broken, "fanout")
    assert exists(connection, exchange=plain)
    assert raw().open().call(1, "queue.declare", queue=broken).queue == plain
    channel.queue_bind(broken, plain)
    publish(channel, "", "through", exchange=plain)
    assert get(channel, plain).text == "through"
    channel.exchange_delete(broken)
    assert not exists(connection, exchange=plain)


def test_passive_declare_of_unknown_is_404_and_of_known_is_ok(connection, channel, exchange, name):
    channel.exchange_declare(exchange("topic"), "direct", passive=True)
    unknown = name()
    with closes_channel(404, "NOT_FOUND", unknown):
        channel.exchange_declare(unknown, passive=True)


def test_deleting_twice_is_ok(channel, exchange):
    made = exchange()
    channel.exchange_delete(made)
    channel.exchange_delete(made)


def test_deleting_if_unused_with_bindings_is_406(connection, channel, exchange, queue):
    made = exchange()
    bound(channel, queue, made, "key")
    with closes_channel(406, "PRECONDITION_FAILED", made):
        connection.channel().exchange_delete(made, if_unused=True)
    channel.exchange_delete(made)


def test_deleting_if_unused_without_bindings_is_ok(connection, channel, exchange):
    made = exchange()
    channel.exchange_delete(made, if_unused=True)
    assert not exists(connection, exchange=made)


def test_publishing_to_an_unknown_exchange_is_404(channel, name):
    unknown = name()
    with closes_channel(404, "NOT_FOUND", unknown):
        publish(channel, "key", exchange=unknown)
        fence(channel)


def test_binding_to_an_unknown_exchange_or_queue_is_404(connection, channel, exchange, queue, name):
    with closes_channel(404, "NOT_FOUND"):
        connection.channel().queue_bind(queue(), name(), "key")
    with closes_channel(404, "NOT_FOUND"):
        connection.channel().queue_bind(name(), exchange(), "key")


# Predeclared exchanges

def test_the_default_exchange_routes_to_the_queue_of_that_name(channel, queue):
    made = queue()
    publish(channel, made, "straight")
    assert get(channel, made).text == "straight"


@pytest.mark.parametrize("operation", ["bind", "unbind", "declare", "delete"])
def test_the_default_exchange_cannot_be_changed(raw, operation):
    link = raw().open()
    queue = link.call(1, "queue.declare", exclusive=True).queue
    arguments = {
        "bind": ("queue.bind", {"queue": queue, "routing_key": "key"}),
        "unbind": ("queue.unbind", {"queue": queue, "routing_key": "key"}),
        "declare": ("exchange.declare", {"exchange": "", "type": "direct"}),
        "delete": ("exchange.delete", {"exchange": ""}),
    }
    method, fields = arguments[operation]
    link.send(1, method, **fields)
    assert "ACCESS_REFUSED" in link.expect_closed(403, "channel").reply_text


PREDECLARED = {"amq.direct": "direct", "amq.fanout": "fanout", "amq.topic": "topic", "amq.match": "headers",
               "amq.headers": "headers"}


@pytest.mark.parametrize("exchange_name", PREDECLARED)
def test_a_predeclared_exchange_exists_and_cannot_be_deleted(channel, exchange_name):
    channel.exchange_declare(exchange_name, PREDECLARED[exchange_name], durable=True)
    with closes_channel(403, "ACCESS_REFUSED", exchange_name):
        channel.exchange_delete(exchange_name)


def test_a_name_beginning_with_amq_cannot_be_declared(connection, name):
    with closes_channel(403, "ACCESS_REFUSED"):
        connection.channel().exchange_declare("amq." + name(), "direct")
    with closes_channel(403, "ACCESS_REFUSED"):
        connection.channel().queue_declare("amq." + name())


def test_publishing_to_an_internal_exchange_is_403_but_it_routes(connection, channel, exchange, queue):
    inner, outer = exchange("fanout", internal=True), exchange("fanout")
    channel.exchange_bind(inner, outer)
    made = bound(channel, queue, inner)
    publish(channel, "", "inside", exchange=outer)
    assert get(channel, made).text == "inside"
    refused = connection.channel()
    with closes_channel(403, "ACCESS_REFUSED"):
        publish(refused, "", exchange=inner)
        fence(refused)


# Auto-delete

def test_an_auto_delete_exchange_goes_when_its_last_binding_is_unbound(connection, channel, exchange, queue):
    made = exchange("direct", auto_delete=True)
    target = bound(channel, queue, made, "a", "b")
    channel.queue_unbind(target, made, "a")
    assert exists(connection, exchange=made)
    channel.queue_unbind(target, made, "b")
    assert not exists(connection, exchange=made)


def test_an_auto_delete_exchange_goes_with_its_queue(connection, channel, exchange, queue):
    made = exchange("fanout", auto_delete=True)
    channel.queue_delete(bound(channel, queue, made))
    assert not exists(connection, exchange=made)


def test_an_auto_delete_exchange_goes_with_its_auto_delete_queue(connection, channel, exchange, name):
    made, target = exchange("fanout", auto_delete=True), name()
    channel.queue_declare(target, auto_delete=True)
    channel.queue_bind(target, made)
    channel.basic_cancel(channel.basic_consume(target, print))
    eventually(lambda: not exists(connection, exchange=made))


def test_an_auto_delete_exchange_goes_with_the_connection_of_its_queue(connect, connection, exchange):
    made = exchange("fanout", auto_delete=True)
    other = connect()
    target = other.channel().queue_declare("", exclusive=True).method.queue
    other.channel().queue_bind(target, made)
    assert exists(connection, exchange=made)
    other.close()
    eventually(lambda: not exists(connection, exchange=made))


def test_an_auto_delete_exchange_that_was_never_bound_stays(connection, exchange):
    assert exists(connection, exchange=exchange("fanout", auto_delete=True))


# Alternate exchange

def test_unroutable_messages_go_to_the_alternate_exchange(channel, exchange, queue):
    spare = exchange("fanout")
    main = exchange("direct", arguments={"alternate-exchange": spare})
    routed, unrouted = bound(channel, queue, main, "known"), bound(channel, queue, spare)
    publish(channel, "known", "one", exchange=main)
    publish(channel, "unknown", "two", exchange=main)
    message = get(channel, unrouted)
    assert (message.text, message.method.routing_key, message.method.exchange) == ("two", "unknown", main)
    assert drain(channel, routed) == ["one"]
    assert drain(channel, unrouted) == []


def test_alternate_exchanges_chain(channel, exchange, queue):
    last = exchange("fanout")
    middle = exchange("direct", arguments={"alternate-exchange": last})
    first = exchange("direct", arguments={"alternate-exchange": middle})
    target = bound(channel, queue, last)
    publish(channel, "key", "far", exchange=first)
    assert drain(channel, target) == ["far"]


def test_a_cycle_of_alternate_exchanges_ends(channel, name, queue):
    first, second = name("a"), name("b")
    channel.exchange_declare(first, "direct", arguments={"alternate-exchange": second})
    channel.exchange_declare(second, "direct", arguments={"alternate-exchange": first})
    publish(channel, "nowhere", exchange=first)
    target = bound(channel, queue, second, "found")
    publish(channel, "found", "once", exchange=first)
    assert drain(channel, target) == ["once"]


def test_a_missing_alternate_exchange_drops(channel, exchange, name):
    main = exchange("direct", arguments={"alternate-exchange": name()})
    publish(channel, "key", exchange=main)
    fence(channel)


def test_mandatory_returns_only_when_the_alternate_chain_fails_too(channel, exchange, queue):
    spare = exchange("direct")
    main = exchange("direct", arguments={"alternate-exchange": spare})
    target = bound(channel, queue, spare, "known")
    returned = []
    channel.add_on_return_callback(lambda _channel, method, _properties, body: returned.append(body))
    publish(channel, "known", "kept", exchange=main, mandatory=True)
    publish(channel, "unknown", "back", exchange=main, mandatory=True)
    fence(channel)
    eventually(lambda: channel.connection.process_data_events(0) or returned)
    assert returned == [b"back"]
    assert drain(channel, target) == ["kept"]


def test_redeclaring_with_another_alternate_exchange_is_406(channel, exchange):
    made = exchange("direct", arguments={"alternate-exchange": "one"})
    channel.exchange_declare(made, "direct", arguments={"alternate-exchange": "one"})
    with closes_channel(406, "alternate-exchange", made):
        channel.exchange_declare(made, "direct", arguments={"alternate-exchange": "two"})


# Exchange to exchange

def test_a_binding_between_exchanges_is_made_and_removed(channel, exchange, queue):
    source, destination = exchange("direct"), exchange("fanout")
    target = bound(channel, queue, destination)
    channel.exchange_bind(destination, source, "key")
    publish(channel, "key", "one", exchange=source)
    channel.exchange_unbind(destination, source, "key")
    publish(channel, "key", "two", exchange=source)
    assert drain(channel, target) == ["one"]


def test_a_chain_of_exchanges_filters_at_each_link(channel, exchange, queue):
    first, second, third = exchange("topic"), exchange("headers"), exchange("direct")
    channel.exchange_bind(second, first, "log.#")
    channel.exchange_bind(third, second, arguments={"x-match": "all", "urgent": True})
    target = bound(channel, queue, third, "log.error")
    publish(channel, "log.error", "yes", exchange=first, headers={"urgent": True})
    publish(channel, "log.error", "not urgent", exchange=first, headers={"urgent": False})
    publish(channel, "log.debug", "other key", exchange=first, headers={"urgent": True})
    publish(channel, "audit", "other topic", exchange=first, headers={"urgent": True})
    assert drain(channel, target) == ["yes"]


def test_a_queue_gets_one_copy_over_several_ways_and_loops_end(channel, exchange, queue):
    first, second, third = exchange("fanout"), exchange("fanout"), exchange("fanout")
    for destination, source in [(second, first), (third, first), (third, second), (first, third)]:
        channel.exchange_bind(destination, source)
    target = bound(channel, queue, third)
    channel.queue_bind(target, second)
    channel.queue_bind(target, first)
    publish(channel, "", "once", exchange=first)
    assert drain(channel, target) == ["once"]


def test_auto_delete_cascades_over_bindings_between_exchanges(connection, channel, exchange, queue):
    first, second, third = (exchange("fanout", auto_delete=True) for _ in range(3))
    channel.exchange_bind(second, first)
    channel.exchange_bind(third, second)
    channel.queue_delete(bound(channel, queue, third))
    for each in (third, second, first):
        assert not exists(connection, exchange=each)


def test_auto_delete_ends_in_a_loop(connection, channel, exchange):
    first, second = (exchange("fanout", auto_delete=True) for _ in range(2))
    channel.exchange_bind(second, first)
    channel.exchange_bind(first, second)
    channel.exchange_delete(first)
    assert not exists(connection, exchange=first)
    assert not exists(connection, exchange=second)


def test_deleting_an_exchange_removes_the_bindings_to_it(channel, exchange, queue):
    source, destination = exchange("fanout"), exchange("fanout")
    channel.exchange_bind(destination, source)
    target = bound(channel, queue, destination)
    channel.exchange_delete(destination)
    publish(channel, "", "lost", exchange=source)
    assert drain(channel, target) == []
    channel.exchange_delete(source, if_unused=True)


def test_binding_exchanges_nowait(raw, exchange, queue, channel):
    source, destination = exchange("fanout"), exchange("fanout")
    target = bound(channel, queue, destination)
    link = raw().open()
    link.send(1, "exchange.bind", destination=destination, source=source, nowait=True)
    link.publish(1, "", b"through", exchange=source)
    link.fence()
    assert await_get(channel, target).text == "through"


# Each type

def test_direct_routes_by_equal_keys_to_every_queue(channel, exchange, queue):
    made = exchange("direct")
    one, two = bound(channel, queue, made, "a"), bound(channel, queue, made, "a", "b")
    for key in "abc":
        publish(channel, key, key, exchange=made)
    assert drain(channel, one) == ["a"]
    assert drain(channel, two) == ["a", "b"]


def test_fanout_ignores_keys(channel, exchange, queue):
    made = exchange("fanout")
    one, two = bound(channel, queue, made, "x"), bound(channel, queue, made)
    publish(channel, "anything", "all", exchange=made)
    assert drain(channel, one) == drain(channel, two) == ["all"]


@pytest.mark.parametrize("pattern, matching, other", [
    ("a.b", ["a.b"], ["a", "a.b.c", "", "a.c", "A.b"]),
    ("a.*", ["a.b", "a.", "a.c"], ["a", "a.b.c", "b.a"]),
    ("*.b.*", ["a.b.c", ".b."], ["a.b", "b.c", "a.b.c.d"]),
    ("#", ["", "a", "a.b.c", "."], []),
    ("a.#", ["a", "a.b", "a.b.c", "a."], ["b", "", "b.a"]),
    ("#.z", ["z", "a.z", "a.b.z"], ["z.a", "", "az"]),
    ("a.#.z", ["a.z", "a.b.z", "a.b.c.z"], ["a", "z", "a.b"]),
    ("#.#", ["", "a", "a.b"], []),
    ("*", ["a"], ["", "a.b"]),
    ("*.#", ["a", "a.b", "a.b.c"], []),
    ("#.a.#", ["a", "b.a", "a.b", "b.a.c"], ["b", "", "ab"]),
    ("a*", ["a*"], ["ab", "a.b"]),
])
def test_topic_patterns_match(channel, exchange, queue, pattern, matching, other):
    made = exchange("topic")
    target = bound(channel, queue, made, pattern)
    for key in matching + other:
        publish(channel, key, key, exchange=made)
    assert drain(channel, target) == matching


def test_two_matching_topic_patterns_make_one_copy(channel, exchange, queue):
    made = exchange("topic")
    target = bound(channel, queue, made, "x.#", "#.x")
    for key in ["x", "x.y.x", "x.y", "y.x"]:
        publish(channel, key, key, exchange=made)
    assert drain(channel, target) == ["x", "x.y.x", "x.y", "y.x"]


def test_an_unbound_topic_pattern_no_longer_matches(channel, exchange, queue):
    made = exchange("topic")
    target = bound(channel, queue, made, "a.*", "a.#")
    channel.queue_unbind(target, made, "a.#")
    publish(channel, "a.b.c", "gone", exchange=made)
    publish(channel, "a.b", "kept", exchange=made)
    assert drain(channel, target) == ["kept"]


HEADERS = [
    ({"x-match": "all", "a": 1, "b": "two"}, {"a": 1, "b": "two", "c": 3}, True),
    ({"x-match": "all", "a": 1, "b": "two"}, {"a": 1}, False),
    ({"x-match": "any", "a": 1, "b": "two"}, {"a": 1}, True),
    ({"x-match": "any", "a": 1, "b": "two"}, {"a": 2, "c": 1}, False),
    ({"a": 1, "b": 2}, {"a": 1, "b": 2}, True),
    ({"a": 1, "b": 2}, {"a": 1}, False),
    ({"x-match": "all"}, {}, True),
    ({"x-match": "any"}, {"a": 1}, False),
    ({"x-match": "all", "a": None}, {"a": "whatever"}, True),
    ({"x-match": "all", "a": None}, {"b": 1}, False),
    ({"x-match": "any", "a": None, "b": 1}, {"a": 5}, True),
    ({"x-match": "all", "x-k": 1, "a": 1}, {"a": 1}, True),
    ({"x-match": "any", "x-k": 1, "a": 1}, {"x-k": 1}, False),
    ({"x-match": "all-with-x", "x-k": 1, "a": 1}, {"a": 1}, False),
    ({"x-match": "all-with-x", "x-k": 1, "a": 1}, {"a": 1, "x-k": 1}, True),
    ({"x-match": "any-with-x", "x-k": 1, "a": 1}, {"x-k": 1}, True),
    ({"x-match": "any-with-x", "x-k": 1, "a": 1}, {"x-k": 2}, False),
    ({"x-match": "all", "a": True}, {"a": True}, True),
    ({"x-match": "all", "a": "1"}, {"a": 1}, False),
]


@pytest.mark.parametrize("arguments, headers, matches", HEADERS)
def test_headers_match(channel, exchange, queue, arguments, headers, matches):
    made = exchange("headers")
    target = bound(channel, queue, made, arguments=arguments)
    publish(channel, "", "it", exchange=made, headers=headers)
    assert drain(channel, target) == (["it"] if matches else [])


def test_a_message_without_headers_matches_no_pair(channel, exchange, queue):
    made = exchange("headers")
    some = bound(channel, queue, made, arguments={"x-match": "any", "a": 1})
    publish(channel, "", "bare", exchange=made)
    assert drain(channel, some) == []


@pytest.mark.parametrize("bad", ["most", 5])
def test_a_bad_x_match_is_406(channel, exchange, queue, bad):
    made, target = exchange("headers"), queue()
    with closes_channel(406, "PRECONDITION_FAILED", "x-match"):
        channel.queue_bind(target, made, arguments={"x-match": bad})


def test_consistent_hash_sends_a_key_always_to_the_same_queue(channel, exchange, queue):
    made = exchange("x-consistent-hash")
    queues = [bound(channel, queue, made, "1") for _ in range(3)]
    for turn in range(3):
        for number in range(40):
            publish(channel, f"key-{number}", f"{number}", exchange=made)
    got = [drain(channel, each) for each in queues]
    assert sum(map(len, got)) == 120
    assert all(got), "every queue gets some of 40 keys"
    for texts in got:
        assert all(texts.count(text) == 3 for text in texts)


def test_consistent_hash_follows_the_weights(channel, exchange, queue):
    made = exchange("x-consistent-hash")
    light, heavy = bound(channel, queue, made, "1"), bound(channel, queue, made, "50")
    for number in range(600):
        publish(channel, f"{number}", exchange=made)
    eventually(lambda: count(channel, heavy) + count(channel, light) == 600)
    assert count(channel, heavy) > 4 * count(channel, light)


def test_consistent_hash_can_hash_a_header_or_a_property(channel, exchange, queue):
    by_header = exchange("x-consistent-hash", arguments={"hash-header": "customer"})
    by_property = exchange("x-consistent-hash", arguments={"hash-property": "correlation_id"})
    for made in (by_header, by_property):
        queues = [bound(channel, queue, made, "1") for _ in range(4)]
        for number in range(40):
            publish(channel, f"{number}", exchange=made, headers={"customer": "ana"}, correlation_id="ana")
        eventually(lambda: sorted(count(channel, each) for each in queues) == [0, 0, 0, 40])


@pytest.mark.parametrize("weight", ["heavy", "-1"])
def test_consistent_hash_refuses_a_weight_that_is_no_number(channel, exchange, queue, weight):
    made, target = exchange("x-consistent-hash"), queue()
    with closes_channel(406, "PRECONDITION_FAILED"):
        channel.queue_bind(target, made, weight)


# CC and BCC

def test_cc_and_bcc_add_routes_without_duplicates_and_bcc_is_stripped(channel, queue):
    to, cc, bcc = queue(), queue(), queue()
    publish(channel, to, "copied", headers={"CC": [cc, to, cc], "BCC": [bcc, cc]})
    for each in (to, cc, bcc):
        message = get(channel, each)
        assert message.headers == {"CC": [cc, to, cc]}, "BCC is not delivered"
        assert drain(channel, each) == [], "one copy only"


def test_cc_works_through_any_exchange(channel, exchange, queue):
    made = exchange("topic")
    target = bound(channel, queue, made, "second.*")
    publish(channel, "first", "by CC", exchange=made, headers={"CC": ["second.key"]})
    assert drain(channel, target) == ["by CC"]


@pytest.mark.parametrize("header", ["CC", "BCC"])
def test_cc_or_bcc_that_is_no_array_is_406(channel, queue, header):
    target = queue()
    with closes_channel(406, "PRECONDITION_FAILED"):
        publish(channel, target, headers={header: "text"})
        fence(channel)


def test_empty_cc_and_unknown_routes_are_ignored(channel, queue):
    target = queue()
    publish(channel, target, "one", headers={"CC": [], "BCC": []})
    publish(channel, target, "two", headers={"CC": ["no-such-queue"], "BCC": ["nor-this"]})
    assert drain(channel, target) == ["one", "two"]


# Bindings

def test_unbinding_what_is_not_bound_is_ok(channel, exchange, queue, name):
    made, target = exchange(), queue()
    channel.queue_unbind(target, made, "never bound")
    channel.queue_unbind(target, name("unknown"), "key")
    channel.queue_unbind(name("unknown"), made, "key")
    channel.exchange_unbind(made, name("unknown"), "key")
    fence(channel)


def test_an_empty_queue_name_means_the_last_declared_queue_of_the_channel(raw, exchange, channel):
    made = exchange("direct")
    link = raw().open()
    declared = link.call(1, "queue.declare", exclusive=True).queue
    link.call(1, "queue.bind", queue="", exchange=made, routing_key="")
    link.publish(1, declared, b"by its name", exchange=made)
    assert link.call(1, "queue.purge", queue="").message_count == 1


def test_no_queue_declared_yet_and_an_empty_name_is_404(raw):
    link = raw().open()
    link.send(1, "queue.purge", queue="")
    assert "no previously declared queue" in link.expect_closed(404, "channel").reply_text


def test_a_durable_queue_can_be_bound_to_a_transient_exchange(channel, exchange, name):
    made, target = exchange("fanout"), name()
    channel.queue_declare(target, durable=True)
    channel.queue_bind(target, made)
    publish(channel, "", "works", exchange=made)
    assert drain(channel, target) == ["works"]
    channel.queue_delete(target)


def test_bindings_with_other_arguments_are_separate(channel, exchange, queue):
    made, target = exchange("headers"), queue()
    for number in (1, 2):
        channel.queue_bind(target, made, arguments={"x-match": "all", "n": number})
    channel.queue_unbind(target, made, arguments={"x-match": "all", "n": 1})
    for number in (1, 2):
        publish(channel, "", f"{number}", exchange=made, headers={"n": number})
    assert drain(channel, target) == ["2"]
