"""What an operator asks of queues: how they did lately, who consumes, what leads to them, what lies in them; and of the whole server."""

import time

import pika
import pytest

from harness.waiting import eventually
from rest import PASSWORD, REST_ONLY, Rest, bodies, queue_path, topic_path, unique

pytestmark = REST_ONLY
# Samples are five seconds apart.
SAMPLED_S = 15


@pytest.fixture(scope="module")
def member(server):
    """Somebody without any rights."""
    rest = Rest(server)
    rest.post("/v1/accounts", {"login": "member", "password": PASSWORD}).ok(201)
    return Rest(server, "member", PASSWORD)


def grant(rest, queue, login, *rights):
    path = f"{queue_path(queue)}/grants/{login}"
    wish = {right: right in rights for right in ("configure", "write", "read")}
    assert rest.put(path, wish).status in (200, 201, 204), path


def test_a_queue_s_samples_tell_its_depth_and_its_rates(server):
    rest, queue = Rest(server), unique("sampled")
    path = rest.make(queue)
    eventually(lambda: rest.get(path + "/history").ok()["points"], within=SAMPLED_S, what="the queue is sampled")
    for _ in range(20):
        rest.publish(queue, "x")
    rest.pull(queue, max=5, auto_ack=True)

    def happened():
        points = rest.get(path + "/history").ok()["points"]
        return points if points[-1]["ready"] == 15 else None

    points = eventually(happened, within=SAMPLED_S, what="the messages are seen")
    step_s = rest.get(path + "/history").ok()["step_ms"] / 1000
    total = {name: sum(point[name] for point in points) * step_s for name in ("published", "delivered", "settled")}
    assert 10 < total["published"] < 40 and 2 < total["delivered"] < 10 and 2 < total["settled"] < 10, total
    assert [point["at_ms"] for point in points] == sorted(point["at_ms"] for point in points)
    assert len(rest.get(path + "/history", points=1).ok()["points"]) == 1
    rest.get(path + "/history", points=0).problem(422, "1 to 144")


def test_a_list_of_queues_brings_rates_and_lines_to_draw(server):
    rest, queue = Rest(server), unique("line")
    rest.make(queue)

    def listed(**query):
        [item] = rest.get("/v1/queues", name=queue, **query).ok()["items"]
        return item

    item = eventually(lambda: (it := listed(history=True)) and it["history"]["depth"] and it, within=SAMPLED_S, what="a sample")
    assert item["rates"] == {"published": 0.0, "delivered": 0.0, "settled": 0.0}
    line = item["history"]
    assert set(line) == {"step_ms", "depth", "published", "delivered"}
    assert len(line["depth"]) == len(line["published"]) == len(line["delivered"]) <= 30
    assert "history" not in listed() and listed()["vhost"] == "/"


def test_whoever_sees_a_queue_is_told_what_they_may_do_with_it(server, member):
    rest, queue = Rest(server), unique("rights")
    path = rest.make(queue)
    member.get(path).problem(404)
    assert rest.show(queue)["rights"] == {"configure": True, "write": True, "read": True}
    grant(rest, queue, "member", "write")
    assert member.show(queue)["rights"] == {"configure": False, "write": True, "read": False}
    [item] = member.get("/v1/queues", name=queue).ok()["items"]
    assert item["rights"] == {"configure": False, "write": True, "read": False}
    topic = unique("topic")
    member.put(topic_path(topic), {}).ok(201)
    assert member.get(topic_path(topic)).ok()["rights"] == {"configure": True, "write": True, "read": True}


def test_consumers_are_named_to_those_who_may_read(server, member, request):
    rest, queue = Rest(server), unique("consumed")
    path = rest.make(queue)
    rest.publish(queue, "held")
    connection = pika.BlockingConnection(pika.URLParameters(server.url()))
    request.addfinalizer(connection.close)
    channel = connection.channel()
    channel.basic_qos(prefetch_count=7)
    channel.basic_consume(queue, lambda *_: None, consumer_tag="worker-1")
    connection.process_data_events(time_limit=0.2)

    def held():
        items = rest.get(path + "/consumers").ok()["items"]
        return items[0] if items and items[0]["unacknowledged"] == 1 else None

    consumer = eventually(held, within=10, what="the consumer has the message")
    assert {key: consumer[key] for key in ("tag", "login", "door", "channel", "prefetch", "ack_required", "exclusive", "active")} == {
        "tag": "worker-1", "login": "guest", "door": "amqp", "channel": 1, "prefetch": 7, "ack_required": True, "exclusive": False,
        "active": True}
    [open_one] = [one for one in rest.get("/v1/connections", limit=1000).ok()["items"] if one["id"] == consumer["connection"]]
    assert open_one["address"] == consumer["address"] and open_one["channels"] == 1
    member.get(path + "/consumers").problem(404)
    grant(rest, queue, "member", "write")
    member.get(path + "/consumers").problem(403, "read the queue")
    grant(rest, queue, "member", "read")
    assert member.get(path + "/consumers").ok()["items"][0]["tag"] == "worker-1"


def test_what_leads_to_a_queue_is_told_as_far_as_one_sees_it(server, member):
    rest, queue, topic = Rest(server), unique("led"), unique("topic")
    path = rest.make(queue)
    assert rest.get(path + "/bindings").ok()["items"] == []
    rest.put(topic_path(topic), {}).ok(201)
    for pattern in ("orders.#", "bills.*"):
        rest.post(topic_path(topic) + "/bindings", {"queue": queue, "pattern": pattern}).ok(204)
    expected = [{"topic": topic, "pattern": pattern, "arguments": {}} for pattern in ("bills.*", "orders.#")]
    assert rest.get(path + "/bindings").ok()["items"] == expected
    member.get(path + "/bindings").problem(404)
    grant(rest, queue, "member", "read")
    assert member.get(path + "/bindings").ok()["items"] == []


def test_a_look_at_messages_changes_nothing(server):
    rest, queue = Rest(server), unique("peeked")
    path = rest.make(queue, kind="quorum", settings={"delivery_limit": 2})
    for number in range(12):
        rest.publish(queue, f"message {number}")
    for _ in range(5):
        items = rest.get(path + "/peek", limit=10).ok()["items"]
        assert bodies(items) == [f"message {number}" for number in range(10)]
        assert not any(item["redelivered"] or item.get("delivery_count") or "lease" in item for item in items)
    assert rest.ready(queue) == 12 and rest.show(queue)["messages_unacknowledged"] == 0
    taken = rest.pull(queue, max=12)
    assert bodies(taken) == [f"message {number}" for number in range(12)]
    assert not any(message["redelivered"] for message in taken)
    assert rest.get(path + "/peek").ok() == {"items": []}


def test_long_bodies_are_cut_and_few_of_them_are_read(server):
    rest, queue = Rest(server), unique("long")
    path = rest.make(queue)
    rest.publish(queue, "ñ" * 100)
    rest.publish(queue, b"\xff" * 300)
    text, raw = rest.get(path + "/peek", body_bytes=11).ok()["items"]
    # A character is shown whole or not at all.
    assert (text["body"], text["body_bytes"], text["body_truncated"]) == ("ñ" * 5, 200, True)
    assert (raw["body_encoding"], raw["body_bytes"], raw["body_truncated"]) == ("base64", 300, True)
    whole, _ = rest.get(path + "/peek").ok()["items"]
    assert whole["body"] == "ñ" * 100 and not whole["body_truncated"]
    for _ in range(12):
        rest.publish(queue, b"y" * 1_000_000)
    items = rest.get(path + "/peek", limit=100, body_bytes=10).ok()["items"]
    assert 2 < len(items) < 14
    assert rest.ready(queue) == 14


@pytest.mark.parametrize(("query", "word"), [({"limit": 0}, "limit"), ({"limit": 101}, "limit"), ({"body_bytes": 2_000_000}, "body_bytes"),
                                             ({"offset": "first"}, "stream")])
def test_a_look_has_bounds(server, query, word):
    rest, queue = Rest(server), unique("bounds")
    rest.get(rest.make(queue) + "/peek", **query).problem(422, word)


def test_a_look_needs_the_right_to_read(server, member):
    rest, queue = Rest(server), unique("secret")
    path = rest.make(queue)
    rest.publish(queue, "nobody else's")
    member.get(path + "/peek").problem(404)
    grant(rest, queue, "member", "write", "configure")
    assert b"nobody else" not in member.get(path + "/peek").body
    member.get(path + "/peek").problem(403)
    grant(rest, queue, "member", "read")
    assert bodies(member.get(path + "/peek").ok()["items"]) == ["nobody else's"]


def test_a_stream_is_browsed_by_offset_and_by_time(server):
    rest, queue = Rest(server), unique("stream")
    path = rest.make(queue, kind="stream")
    for number in range(30):
        rest.publish(queue, str(number))
    look = rest.get(path + "/peek", limit=10).ok()
    assert bodies(look["items"]) == [str(number) for number in range(10)]
    look = rest.get(path + "/peek", limit=25, offset=look["next_offset"]).ok()
    assert bodies(look["items"]) == [str(number) for number in range(10, 30)]
    assert [item["offset"] for item in look["items"]] == list(range(10, 30))
    assert rest.get(path + "/peek", offset=look["next_offset"]).ok() == {"items": []}
    assert bodies(rest.get(path + "/peek", offset="last").ok()["items"])[-1] == "29"
    long_ago, soon = int(time.time()) - 3600, int(time.time()) + 3600
    assert len(rest.get(path + "/peek", offset=f"@{long_ago}", limit=100).ok()["items"]) == 30
    assert rest.get(path + "/peek", offset=f"@{soon}").ok()["items"] == []
    assert rest.ready(queue) == 30


def test_the_overview_is_for_those_who_look_after_the_server(server, member):
    member.get("/v1/overview").problem(403, "monitoring")
    Rest(server).post("/v1/accounts", {"login": "watcher", "password": PASSWORD}).ok(201)
    Rest(server).put("/v1/accounts/watcher/tags", {"tags": ["monitoring"]}).ok(204)
    watcher = Rest(server, "watcher", PASSWORD)
    told = eventually(lambda: (it := watcher.get("/v1/overview").ok())["history"]["points"] and it, within=SAMPLED_S, what="a sample")
    assert told["alarms"] == [] and told["server"]["uptime_ms"] > 0
    assert told["memory"]["used_bytes"] > 1 << 20 and told["memory"]["high_bytes"] > told["memory"]["used_bytes"]
    assert told["disk"]["free_bytes"] > 0 and told["disk"]["low_bytes"] > 0
    assert {"vhosts", "queues", "topics", "bindings", "connections", "channels", "consumers", "messages_ready", "messages_unacknowledged",
            "message_bytes"} == set(told["totals"])
    assert set(told["rates"]) == {"published", "delivered", "settled"}
    assert {"at_ms", "ready", "unacknowledged", "memory_bytes", "disk_free_bytes"} <= set(told["history"]["points"][-1])
    assert member.put("/v1/accounts/member/tags", {"tags": ["administrator"]}).status == 403


def test_an_operator_raises_and_clears_alarms(server, member):
    rest = Rest(server)
    member.put("/v1/alarms/memory").problem(403, "administrators")
    rest.put("/v1/alarms/disk").ok(204)
    try:
        assert {"cause": "disk", "by_hand": True} in rest.get("/v1/overview").ok()["alarms"]
        assert rest.get("/readyz").status == 503
    finally:
        rest.delete("/v1/alarms/disk").ok(204)
    assert rest.get("/v1/overview").ok()["alarms"] == []
    rest.put("/v1/alarms/flood").problem(400)


def test_nothing_of_this_is_told_to_the_holder_of_a_queue_s_key(server):
    rest, queue = Rest(server), unique("keyed")
    path = rest.make(queue)
    key = rest.post(path + "/keys", {"read": True, "write": True}).ok(201)["secret"]
    holder = Rest(server, authorization="Bearer " + key)
    assert holder.get(path + "/peek").status == 200
    assert holder.get("/v1/connections").ok()["items"] == []
    holder.get("/v1/overview").problem(403)
    holder.get("/v1/permissions").problem(403)


def test_webhooks_of_all_queues_are_listed_to_those_they_concern(server, member):
    rest, queue = Rest(server), unique("hooked")
    path = rest.make(queue)
    hook = rest.post(path + "/webhooks", {"url": "https://hooks.example/in"}).ok(201)
    assert hook["id"] in [one["id"] for one in rest.get("/v1/webhooks").ok()["items"]]
    assert member.get("/v1/webhooks").ok() == {"items": []}
    rest.delete("/v1/webhooks/" + hook["id"]).ok(204)
    assert hook["id"] not in [one["id"] for one in rest.get("/v1/webhooks").ok()["items"]]
