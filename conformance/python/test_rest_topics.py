"""Topics and dead letters over REST: patterns, bindings, who gets what; looking at dead letters, replaying and discarding them."""

import pytest

from clients import await_get, drain, publish
from harness.waiting import eventually
from rest import REST_ONLY, bodies, lease_path, queue_path, topic_path

pytestmark = REST_ONLY


@pytest.fixture
def topic(rest, name):
    made = name("topic")
    rest.put(topic_path(made), {}).ok(201)
    return made


def bind(rest, source, **binding):
    return rest.post(topic_path(source) + "/bindings", binding)


def send(rest, topic, key, body=None):
    return rest.post(topic_path(topic) + "/messages", body=(body or key).encode(), routing_key=key).ok()


@pytest.mark.parametrize("pattern, keys", [
    ("#", ["", "a", "a.b", "a.b.c"]), ("*", ["a"]), ("a.*", ["a.b"]), ("a.#", ["a", "a.b", "a.b.c"]), ("#.c", ["a.b.c"]),
    ("*.b.#", ["a.b", "a.b.c"]), ("a.b", ["a.b"]), ("x", []), ("", [""])])
def test_a_pattern_takes_the_keys_that_fit(rest, topic, name, pattern, keys):
    queue = name()
    rest.make(queue)
    bind(rest, topic, queue=queue, pattern=pattern).ok(204)
    for key in ("", "a", "a.b", "a.b.c"):
        outcome = rest.post(topic_path(topic) + "/messages", body=key.encode(), routing_key=key).ok()["outcome"]
        assert outcome == ("stored" if key in keys else "unroutable")
    assert bodies(rest.pull(queue, max=9)) == keys


def test_a_message_goes_to_every_queue_whose_pattern_fits_and_once_to_each(rest, topic, name):
    one, two = name("one"), name("two")
    for queue, pattern in ((one, "a.#"), (one, "#"), (two, "*.b"), (two, "c")):
        if rest.get(queue_path(queue)).status == 404:
            rest.make(queue)
        bind(rest, topic, queue=queue, pattern=pattern).ok(204)
    published = send(rest, topic, "a.b")
    assert sorted(place["queue"] for place in published["positions"]) == sorted([one, two])
    for queue in (one, two):
        message = rest.take(queue)
        assert (message["exchange"], message["routing_key"]) == (topic, "a.b")


def test_a_topic_is_made_once_shown_listed_and_deleted(rest, name):
    topic = name("t")
    path = topic_path(topic)
    made = rest.put(path, {"kind": "direct"}).ok(201)
    assert (made["name"], made["kind"], made["durable"]) == (topic, "direct", True)
    assert rest.put(path, {"kind": "direct"}).ok(200) == made == rest.get(path).ok()
    rest.put(path, {"kind": "fanout"}).problem(409)
    assert [each["name"] for each in rest.get("/v1/topics", name=topic).ok()["items"]] == [topic]
    rest.delete(path).ok(204)
    rest.delete(path).problem(404)
    rest.get(path).problem(404)


def test_topics_and_bindings_outlive_a_kill(rest, broker, topic, name):
    queue = name()
    rest.make(queue)
    bind(rest, topic, queue=queue, pattern="log.*").ok(204)
    broker.kill()
    broker.start()
    eventually(lambda: rest.get("/readyz").status == 200, within=20)
    send(rest, topic, "log.error")
    assert rest.take(queue)["body"] == "log.error"


@pytest.mark.parametrize("kind, fits, other", [("fanout", "anything", None), ("direct", "key", "keys")])
def test_other_kinds_find_their_queues_as_exchanges_do(rest, name, kind, fits, other):
    topic, queue = name(), name()
    rest.put(topic_path(topic), {"kind": kind}).ok(201)
    rest.make(queue)
    bind(rest, topic, queue=queue, pattern="key").ok(204)
    assert send(rest, topic, fits)["outcome"] == "stored"
    if other:
        assert send(rest, topic, other)["outcome"] == "unroutable"


def test_a_headers_topic_matches_headers(rest, name):
    topic, queue = name(), name()
    rest.put(topic_path(topic), {"kind": "headers"}).ok(201)
    rest.make(queue)
    bind(rest, topic, queue=queue, arguments={"x-match": "any", "colour": "red", "size": "1"}).ok(204)
    path = topic_path(topic) + "/messages"
    assert rest.post(path, body=b"x", headers={"Chaski-Header-Colour": "red"}).ok()["outcome"] == "stored"
    assert rest.post(path, body=b"x", headers={"Chaski-Header-Colour": "blue"}).ok()["outcome"] == "unroutable"


def test_topics_chain_and_an_alternate_takes_what_fits_nowhere(rest, topic, name):
    sink, last, queue, lost = name("sink"), name("last"), name("q"), name("lost")
    rest.put(topic_path(last), {"kind": "fanout"}).ok(201)
    rest.put(topic_path(sink), {"alternate": last}).ok(201)
    for each in (queue, lost):
        rest.make(each)
    bind(rest, topic, topic=sink, pattern="go.#").ok(204)
    bind(rest, sink, queue=queue, pattern="go.on").ok(204)
    bind(rest, last, queue=lost).ok(204)
    for key in ("go.on", "go.astray"):
        send(rest, topic, key)
    assert bodies(rest.pull(queue, max=9)) == ["go.on"]
    assert bodies(rest.pull(lost, max=9)) == ["go.astray"]


def test_a_binding_is_shown_and_undone(rest, topic, name):
    queue = name()
    rest.make(queue)
    path = topic_path(topic) + "/bindings"
    binding = {"queue": queue, "pattern": "a.#", "arguments": {}}
    for _ in range(2):
        rest.post(path, binding).ok(204)
    assert rest.get(path).ok()["items"] == [binding]
    rest.delete(path, binding).ok(204)
    assert rest.get(path).ok()["items"] == []
    assert send(rest, topic, "a.b")["outcome"] == "unroutable"


def test_a_batch_to_a_topic_has_an_outcome_for_each(rest, topic, name):
    queue = name()
    rest.make(queue)
    bind(rest, topic, queue=queue, pattern="yes").ok(204)
    messages = [{"body": "1", "routing_key": "yes"}, {"body": "2", "routing_key": "no"}, {"body": "3", "routing_key": "yes"}]
    results = rest.post(topic_path(topic) + "/messages/batch", {"messages": messages}).ok()["results"]
    assert [result["outcome"] for result in results] == ["stored", "unroutable", "stored"]
    assert bodies(rest.pull(queue, max=9)) == ["1", "3"]


def test_topics_are_the_exchanges_of_amqp(rest, channel, topic, name):
    queue = channel.queue_declare("", exclusive=True).method.queue
    channel.queue_bind(queue, topic, "rest.*")
    send(rest, topic, "rest.in")
    message = await_get(channel, queue)
    assert (message.method.exchange, message.method.routing_key, message.text) == (topic, "rest.in", "rest.in")
    ours = name()
    rest.make(ours)
    bind(rest, topic, queue=ours, pattern="amqp.#").ok(204)
    publish(channel, "amqp.in", "x", exchange=topic)
    assert rest.take(ours)["routing_key"] == "amqp.in"


def test_what_cannot_be_of_a_topic_is_a_problem(rest, topic, name):
    rest.put(topic_path(name()), {"kind": "ring"}).problem(422)
    rest.put(topic_path("amq." + name()), {}).problem(403)
    bind(rest, topic, pattern="x").problem(422, "queue or topic")
    bind(rest, topic, queue="a", topic="b").problem(422)
    bind(rest, topic, queue=name(), pattern="x").problem(404)
    bind(rest, topic, queue="q", pattern="x" * 256).problem(422, "255")
    bind(rest, name(), queue="q").problem(404)
    rest.post(topic_path(name()) + "/messages", body=b"x").problem(404)
    rest.get(topic_path(topic) + "/events?" + "&".join(["pattern=x"] * 65)).problem(422)
    rest.get(topic_path(topic) + "/events", patterns="x").problem(400)


@pytest.fixture
def graveyard(rest, name):
    """A queue whose rejected messages go to another, three of which are there: (queue, dead)."""
    queue, dead = name("q"), name("dead")
    rest.make(dead)
    rest.make(queue, settings={"dead_letter_exchange": "", "dead_letter_routing_key": dead})
    for text in "abc":
        rest.publish(queue, text, headers={"Chaski-Header-Kept": text, "Content-Type": "text/plain"}, message_id=text)
    rest.settle(reject=[message["lease"] for message in rest.pull(queue, max=3)])
    eventually(lambda: rest.ready(dead) == 3)
    return queue, dead


def letters(rest, dead, **query):
    return rest.get(queue_path(dead) + "/deadletters", **query).ok()["items"]


def test_dead_letters_are_shown_with_where_and_why_they_died_and_stay(rest, graveyard):
    queue, dead = graveyard
    for _ in range(2):
        seen = letters(rest, dead)
        assert [(each["died_in"], each["reason"], each["count"]) for each in seen] == [(queue, "rejected", 1)] * 3
        assert bodies([each["message"] for each in seen]) == list("abc")
    assert "lease" not in seen[0]["message"]
    assert len(letters(rest, dead, limit=2)) == 2
    assert bodies(rest.pull(dead, max=9)) == list("abc")


def test_looking_does_not_count_as_a_delivery(rest, name):
    dead = name("quorum")
    rest.make(dead, kind="quorum", settings={"delivery_limit": 1})
    rest.publish(dead, "stays")
    for _ in range(4):
        assert len(letters(rest, dead)) == 1
    taken = rest.take(dead)
    assert (taken["body"], taken["redelivered"]) == ("stays", False)
    rest.settle(nack=[{"lease": taken["lease"]}])
    assert [each["message"]["redelivered"] for each in letters(rest, dead)] == [True]
    assert rest.take(dead)["redelivered"], "what somebody had before stays marked"


def test_chosen_letters_are_replayed_as_they_were_and_the_rest_stay(rest, graveyard):
    queue, dead = graveyard
    seen = letters(rest, dead)
    chosen = [seen[0]["message"]["position"], seen[2]["message"]["position"]]
    done = rest.post(queue_path(dead) + "/deadletters/replay", {"positions": chosen + [999]}).ok()
    assert done["done"] == 2 and [each["position"] for each in done["failed"]] == [999]
    back = rest.pull(queue, max=9)
    assert bodies(back) == ["a", "c"]
    assert back[0]["headers"] == {"kept": "a"} and back[0]["message_id"] == "a" and back[0]["content_type"] == "text/plain"
    assert bodies([each["message"] for each in letters(rest, dead)]) == ["b"]


def test_all_letters_are_replayed_in_order_and_may_die_again(rest, channel, graveyard):
    queue, dead = graveyard
    path = queue_path(dead) + "/deadletters/replay"
    assert rest.post(path, {"all": True}).ok() == {"done": 3, "failed": []}
    assert drain(channel, queue) == list("abc")
    assert rest.post(path, {"all": True}).ok() == {"done": 0, "failed": []}


def test_discarded_letters_are_gone(rest, graveyard):
    _, dead = graveyard
    path = queue_path(dead) + "/deadletters/discard"
    first = letters(rest, dead)[0]["message"]["position"]
    assert rest.post(path, {"positions": [first]}).ok() == {"done": 1, "failed": []}
    assert bodies([each["message"] for each in letters(rest, dead)]) == ["b", "c"]
    assert rest.post(path, {"all": True}).ok()["done"] == 2
    assert rest.ready(dead) == 0


def test_a_letter_whose_queue_is_gone_or_that_never_died_stays_and_says_why(rest, graveyard):
    queue, dead = graveyard
    rest.delete(queue_path(queue)).ok()
    rest.publish(dead, "never died")
    done = rest.post(queue_path(dead) + "/deadletters/replay", {"all": True}).ok()
    assert done["done"] == 0 and len(done["failed"]) == 4 and all(each["detail"] for each in done["failed"])
    assert bodies([each["message"] for each in letters(rest, dead)]) == ["a", "b", "c", "never died"]


def test_letters_that_somebody_holds_are_not_replayed(rest, graveyard):
    _, dead = graveyard
    held = rest.take(dead)
    done = rest.post(queue_path(dead) + "/deadletters/replay", {"positions": [held["position"]]}).ok()
    assert done["done"] == 0 and done["failed"][0]["position"] == held["position"]
    rest.delete(lease_path(held)).ok(204)


def test_dead_letters_outlive_a_kill_with_their_story(rest, broker, graveyard):
    queue, dead = graveyard
    broker.kill()
    broker.start()
    eventually(lambda: rest.ready(dead) == 3, within=20)
    assert {each["died_in"] for each in letters(rest, dead)} == {queue}


@pytest.mark.parametrize("chosen", [{}, {"positions": []}, {"positions": [1], "all": True}, {"positions": [-1]}, {"every": 1}])
def test_a_choice_that_cannot_be_is_422_and_leaves_all(rest, graveyard, chosen):
    _, dead = graveyard
    for verb in ("replay", "discard"):
        rest.post(f"{queue_path(dead)}/deadletters/{verb}", chosen).problem(422)
    assert rest.ready(dead) == 3


def test_a_stream_holds_no_dead_letters_and_what_is_missing_is_404(rest, name):
    stream = name()
    path = rest.make(stream, kind="stream")
    rest.publish(stream, "x")
    assert rest.get(path + "/deadletters").status == 409
    rest.get(queue_path(name()) + "/deadletters").problem(404)
    rest.get(path + "/deadletters", limit=0).problem(422)
