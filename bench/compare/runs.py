"""One run of the generator, and the kinds of work that take several."""

import json
import shlex
import statistics
import subprocess
import tempfile

from .servers import Failed, without


class Runner:
    """Puts workloads on servers."""

    def __init__(self, options, workdir):
        self.options = options
        self.workdir = workdir

    def run(self, workload, server):
        """Gives the report of one workload, with what its kind adds."""
        return getattr(self, workload.kind)(workload, server)

    def load(self, workload, server):
        return self.generate(workload, server, *self.timing(workload))

    def timing(self, workload):
        if not workload.timed:
            return []
        return ["--duration", f"{self.options.duration}s", "--warm-up", "0.5s" if self.options.quick else "1s"]

    def generate(self, workload, server, *more):
        arguments = [*shlex.split(workload.arguments), *more]
        command = [self.options.generator, "bench", *server.target(), "--json", "--server-pid", str(server.process.pid),
                   *arguments]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=workload.timeout_s,
                                  env=without("CHASKI_"), check=False)
        except subprocess.TimeoutExpired as error:
            raise Failed(f"no end within {workload.timeout_s} s") from error
        try:
            report = json.loads(done.stdout)
        except ValueError as error:
            lines = done.stderr.strip().splitlines() or ["no output"]
            raise Failed(" ".join(line.strip() for line in lines[:4])) from error
        if done.returncode != 0:
            wrong = {name: count for name, count in report["checks"].items() if count}
            raise Failed(f"messages were lost or wrong: {wrong}")
        return report

    def synced(self, workload, server):
        """A load whose confirms wait for the disk, and the disk itself just before and after."""
        before, asked_before = self.disk(), self.disk("--loopback")
        report = self.load(workload, server)
        floor, asked = (
            (earlier["latency"]["p50_us"] + later["latency"]["p50_us"]) / 2
            for earlier, later in ((before, self.disk()), (asked_before, self.disk("--loopback")))
        )
        confirm = report["stages"][0]["confirm_latency"]["p50_us"]
        return report | {"bare_sync_ratio": confirm / floor, "bare_sync_us": floor,
                         "asked_sync_ratio": confirm / asked, "asked_sync_us": asked}

    def backlog(self, workload, server):
        server.start_empty()
        report = self.generate(workload, server, "--backlog", str(workload.number(server.name)))
        usage = [stage["server_usage"] for stage in report["stages"]]
        return report | {"backlog_rss": max(each["rss_peak"] for each in usage) - usage[0]["rss_before"]}

    def restart(self, workload, server):
        """Fills a queue with durable messages, kills the server, times its return and counts what is there."""
        messages = workload.number(server.name)
        report = self.generate(workload, server, "--messages", str(messages), "--prefix", "restart", "--keep")
        server.stop(hard=True)
        seconds = server.start()
        kept = server.take_back(self.options.generator, "restart")
        if kept != messages:
            raise Failed(f"{kept} of {messages} messages were there after kill -9")
        return report | {"restart_s": seconds}

    def idle(self, workload, server):
        """Ever more idle connections on a fresh server: memory that one run reused cannot flatter the slope."""
        server.start_empty()
        reports = [self.generate(workload, server, "--idle", str(number)) for number in workload.number(server.name)]
        stages = [report["stages"][0] for report in reports]
        if dropped := sum(stage["connects"]["dropped"] for stage in stages):
            raise Failed(f"{dropped} idle connections were dropped")
        line = statistics.linear_regression([stage["connects"]["opened"] for stage in stages],
                                            [stage["server_usage"]["rss_after"] for stage in stages])
        opened = statistics.median(stage["connects"]["per_s"] for stage in stages)
        return reports[0] | {"opened_per_s": opened, "bytes_each": line.slope, "sizes": stages}

    def disk(self, *more):
        """What the disk does for a bare 4 KiB write and fdatasync."""
        with tempfile.TemporaryDirectory(dir=self.workdir) as directory:
            command = [self.options.generator, "bench", "disk", directory, "--json", "--duration", "1s", *more]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=without("CHASKI_"), check=False)
        try:
            return json.loads(done.stdout)
        except ValueError as error:
            raise Failed(f"the disk could not be measured: {done.stderr.strip()}") from error
