"""How long light connections wait behind a full load."""

import contextlib
import select
import threading
import time

from compare.servers import Failed

from . import watch
from .amqp import Client, Consumer, Publisher
from .rig import wait_for

CONNECTIONS = 200
# Ten a second of each connection: nearly nothing, yet enough of them to meet every hiccup.
RATE = 2_000
LIGHTS = f"--size 100 --queues {CONNECTIONS} --producers {CONNECTIONS} --consumers {CONNECTIONS} --confirms 1 --rate {RATE}"
TRANSIENT = "--size 16 --producers 4 --consumers 4 --queues 4"
LOADS = {
    "none": None,
    "16 B transient, on another server": TRANSIENT,
    "16 B transient": TRANSIENT,
    "1 KiB transient": "--size 1KiB --producers 4 --consumers 4 --queues 4",
    "1 KiB durable, confirms, acks": "--size 1KiB --producers 4 --consumers 4 --queues 4 --durable --confirms 1000 --prefetch 1000",
    "fan-out of 100 B to 100 queues": "--size 100 --queues 100 --consumers 100 --routing fanout",
    "2 publishers flood a durable queue that nobody reads": "--size 1KiB --producers 2 --consumers 0 --durable --confirms 1000",
    "a consumer requeues 1,000 messages without end": None,
    "16 B transient, and a consumer that never reads": TRANSIENT,
}


def measure(rig, options):
    """One point for each load."""
    for name, arguments in LOADS.items():
        found = rig.point(f"fairness: {name}", lambda name=name, arguments=arguments: point(rig, options, name, arguments), 150)
        if found:
            yield {"load": name} | found


def point(rig, options, name, arguments):
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(rig.server())
        loaded = stack.enter_context(rig.server()) if "another" in name else server
        if "never reads" in name:
            stack.enter_context(stuck(server))
        load = requeues = None
        if "requeues" in name:
            requeues = stack.enter_context(requeueing(server))
        inner = stack.enter_context(contextlib.ExitStack())
        before = watch.cpu_s(loaded.process.pid)
        if arguments:
            load = inner.enter_context(rig.behind(loaded, f"{arguments} --duration 140s"))
        if arguments or requeues:
            wait_for("the load's start", lambda: watch.cpu_s(loaded.process.pid) - before > 0.5, load)
        meter, began = watch.Meter(loaded.process.pid), time.monotonic()
        lights = rig.generate(server, LIGHTS, options.duration + 1)
        busiest = meter.read(time.monotonic() - began).busiest
        if requeues and requeues.error:
            raise Failed(f"the requeue loop ended: {requeues.error}")
        inner.close()
        stage = lights["stages"][0]
        ends = [stage["end_to_end_latency"], stage["confirm_latency"]]
        return {"busiest": busiest, "rate": load_rate(load, requeues), "lights": stage["delivered"]["per_s"],
                **{f"{kind}_{key}": end[f"{key}_us"] / 1e3 for kind, end in zip(("message", "confirm"), ends, strict=True)
                   for key in ("p50", "p99", "max")},
                "worst": max(end["max_us"] for end in ends) / 1e3}


def load_rate(load, requeues):
    if requeues:
        return requeues.rate()
    if not load:
        return None
    stage = load.report["stages"][0]
    return (stage["delivered"] if stage["delivered"]["count"] else stage["published"])["per_s"]


@contextlib.contextmanager
def stuck(server):
    """A consumer with automatic acks and a long queue, which reads nothing but the answer to its subscription."""
    with Client(server.address) as client:
        client.declare(["stuck"], durable=True)
    with Publisher(server.address, "stuck", 1_024) as publisher:
        publisher.publish(200_000)
    with Consumer(server.address, "stuck", prefetch=0):
        yield


class Requeueing(threading.Thread):
    """Gives back whatever it gets."""

    def __init__(self, consumer):
        super().__init__(daemon=True)
        self.consumer = consumer
        self.ended = threading.Event()
        self.began = time.monotonic()
        self.error = None

    def run(self):
        try:
            while not self.ended.is_set():
                if select.select([self.consumer.socket], [], [], 0.1)[0]:
                    self.consumer.take()
                    self.consumer.requeue()
        except Exception as error:  # A thread's error is told by the one who waits for it.
            self.error = error

    def rate(self):
        return self.consumer.delivered() / (time.monotonic() - self.began)


@contextlib.contextmanager
def requeueing(server):
    with Client(server.address) as client:
        client.declare(["requeued"])
    with Publisher(server.address, "requeued", 100, durable=False) as publisher:
        publisher.publish(1_000)
    with Consumer(server.address, "requeued") as consumer:
        # The first one may have come with the answer to the subscription.
        consumer.requeue()
        loop = Requeueing(consumer)
        loop.start()
        try:
            yield loop
        finally:
            loop.ended.set()
            loop.join(10)
