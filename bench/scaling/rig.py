"""A server for each point, generators before and behind it, and a limit on the time of both."""

import contextlib
import json
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

from compare.runs import Runner
from compare.servers import Chaski, Failed, log, without
from compare.workloads import Workload

from . import watch
from .amqp import AmqpError

READY_TIMEOUT_S = 120


class Rig:
    """Starts servers and puts loads on them."""

    def __init__(self, options, workdir):
        self.options = options
        self.workdir = Path(workdir)
        self.runner = Runner(options, workdir)
        self.failures = []
        self.version = ""

    @contextlib.contextmanager
    def server(self, shards=1):
        """A server with nothing in it, which leaves nothing behind."""
        directory = Path(tempfile.mkdtemp(prefix="point-", dir=self.workdir))
        arguments = ["--shards", str(shards), *self.options.serve_arg]
        server = Chaski(directory, SimpleNamespace(chaski=self.options.chaski, serve_arg=arguments))
        try:
            server.start()
            yield server
        finally:
            # Its data is thrown away: there is nothing to wait for.
            server.stop(hard=True)
            shutil.rmtree(directory, ignore_errors=True)

    def point(self, name, measure, limit_s=120):
        """One point of a curve: what it measured, or nothing when it failed or took too long."""
        def over(_signal, _frame):
            raise Failed(f"no end within {limit_s} s")

        before = signal.signal(signal.SIGALRM, over)
        signal.alarm(limit_s)
        try:
            found = measure()
        except (Failed, AmqpError, OSError, subprocess.SubprocessError, ValueError) as error:
            log(f"{name} failed: {error}")
            self.failures.append(f"{name}: {error}")
            return None
        finally:
            signal.alarm(0)
            signal.signal(signal.SIGALRM, before)
        shown = (f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
                 for key, value in found.items() if isinstance(value, int | float))
        log(f"{name}: {', '.join(shown)}")
        return found

    def generate(self, server, arguments, seconds=None):
        """Runs the generator in front, for its report."""
        work = Workload("point", [], (), arguments, timeout_s=110)
        timing = [] if seconds is None else ["--duration", f"{seconds}s", "--warm-up", "0.5s"]
        report = self.runner.generate(work, server, *timing)
        self.version = report["server"]
        return report

    def repeated(self, server, arguments):
        """Several runs on one server: rates, processor time, and which threads took it."""
        rates, costs, shards, committer, written = [], [], [], [], []
        for _ in range(self.options.repeats):
            meter = watch.Meter(server.process.pid)
            report = self.generate(server, arguments, self.options.duration)
            used = meter.read()
            stage = report["stages"][0]
            cost = stage["server_usage"]["cpu_s_per_million"]
            rates.append(stage["delivered"]["per_s"])
            costs.append(cost)
            # The threads' shares are of the whole run, with its warm-up; their sum is of the measured span.
            shards.append(cost * used.shards_s / used.all_s)
            committer.append(cost * used.committer_s / used.all_s)
            written.append(used.written / report["checks"]["received"])
        return {"rate": statistics.median(rates), "cpu": statistics.median(costs), "cpu_min": min(costs), "cpu_max": max(costs),
                "cpu_shards": statistics.median(shards), "cpu_committer": statistics.median(committer),
                "written": statistics.median(written)}

    @contextlib.contextmanager
    def behind(self, server, arguments):
        """A generator that runs until the block ends; gives its `Load`, which holds the report from then on."""
        command = [self.options.generator, "bench", *server.target(), "--json", *arguments.split()]
        with tempfile.TemporaryFile("w+", dir=self.workdir) as output, tempfile.TemporaryFile("w+", dir=self.workdir) as errors:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=without("CHASKI_"))
            load = Load(process, errors)
            try:
                yield load
                load.check()
                process.send_signal(signal.SIGINT)
                process.wait(60)
                output.seek(0)
                try:
                    load.report = json.load(output)
                except ValueError as error:
                    raise Failed(words(errors)) from error
            finally:
                process.kill()
                process.wait()


class Load:
    """A generator behind others' measurements."""

    def __init__(self, process, errors):
        self.process = process
        self.errors = errors
        self.report = None

    def check(self):
        """Fails when it ended by itself: then nothing is measured beside it."""
        if self.process.poll() is not None:
            raise Failed(f"the load ended by itself with {self.process.returncode}: {words(self.errors)}")


def words(file):
    file.seek(0)
    return " ".join(file.read().split())[:300]


def wait_for(what, condition, load=None):
    """Looks until a condition holds, while the load that shall bring it about runs."""
    end = time.monotonic() + READY_TIMEOUT_S
    while not condition():
        if load:
            load.check()
        if time.monotonic() > end:
            raise Failed(f"{what} took over {READY_TIMEOUT_S} s")
        time.sleep(0.01)
