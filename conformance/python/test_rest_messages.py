"""Messages over REST: published singly and in batches, with all their attributes, and the same as over AMQP."""

import base64
import json
import os
import time

import pytest

from clients import PERSISTENT, await_get, publish
from harness.waiting import Stopwatch, eventually
from rest import REST_ONLY, body_of, bodies, queue_path

pytestmark = REST_ONLY

ATTRIBUTES = {
    "priority": 3, "ttl_ms": 600_000, "message_id": "m-1", "correlation_id": "c/1 ä", "reply_to": "answers", "type": "order.new",
    "app_id": "shop", "content_encoding": "gzip", "timestamp": 1_700_000_000, "persistent": True,
}
# The same in pika's words.
PROPERTIES = {
    "priority": 3, "expiration": "600000", "message_id": "m-1", "correlation_id": "c/1 ä", "reply_to": "answers",
    "type": "order.new", "app_id": "shop", "content_encoding": "gzip", "timestamp": 1_700_000_000, "delivery_mode": 2,
}
HEADERS = {
    "text": "grün", "number": -7, "large": 2**53 + 1, "flag": True, "none": None, "list": [1, "two", [3]],
    "table": {"a": {"b": 1}},
}
BINARY = [b"", b"\0", b"\xff\xfe\xfd", bytes(range(256)), "Käse 🧀".encode(), os.urandom(70_000)]


def batch(rest, queue, messages):
    return rest.post(queue_path(queue) + "/messages/batch", {"messages": messages})


def test_a_raw_message_keeps_its_bytes_its_type_and_its_headers(rest, name):
    queue = name()
    rest.make(queue, settings={"max_priority": 5})
    rest.publish(queue, b'{"n":1}', headers={"Content-Type": "application/vnd.order+json", "Chaski-Header-Tenant": "red",
                                             "Chaski-Header-trace-id": "77", "X-Other": "not taken"}, **ATTRIBUTES)
    message = rest.take(queue, auto_ack=True)
    assert message["body"] == '{"n":1}' and message["body_encoding"] == "utf8"
    assert message["content_type"] == "application/vnd.order+json"
    assert message["headers"] == {"tenant": "red", "trace-id": "77"}
    assert {key: message[key] for key in ATTRIBUTES} == ATTRIBUTES
    assert message["exchange"] == "" and message["routing_key"] == queue and message["redelivered"] is False
    assert "lease" not in message


@pytest.mark.parametrize("body", BINARY, ids=lambda body: f"{len(body)} bytes")
def test_any_bytes_come_back_as_they_went(rest, channel, name, body):
    queue = name()
    rest.make(queue)
    rest.publish(queue, body)
    in_json = {"body": base64.b64encode(body).decode(), "body_encoding": "base64"}
    assert batch(rest, queue, [in_json]).ok()["results"][0]["outcome"] == "stored"
    publish(channel, queue, body)
    taken = eventually(lambda: rest.ready(queue) == 3) and rest.pull(queue, max=10, auto_ack=True)
    for message in taken:
        got = body_of(message)
        assert (got.encode() if isinstance(got, str) else got) == body
    assert len(taken) == 3


def test_a_batch_keeps_order_and_every_attribute_and_says_where_each_message_is(rest, name):
    queue = name()
    rest.make(queue, settings={"max_priority": 5})
    full = {"body": "first", "headers": {**HEADERS, "fraction": 0.5}, "content_type": "text/plain", **ATTRIBUTES}
    results = batch(rest, queue, [full, {"body": "second", "priority": 3}, {}]).ok()["results"]
    assert [result["outcome"] for result in results] == ["stored"] * 3
    positions = [result["positions"] for result in results]
    assert [[place["queue"] for place in places] for places in positions] == [[queue]] * 3
    numbers = [places[0]["position"] for places in positions]
    assert numbers == sorted(set(numbers))
    taken = rest.pull(queue, max=10, auto_ack=True)
    assert bodies(taken) == ["first", "second", ""]
    assert taken[0]["headers"] == {**HEADERS, "fraction": 0.5} and taken[0]["content_type"] == "text/plain"
    assert {key: taken[0][key] for key in ATTRIBUTES} == ATTRIBUTES
    assert [message["position"] for message in taken] == numbers


def test_positions_rise_over_both_doors_and_a_restart(rest, channel, broker, name):
    queue = name()
    rest.make(queue)
    first = rest.publish(queue, "1")
    publish(channel, queue, "2", delivery_mode=2)
    eventually(lambda: rest.ready(queue) == 2)
    second = rest.publish(queue, "3")
    broker.kill()
    broker.start()
    third = eventually(lambda: rest.publish(queue, "4"), within=20)
    taken = rest.pull(queue, max=10, auto_ack=True)
    seen = [message["position"] for message in taken]
    assert bodies(taken) == ["1", "2", "3", "4"] and seen == sorted(set(seen))
    assert [seen[0], seen[2], seen[3]] == [first, second, third]


def test_a_stream_tells_offsets_and_is_read_from_any_of_them(rest, name):
    queue = name()
    rest.make(queue, kind="stream")
    for number in range(5):
        rest.publish(queue, str(number))
    read = rest.post(queue_path(queue) + "/pull", {"offset": "first", "max": 3}).ok()
    assert bodies(read["messages"]) == ["0", "1", "2"]
    assert all("lease" not in message for message in read["messages"])
    assert read["next_offset"] == read["messages"][-1]["offset"] + 1
    rest_of = rest.post(queue_path(queue) + "/pull", {"offset": str(read["next_offset"]), "max": 9}).ok()
    assert bodies(rest_of["messages"]) == ["3", "4"]
    assert rest.pull(queue, offset="@1", max=1)[0]["body"] == "0"
    assert rest.pull(queue, offset="next", max=1) == []
    assert "4" in bodies(rest.pull(queue, offset="last", max=9))


def test_a_message_expires_after_its_time_to_live_and_goes_to_the_dead_letters(rest, name):
    queue, dead = name("q"), name("dead")
    rest.make(dead)
    rest.make(queue, settings={"dead_letter_exchange": "", "dead_letter_routing_key": dead})
    rest.publish(queue, "brief", ttl_ms=1)
    rest.publish(queue, "stays", ttl_ms=600_000)
    assert rest.take(dead)["body"] == "brief"
    assert bodies(rest.pull(queue, max=10)) == ["stays"]


def test_higher_priorities_come_first_and_equal_ones_in_order(rest, name):
    queue = name()
    rest.make(queue, settings={"max_priority": 9})
    sent = [("a", 0), ("b", 9), ("c", 5), ("d", 9), ("e", None), ("f", 255)]
    batch(rest, queue, [{"body": body, **({"priority": each} if each is not None else {})} for body, each in sent]).ok()
    assert bodies(rest.pull(queue, max=10, auto_ack=True)) == ["b", "d", "f", "c", "a", "e"]


def test_what_rest_publishes_has_the_same_properties_over_amqp(rest, channel, name):
    queue = name()
    rest.make(queue)
    batch(rest, queue, [{"body": "x", "headers": HEADERS, "content_type": "text/plain", "user_id": "guest", **ATTRIBUTES}]).ok()
    message = await_get(channel, queue)
    assert message.text == "x" and message.headers == HEADERS
    assert {key: getattr(message.properties, key) for key in PROPERTIES} == PROPERTIES
    assert (message.properties.content_type, message.properties.user_id) == ("text/plain", "guest")


def test_what_amqp_publishes_has_the_same_attributes_over_rest_and_going_back(rest, channel, name):
    queue = name()
    rest.make(queue)
    publish(channel, queue, "x", headers=HEADERS, content_type="text/plain", user_id="guest", **PROPERTIES)
    taken = rest.take(queue)
    assert taken["headers"] == HEADERS
    assert {key: taken[key] for key in ATTRIBUTES} == ATTRIBUTES
    assert (taken["content_type"], taken["user_id"]) == ("text/plain", "guest")
    rest.settle(nack=[{"lease": taken["lease"]}])
    again = await_get(channel, queue)
    assert again.redelivered and again.headers == HEADERS
    assert {key: getattr(again.properties, key) for key in PROPERTIES} == PROPERTIES


def test_a_message_that_waits_to_be_delivered_is_seen_by_nobody_until_then(rest, name):
    queue = name()
    rest.make(queue)
    watch, started = Stopwatch(), time.time()
    rest.publish(queue, "after", deliver_after=700)
    rest.publish(queue, "at", deliver_at=int((started + 1.0) * 1000))
    assert rest.pull(queue, max=10) == []
    assert rest.show(queue)["messages_delayed"] == 2
    assert rest.take(queue, auto_ack=True)["body"] == "after"
    assert watch.seconds >= 0.69
    assert rest.take(queue, auto_ack=True)["body"] == "at"
    assert time.time() >= started + 0.99
    assert rest.show(queue)["messages_delayed"] == 0


def test_a_delayed_message_outlives_a_kill_and_keeps_its_time(rest, broker, name):
    queue = name()
    rest.make(queue)
    due = time.time() + 3
    rest.publish(queue, "late", deliver_at=int(due * 1000))
    broker.kill()
    broker.start()
    eventually(lambda: rest.get("/readyz").status == 200, within=20)
    assert rest.take(queue, 20_000)["body"] == "late"
    assert time.time() >= due - 0.01


def test_a_time_that_has_passed_delivers_at_once_and_two_times_are_422(rest, name):
    queue = name()
    path = rest.make(queue) + "/messages"
    rest.publish(queue, "past", deliver_at=1)
    rest.publish(queue, "now", deliver_after=0)
    assert bodies(rest.pull(queue, max=9)) == ["past", "now"]
    rest.post(path, body=b"", deliver_after=1, deliver_at=1).problem(422, "deliver_after")


def test_a_message_sent_twice_under_one_deduplication_id_is_stored_once(rest, broker, channel, name):
    queue = name()
    path = rest.make(queue) + "/messages"
    first = rest.publish(queue, "once", deduplication_id="order-1")
    again = rest.post(path, body=b"once", deduplication_id="order-1").ok(201)
    assert (again["duplicate"], again["positions"][0]["position"]) == (True, first)
    results = batch(rest, queue, [{"body": body, "deduplication_id": f"order-{body}"} for body in "2334"]).ok()["results"]
    assert [result["duplicate"] for result in results] == [False, False, True, False]
    publish(channel, queue, "over AMQP", headers={"x-deduplication-header": "order-4"}, delivery_mode=2)
    broker.kill()
    broker.start()
    eventually(lambda: rest.get("/readyz").status == 200, within=20)
    assert rest.post(path, body=b"once", deduplication_id="order-1").ok(201)["duplicate"]
    assert bodies(rest.pull(queue, max=9)) == ["once", "2", "3", "4"]


def test_an_id_counts_for_its_queue_alone_and_after_the_message_is_gone(rest, name):
    one, other = name("one"), name("other")
    for queue in (one, other):
        rest.make(queue)
        rest.publish(queue, "x", deduplication_id="same")
        rest.take(queue, auto_ack=True)
        rest.post(queue_path(queue) + "/messages", body=b"x", deduplication_id="same").ok(201)
        assert rest.pull(queue) == []


def test_a_queue_without_a_window_remembers_no_ids_and_a_long_id_is_refused(rest, name):
    queue = name()
    path = rest.make(queue, settings={"dedup_window_ms": 0}) + "/messages"
    for _ in range(2):
        rest.publish(queue, "x", deduplication_id="same")
    assert len(rest.pull(queue, max=9)) == 2
    rest.post(path, body=b"x", deduplication_id="").problem(422)
    rest.post(path, body=b"x", deduplication_id="a" * 5_000).problem(422)


def test_a_full_queue_that_refuses_is_507_and_says_so_in_a_batch(rest, name):
    queue = name()
    path = rest.make(queue, settings={"max_length": 1, "overflow": "reject-publish"})
    results = batch(rest, queue, [{"body": "fits"}, {"body": "too many"}]).ok()["results"]
    assert [result["outcome"] for result in results] == ["stored", "rejected"]
    assert results[1]["positions"] == []
    rest.post(path + "/messages", body=b"x").problem(507, "full")
    assert bodies(rest.pull(queue, max=9)) == ["fits"]


def test_publishing_to_a_queue_that_is_not_there_is_404(rest, name):
    queue = name()
    rest.post(queue_path(queue) + "/messages", body=b"x").problem(404, queue)
    answer = batch(rest, queue, [{"body": "x"}])
    if answer.status == 200:
        assert [result["outcome"] for result in answer.json["results"]] == ["unroutable"]
    else:
        answer.problem(404)
    rest.get(queue_path(queue)).problem(404)


@pytest.mark.parametrize("query", [
    {"priority": 256}, {"priority": -1}, {"ttl_ms": "soon"}, {"timestamp": -1}, {"persistent": "maybe"},
    {"message_id": "x" * 256}, {"routing_key": "elsewhere"}, {"ttl_ms": 2**64}], ids=str)
def test_an_attribute_that_cannot_be_is_refused_and_nothing_is_published(rest, name, query):
    queue = name()
    path = rest.make(queue) + "/messages"
    answer = rest.post(path, body=b"x", **query)
    assert answer.status in (400, 403, 409, 422), answer
    answer.problem(answer.status)
    assert rest.pull(queue) == []


def test_nobody_publishes_in_anothers_name(member, name):
    queue, sender = name(), member()
    path = sender.make(queue) + "/messages"
    sender.post(path, body=b"x", user_id="guest").problem(409, "user_id")
    batch(sender, queue, [{}, {"user_id": "guest"}]).problem(409, "user_id")
    batch(sender, queue, [{"user_id": sender.login}]).ok()
    assert [message["user_id"] for message in sender.pull(queue, max=9)] == [sender.login]


@pytest.mark.parametrize("message, status", [
    ({"colour": "red"}, 422), ({"body": 1}, 422), ({"body": "%", "body_encoding": "base64"}, 422),
    ({"body_encoding": "rot13"}, 422), ({"headers": []}, 422), ({"priority": "3"}, 422), ("text", 422), (None, 422)], ids=str)
def test_one_wrong_message_refuses_its_whole_batch(rest, name, message, status):
    queue = name()
    rest.make(queue)
    batch(rest, queue, [{"body": "good"}, message]).problem(status)
    assert rest.pull(queue, max=10) == []


def test_a_batch_of_none_is_well_and_one_of_too_many_is_413(rest, name):
    queue = name()
    rest.make(queue)
    assert batch(rest, queue, []).ok() == {"results": []}
    batch(rest, queue, [{}] * 10_001).problem(413, "10000")
    results = batch(rest, queue, [{}] * 10_000).ok()["results"]
    assert len(results) == 10_000 and all(result["outcome"] == "stored" for result in results)


def test_a_message_over_the_limit_is_413_and_one_at_the_limit_is_stored(rest, channel, name):
    queue = name()
    path = rest.make(queue) + "/messages"
    limit = 16 * 1024 * 1024
    assert rest.publish(queue, b"x" * limit) >= 0
    rest.post(path, body=b"x" * (limit + 1)).problem(413)
    assert len(await_get(channel, queue).body) == limit


def test_json_of_a_batch_must_be_json_and_say_so(rest, name):
    path = rest.make(name()) + "/messages/batch"
    rest.post(path, body=b'{"messages":').problem(415)
    as_json = {"Content-Type": "application/json"}
    rest.post(path, body=b'{"messages":', headers=as_json).problem(400)
    rest.post(path, body=b"{}", headers=as_json).problem(422, "messages")
    deep = b'{"messages":[{"headers":{"a":' + b"[" * 5000 + b"]" * 5000 + b"}}]}"
    assert rest.post(path, body=deep, headers=as_json).status in (400, 422)


def test_messages_of_every_size_are_equal_after_a_kill(rest, broker, name):
    queue = name()
    rest.make(queue)
    sent = [{"body": base64.b64encode(os.urandom(size)).decode(), "headers": {"size": size}, "message_id": str(size)}
            for size in (0, 1, 100, 4096, 70_000, 1_000_000)]
    batch(rest, queue, sent).ok()
    broker.kill()
    broker.start()
    eventually(lambda: rest.ready(queue) == len(sent), within=20)
    taken = rest.pull(queue, max=100, auto_ack=True)
    assert json.dumps([[m["body"], m["headers"], m["message_id"]] for m in taken]) == json.dumps(
        [[m["body"], m["headers"], m["message_id"]] for m in sent])


def test_an_amqp_confirm_and_a_rest_answer_both_hold_after_a_kill(rest, connect, broker, name):
    queue = name()
    rest.make(queue)
    sender = connect().channel()
    sender.confirm_delivery()
    for number in range(20):
        if number % 2:
            rest.publish(queue, str(number))
        else:
            sender.basic_publish("", queue, str(number).encode(), PERSISTENT)
    broker.kill()
    broker.start()
    eventually(lambda: rest.ready(queue) == 20, within=20)
    assert bodies(rest.pull(queue, max=100, auto_ack=True)) == [str(number) for number in range(20)]
