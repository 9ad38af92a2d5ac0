"""Pulling and settling over REST: waiting, leases that end, acks, nacks, rejects and extensions, singly and in bulk."""

import threading

import pytest

from clients import Inbox, await_get, publish
from harness.waiting import Stopwatch, eventually
from rest import REST_ONLY, Rest, bodies, lease_path, queue_path

pytestmark = REST_ONLY


@pytest.fixture
def queue(rest, name):
    """A queue with the messages a, b and c."""
    made = name("leases")
    rest.make(made)
    for text in "abc":
        rest.publish(made, text)
    return made


def test_a_pull_takes_in_order_and_no_more_than_it_asks_for(rest, queue):
    assert bodies(rest.pull(queue)) == ["a"]
    assert bodies(rest.pull(queue, max=1000)) == ["b", "c"]
    assert rest.pull(queue, max=5) == []
    assert (rest.show(queue)["messages_ready"], rest.show(queue)["messages_unacknowledged"]) == (0, 3)


def test_a_pull_waits_for_the_first_message_and_not_for_more(rest, name):
    queue, got = name(), []
    rest.make(queue)
    watch = Stopwatch()
    thread = threading.Thread(target=lambda: got.append((rest.pull(queue, wait_ms=30_000, max=10), watch.seconds)))
    thread.start()
    assert rest.pull(queue, wait_ms=200) == []
    assert watch.seconds >= 0.19
    rest.publish(queue, "here")
    thread.join(20)
    # One of the two pulls that wait is served; the other had given up before.
    messages, seconds = got[0]
    assert bodies(messages) == ["here"] and seconds < 10


def test_many_pulls_that_wait_get_every_message_once(rest, name):
    queue, got = name(), []
    rest.make(queue)
    threads = [threading.Thread(target=lambda: got.extend(rest.pull(queue, wait_ms=20_000, auto_ack=True)))
               for _ in range(12)]
    for each in threads:
        each.start()
    for number in range(12):
        rest.publish(queue, str(number))
    for each in threads:
        each.join(25)
    assert sorted(bodies(got), key=int) == [str(number) for number in range(12)]


def test_a_pull_whose_client_went_away_takes_nothing(rest, broker, name):
    """A long poll that is broken off must not swallow the next message."""
    queue = name()
    rest.make(queue)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            rest.post(queue_path(queue) + "/pull", {"wait_ms": 20_000, "auto_ack": True}, within=0.2)
    rest.publish(queue, "for who stayed")
    assert rest.take(queue)["body"] == "for who stayed"


def test_a_pull_whose_client_went_away_is_no_consumer_any_more(rest, name):
    queue = name()
    rest.make(queue)
    with pytest.raises(TimeoutError):
        rest.post(queue_path(queue) + "/pull", {"wait_ms": 60_000}, within=0.3)
    eventually(lambda: rest.show(queue)["consumers"] == 0, within=10)


def test_an_acknowledged_message_is_gone_for_good(rest, broker, queue):
    held = rest.pull(queue, max=2)
    rest.delete(lease_path(held[0])).ok(204)
    rest.delete(lease_path(held[0])).problem(404, "not held")
    assert rest.settle(ack=[held[1]["lease"]]) == {"settled": 1, "ended": []}
    eventually(lambda: rest.show(queue)["messages_unacknowledged"] == 0)
    broker.restart()
    assert bodies(rest.pull(queue, max=10)) == ["c"]


def test_what_was_leased_and_not_settled_comes_back_after_a_kill(rest, broker, queue):
    held = rest.pull(queue, max=2)
    rest.delete(lease_path(held[0])).ok(204)
    # Acknowledgements are durable some milliseconds later: the next publish that is on disk has them before it.
    rest.publish(queue, "d")
    eventually(lambda: rest.show(queue)["messages_unacknowledged"] == 1)
    broker.kill()
    broker.start()
    eventually(lambda: rest.ready(queue) >= 3, within=20)
    assert bodies(rest.pull(queue, max=10)) in (["b", "c", "d"], ["a", "b", "c", "d"])
    rest.delete(lease_path(held[1])).problem(404)


def test_a_given_back_message_is_delivered_first_and_marked(rest, queue):
    held = rest.take(queue)
    rest.post(lease_path(held, "/nack"), {}).ok(204)
    again = rest.take(queue)
    assert (again["body"], again["redelivered"], again["position"]) == ("a", True, held["position"])
    assert again["lease"] != held["lease"]
    rest.post(lease_path(held, "/nack")).problem(404)


def test_a_delayed_nack_keeps_the_message_from_everybody_until_its_time(rest, queue):
    held, watch = rest.take(queue), Stopwatch()
    rest.post(lease_path(held, "/nack"), {"delay_ms": 700}).ok(204)
    rest.delete(lease_path(held)).problem(404)
    assert bodies(rest.pull(queue, max=10)) == ["b", "c"]
    assert rest.take(queue)["body"] == "a"
    assert watch.seconds >= 0.69


def test_a_delayed_nack_is_no_way_to_lose_a_message_in_a_kill(rest, broker, queue):
    held = rest.take(queue)
    rest.post(lease_path(held, "/nack"), {"delay_ms": 3_600_000}).ok(204)
    broker.kill()
    broker.start()
    eventually(lambda: rest.ready(queue) == 3, within=20)
    assert bodies(rest.pull(queue, max=10)) == ["a", "b", "c"]


def test_a_rejected_message_is_dropped_or_dead_lettered(rest, queue, name):
    rest.post(lease_path(rest.take(queue), "/nack"), {"reject": True}).ok(204)
    assert bodies(rest.pull(queue, max=10)) == ["b", "c"]
    source, dead = name("source"), name("dead")
    rest.make(dead)
    rest.make(source, settings={"dead_letter_exchange": "", "dead_letter_routing_key": dead})
    rest.publish(source, "unwanted")
    assert rest.settle(reject=[rest.take(source)["lease"]])["settled"] == 1
    letter = rest.take(dead)
    assert letter["body"] == "unwanted"
    assert letter["headers"]["x-death"][0]["reason"] == "rejected"
    assert letter["headers"]["x-first-death-queue"] == source


def test_a_lease_that_ends_gives_its_message_back(rest, queue):
    watch = Stopwatch()
    held = rest.take(queue, lease_ms=400)
    rest.pull(queue, max=2)
    again = rest.take(queue)
    assert (again["body"], again["redelivered"]) == ("a", True)
    assert watch.seconds >= 0.39
    rest.delete(lease_path(held)).problem(404, "ended")
    assert rest.settle(ack=[held["lease"], again["lease"]]) == {"settled": 1, "ended": [held["lease"]]}


def test_an_extended_lease_holds_on_and_a_shortened_one_ends(rest, queue):
    long, short = rest.pull(queue, max=2, lease_ms=1_000)
    rest.patch(lease_path(long), {"lease_ms": 60_000}).ok(204)
    rest.patch(lease_path(short), {"lease_ms": 1}).ok(204)
    rest.pull(queue)
    assert rest.take(queue, auto_ack=True)["body"] == "b"
    # Longer than the first lease would have been.
    assert rest.pull(queue, wait_ms=1_300) == []
    rest.delete(lease_path(long)).ok(204)
    rest.patch(lease_path(long), {"lease_ms": 1_000}).problem(404)


def test_bulk_settles_each_kind_and_names_what_is_not_held(rest, name):
    queue = name()
    rest.make(queue)
    for number in range(6):
        rest.publish(queue, str(number))
    held = [message["lease"] for message in rest.pull(queue, max=6)]
    done = rest.settle(ack=[held[0], "nonsense", "1.2.3", ""], nack=[{"lease": held[1]}, {"lease": held[2], "delay_ms": 300}],
                       reject=[held[3]], extend=[{"lease": held[4], "lease_ms": 60_000}])
    assert done["settled"] == 5
    assert set(done["ended"]) == {"nonsense", "1.2.3", ""}
    back = [rest.take(queue)["body"] for _ in range(2)]
    assert back == ["1", "2"]
    assert rest.settle(ack=held)["settled"] == 2
    assert rest.settle() == {"settled": 0, "ended": []}


def test_the_same_lease_twice_in_one_request_is_settled_once(rest, queue):
    lease = rest.take(queue)["lease"]
    assert rest.settle(ack=[lease, lease]) == {"settled": 1, "ended": [lease]}


def test_auto_ack_takes_for_good(rest, queue):
    assert bodies(rest.pull(queue, max=2, auto_ack=True)) == ["a", "b"]
    assert rest.show(queue)["messages_unacknowledged"] == 0
    assert bodies(rest.pull(queue, max=9)) == ["c"]


def test_a_lease_is_its_holders_alone(rest, member, queue):
    held = rest.take(queue)
    stranger = member()
    stranger.delete(lease_path(held)).problem(404)
    stranger.patch(lease_path(held), {"lease_ms": 1}).problem(404)
    stranger.post(lease_path(held, "/nack"), {}).problem(404)
    assert stranger.settle(ack=[held["lease"]]) == {"settled": 0, "ended": [held["lease"]]}
    rest.delete(lease_path(held)).ok(204)


def test_the_holder_settles_over_another_connection(rest, broker, queue):
    held = rest.take(queue)
    Rest(broker).delete(lease_path(held)).ok(204)


def test_a_lease_of_a_queue_that_was_deleted_brings_nothing_back(rest, queue):
    held = rest.pull(queue, max=2)
    rest.delete(queue_path(queue)).ok()
    rest.make(queue)
    rest.post(lease_path(held[0], "/nack"), {}).problem(404, "its queue is gone")
    rest.delete(lease_path(held[1])).problem(404, "its queue is gone")
    assert rest.pull(queue, max=9) == []


def test_a_quorum_queue_counts_deliveries_and_sets_aside_what_nobody_can_work_on(rest, name):
    queue, dead = name("quorum"), name("dead")
    rest.make(dead)
    rest.make(queue, kind="quorum", settings={
        "delivery_limit": 2, "dead_letter_exchange": "", "dead_letter_routing_key": dead})
    rest.publish(queue, "poison")
    counts = []
    for _ in range(3):
        held = rest.take(queue)
        counts.append(held.get("delivery_count"))
        rest.post(lease_path(held, "/nack"), {}).ok(204)
    assert counts[1:] == [1, 2]
    letter = rest.take(dead)
    assert letter["headers"]["x-death"][0]["reason"] == "delivery_limit"


def test_amqp_consumers_and_pulls_share_a_queue_without_a_message_twice(rest, channel, name):
    queue = name()
    rest.make(queue)
    channel.basic_qos(prefetch_count=1)
    inbox = Inbox(channel, queue)
    for number in range(50):
        publish(channel, queue, str(number))
    taken = []
    while len(taken) + len(inbox.messages) < 50:
        taken += bodies(rest.pull(queue, max=3, auto_ack=True))
        inbox.pump(0.01)
        inbox.ack_all()
    assert sorted(taken + inbox.texts, key=int) == [str(number) for number in range(50)]


def test_a_message_given_back_over_rest_goes_to_an_amqp_consumer_redelivered(rest, channel, queue):
    held = rest.pull(queue, max=3)
    rest.settle(nack=[{"lease": message["lease"]} for message in held])
    got = [await_get(channel, queue, auto_ack=False) for _ in range(3)]
    assert [message.text for message in got] == ["a", "b", "c"]
    assert all(message.redelivered for message in got)


@pytest.mark.parametrize("wish, status", [
    ({"max": 0}, 422), ({"max": 1001}, 422), ({"max": -1}, 422), ({"wait_ms": 60_001}, 422), ({"lease_ms": 0}, 422),
    ({"lease_ms": 43_200_001}, 422), ({"offset": "yesterday"}, 422), ({"colour": 1}, 422), ({"auto_ack": "yes"}, 422),
    ({"max": 2**70}, 422)], ids=str)
def test_a_pull_that_cannot_be_is_refused_and_takes_nothing(rest, queue, wish, status):
    rest.post(queue_path(queue) + "/pull", wish).problem(status)
    assert bodies(rest.pull(queue, max=9)) == ["a", "b", "c"]


@pytest.mark.parametrize("path, wish", [
    ("", {"lease_ms": 0}), ("", {"lease_ms": 43_200_001}), ("", {}), ("/nack", {"delay_ms": 43_200_001}),
    ("/nack", {"delay_ms": "1"}), ("/nack", {"why": 1})], ids=str)
def test_a_settlement_that_cannot_be_leaves_the_lease(rest, queue, path, wish):
    held = rest.take(queue)
    rest.call("POST" if path else "PATCH", lease_path(held, path), wish).problem(422)
    rest.delete(lease_path(held)).ok(204)


def test_a_bulk_with_one_wrong_duration_settles_nothing(rest, queue):
    one, two = rest.pull(queue, max=2)
    rest.post("/v1/leases", {"ack": [one["lease"]], "extend": [{"lease": two["lease"], "lease_ms": 0}]}).problem(422)
    assert rest.settle(ack=[one["lease"], two["lease"]])["settled"] == 2


def test_more_than_ten_thousand_leases_at_once_are_413(rest):
    rest.post("/v1/leases", {"ack": ["x"] * 10_001}).problem(413)
    assert len(rest.settle(ack=["x"] * 10_000)["ended"]) == 10_000


def test_pulling_from_what_is_not_there_is_404(rest, name):
    rest.post(queue_path(name()) + "/pull", {}).problem(404)


def test_leases_and_waiting_pulls_of_a_server_that_stops_end_in_time(rest, broker, queue):
    """An orderly stop ends long polls at once, with an answer or without one, and what was leased is there again."""
    rest.pull(queue, max=2)
    ended = []
    poll = threading.Thread(target=lambda: ended.append(_answer_or_end(rest, queue)))
    rest.pull(queue)
    poll.start()
    eventually(lambda: rest.show(queue)["messages_unacknowledged"] == 3)
    watch = Stopwatch()
    broker.restart()
    assert watch.seconds < 15
    poll.join(10)
    assert ended
    eventually(lambda: rest.ready(queue) == 3, within=20)


def _answer_or_end(rest, queue):
    try:
        return rest.post(queue_path(queue) + "/pull", {"wait_ms": 60_000}).status
    except OSError as error:
        return error
