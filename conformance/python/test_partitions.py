"""Partitioned queues: order per key through every door, partitions shared out among consumers, and their number raised."""

import collections
import threading

import pika
import pytest

from grpc_client import bodies as grpc_bodies
from grpc_client import v1
from harness.waiting import eventually
from rest import PASSWORD, REST_ONLY, Rest, bodies, lease_path, queue_path, topic_path
from test_grpc import client as client  # noqa: F401
from test_rest_websocket import Reader

pytestmark = REST_ONLY


@pytest.fixture
def split(rest, name):
    """Makes a partitioned queue."""
    def make(partitions=4, **wish):
        queue = name("split")
        made = rest.put(queue_path(queue), {"kind": "partitioned", "partitions": partitions, **wish}).ok(201)
        assert (made["kind"], made["partitions"]) == ("partitioned", partitions)
        return queue
    return make


@pytest.fixture
def read(rest):
    """Opens WebSocket readers."""
    opened = []

    def opener(queue, **query):
        opened.append(Reader(rest, queue, **query))
        return opened[-1]

    yield opener
    for reader in opened:
        reader.close()


def place(rest, queue, key=None, body="0"):
    """Publishes and says into which partition."""
    attributes = {} if key is None else {"partition_key": key}
    published = rest.post(queue_path(queue) + "/messages", body=body.encode(), **attributes).ok(201)
    position = published["positions"][0]
    assert position["queue"] == queue
    return position["partition"]


def fill(rest, queue, keys, rounds, first=0):
    """Publishes rounds of messages, one for each key in each round."""
    for number in range(first, first + rounds):
        messages = [{"body": str(number), "partition_key": key} for key in keys]
        results = rest.post(queue_path(queue) + "/messages/batch", {"messages": messages}).ok()["results"]
        assert {result["outcome"] for result in results} == {"stored"}


class Work(threading.Thread):
    """A member that acknowledges whatever it gets, and notes it by key."""

    def __init__(self, reader, log):
        super().__init__(daemon=True)
        self.reader, self.log, self.partitions = reader, log, set()
        self.start()

    def run(self):
        try:
            while True:
                word = self.reader.hear()
                self.partitions.add(word["partition"])
                self.log.append((word["headers"]["x-partition-key"], int(word["body"])))
                self.reader.say("ack", tags=[word["tag"]])
        except Exception:  # noqa: BLE001 - whatever ends the socket ends the work
            return


def orders(log):
    by_key = collections.defaultdict(list)
    for key, number in list(log):
        by_key[key].append(number)
    return by_key


def test_messages_with_a_key_share_a_partition_and_others_are_spread(rest, split):
    queue = split(4)
    for key in ("ana", "ben", "cleo"):
        assert len({place(rest, queue, key) for _ in range(10)}) == 1
    assert sorted(place(rest, queue) for _ in range(8)) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert rest.ready(queue) == 38
    assert len({place(rest, queue, f"key {number}") for number in range(64)}) == 4


def test_members_share_the_partitions_evenly_and_take_over_from_who_goes(rest, split, read):
    queue, log = split(4), []
    fill(rest, queue, [f"k{number}" for number in range(32)], 1)
    first = Work(read(queue), log)
    eventually(lambda: len(log) == 32)
    assert first.partitions == {0, 1, 2, 3}
    second = Work(read(queue), log)
    first.partitions.clear()
    eventually(lambda: rest.show(queue)["consumers"] == 4)

    def is_even():
        fill(rest, queue, [f"k{number}" for number in range(32)], 1, first=len(log))
        return eventually(lambda: rest.ready(queue) == 0) or (len(first.partitions), len(second.partitions)) == (2, 2)

    eventually(lambda: [first.partitions.clear(), second.partitions.clear(), is_even(),
                        (len(first.partitions), len(second.partitions))][-1] == (2, 2))
    first.reader.close()
    second.partitions.clear()
    fill(rest, queue, [f"k{number}" for number in range(32)], 1, first=1_000_000)
    eventually(lambda: second.partitions == {0, 1, 2, 3})


def test_the_order_of_a_key_holds_while_members_come_and_go(rest, split, read):
    queue, log, keys = split(6), [], [f"k{number}" for number in range(12)]
    readers = [read(queue, prefetch=12)]
    Work(readers[0], log)
    for turn in range(8):
        fill(rest, queue, keys, 5, first=turn * 5)
        if turn % 2 == 0:
            readers.append(read(queue, prefetch=12))
            Work(readers[-1], log)
        elif turn == 5:
            readers[1].close()
    eventually(lambda: {key: numbers[-1:] for key, numbers in orders(log).items()} == {key: [39] for key in keys},
               within=30)
    for key, numbers in orders(log).items():
        # What a member that went had not acknowledged comes again, and nothing before it.
        seen = list(dict.fromkeys(numbers))
        assert seen == list(range(40)), (key, numbers)


def test_a_pull_keeps_others_from_its_partitions_until_it_settled(rest, split):
    queue = split(3)
    for number in range(3):
        for key in ("a", "b", "c", "d", "e", "f"):
            place(rest, queue, key, f"{key}{number}")
    one = rest.pull(queue)[0]
    others = rest.pull(queue, max=100)
    assert others and one["partition"] not in {message["partition"] for message in others}
    assert rest.pull(queue, max=100) == []
    rest.delete(lease_path(one)).ok(204)
    freed = rest.pull(queue, max=100)
    assert {message["partition"] for message in freed} == {one["partition"]} and len(freed) >= 2
    rest.post(lease_path(freed[0], "/nack"), {}).ok(204)
    assert rest.pull(queue) == [], "the others of it are still out"
    rest.settle(ack=[message["lease"] for message in freed[1:]])
    assert rest.take(queue)["body"] == freed[0]["body"]


def test_a_pull_waits_for_a_message_in_any_partition_and_for_one_that_is_freed(rest, split):
    queue, got = split(4), []
    held = [place(rest, queue, "a", "1"), rest.take(queue)][1]
    place(rest, queue, "a", "2")

    def wait():
        got.extend(rest.pull(queue, wait_ms=20_000))

    waiting = threading.Thread(target=wait)
    waiting.start()
    rest.delete(lease_path(held)).ok(204)
    waiting.join(10)
    assert bodies(got) == ["2"]
    rest.delete(lease_path(got.pop())).ok(204)
    waiting = threading.Thread(target=wait)
    waiting.start()
    place(rest, queue, "some key", "3")
    waiting.join(10)
    assert bodies(got) == ["3"]


@pytest.mark.parametrize("auto_ack", [False, True])
def test_pulls_that_wait_lose_nothing_that_comes_to_many_partitions_at_once(rest, split, auto_ack):
    queue, got, batches = split(8), [], 12
    keys = [f"k{number}" for number in range(32)]
    over = threading.Event()

    def work():
        while not over.is_set():
            messages = rest.pull(queue, max=5, wait_ms=500, auto_ack=auto_ack)
            got.extend((message["headers"]["x-partition-key"], int(message["body"])) for message in messages)
            if not auto_ack and messages:
                rest.settle(ack=[message["lease"] for message in messages])

    workers = [threading.Thread(target=work) for _ in range(3)]
    for each in workers:
        each.start()
    for number in range(batches):
        fill(rest, queue, keys, 1, first=number)
    eventually(lambda: len(got) >= batches * len(keys), within=30)
    over.set()
    for each in workers:
        each.join(10)
    assert sorted(got) == sorted((key, number) for key in keys for number in range(batches))
    shown = rest.show(queue)
    assert (shown["messages_ready"], shown["messages_unacknowledged"]) == (0, 0)


def test_a_pull_that_waits_is_told_when_the_queue_goes(rest, split):
    queue, answers = split(4), []
    thread = threading.Thread(target=lambda: answers.append(rest.post(queue_path(queue) + "/pull", {"wait_ms": 20_000})))
    thread.start()
    eventually(lambda: rest.show(queue)["consumers"] == 4)
    rest.delete(queue_path(queue)).ok()
    thread.join(10)
    assert answers and answers[0].status == 404, answers


def test_a_lease_that_ends_frees_the_partition_with_its_message_first(rest, split):
    queue = split(2)
    for text in "123":
        place(rest, queue, "key", text)
    assert bodies(rest.pull(queue, max=2, lease_ms=300)) == ["1", "2"]
    again = rest.pull(queue, max=3, wait_ms=5_000)
    assert bodies(again) == ["1", "2", "3"] and again[0]["redelivered"]


def test_more_partitions_take_some_keys_and_readers_get_them(rest, split, read):
    queue, keys = split(2), [f"key {number}" for number in range(40)]
    before = {key: place(rest, queue, key) for key in keys}
    assert rest.patch(queue_path(queue), {"partitions": 4}).ok()["partitions"] == 4
    after = {key: place(rest, queue, key) for key in keys}
    moved = [key for key in keys if before[key] != after[key]]
    assert moved and all(after[key] in (2, 3) for key in moved)
    log = []
    worker = Work(read(queue), log)
    eventually(lambda: len(log) == 80 and worker.partitions == {0, 1, 2, 3})
    rest.patch(queue_path(queue), {"partitions": 3}).problem(409, "4 partitions")
    rest.patch(queue_path(queue), {"partitions": 5}).ok()
    fill(rest, queue, [f"new {number}" for number in range(40)], 1)
    eventually(lambda: 4 in worker.partitions)


def test_what_is_confirmed_and_its_partitions_survive_a_kill(rest, broker, split):
    queue, keys = split(3), [f"k{number}" for number in range(9)]
    at = {key: place(rest, queue, key, key) for key in keys}
    rest.patch(queue_path(queue), {"partitions": 5}).ok()
    broker.kill()
    broker.start()
    assert (rest.show(queue)["partitions"], rest.ready(queue)) == (5, 9)
    found = {message["body"]: message["partition"] for message in rest.pull(queue, max=100)}
    assert found == at


def test_amqp_publishes_by_a_header_and_consumes_from_partitions(rest, split, channel):
    queue = split(2)
    channel.confirm_delivery()
    at = {key: place(rest, queue, key) for key in ("a", "b", "c", "d")}
    for key in at:
        properties = pika.BasicProperties(headers={"x-partition-key": key}, delivery_mode=2)
        channel.basic_publish("", queue, key.encode(), properties, mandatory=True)
    for index in (0, 1):
        got = []
        while (found := channel.basic_get(f"{queue}-{index}", auto_ack=True))[0] is not None:
            got.append(found[2])
        assert set(got) - {b"0"} == {key.encode() for key in at if at[key] == index}


@pytest.mark.parametrize("verb", ["consume", "get", "purge", "delete a partition", "declare a partition's number"])
def test_amqp_is_told_what_a_partitioned_queue_cannot_do(split, channel, verb):
    queue = split(2)
    with pytest.raises(pika.exceptions.ChannelClosedByBroker) as caught:
        match verb:
            case "consume":
                channel.basic_consume(queue, print)
            case "get":
                channel.basic_get(queue)
            case "purge":
                channel.queue_purge(queue)
            case "delete a partition":
                channel.queue_delete(queue + "-1")
            case _:
                channel.queue_declare(queue + ".x", durable=True, arguments={"x-partition-of": 1, "x-partition": 0})
    assert caught.value.reply_code == 406
    assert "partition" in caught.value.reply_text


def test_a_topic_leads_to_a_partitioned_queue_and_keeps_the_order_of_keys(rest, split, name):
    queue, topic = split(4), name("topic")
    rest.put(topic_path(topic)).ok(201)
    rest.post(topic_path(topic) + "/bindings", {"queue": queue, "pattern": "#"})
    for number in range(5):
        published = rest.post(topic_path(topic) + "/messages", body=str(number).encode(), routing_key="a.b",
                              partition_key="one").ok()
        assert published["positions"][0]["queue"] == queue
    taken = rest.pull(queue, max=10)
    assert bodies(taken) == list("01234") and len({message["partition"] for message in taken}) == 1


def test_rights_on_a_partitioned_queue_are_rights_on_its_partitions(rest, member, name, connect):
    owner, reader, writer, stranger = (member(label) for label in ("owner", "reader", "writer", "stranger"))
    queue = name("owned")
    owner.put(queue_path(queue), {"kind": "partitioned", "partitions": 2}).ok(201)
    for grantee, rights in ((reader, {"read": True}), (writer, {"write": True})):
        owner.put(f"{queue_path(queue)}/grants/{grantee.login}", rights).ok(204)
    place(writer, queue, "key", "hello")
    for who in (reader, stranger):
        who.post(queue_path(queue) + "/messages", body=b"no").problem(403)
    for who in (writer, stranger):
        who.post(queue_path(queue) + "/pull", {}).problem(403)
        who.post(queue_path(queue + "-0") + "/pull", {}).problem(403)
    for who in (reader, writer, stranger):
        who.patch(queue_path(queue), {"partitions": 3}).problem(403)
    channel = connect(reader.login, PASSWORD).channel()
    found = [channel.basic_get(f"{queue}-{index}")[2] for index in (0, 1)]
    assert sorted(found, key=str) == [None, b"hello"] or b"hello" in found
    channel.connection.close()
    key = owner.post(queue_path(queue) + "/keys", {"read": True}).ok(201)["secret"]
    holder = Rest(rest.broker, authorization=f"Bearer {key}")
    eventually(lambda: bodies(holder.pull(queue)) == ["hello"])
    holder.post(queue_path(queue) + "/messages", body=b"no").problem(403)


def test_a_rename_takes_the_partitions_along(rest, split, name):
    queue, new = split(3), name("renamed")
    at = place(rest, queue, "key", "kept")
    assert rest.patch(queue_path(queue), {"name": new}).ok()["partitions"] == 3
    rest.get(queue_path(queue)).problem(404)
    rest.patch(queue_path(new + "-1"), {"name": name("alone")}).problem(409, "partition")
    assert place(rest, new, "key", "next") == at
    assert bodies(rest.pull(new, max=5)) == ["kept", "next"]
    assert rest.get("/v1/queues", name=new).ok()["items"][0]["messages_unacknowledged"] == 2


def test_a_partitioned_queue_is_one_queue_in_the_list_and_goes_as_one(rest, split):
    queue = split(3)
    place(rest, queue, "key")
    listed = rest.get("/v1/queues", name=queue).ok()["items"]
    assert [(one["name"], one["messages_ready"]) for one in listed] == [(queue, 1)]
    rest.delete(queue_path(queue), if_empty=True).problem(409)
    assert rest.delete(queue_path(queue)).ok() == {"messages": 1}
    eventually(lambda: rest.get(queue_path(queue + "-0")).status == 404)
    rest.put(queue_path(queue), {"kind": "partitioned", "partitions": 2}).ok(201)
    assert rest.ready(queue) == 0


def test_readers_are_told_when_the_queue_goes(rest, split, read):
    queue = split(2)
    readers = [read(queue) for _ in range(3)]
    eventually(lambda: rest.show(queue)["consumers"] == 2)
    rest.delete(queue_path(queue)).ok()
    for reader in readers:
        assert reader.end()[0] == 1001


def test_purging_empties_every_partition(rest, split):
    queue = split(3)
    for _ in range(6):
        place(rest, queue)
    assert rest.post(queue_path(queue) + "/purge").ok() == {"messages": 6}
    assert rest.ready(queue) == 0


@pytest.mark.parametrize("wish, words", [
    ({"kind": "partitioned"}, "partitions"),
    ({"kind": "partitioned", "partitions": 0}, "from 1 to 1024"),
    ({"kind": "partitioned", "partitions": 1025}, "from 1 to 1024"),
    ({"kind": "queue", "partitions": 2}, "only the kinds"),
    ({"kind": "partitioned", "partitions": 2, "auto_delete": True}, "durable"),
    ({"kind": "partitioned", "partitions": 2, "settings": {"expires_ms": 1000}}, "x-expires"),
])
def test_what_cannot_be_is_refused_with_a_reason(rest, name, wish, words):
    answer = rest.put(queue_path(name("odd")), wish)
    assert answer.status in (400, 409, 422), answer
    assert words in answer.json["detail"], answer


def test_a_partition_whose_name_is_taken_is_refused_and_nothing_is_made(rest, name):
    queue = name("taken")
    rest.make(queue + "-1")
    rest.put(queue_path(queue), {"kind": "partitioned", "partitions": 2}).problem(409, queue + "-1")
    rest.get(queue_path(queue)).problem(404)
    rest.get(queue_path(queue + "-0")).problem(404)


def test_grpc_makes_fills_raises_and_consumes_one(client, name):  # noqa: F811
    queue = name("grpc")
    settings = v1.QueueSettings(partitions=3)
    made = client.make_queue(queue, settings=settings)
    assert made.settings.partitions == 3
    results = client.publish(queue, b"1", b"2", b"3", partition_key="k")
    assert len({result.positions[0].partition for result in results}) == 1
    consumer = client.consumer(queue, prefetch=10)
    taken = consumer.take(3)
    assert grpc_bodies(taken) == [b"1", b"2", b"3"]
    assert {delivery.received.message.partition_key for delivery in taken} == {"k"}
    consumer.ack(*taken)
    updated = client.UpdateQueue(v1.UpdateQueueRequest(name=queue, partitions=6)).queue
    assert updated.settings.partitions == 6
    client.publish(queue, *(str(number).encode() for number in range(12)))
    assert len(consumer.take(12)) == 12
    consumer.cancel()
    by_credit = client.consumer(queue, credit=2)
    assert len(by_credit.take(2)) == 2
    by_credit.cancel()
