"""gRPC: messages in, out and settled, by grpcio and stubs made from `proto/`."""

import grpc
import pytest
from grpc_client import Client, bodies, failure, to_queue, to_topic, v1
from harness.waiting import eventually

pytestmark = pytest.mark.differs_on_rabbitmq("it has no gRPC")


@pytest.fixture
def client(broker):
    with grpc.insecure_channel(broker.http_url.removeprefix("http://")) as channel:
        yield Client(channel)


def test_a_message_is_pulled_as_it_was_published_and_settled(client, name):
    queue = name()
    client.make_queue(queue)
    message = v1.Message(
        body=b"\x00body", content_type="text/plain", correlation_id="c", reply_to="r", type="t", app_id="a",
        message_id="m", priority=3, timestamp_ms=1_700_000_000_000, ttl_ms=60_000,
        headers={"text": v1.Value(string_value="x"), "number": v1.Value(int64_value=-1), "none": v1.Value(),
                 "list": v1.Value(list_value=v1.ValueList(values=[v1.Value(bool_value=True)]))})
    [result] = client.Publish(v1.PublishRequest(address=to_queue(queue), messages=[message])).results
    assert result.status == v1.PUBLISH_STATUS_CONFIRMED
    assert [position.queue for position in result.positions] == [queue]
    [lease] = client.pull(queue)
    message.persistent = True
    assert lease.received.message == message
    assert lease.received.position == result.positions[0]
    assert (lease.received.routing_key, lease.received.topic) == (queue, "")
    assert not lease.received.redelivered
    outcomes = client.SettleLeases(v1.SettleLeasesRequest(acks=[lease.lease_id, "no-such"])).outcomes
    assert [outcome.status for outcome in outcomes] == [v1.LEASE_STATUS_SETTLED, v1.LEASE_STATUS_NOT_FOUND]
    [again] = client.SettleLeases(v1.SettleLeasesRequest(acks=[lease.lease_id])).outcomes
    assert again.status == v1.LEASE_STATUS_EXPIRED
    assert client.counts(queue) == (0, 0)


def test_a_lease_is_given_back_extended_and_given_up(client, name):
    queue, dead = name("work"), name("dead")
    client.make_queue(dead)
    settings = v1.QueueSettings(dead_letter_topic="", dead_letter_routing_key=dead)
    client.make_queue(queue, settings=settings)
    client.publish(queue, b"1", b"2", b"3")
    one, two, three = client.pull(queue, max=10)
    outcomes = client.SettleLeases(v1.SettleLeasesRequest(
        nacks=[v1.LeaseNack(lease_id=one.lease_id), v1.LeaseNack(lease_id=two.lease_id, dead_letter=True)],
        extensions=[v1.LeaseExtension(lease_id=three.lease_id, lease_ms=120_000)])).outcomes
    assert [outcome.status for outcome in outcomes] == [
        v1.LEASE_STATUS_SETTLED, v1.LEASE_STATUS_SETTLED, v1.LEASE_STATUS_EXTENDED]
    assert outcomes[2].expires_at_ms > three.expires_at_ms
    [back] = client.pull(queue, max=10)
    assert bodies([back]) == [b"1"] and back.received.redelivered
    assert bodies(client.pull(dead, wait_ms=10_000)) == [b"2"]


def test_a_pull_waits_for_a_message(client, name):
    queue = name()
    client.make_queue(queue)
    waiting = client._services[0].Pull.future(v1.PullRequest(queue=queue, wait_ms=30_000), metadata=client.metadata)
    client.publish(queue, b"late")
    assert bodies(waiting.result(30).leases) == [b"late"]


def test_a_message_is_kept_back_until_its_time(client, name):
    queue = name()
    client.make_queue(queue)
    client.publish(queue, b"later", deliver_after_ms=500)
    client.publish(queue, b"past", deliver_at_ms=1)
    assert bodies(client.pull(queue, max=2)) == [b"past"]
    [later] = client.pull(queue, wait_ms=10_000)
    assert bodies([later]) == [b"later"]
    assert later.received.message.WhichOneof("schedule") is None


def test_a_duplicate_is_confirmed_and_dropped(client, name):
    queue = name()
    client.make_queue(queue, settings=v1.QueueSettings(deduplication_window_ms=60_000))
    [first] = client.publish(queue, b"1", deduplication_id="once")
    [second] = client.publish(queue, b"2", deduplication_id="once")
    assert [result.status for result in (first, second)] == [v1.PUBLISH_STATUS_CONFIRMED] * 2
    assert [result.positions[0].is_duplicate for result in (first, second)] == [False, True]
    assert second.positions[0].sequence == first.positions[0].sequence
    [lease] = client.pull(queue, max=9)
    assert bodies([lease]) == [b"1"] and lease.received.message.deduplication_id == "once"
    assert not lease.received.message.headers


def test_a_batch_to_a_topic_says_which_messages_went_nowhere(client, name):
    queue, topic = name("queue"), name("topic")
    client.make_queue(queue)
    client.CreateTopic(v1.CreateTopicRequest(name=topic))
    client.Bind(v1.BindRequest(binding=v1.Binding(topic=topic, to_queue=queue, routing_key="a.*")))
    bindings = client.ListBindings(v1.ListBindingsRequest(topic=topic)).bindings
    assert [(each.to_queue, each.routing_key) for each in bindings] == [(queue, "a.*")]
    for key, status in [("a.b", v1.PUBLISH_STATUS_CONFIRMED), ("b.a", v1.PUBLISH_STATUS_UNROUTABLE)]:
        request = v1.PublishRequest(address=to_topic(topic, key), messages=[v1.Message(body=key.encode())])
        assert [result.status for result in client.Publish(request).results] == [status]
    [lease] = client.pull(queue, max=10)
    assert (lease.received.topic, lease.received.routing_key) == (topic, "a.b")
    client.Unbind(v1.UnbindRequest(binding=v1.Binding(topic=topic, to_queue=queue, routing_key="a.*")))
    assert not client.ListBindings(v1.ListBindingsRequest(topic=topic)).bindings


def test_ten_thousand_messages_are_published_without_waiting_and_each_is_confirmed(client, name):
    queue, count = name(), 10_000
    client.make_queue(queue)

    def requests():
        for number in range(count):
            address = to_queue(queue) if number == 0 else None
            yield v1.PublishStreamRequest(number=number, address=address, message=v1.Message(body=b"%d" % number))

    confirms = [confirm for response in client.PublishStream(requests(), timeout=120) for confirm in response.confirms]
    assert sorted(confirm.number for confirm in confirms) == list(range(count))
    assert {confirm.status for confirm in confirms} == {v1.PUBLISH_STATUS_CONFIRMED}
    sequences = {confirm.number: confirm.positions[0].sequence for confirm in confirms}
    assert sorted(sequences, key=sequences.get) == list(range(count)), "in the order in which they were sent"
    assert client.counts(queue) == (count, 0)


def test_a_stream_of_publishes_goes_on_behind_one_that_is_refused(client, name):
    queue = name()
    client.make_queue(queue)
    requests = [
        v1.PublishStreamRequest(number=1, address=to_queue(queue), message=v1.Message(body=b"1")),
        v1.PublishStreamRequest(number=2, message=v1.Message(priority=256)),
        v1.PublishStreamRequest(number=3, message=v1.Message(partition_key="k" * 256)),
        v1.PublishStreamRequest(number=4, address=to_queue(name("missing")), message=v1.Message(body=b"4")),
        v1.PublishStreamRequest(number=5, address=to_queue(queue), message=v1.Message(body=b"5")),
    ]
    confirms = {confirm.number: confirm for response in client.PublishStream(iter(requests))
                for confirm in response.confirms}
    statuses = [confirms[number].status for number in range(1, 6)]
    assert statuses == [v1.PUBLISH_STATUS_CONFIRMED, v1.PUBLISH_STATUS_REFUSED, v1.PUBLISH_STATUS_REFUSED,
                        v1.PUBLISH_STATUS_UNROUTABLE, v1.PUBLISH_STATUS_CONFIRMED]
    assert "priority" in confirms[2].detail
    assert bodies(client.pull(queue, max=10)) == [b"1", b"5"]


def test_a_consumer_gets_no_more_than_its_prefetch_until_it_acknowledges(client, name):
    queue = name()
    client.make_queue(queue)
    client.publish(queue, *(b"%d" % number for number in range(6)))
    consumer = client.consumer(queue, prefetch=2)
    assert consumer.started.consumer_tag
    one, two = consumer.take(2)
    assert (one.tag, two.tag) == (1, 2)
    eventually(lambda: client.counts(queue) == (4, 2))
    consumer.ack(one, two)
    three, four = consumer.take(2)
    assert bodies([one, two, three, four]) == [b"0", b"1", b"2", b"3"]
    consumer.send(nack=v1.ConsumeNack(tags=[three.tag]))
    [again] = consumer.take(1)
    assert bodies([again]) == [b"2"] and again.received.redelivered
    consumer.ack(four, again)
    five, six = consumer.take(2)
    consumer.ack(five, six)
    consumer.close()
    assert not list(consumer.call), "ends without an error"
    assert client.counts(queue) == (0, 0)


def test_a_consumer_gets_as_much_as_it_has_credit_for_and_holds_up_nothing_else(client, name):
    queue = name()
    client.make_queue(queue)
    client.publish(queue, b"1", b"2", b"3", b"4", b"5")
    consumer = client.consumer(queue, credit=2)
    assert bodies(consumer.take(2)) == [b"1", b"2"]
    eventually(lambda: client.counts(queue) == (3, 2))
    assert bodies(client.pull(queue)) == [b"3"], "no message waits for the consumer's credit"
    consumer.send(credit=v1.ConsumeCredit(deliveries=3))
    four, five = consumer.take(2)
    assert (four.tag, bodies([four, five])) == (3, [b"4", b"5"])
    client.publish(queue, b"6")
    assert bodies(consumer.take(1)) == [b"6"]
    consumer.cancel()
    eventually(lambda: client.counts(queue)[0] == 5)


def test_what_is_not_acknowledged_comes_again_when_the_stream_ends(client, name):
    queue = name()
    client.make_queue(queue)
    client.publish(queue, b"1", b"2")
    consumer = client.consumer(queue)
    one, two = consumer.take(2)
    consumer.ack(one)
    eventually(lambda: client.counts(queue) == (0, 1))
    consumer.cancel()
    [again] = client.pull(queue, wait_ms=10_000)
    assert bodies([again]) == bodies([two]) and again.received.redelivered


def test_a_message_comes_again_after_the_delay_of_its_nack(client, name):
    queue = name()
    client.make_queue(queue)
    client.publish(queue, b"1")
    consumer = client.consumer(queue)
    [one] = consumer.take(1)
    consumer.send(nack=v1.ConsumeNack(tags=[one.tag], delay_ms=300))
    eventually(lambda: client.counts(queue) == (0, 1))
    [again] = consumer.take(1)
    assert again.received.redelivered
    consumer.cancel()


def test_an_automatic_consumer_needs_no_acknowledgements(client, name):
    queue = name()
    client.make_queue(queue)
    client.publish(queue, *(b"%d" % number for number in range(300)))
    consumer = client.consumer(queue, ack_mode=v1.ACK_MODE_AUTOMATIC)
    consumer.close()
    assert len(consumer.take(300)) == 300
    eventually(lambda: client.counts(queue) == (0, 0))
    consumer.cancel()
    eventually(lambda: client.counts(queue) == (0, 0))


def test_a_consumer_is_told_that_its_queue_was_deleted(client, name):
    queue = name()
    client.make_queue(queue)
    consumer = client.consumer(queue)
    client.DeleteQueue(v1.DeleteQueueRequest(name=queue))
    [last] = list(consumer.call)
    assert last.cancelled.reason == v1.CANCEL_REASON_QUEUE_DELETED


def test_an_exclusive_consumer_is_alone(client, name):
    queue = name()
    client.make_queue(queue)
    consumer = client.consumer(queue, exclusive=True)
    refused = failure(lambda: client.Consume(iter([v1.ConsumeRequest(start=v1.ConsumeStart(queue=queue))])))
    assert (refused.code, refused.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "IN_USE")
    consumer.cancel()


def test_a_stream_is_read_from_any_place(client, name):
    stream = name()
    client.make_queue(stream, kind=v1.QUEUE_KIND_STREAM)

    def read(**fields):
        return list(client.ReadStream(v1.ReadStreamRequest(queue=stream, **fields)))

    def at(**start):
        return v1.StreamStart(**start)

    assert not read(stream_start=at(anchor=v1.StreamStart.ANCHOR_FIRST)), "an empty one ends at once"
    results = client.publish(stream, *(b"%d" % number for number in range(1_000)))
    assert [result.positions[0].offset for result in results] == list(range(1_000))
    everything = read(stream_start=at(anchor=v1.StreamStart.ANCHOR_FIRST))
    assert bodies(everything) == [b"%d" % number for number in range(1_000)]
    assert [each.received.position.offset for each in everything] == list(range(1_000))
    assert bodies(read(stream_start=at(offset=997))) == [b"997", b"998", b"999"]
    assert bodies(read(stream_start=at(offset=5), max=2)) == [b"5", b"6"]
    assert bodies(read(stream_start=at(anchor=v1.StreamStart.ANCHOR_LAST))) == [b"999"]
    assert len(read(stream_start=at(timestamp_ms=0))) == 1_000
    assert not read(), "nothing is behind the end"
    assert not read(stream_start=at(offset=5_000))
    follower = client.ReadStream(v1.ReadStreamRequest(queue=stream, stream_start=at(offset=999), follow=True))
    assert bodies([next(follower)]) == [b"999"]
    client.publish(stream, b"1000")
    assert bodies([next(follower)]) == [b"1000"]
    follower.cancel()


def test_a_stream_is_consumed_by_prefetch_and_by_credit(client, name):
    stream = name()
    client.make_queue(stream, kind=v1.QUEUE_KIND_STREAM)
    client.publish(stream, *(b"%d" % number for number in range(5)))
    first = v1.StreamStart(anchor=v1.StreamStart.ANCHOR_FIRST)
    by_prefetch = client.consumer(stream, prefetch=2, stream_start=first)
    one, two = by_prefetch.take(2)
    by_prefetch.ack(one, two)
    assert bodies([one, two, *by_prefetch.take(2)]) == [b"0", b"1", b"2", b"3"]
    by_prefetch.cancel()
    by_credit = client.consumer(stream, credit=2, stream_start=first)
    by_credit.send(credit=v1.ConsumeCredit(deliveries=4))
    deliveries = by_credit.take(5)
    assert bodies(deliveries) == [b"%d" % number for number in range(5)]
    by_credit.ack(*deliveries)
    client.publish(stream, b"5")
    assert bodies(by_credit.take(1)) == [b"5"]
    by_credit.cancel()


def test_queues_are_made_found_listed_renamed_emptied_and_deleted(client, name):
    queue, other = name("one"), name("two")
    settings = v1.QueueSettings(message_ttl_ms=60_000, length_max=5, overflow=v1.OVERFLOW_REJECT_PUBLISH,
                                arguments={"x-own": v1.Value(string_value="kept")})
    made = client.CreateQueue(v1.CreateQueueRequest(name=queue, settings=settings))
    assert made.is_new and made.queue.settings == settings and made.queue.durable and made.queue.owner == "guest"
    assert not client.CreateQueue(v1.CreateQueueRequest(name=queue, settings=settings)).is_new
    differs = failure(lambda: client.make_queue(queue))
    assert (differs.code, differs.reason) == (grpc.StatusCode.ALREADY_EXISTS, "ALREADY_EXISTS")
    client.publish(queue, b"1", b"2")
    full = client.publish(queue, *[b"x"] * 4)
    assert [result.status for result in full] == [v1.PUBLISH_STATUS_CONFIRMED] * 3 + [v1.PUBLISH_STATUS_REJECTED]
    renamed = client.UpdateQueue(v1.UpdateQueueRequest(name=queue, new_name=other)).queue
    assert (renamed.name, renamed.messages_ready) == (other, 5)
    assert failure(lambda: client.counts(queue)).reason == "QUEUE_NOT_FOUND"
    client.make_queue(queue)
    taken = failure(lambda: client.UpdateQueue(v1.UpdateQueueRequest(name=queue, new_name=other)))
    assert taken.code == grpc.StatusCode.ALREADY_EXISTS
    assert client.PurgeQueue(v1.PurgeQueueRequest(name=other)).messages_purged == 5
    kept = failure(lambda: client.DeleteTopic(v1.DeleteTopicRequest(name=name("no-topic"))))
    assert (kept.code, kept.reason) == (grpc.StatusCode.NOT_FOUND, "TOPIC_NOT_FOUND")
    client.publish(other, b"1")
    kept = failure(lambda: client.DeleteQueue(v1.DeleteQueueRequest(name=other, if_empty=True)))
    assert kept.code == grpc.StatusCode.FAILED_PRECONDITION
    assert client.DeleteQueue(v1.DeleteQueueRequest(name=other)).messages_deleted == 1


def test_lists_come_in_pages(client, name):
    prefix = name("pages")
    queues = [f"{prefix}.{number}" for number in range(5)]
    for queue in queues:
        client.make_queue(queue)
    found, token, pages = [], "", 0
    while True:
        page = client.ListQueues(v1.ListQueuesRequest(page_size=2, page_token=token, name_contains=prefix))
        found += [queue.name for queue in page.queues]
        token, pages = page.next_page_token, pages + 1
        if not token:
            break
    assert (found, pages) == (queues, 3)
    topics = client.ListTopics(v1.ListTopicsRequest(name_contains="amq.")).topics
    assert "amq.topic" in [topic.name for topic in topics]
