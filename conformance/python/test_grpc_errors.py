"""gRPC: who may call, what errors say, and what a hostile client gets."""

import socket
import threading

import grpc
import pytest
from grpc_client import PATIENCE, Client, basic, bodies, failure, to_queue, v1
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import ConnectionTerminated, ResponseReceived, StreamEnded, StreamReset, TrailersReceived
from harness.brokers import Chaski
from harness.raw import RawConnection
from harness.waiting import eventually

pytestmark = pytest.mark.differs_on_rabbitmq("it has no gRPC")

CODE = grpc.StatusCode
PUBLISH = "/chaski.v1.MessageService/Publish"


@pytest.fixture
def address(broker):
    return broker.http_url.removeprefix("http://")


@pytest.fixture
def channel(address):
    with grpc.insecure_channel(address) as opened:
        yield opened


@pytest.fixture
def client(channel):
    return Client(channel)


def test_what_is_missing_is_named(client, name):
    missing = name("missing")
    calls = [
        lambda: client.publish(missing, b"1"),
        lambda: client.pull(missing),
        lambda: client.counts(missing),
        lambda: client.DeleteQueue(v1.DeleteQueueRequest(name=missing)),
        lambda: client.ReadStream(v1.ReadStreamRequest(queue=missing)),
        lambda: client.Consume(iter([v1.ConsumeRequest(start=v1.ConsumeStart(queue=missing))])),
    ]
    for call in calls:
        found = failure(call)
        assert (found.code, found.reason) == (CODE.NOT_FOUND, "QUEUE_NOT_FOUND")
        assert found.detail("ErrorInfo").metadata["queue"] == missing
        assert missing in found.message


def test_a_caller_without_the_right_is_refused(channel, client, user, name):
    queue = name()
    client.make_queue(queue)
    reader = Client(channel, user("^$", "^$", ".*"), "secret")
    refused = failure(lambda: reader.publish(queue, b"1"))
    assert (refused.code, refused.reason) == (CODE.PERMISSION_DENIED, "ACCESS_REFUSED")
    writer = Client(channel, user("^$", ".*", "^$"), "secret")
    assert writer.publish(queue, b"1")[0].status == v1.PUBLISH_STATUS_CONFIRMED
    for call in [lambda: writer.pull(queue), lambda: writer.PurgeQueue(v1.PurgeQueueRequest(name=queue)),
                 lambda: writer.Consume(iter([v1.ConsumeRequest(start=v1.ConsumeStart(queue=queue))]))]:
        assert failure(call).code == CODE.PERMISSION_DENIED
    stranger = Client(channel, user("^$", "^$", "^$"), "secret")
    assert failure(lambda: stranger.counts(queue)).reason == "QUEUE_NOT_FOUND"


def test_nobody_calls_without_a_login(channel, client):
    stub = v1.QueueServiceStub(channel)
    call = lambda metadata: failure(lambda: stub.ListQueues(v1.ListQueuesRequest(), timeout=PATIENCE, metadata=metadata))
    table = [
        ([], "CREDENTIALS_MISSING"),
        (basic("guest", "wrong"), "CREDENTIALS_WRONG"),
        (basic("nobody", "guest"), "CREDENTIALS_WRONG"),
        ([("authorization", "Basic %%%")], "CREDENTIALS_MALFORMED"),
        ([("authorization", "Basic Z3Vlc3Q=")], "CREDENTIALS_MALFORMED"),
        ([("authorization", "Bearer cht_nothing")], "TOKEN_WRONG"),
        ([("authorization", "Bearer chk_nothing")], "TOKEN_WRONG"),
    ]
    for metadata, reason in table:
        found = call(metadata)
        assert (found.code, found.reason) == (CODE.UNAUTHENTICATED, reason)


def test_streams_end_when_the_account_goes(channel, client, ctl, user, name):
    queue = name()
    client.make_queue(queue)
    login = user(".*", ".*", ".*")
    consumer = Client(channel, login, "secret").consumer(queue)
    client.publish(queue, b"1")
    consumer.take(1)
    ctl.user_delete(login)
    ended = failure(lambda: consumer.call)
    assert (ended.code, ended.reason) == (CODE.UNAUTHENTICATED, "ACCESS_REVOKED")
    assert bodies(client.pull(queue, wait_ms=10_000)) == [b"1"]


def test_a_field_that_cannot_be_is_named(client, name):
    queue = name()
    client.make_queue(queue)

    def consume(*requests):
        return lambda: client.Consume(iter(requests))

    start = v1.ConsumeRequest(start=v1.ConsumeStart(queue=queue))
    table = [
        (lambda: client.publish(queue, b"", b"", priority=256), "messages[0].priority"),
        (lambda: client.publish(queue, b"", app_id="a" * 256), "messages[0].app_id"),
        (lambda: client.publish(queue, b"", deduplication_id="a" * 129), "messages[0].deduplication_id"),
        (lambda: client.publish(queue), "messages"),
        (lambda: client.publish(queue, *[b""] * 1_001), "messages"),
        (lambda: client.Publish(v1.PublishRequest(messages=[v1.Message()])), "address"),
        (lambda: client.pull(queue, max=1_001), "max"),
        (lambda: client.pull(queue, wait_ms=60_001), "wait_ms"),
        (lambda: client.pull(queue, lease_ms=43_200_001), "lease_ms"),
        (lambda: client.make_queue(""), "name"),
        (lambda: client.make_queue("a\nb"), "name"),
        (lambda: client.make_queue("ü" * 128), "name"),
        (lambda: client.UpdateQueue(v1.UpdateQueueRequest(name=queue, new_name="a\rb")), "new_name"),
        (lambda: client.CreateTopic(v1.CreateTopicRequest(name="a" * 256)), "name"),
        (lambda: client.CreateTopic(v1.CreateTopicRequest(name="a\nb")), "name"),
        (lambda: client.make_queue(name(), settings=v1.QueueSettings(priority_max=256)), "settings"),
        (lambda: client.make_queue(name(), settings=v1.QueueSettings(
            arguments={"x-max-length": v1.Value(int64_value=1)})), "settings.arguments"),
        (lambda: client.ListQueues(v1.ListQueuesRequest(page_size=1_001)), "page_size"),
        (lambda: client.ListQueues(v1.ListQueuesRequest(page_token="?")), "page_token"),
        (lambda: client.Bind(v1.BindRequest(binding=v1.Binding(topic="amq.topic"))), "binding.destination"),
        (consume(v1.ConsumeRequest(credit=v1.ConsumeCredit(deliveries=1))), "start"),
        (consume(start, start), "start"),
        (consume(start, v1.ConsumeRequest()), "action"),
        (consume(start, v1.ConsumeRequest(credit=v1.ConsumeCredit(deliveries=1))), "credit"),
        (consume(start, v1.ConsumeRequest(ack=v1.ConsumeAck())), "tags"),
        (consume(v1.ConsumeRequest(start=v1.ConsumeStart(queue=queue, prefetch=65_536))), "prefetch"),
    ]
    for call, field in table:
        found = failure(call)
        violations = found.detail("BadRequest").field_violations
        assert (found.code, [each.field for each in violations]) == (CODE.INVALID_ARGUMENT, [field])
    unknown = failure(consume(start, v1.ConsumeRequest(ack=v1.ConsumeAck(tags=[7]))))
    assert (unknown.code, unknown.reason) == (CODE.FAILED_PRECONDITION, "TAG_UNKNOWN")


def test_what_is_not_there_yet_is_not_passed_over(client, name):
    queue = name()
    client.make_queue(queue)
    for wish in ({"exclusive": True}, {"priority": 1}):
        assert failure(lambda: client.consumer(queue, credit=1, **wish)).code == CODE.UNIMPLEMENTED


def test_a_stream_is_read_and_a_queue_is_consumed(client, name):
    stream, queue = name("stream"), name("queue")
    client.make_queue(stream, kind=v1.QUEUE_KIND_STREAM)
    client.make_queue(queue)
    client.publish(stream, b"1")
    assert failure(lambda: client.pull(stream)).reason == "IS_STREAM"
    found = failure(lambda: client.ReadStream(v1.ReadStreamRequest(queue=queue)))
    assert (found.code, found.reason) == (CODE.FAILED_PRECONDITION, "NOT_A_STREAM")


def test_the_clients_deadline_ends_a_wait(channel, client, name):
    queue = name()
    client.make_queue(queue)
    pull = v1.PullRequest(queue=queue, wait_ms=60_000)
    # The server ends the wait at the deadline: its empty answer comes just before or just after the client's own end.
    try:
        assert not v1.MessageServiceStub(channel).Pull(pull, timeout=0.2, metadata=client.metadata).leases
    except grpc.RpcError as error:
        assert error.code() == CODE.DEADLINE_EXCEEDED
    eventually(lambda: client.GetQueue(v1.GetQueueRequest(name=queue)).queue.consumers == 0)


def raw(channel, path=PUBLISH, request=b"", **options):
    call = channel.unary_unary(path)
    return failure(lambda: call(request, timeout=PATIENCE, **options))


def test_a_deadline_of_zero_is_past(address):
    answers = http2_call(address, [("grpc-timeout", "0m")])
    assert answers["grpc-status"] == str(CODE.DEADLINE_EXCEEDED.value[0])


def test_a_timeout_that_is_none_is_refused(address):
    for timeout in ["1", "-1S", "999999999S", "1Y"]:
        assert http2_call(address, [("grpc-timeout", timeout)])["grpc-status"] == str(CODE.INVALID_ARGUMENT.value[0])


def test_an_unknown_compression_is_unimplemented(address):
    answers = http2_call(address, [("grpc-encoding", "snappy")], data=b"\x01\x00\x00\x00\x01x")
    assert answers["grpc-status"] == str(CODE.UNIMPLEMENTED.value[0])


def test_a_length_of_four_gibibytes_is_refused_and_not_reserved(address):
    answers = http2_call(address, [], data=b"\x00\xff\xff\xff\xff" + b"x" * 64)
    assert answers["grpc-status"] in {str(CODE.OUT_OF_RANGE.value[0]), str(CODE.RESOURCE_EXHAUSTED.value[0])}


def test_bytes_that_are_no_message_are_an_error_of_the_call(channel, client):
    found = raw(channel, request=b"\xff" * 100, metadata=client.metadata)
    assert found.code in {CODE.INTERNAL, CODE.INVALID_ARGUMENT}
    client.ListQueues(v1.ListQueuesRequest())


def test_methods_and_services_that_are_not_there_are_unimplemented(channel, client):
    for path in ["/chaski.v1.MessageService/Nothing", "/chaski.v1.Nothing/Nothing"]:
        assert raw(channel, path, metadata=client.metadata).code == CODE.UNIMPLEMENTED


def test_a_message_that_is_too_large_is_refused_and_the_next_one_taken(chaski_with):
    small = chaski_with(max_message_bytes=100_000)
    with grpc.insecure_channel(small.http_url.removeprefix("http://")) as channel:
        client = Client(channel)
        client.make_queue("q")
        found = failure(lambda: client.publish("q", b"x" * 100_001))
        assert (found.code, found.detail("BadRequest").field_violations[0].field) == (
            CODE.INVALID_ARGUMENT, "messages[0].body")
        found = failure(lambda: client.publish("q", b"x" * (2 << 20)))
        assert found.code in {CODE.OUT_OF_RANGE, CODE.RESOURCE_EXHAUSTED}
        assert client.publish("q", b"x" * 100_000)[0].status == v1.PUBLISH_STATUS_CONFIRMED


def test_headers_of_a_mebibyte_are_refused_and_the_server_goes_on(address):
    with grpc.insecure_channel(address, options=[("grpc.max_metadata_size", 4 << 20)]) as channel:
        client = Client(channel)
        stub = v1.QueueServiceStub(channel)
        metadata = [*client.metadata, ("x-large", "a" * (1 << 20))]
        failure(lambda: stub.ListQueues(v1.ListQueuesRequest(), timeout=PATIENCE, metadata=metadata))
    with grpc.insecure_channel(address) as channel:
        Client(channel).ListQueues(v1.ListQueuesRequest())


def test_many_streams_at_once_wait_for_each_other(client, name):
    queue = name()
    client.make_queue(queue)
    stub = client._services[0]
    calls = [stub.Pull.future(v1.PullRequest(queue=queue, wait_ms=200), timeout=60, metadata=client.metadata)
             for _ in range(2_000)]
    assert all(not call.result().leases for call in calls)


def test_health_and_reflection_need_no_login(channel):
    health = health_pb2_grpc.HealthStub(channel)
    names = ["Account", "Audit", "Chat", "DeadLetter", "Message", "Queue", "Session"]
    services = [f"chaski.v1.{name}Service" for name in names]
    for service in ["", *services]:
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    missing = failure(lambda: health.Check(health_pb2.HealthCheckRequest(service="chaski.v1.No"), timeout=PATIENCE))
    assert missing.code == CODE.NOT_FOUND
    assert set(services) <= set(ProtoReflectionDescriptorDatabase(channel).get_services())


@pytest.mark.operated
def test_health_follows_readiness(channel, ctl):
    health = health_pb2_grpc.HealthStub(channel)
    status = health_pb2.HealthCheckResponse
    whole = health_pb2.HealthCheckRequest()
    watch = health.Watch(whole, timeout=PATIENCE)
    unknown = health.Watch(health_pb2.HealthCheckRequest(service="chaski.v1.No"), timeout=PATIENCE)
    assert next(watch).status == status.SERVING
    assert next(unknown).status == status.SERVICE_UNKNOWN
    ctl.alarm_set()
    try:
        assert next(watch).status == status.NOT_SERVING
        for service in ["", "chaski.v1.QueueService"]:
            answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE)
            assert answer.status == status.NOT_SERVING
    finally:
        ctl.alarm_clear()
    assert next(watch).status == status.SERVING
    assert health.Check(whole, timeout=PATIENCE).status == status.SERVING
    watch.cancel()
    unknown.cancel()


def test_whoever_watches_health_is_told_of_the_stop():
    own = Chaski(settings={"limits.shutdown_timeout_ms": 2_000})
    own.start()
    # A client that does not say goodbye, for whom the server waits.
    with RawConnection(own) as idle, grpc.insecure_channel(own.http_url.removeprefix("http://")) as channel:
        idle.open()
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        stopping = threading.Thread(target=own.shut_down)
        stopping.start()
        assert [each.status for each in watch] == [health_pb2.HealthCheckResponse.NOT_SERVING]
        stopping.join(PATIENCE)
    own.stop()


def test_reflection_answers_the_version_of_today(channel):
    from grpc_reflection.v1alpha import reflection_pb2
    ask = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                                request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                                response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)
    request = reflection_pb2.ServerReflectionRequest(file_containing_symbol="chaski.v1.MessageService")
    [answer] = ask(iter([request]), timeout=PATIENCE)
    assert any(b"message_service.proto" in file for file in answer.file_descriptor_response.file_descriptor_proto)


def test_it_is_served_over_tls(broker, name):
    host = broker.https_url.removeprefix("https://")
    certificate = server_certificate(host)
    credentials = grpc.ssl_channel_credentials(certificate)
    with grpc.secure_channel(host, credentials, [("grpc.ssl_target_name_override", "localhost")]) as channel:
        client = Client(channel)
        queue = name()
        client.make_queue(queue)
        client.publish(queue, b"1")
        assert bodies(client.pull(queue)) == [b"1"]


def server_certificate(address):
    import ssl
    host, port = address.rsplit(":", 1)
    return ssl.get_server_certificate((host, int(port))).encode()


def http2_call(address, headers, data=b""):
    """One call by hand, for what grpcio does not send: the answer's headers and trailers."""
    host, port = address.rsplit(":", 1)
    answers = {}
    with socket.create_connection((host, int(port)), PATIENCE) as link:
        h2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        h2.initiate_connection()
        h2.send_headers(1, [
            (":method", "POST"), (":scheme", "http"), (":path", PUBLISH), (":authority", address),
            ("content-type", "application/grpc"), ("te", "trailers"), *basic("guest", "guest"), *headers])
        h2.send_data(1, data)
        link.sendall(h2.data_to_send())
        while received := link.recv(65_536):
            for event in h2.receive_data(received):
                if isinstance(event, ResponseReceived | TrailersReceived):
                    answers.update(event.headers)
                if isinstance(event, StreamEnded | StreamReset | ConnectionTerminated):
                    return answers
            link.sendall(h2.data_to_send())
    return answers
