"""The curves: shards, queues, busy and idle connections, and queued messages."""

import resource
import statistics
import time

from compare.servers import Failed

from . import watch
from .amqp import Consumer, Publisher, Client, flow
from .rig import wait_for

DURABLE = "--durable --confirms 1000 --prefetch 1000"
WORKS = {
    "16 B transient": "--size 16",
    "1 KiB transient": "--size 1KiB",
    "1 KiB durable": f"--size 1KiB {DURABLE}",
}
# Producers and consumers of the curve over queues, so that only the queues change in number.
PAIRS = 10
# Files that a process has open besides its connections.
FILES_SPARE = 300
SETTLE_TIMEOUT_S = 60
DEPTH_BODY = 100
# The kernel counts hundredths of a second: filling and emptying shorter queues cannot be timed.
TIMED_FROM = 100_000


def measure_all(rig, options):
    """Every curve that was asked for, as lists of points."""
    curves = {"shards": shards, "queues": queues, "declared": declared, "busy": busy, "idle": idle, "depth": depth}
    # Declared queues belong to the curve of the queues.
    wanted = {*options.only, *(["declared"] if "queues" in options.only else [])}
    return {name: [point for point in curve(rig, options) if point] for name, curve in curves.items() if name in wanted}


def shards(rig, _options):
    for work, arguments in WORKS.items():
        for number in (1, 2):
            def measure(number=number, arguments=arguments):
                with rig.server(number) as server:
                    return rig.repeated(server, f"{arguments} --producers 4 --consumers 4 --queues 4")

            found = rig.point(f"{work}, shards {number}", measure)
            yield found and {"work": work, "shards": number} | found


def queues(rig, options):
    for number in (1, 10, 100, 1_000) if options.quick else (1, 10, 100, 1_000, 10_000):
        def measure(number=number):
            pairs = min(number, PAIRS)
            with rig.server() as server:
                return rig.repeated(server, f"--size 16 --queues {number} --producers {pairs} --consumers {pairs}")

        found = rig.point(f"queues {number}", measure)
        yield found and {"queues": number} | found


def declared(rig, options):
    """Ever more queues on one server: the heap's first megabytes, which the start used and gave back, do not count as a queue's."""
    for durable in (False, True):
        steps = (5_000, 10_000) if options.quick else (5_000, 10_000, 20_000) if durable else (25_000, 50_000, 100_000)
        found = rig.point(f"{'durable' if durable else 'transient'} queues declared",
                          lambda durable=durable, steps=steps: {"durable": durable, "steps": declare_steps(rig, durable, steps)})
        yield found


def declare_steps(rig, durable, steps):
    found, last = [], 0
    with rig.server() as server, Client(server.address) as client:
        for step in steps:
            began = time.monotonic()
            client.declare([f"scale.{number:06d}" for number in range(last, step)], durable)
            found.append({"queues": step, "per_s": (step - last) / (time.monotonic() - began), "memory": watch.memory(server.process.pid)})
            last = step
    return found


def busy(rig, options):
    for number in (1, 10, 100) if options.quick else (1, 10, 100, 1_000, 5_000):
        def measure(number=number):
            with rig.server() as server:
                return rig.repeated(server, f"--size 16 --queues {number} --producers {number} --consumers {number}")

        found = rig.point(f"busy connections {2 * number}", measure, 180)
        yield found and {"connections": 2 * number} | found


def idle(rig, options):
    permitted = resource.getrlimit(resource.RLIMIT_NOFILE)[0] - FILES_SPARE
    wanted = (1, 10, 100, 1_000) if options.quick else (1, 10, 100, 1_000, 5_000, 10_000, 20_000)
    for number in sorted({min(each, permitted) for each in wanted}):
        found = rig.point(f"idle connections {number}", lambda number=number: idle_point(rig, number), 180)
        yield found and {"connections": number} | found


def idle_point(rig, number):
    """So many idle connections, and one busy pair beside them."""
    with rig.server() as server:
        pid = server.process.pid
        before, files, cpu = watch.memory(pid), watch.sockets(pid), watch.cpu_s(pid)
        with rig.behind(server, f"--idle {number} --duration 170s") as crowd:
            wait_for(f"opening {number} connections", lambda: watch.sockets(pid) >= files + number, crowd)
            # Their handshakes end a moment after the last was accepted.
            settled(pid)
            memory, open_cpu_s = watch.memory(pid), watch.cpu_s(pid) - cpu
            found = rig.repeated(server, "--size 16")
        connects = crowd.report["stages"][0]["connects"]
        if connects["dropped"]:
            raise Failed(f"{connects['dropped']} idle connections were dropped")
        return {"memory": memory, "added": memory - before, "open_cpu_s": open_cpu_s / number, "opened_per_s": connects["per_s"]} | found


def settled(pid):
    """Waits until the server has nothing to do: half a second without work, looked at ten times a second."""
    quiet = 0
    last = watch.cpu_s(pid)
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while quiet < 5:
        if time.monotonic() > deadline:
            raise Failed(f"the server was not idle within {SETTLE_TIMEOUT_S} s")
        time.sleep(0.1)
        now = watch.cpu_s(pid)
        quiet = quiet + 1 if now - last <= 0.01 else 0
        last = now


def depth(rig, options):
    deepest = 5 if options.quick else 8 if options.full else 7
    for exponent in range(3, deepest + 1):
        number = 10 ** exponent
        found = rig.point(f"queued messages 10^{exponent}", lambda number=number: depth_point(rig, options, number),
                          180 + number // 100_000)
        yield found and {"queued": number} | found


def depth_point(rig, options, number):
    """Fills a queue, uses it at that depth, kills the server, waits for its return, and empties the queue."""
    count = 50_000 if options.quick else 500_000
    with rig.server() as server:
        pid = server.process.pid
        before = watch.memory(pid)
        with Client(server.address) as client:
            client.declare(["depth"], durable=True)
        with Publisher(server.address, "depth", DEPTH_BODY) as publisher:
            filled = timed(pid, number, lambda: publisher.publish(number))
            memory = watch.memory(pid) - before
            with Consumer(server.address, "depth") as consumer:
                flow(publisher, consumer, count // 10)
                flows = [timed(pid, count, lambda: flow(publisher, consumer, count)) for _ in range(options.repeats)]
                consumer.finish()
            # Its confirm says that the acks before it are durable as well.
            publisher.publish(1)
        server.stop(hard=True)
        restart = server.start()
        with Client(server.address) as client:
            if (kept := client.depth("depth")) != number + 1:
                raise Failed(f"{kept} of {number + 1} messages were there after kill -9")
        pid = server.process.pid
        with Consumer(server.address, "depth") as consumer:
            emptied = timed(pid, number, lambda: consumer.drain(number))
        costs = [each["cpu"] for each in flows]
        found = {"rate": statistics.median(each["rate"] for each in flows), "cpu": statistics.median(costs),
                 "cpu_min": min(costs), "cpu_max": max(costs), "memory": memory, "restart_s": restart,
                 "memory_most": watch.memory(pid, "VmHWM")}
        if number < TIMED_FROM:
            return found
        return found | {"in_rate": filled["rate"], "in_cpu": filled["cpu"], "out_rate": emptied["rate"], "out_cpu": emptied["cpu"]}


def timed(pid, count, work):
    cpu, began = watch.cpu_s(pid), time.monotonic()
    work()
    seconds = time.monotonic() - began
    return {"rate": count / seconds, "cpu": (watch.cpu_s(pid) - cpu) / count * 1e6}
