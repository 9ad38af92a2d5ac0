"""gRPC: requests with replies, and subscriptions to topics."""

import threading

import grpc
import pytest
from grpc_client import Client, failure, to_queue, to_topic, v1
from harness.waiting import eventually

pytestmark = pytest.mark.differs_on_rabbitmq("it has no gRPC")

CODE = grpc.StatusCode


@pytest.fixture
def client(broker):
    with grpc.insecure_channel(broker.http_url.removeprefix("http://")) as channel:
        yield Client(channel)


def ask(client, queue, message=None, **fields):
    return client.RequestReply(v1.RequestReplyRequest(queue=queue, message=message, **fields))


def publish(client, topic, key, body):
    request = v1.PublishRequest(address=to_topic(topic, key), messages=[v1.Message(body=body)])
    [result] = client.Publish(request).results
    return result.status


@pytest.fixture
def worker(client):
    """Answers the requests of a queue, each with its body in capitals."""
    threads = []

    def starter(queue):
        consumer = client.consumer(queue)

        def work():
            for event in consumer.call:
                asked = event.delivery.received.message
                reply = v1.Message(body=asked.body.upper(), correlation_id=asked.correlation_id)
                client.Publish(v1.PublishRequest(address=to_queue(asked.reply_to), messages=[reply]))
                consumer.ack(event.delivery)

        def run():
            try:
                work()
            except grpc.RpcError as error:
                assert error.code() == CODE.CANCELLED

        threads.append((consumer, threading.Thread(target=run)))
        threads[-1][1].start()

    yield starter
    for consumer, thread in threads:
        consumer.cancel()
        thread.join()


def test_a_request_gets_the_workers_reply(client, worker, name):
    queue = name()
    client.make_queue(queue)
    worker(queue)
    reply = ask(client, queue, v1.Message(body=b"hello", correlation_id="mine"), fail_without_worker=True).reply
    assert reply.message.body == b"HELLO"
    assert reply.message.correlation_id == "mine"
    assert not reply.HasField("position")
    assert ask(client, queue, v1.Message(body=b"again")).reply.message.body == b"AGAIN"


def test_a_request_that_nobody_takes_is_removed(client, name):
    queue = name()
    client.make_queue(queue)
    late = failure(lambda: ask(client, queue, v1.Message(body=b"1"), wait_ms=200))
    assert (late.code, late.reason) == (CODE.DEADLINE_EXCEEDED, "NO_REPLY")
    eventually(lambda: client.counts(queue) == (0, 0))


def test_a_request_without_a_worker_or_a_queue_fails_at_once(client, name):
    queue = name()
    client.make_queue(queue)
    alone = failure(lambda: ask(client, queue, fail_without_worker=True))
    assert (alone.code, alone.reason) == (CODE.FAILED_PRECONDITION, "NO_WORKER")
    for options in [{}, {"fail_without_worker": True}]:
        missing = failure(lambda: ask(client, name("missing"), **options))
        assert (missing.code, missing.reason) == (CODE.NOT_FOUND, "QUEUE_NOT_FOUND")
    wrong = failure(lambda: ask(client, queue, v1.Message(reply_to="mine")))
    assert wrong.detail("BadRequest").field_violations[0].field == "message.reply_to"


def test_a_subscriber_gets_what_matches_from_now_on_and_goes_on_where_it_ended(client, name):
    topic = name()
    client.CreateTopic(v1.CreateTopicRequest(name=topic))
    publish(client, topic, "a.1", b"before")
    request = v1.SubscribeRequest(topic=topic, patterns=["a.*", "*.1"])
    first = client.Subscribe(request)
    started = next(first)
    assert started.HasField("started") and not started.started.resumed
    for key, body in [("a.1", b"1"), ("b.2", b"no"), ("b.1", b"2"), ("a.2", b"3")]:
        publish(client, topic, key, body)
    one, two = next(first), next(first)
    assert [one.received.message.body, two.received.message.body] == [b"1", b"2"], "each once"
    assert (one.received.topic, one.received.routing_key) == (topic, "a.1")
    first.cancel()
    publish(client, topic, "a.3", b"4")
    again = client.Subscribe(v1.SubscribeRequest(topic=topic, resume_token=two.resume_token))
    assert next(again).started.resumed
    assert [next(again).received.message.body for _ in range(2)] == [b"3", b"4"]
    again.cancel()
    from_start = client.Subscribe(v1.SubscribeRequest(topic=topic, resume_token=started.resume_token))
    next(from_start)
    assert next(from_start).received.message.body == b"1"
    from_start.cancel()


def test_a_subscriber_without_patterns_gets_everything(client, name):
    for kind in [v1.TOPIC_KIND_TOPIC, v1.TOPIC_KIND_FANOUT, v1.TOPIC_KIND_HEADERS]:
        topic = name(v1.TopicKind.Name(kind))
        client.CreateTopic(v1.CreateTopicRequest(name=topic, kind=kind))
        events = client.Subscribe(v1.SubscribeRequest(topic=topic))
        next(events)
        publish(client, topic, "any.key", b"1")
        assert next(events).received.message.body == b"1"
        events.cancel()


def test_a_subscription_that_cannot_be_says_why(client, name):
    direct, shares = name("direct"), name("shares")
    client.CreateTopic(v1.CreateTopicRequest(name=direct, kind=v1.TOPIC_KIND_DIRECT))
    client.CreateTopic(v1.CreateTopicRequest(name=shares, kind=v1.TOPIC_KIND_CONSISTENT_HASH))
    table = [
        (v1.SubscribeRequest(topic=name("missing")), CODE.NOT_FOUND, "TOPIC_NOT_FOUND"),
        (v1.SubscribeRequest(topic=direct), CODE.INVALID_ARGUMENT, "INVALID"),
        (v1.SubscribeRequest(topic=shares), CODE.FAILED_PRECONDITION, "TOPIC_SHARES_OUT"),
        (v1.SubscribeRequest(topic=direct, resume_token="?"), CODE.INVALID_ARGUMENT, "INVALID"),
        (v1.SubscribeRequest(topic=direct, resume_token="reader.gone.7"), CODE.OUT_OF_RANGE, "TOO_LONG_AGO"),
    ]
    for request, code, reason in table:
        found = failure(lambda request=request: client.Subscribe(request))
        assert (found.code, found.reason) == (code, reason)
