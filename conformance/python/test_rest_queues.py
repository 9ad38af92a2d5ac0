"""Queues over REST: made, looked at, listed page by page, emptied, deleted, and everything that is refused."""

import base64
import threading

import pytest

from clients import closes_channel, publish
from harness.waiting import eventually
from rest import REST_ONLY, Rest, queue_path

pytestmark = REST_ONLY


def test_a_queue_is_made_once_and_making_it_again_changes_nothing(rest, name):
    path = queue_path(name())
    made = rest.put(path, {}).ok(201)
    assert rest.put(path, {}).ok(200) == made
    assert rest.get(path).ok() == made


def test_an_empty_body_makes_a_durable_queue_of_the_caller(rest, name):
    queue = name()
    made = rest.put(queue_path(queue)).ok(201)
    assert (made["name"], made["kind"], made["durable"], made["auto_delete"], made["exclusive"]) == (
        queue, "queue", True, False, False)
    assert made["messages_ready"] == made["messages_unacknowledged"] == made["consumers"] == 0


def test_a_member_owns_what_it_makes(member, name):
    maker = member()
    assert maker.put(queue_path(name()), {}).ok(201)["owner"] == maker.login


@pytest.mark.parametrize("other", [
    {"kind": "quorum"}, {"durable": False}, {"settings": {"max_length": 5}}, {"settings": {"max_priority": 3}}])
def test_another_form_of_a_queue_that_is_there_is_a_conflict(rest, name, other):
    path = rest.make(name())
    before = rest.get(path).ok()
    rest.put(path, other).problem(409)
    assert rest.get(path).ok() == before


def test_many_who_make_the_same_queue_at_once_all_get_it(broker, name):
    path, statuses = queue_path(name()), []

    def make():
        statuses.append(Rest(broker).put(path, {}).status)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30)
    assert len(statuses) == 8 and set(statuses) <= {200, 201} and 201 in statuses


@pytest.mark.parametrize("kind", ["queue", "quorum", "stream"])
def test_every_kind_of_queue_can_be_made(rest, name, kind):
    assert rest.put(queue_path(name()), {"kind": kind}).ok(201)["kind"] == kind


SETTINGS = {
    "message_ttl_ms": ("x-message-ttl", 60_000), "expires_ms": ("x-expires", 600_000), "max_length": ("x-max-length", 7),
    "max_length_bytes": ("x-max-length-bytes", 70_000), "overflow": ("x-overflow", "reject-publish"),
    "dead_letter_exchange": ("x-dead-letter-exchange", "amq.topic"),
    "dead_letter_routing_key": ("x-dead-letter-routing-key", "dead"), "max_priority": ("x-max-priority", 9),
    "single_active_consumer": ("x-single-active-consumer", True),
}


def test_every_setting_is_what_amqp_knows_it_as(rest, channel, name):
    queue = name()
    made = rest.put(queue_path(queue), {"settings": {key: value for key, (_, value) in SETTINGS.items()}}).ok(201)
    arguments = dict(SETTINGS.values())
    assert made["arguments"] == arguments
    assert channel.queue_declare(queue, durable=True, arguments=arguments).method.queue == queue


def test_a_delivery_limit_and_an_age_belong_to_quorum_queues_and_streams(rest, name):
    quorum = rest.put(queue_path(name()), {"kind": "quorum", "settings": {"delivery_limit": 3}}).ok(201)
    assert quorum["arguments"]["x-delivery-limit"] == 3
    stream = rest.put(queue_path(name()), {"kind": "stream", "settings": {"max_age": "7D"}}).ok(201)
    assert stream["arguments"]["x-max-age"] == "7D"


def test_a_queue_of_amqp_is_seen_over_rest_and_back(rest, channel, name):
    theirs, ours = name("amqp"), name("rest")
    channel.queue_declare(theirs, durable=True)
    publish(channel, theirs, "one")
    eventually(lambda: rest.ready(theirs) == 1)
    assert rest.put(queue_path(theirs), {}).ok(200)["durable"]
    rest.make(ours)
    assert channel.queue_declare(ours, durable=True).method.message_count == 0
    rest.delete(queue_path(ours)).ok()
    with closes_channel(404):
        channel.queue_declare(ours, passive=True)


def test_an_exclusive_queue_of_another_connection_is_locked(rest, channel):
    queue = channel.queue_declare("", exclusive=True).method.queue
    assert rest.show(queue)["exclusive"]
    rest.put(queue_path(queue), {}).problem(409)
    rest.post(queue_path(queue) + "/pull", {}).problem(409)
    rest.delete(queue_path(queue)).problem(409)


def test_deleting_says_how_many_messages_went_and_is_404_the_second_time(rest, name):
    queue = name()
    path = rest.make(queue)
    for number in range(3):
        rest.publish(queue, str(number))
    assert rest.delete(path).ok() == {"messages": 3}
    rest.delete(path).problem(404, queue)
    rest.get(path).problem(404, queue)


def test_deleting_only_if_empty_or_unused_is_a_conflict_otherwise(rest, channel, name):
    queue = name()
    path = rest.make(queue)
    rest.publish(queue, "stays")
    rest.delete(path, if_empty=True).problem(409)
    tag = channel.basic_consume(queue, print)
    rest.delete(path, if_unused=True).problem(409)
    channel.basic_cancel(tag)
    assert rest.delete(path, if_unused=True).ok() == {"messages": 1}


def test_purging_leaves_what_is_leased(rest, name):
    queue = name()
    path = rest.make(queue)
    for text in "abc":
        rest.publish(queue, text)
    held = rest.take(queue)
    assert rest.post(path + "/purge").ok() == {"messages": 2}
    assert rest.settle(ack=[held["lease"]])["settled"] == 1
    assert rest.pull(queue) == []


def test_a_queue_keeps_settings_and_messages_over_a_kill(rest, broker, name):
    queue = name()
    wish = {"settings": {"max_priority": 4, "message_ttl_ms": 600_000}}
    path = rest.make(queue, **wish)
    before = rest.get(path).ok()
    rest.publish(queue, "persistent")
    rest.publish(queue, "transient", persistent=False)
    broker.kill()
    broker.start()
    after = eventually(lambda: rest.get(path).ok(), within=20)
    # What happened per second is known only some seconds after a start.
    for shown in (before, after):
        shown.pop("rates", None)
    # Rates are those of the last seconds, and of this start alone.
    assert {**after, "rates": None} == {**before, "rates": None, "messages_ready": 1, "message_bytes": len("persistent")}
    assert rest.put(path, wish).status == 200
    assert [message["body"] for message in rest.pull(queue, max=10, auto_ack=True)] == ["persistent"]


def test_pages_are_in_order_of_names_without_gaps_or_repetitions(rest, name):
    prefix = name("page")
    made = sorted(f"{prefix}.{letter}" for letter in "fbdäac€gezZ9")
    for queue in made:
        rest.make(queue)
    for limit in (1, 4, 12, 1000):
        seen, cursor, pages = [], {}, 0
        while True:
            page = rest.get("/v1/queues", name=prefix, limit=limit, **cursor).ok()
            assert len(page["items"]) <= limit
            seen += [item["name"] for item in page["items"]]
            pages += 1
            if "next_cursor" not in page:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert seen == made
        assert pages == -(-len(made) // limit)


def test_a_cursor_stays_good_when_queues_come_and_go(rest, name):
    prefix = name("page")
    for letter in "bdfh":
        rest.make(f"{prefix}.{letter}")
    first = rest.get("/v1/queues", name=prefix, limit=2).ok()
    rest.delete(queue_path(f"{prefix}.d")).ok()
    rest.make(f"{prefix}.a")
    rest.make(f"{prefix}.e")
    rest_of = rest.get("/v1/queues", name=prefix, cursor=first["next_cursor"]).ok()
    assert [item["name"][-1] for item in rest_of["items"]] == ["e", "f", "h"]


def test_the_list_shows_a_member_only_what_it_has_a_right_on(rest, member, name):
    mine, theirs = name("x"), name("y")
    maker = member()
    maker.make(mine)
    rest.make(theirs)
    assert [item["name"] for item in maker.get("/v1/queues").ok()["items"]] == [mine]
    seen = {item["name"] for item in rest.get("/v1/queues", limit=1000, name="conformance.").ok()["items"]}
    assert {mine, theirs} <= seen


@pytest.mark.parametrize("wish, status", [
    (b"{", 400), (b'{"kind":', 400), (b'{"kind":"ring"}', 422), (b'{"durable":1}', 422), (b'{"colour":"red"}', 422),
    (b'{"settings":{"x":1}}', 422), (b'{"settings":{"message_ttl_ms":-1}}', 422), (b"[]", 422), (b"null", 422),
    (b'{"settings":{"max_priority":256}}', 422), (b'{"settings":{"max_age":"yesterday"},"kind":"stream"}', None),
    (b'{"settings":{"expires_ms":0}}', None), (b'{"settings":{"max_priority":0}}', None)])
def test_a_wish_that_cannot_be_is_refused_and_makes_nothing(rest, name, wish, status):
    path = queue_path(name())
    answer = rest.put(path, body=wish, headers={"Content-Type": "application/json"})
    # What only the broker can judge may be called invalid or a conflict with its rules.
    answer.problem(status or (409 if answer.status == 409 else 422))
    rest.get(path).problem(404)


def test_a_body_that_is_not_said_to_be_json_is_415(rest, name):
    path = queue_path(name())
    rest.put(path, body=b"{}", headers={"Content-Type": "text/plain"}).problem(415, "application/json")
    rest.put(path, body=b"{}").problem(415)
    rest.put(path, body=b"{}", headers={"Content-Type": "Application/JSON; charset=utf-8"}).ok(201)


def test_a_json_body_of_more_than_a_mebibyte_is_413(rest, name):
    queue = name()
    big = b'{"kind":"queue"' + b" " * (1 << 20) + b"}"
    rest.put(queue_path(queue), body=big, headers={"Content-Type": "application/json"}).problem(413)


@pytest.mark.parametrize("authorization, status", [
    (None, 401), ("", 400), ("Basic", 400), ("Basic !!!", 400), ("Bearer none", 401),
    ("Basic " + base64.b64encode(b"guest").decode(), 400), ("Basic " + base64.b64encode(b"guest:wrong").decode(), 401),
    ("Basic " + base64.b64encode(b"nobody:guest").decode(), 401), ("Basic " + base64.b64encode(b"\xff:\xff").decode(), 400)])
def test_who_is_not_logged_in_gets_a_problem_document(broker, name, authorization, status):
    """Whoever shows nothing or something wrong is told how to log in; what cannot be read is a bad request."""
    stranger = Rest(broker, authorization="")
    headers = {} if authorization is None else {"Authorization": authorization}
    answer = stranger.put(queue_path(name()), {}, headers=headers)
    answer.problem(status)
    if status == 401:
        assert 'realm="chaski"' in answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("method, path, allowed", [
    ("PATCH", "/v1/queues", "GET"), ("POST", "/v1/queues/x", "PUT"), ("GET", "/v1/queues/x/pull", "POST"),
    ("GET", "/v1/leases", "POST")])
def test_a_method_that_a_path_does_not_take_is_405_with_what_it_takes(rest, method, path, allowed):
    answer = rest.call(method, path)
    answer.problem(405)
    assert allowed in answer.headers["Allow"]


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v2/queues", "/v1/queue", "/v1/queues/a/b/c", "/v1/queues/"])
def test_a_path_that_leads_nowhere_is_a_404_problem(rest, path):
    rest.get(path).problem(404)


def test_health_and_description_are_open_to_everybody(broker):
    stranger = Rest(broker, authorization="")
    assert stranger.get("/healthz").body == b"ok\n"
    assert stranger.get("/readyz").status == 200
    document = stranger.get("/openapi.json").ok()
    assert document["openapi"].startswith("3.1") and "/v1/queues/{queue}" in document["paths"]


def test_while_an_alarm_holds_readiness_is_503_and_reading_goes_on(rest, broker, ctl, name):
    queue = name()
    rest.make(queue)
    rest.publish(queue, "before")
    ctl.alarm_set()
    try:
        answer = rest.get("/readyz")
        answer.problem(503, "memory")
        assert int(answer.headers["Retry-After"]) > 0
        assert rest.take(queue, auto_ack=True)["body"] == "before"
    finally:
        ctl.alarm_clear()
    assert eventually(lambda: rest.get("/readyz").status == 200)
