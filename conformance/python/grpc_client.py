"""A client of `chaski.v1` as its users write it: grpcio's channels, stubs from `proto/`, and nothing of Chaski's own."""

import base64
import queue

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from harness.stubs import stubs

v1 = stubs()

# Far more than any call takes: a test that waits this long has failed.
PATIENCE = 30


def basic(login, password):
    """The metadata of a caller with a password."""
    credentials = base64.b64encode(f"{login}:{password}".encode()).decode()
    return [("authorization", f"Basic {credentials}")]


class Client:
    """All services as one account."""

    def __init__(self, channel, login="guest", password="guest", bearer=None):
        self.channel = channel
        self.metadata = [("authorization", f"Bearer {bearer}")] if bearer else basic(login, password)
        self._services = [v1.MessageServiceStub(channel), v1.QueueServiceStub(channel), v1.DeadLetterServiceStub(channel),
                          v1.AccountServiceStub(channel), v1.SessionServiceStub(channel), v1.AuditServiceStub(channel),
                          v1.ChatServiceStub(channel), v1.FileIndexServiceStub(channel)]

    def __getattr__(self, method):
        for service in self._services:
            if hasattr(service, method):
                stub = getattr(service, method)
                return lambda request, timeout=PATIENCE: stub(request, timeout=timeout, metadata=self.metadata)
        raise AttributeError(method)

    def make_queue(self, name, **fields):
        return self.CreateQueue(v1.CreateQueueRequest(name=name, **fields)).queue

    def publish(self, queue, *bodies, **fields):
        messages = [v1.Message(body=body, **fields) for body in bodies]
        return self.Publish(v1.PublishRequest(address=to_queue(queue), messages=messages)).results

    def pull(self, queue, **fields):
        return list(self.Pull(v1.PullRequest(queue=queue, **fields)).leases)

    def counts(self, name):
        found = self.GetQueue(v1.GetQueueRequest(name=name)).queue
        return found.messages_ready, found.messages_unacked

    def consumer(self, queue, **fields):
        return Consumer(self, queue, **fields)


class Consumer:
    """A consumer that has begun; requests are sent from a queue, as a program with work of its own does."""

    def __init__(self, client, name, **fields):
        self._requests = queue.SimpleQueue()
        self.send(start=v1.ConsumeStart(queue=name, **fields))
        self.call = client.Consume(iter(self._requests.get, None))
        self.started = next(self.call).started

    def send(self, **action):
        self._requests.put(v1.ConsumeRequest(**action))

    def close(self):
        """Sends nothing more."""
        self._requests.put(None)

    def cancel(self):
        self.call.cancel()
        self.close()

    def take(self, count):
        """The next deliveries."""
        events = [next(self.call) for _ in range(count)]
        assert all(event.HasField("delivery") for event in events), events
        return [event.delivery for event in events]

    def ack(self, *deliveries):
        self.send(ack=v1.ConsumeAck(tags=[delivery.tag for delivery in deliveries]))


def to_queue(name):
    return v1.Address(queue=name)


def to_topic(topic, routing_key):
    return v1.Address(topic=v1.TopicAddress(topic=topic, routing_key=routing_key))


def bodies(items):
    """The bodies of leases, deliveries or what a stream gave."""
    return [item.received.message.body for item in items]


class Failure:
    """What a call failed with: its code, and the details by kind."""

    def __init__(self, error):
        self.code, self.message = error.code(), error.details()
        status = rpc_status.from_call(error)
        self.kinds = {any_of.TypeName().rsplit(".")[-1]: any_of for any_of in status.details} if status else {}

    def detail(self, kind):
        found = getattr(error_details_pb2, kind)()
        assert self.kinds[kind].Unpack(found)
        return found

    @property
    def reason(self):
        info = self.detail("ErrorInfo")
        assert info.domain == "chaski"
        return info.reason


def failure(call):
    """Runs a call that must fail; the answers of one that has many are read to their end."""
    try:
        answers = call()
        if hasattr(answers, "__next__"):
            for _ in answers:
                pass
    except grpc.RpcError as error:
        return Failure(error)
    raise AssertionError("the call did not fail")
