"""Groups that read streams: what was acknowledged is remembered, members share partitions, places are set and shown."""

import pytest

from grpc_client import bodies as grpc_bodies
from grpc_client import v1
from harness.waiting import eventually, pause
from rest import REST_ONLY, bodies, lease_path, queue_path
from test_event_source import EventSource
from test_grpc import client as client  # noqa: F401
from test_partitions import read as read  # noqa: F401

pytestmark = REST_ONLY


@pytest.fixture
def stream(rest, name):
    """Makes a stream with so many messages."""
    def make(messages=0, **wish):
        made = name("stream")
        rest.put(queue_path(made), {"kind": "stream", **wish}).ok(201)
        fill(rest, made, messages)
        return made
    return make


def fill(rest, queue, messages, first=0):
    wish = [{"body": str(number), "partition_key": str(number % 16)} for number in range(first, first + messages)]
    if wish:
        results = rest.post(queue_path(queue) + "/messages/batch", {"messages": wish}).ok()["results"]
        assert {result["outcome"] for result in results} == {"stored"}


def group_path(queue, group):
    return f"{queue_path(queue)}/groups/{group}"


def numbers(items):
    return [int(body) for body in bodies(items)]


def ack(rest, messages):
    settled = rest.settle(ack=[message["lease"] for message in messages])
    assert settled["settled"] == len(messages), settled


def test_a_group_goes_on_where_it_was_and_others_have_places_of_their_own(rest, stream):
    queue = stream(5)
    first = rest.pull(queue, max=3, group="a", offset="first")
    assert numbers(first) == [0, 1, 2]
    ack(rest, first)
    assert numbers(rest.pull(queue, max=10, group="a")) == [3, 4]
    assert rest.pull(queue, max=10, group="b") == [], "a new group begins with what comes next"
    fill(rest, queue, 1, first=5)
    assert numbers(rest.pull(queue, max=10, group="b", wait_ms=5000)) == [5]
    assert numbers(rest.pull(queue, max=10, group="c", offset="4")) == [4, 5]


def test_a_groups_place_survives_an_orderly_end_exactly_and_a_kill_without_loss(rest, broker, stream):
    queue = stream(6)
    ack(rest, rest.pull(queue, max=4, group="g", offset="first"))
    broker.restart()
    assert rest.get(group_path(queue, "g")).ok()["partitions"] == [{"next_offset": 4, "end_offset": 6, "held": False}]
    taken = rest.pull(queue, max=10, group="g")
    assert numbers(taken) == [4, 5]
    ack(rest, taken)
    broker.kill()
    broker.start()
    assert numbers(rest.pull(queue, max=10, group="g")) in ([], [4, 5])


def test_what_a_group_did_not_settle_comes_again_and_what_it_did_does_not(rest, stream):
    queue = stream(4)
    held = rest.pull(queue, max=3, group="g", offset="first", lease_ms=400)
    assert numbers(held) == [0, 1, 2]
    ack(rest, held[1:2])
    assert rest.pull(queue, group="g") == [], "the stream is held until the leases end"
    again = rest.pull(queue, max=10, group="g", wait_ms=5000)
    assert numbers(again) == [0, 2, 3]
    rest.post(lease_path(again[0], "/nack"), {}).ok(204)
    ack(rest, again[1:])
    assert numbers(rest.pull(queue, max=10, group="g", wait_ms=5000)) == [0]


def test_a_message_that_a_member_gives_back_is_delivered_to_it_again(rest, stream, read):  # noqa: F811
    queue = stream(2)
    reader = read(queue, group="g", offset="first")
    one, two = reader.take(2)
    reader.say("ack", tags=[two["tag"]])
    reader.say("nack", tags=[one["tag"]], delay_ms=50)
    [again] = reader.take(1)
    assert (again["body"], again["redelivered"], again["offset"]) == ("0", True, 0)
    reader.say("ack", tags=[again["tag"]])
    eventually(lambda: rest.get(group_path(queue, "g")).ok()["lag"] == 0)


def test_members_share_a_partitioned_stream_and_each_group_gets_everything(rest, stream, read):  # noqa: F811
    queue = stream(partitions=4)
    rest.put(group_path(queue, "one"), {"offset": "first"}).ok()
    one, two = (read(queue, group="one") for _ in range(2))
    eventually(lambda: rest.get(group_path(queue, "one")).ok()["members"] == 2)
    eventually(lambda: rest.show(queue)["consumers"] == 4)
    fill(rest, queue, 64)
    got = {one: [], two: []}

    def take(reader):
        reader.socket.settimeout(0.3)
        try:
            while True:
                word = reader.hear()
                got[reader].append(word)
                reader.say("ack", tags=[word["tag"]])
        except Exception:  # noqa: BLE001 - nothing more for now
            return

    eventually(lambda: [take(one), take(two), len(got[one]) + len(got[two])][-1] >= 64)
    shares = [{word["partition"] for word in words} for words in got.values()]
    assert all(shares) and not shares[0] & shares[1]
    everything = sorted(int(word["body"]) for words in got.values() for word in words)
    assert everything == list(range(64))
    other = rest.pull(queue, max=100, group="two", offset="first")
    assert sorted(numbers(other)) == list(range(64))
    eventually(lambda: rest.get(group_path(queue, "one")).ok()["lag"] == 0)


def test_a_partition_that_came_later_is_read_from_its_beginning(rest, stream):
    queue = stream(partitions=1)
    ack(rest, rest.pull(queue, max=10, group="g", offset="next") or [])
    assert rest.patch(queue_path(queue), {"partitions": 6}).ok()["partitions"] == 6
    fill(rest, queue, 32)
    got = []

    def pull_more():
        more = rest.pull(queue, max=100, group="g", wait_ms=200)
        ack(rest, more)
        got.extend(numbers(more))
        return len(got) >= 32

    eventually(pull_more)
    assert sorted(got) == list(range(32))


def test_an_offset_beyond_everything_is_the_end_and_holds_up_no_other_group(rest, stream):
    queue = stream(2)
    assert rest.pull(queue, group="far", offset=str(2**64 - 1)) == []
    ack(rest, rest.pull(queue, group="near", offset="first"))
    eventually(lambda: rest.get(group_path(queue, "near")).ok()["partitions"][0]["next_offset"] == 1)
    fill(rest, queue, 1, first=2)
    assert numbers(rest.pull(queue, group="far", wait_ms=5000)) == [2]


def test_a_partition_is_no_stream_for_a_group(rest, stream):
    queue = stream(partitions=2)
    rest.post(queue_path(queue + "-0") + "/pull", {"group": "g"}).problem(409, "partition")


def test_what_was_settled_behind_an_open_message_stays_settled_while_nobody_reads(rest, stream):
    queue = stream(4)
    held = rest.pull(queue, max=4, group="g", offset="first", lease_ms=100)
    ack(rest, held[1:])
    eventually(lambda: not rest.get(group_path(queue, "g")).ok()["partitions"][0]["held"])
    pause(1.2)
    assert numbers(rest.pull(queue, max=4, group="g", wait_ms=5000)) == [0]


def test_a_group_that_begins_at_a_time_stays_there_in_every_partition(rest, broker, stream):
    queue = stream(32, partitions=4)
    rest.put(group_path(queue, "g"), {"offset": "@4000000000"}).ok()
    assert rest.pull(queue, group="h", offset="@4000000000") == []
    broker.restart()
    for group in ("g", "h"):
        assert rest.pull(queue, max=100, group=group, offset="first") == []


def test_groups_are_listed_moved_and_forgotten(rest, stream, read):  # noqa: F811
    queue = stream(10)
    rest.put(group_path(queue, "g"), {"offset": "7"}).ok()
    assert [(one["name"], one["lag"]) for one in rest.get(queue_path(queue) + "/groups").ok()["items"]] == [("g", 3)]
    assert numbers(rest.pull(queue, max=10, group="g", auto_ack=True)) == [7, 8, 9]
    for offset, lag in (("last", 1), ("next", 0), ("first", 10), ("@0", 10), ("1000000", 0)):
        assert rest.put(group_path(queue, "g"), {"offset": offset}).ok()["lag"] == lag, offset
    reader = read(queue, group="g")
    eventually(lambda: rest.get(group_path(queue, "g")).ok()["members"] == 1)
    rest.put(group_path(queue, "g"), {"offset": "first"}).problem(409, "stop them")
    rest.delete(group_path(queue, "g")).problem(409, "stop them")
    reader.close()
    eventually(lambda: rest.delete(group_path(queue, "g")).status == 204)
    rest.get(group_path(queue, "g")).problem(404)
    assert rest.get(queue_path(queue) + "/groups").ok()["items"] == []


def test_a_group_is_the_readers_business(rest, member, name):
    owner, stranger, queue = member("owner"), member("stranger"), name("stream")
    owner.put(queue_path(queue), {"kind": "stream"}).ok(201)
    owner.put(group_path(queue, "g"), {"offset": "first"}).ok()
    for call in (lambda: stranger.get(queue_path(queue) + "/groups"), lambda: stranger.get(group_path(queue, "g")),
                 lambda: stranger.put(group_path(queue, "g"), {"offset": "first"}),
                 lambda: stranger.delete(group_path(queue, "g")),
                 lambda: stranger.post(queue_path(queue) + "/pull", {"group": "g"})):
        assert call().status in (403, 404)


@pytest.mark.parametrize("kind, wish, words", [
    ({}, {"group": "g"}, "no stream"),
    ({"kind": "stream", "partitions": 2}, {}, "name a group"),
    ({"kind": "stream"}, {"group": ""}, "1 to 255"),
    ({"kind": "stream"}, {"group": "g" * 256}, "1 to 255"),
    ({"kind": "stream"}, {"group": "a\u200b"}, "U+200B"),
])
def test_what_cannot_be_read_so_is_refused_with_a_reason(rest, name, kind, wish, words):
    queue = name("odd")
    rest.put(queue_path(queue), kind).ok(201)
    answer = rest.post(queue_path(queue) + "/pull", wish)
    assert answer.status in (409, 422) and words in answer.json["detail"], answer


def test_server_sent_events_and_grpc_read_in_groups_too(rest, stream, client):  # noqa: F811
    queue = stream(4)
    consumer = client.consumer(queue, group="g", stream_start=v1.StreamStart(anchor=v1.StreamStart.ANCHOR_FIRST), prefetch=10)
    taken = consumer.take(4)
    assert grpc_bodies(taken) == [b"0", b"1", b"2", b"3"]
    consumer.ack(*taken[:2])
    eventually(lambda: rest.get(group_path(queue, "g")).ok()["partitions"][0]["next_offset"] == 2)
    consumer.cancel()
    leases = client.pull(queue, group="h", max=2)
    assert leases == []
    source = EventSource(rest, queue_path(queue) + "/events", group="g")
    eventually(lambda: [int(message["body"]) for message in source.messages] == [2, 3])
    source.close()
