"""Figures by row and system, over all runs."""

import statistics

from .text import human, ratio

SCALES = {"cpu": 1.0, "memory": 1 / 2**20}
UNITS = {"cpu": "", "memory": "MiB"}


def dig(report, path):
    """Finds `a.0.b` in nested lists and objects; none where it is absent."""
    for step in path.split("."):
        if isinstance(report, list):
            report = report[int(step)] if int(step) < len(report) else None
        elif isinstance(report, dict):
            report = report.get(step)
        else:
            return None
    return report


class Results:
    """What the runs gave, the failed ones included."""

    def __init__(self):
        self.values = {}
        self.failures = {}
        self.versions = {}
        # Servers that are not compared, and why.
        self.absent = {}

    def add(self, row, system, report):
        for path, key in ((row.path, "value"), (row.cpu, "cpu"), (row.memory, "memory")):
            value = dig(report, path) if path else None
            if value is not None:
                scaled = value * SCALES.get(key, row.scale)
                self.values.setdefault((row.title, system, key), []).append(scaled)

    def fail(self, workload, system, error):
        for row in workload.rows:
            self.failures.setdefault((row.title, system), []).append(str(error))

    def median(self, row, system, key="value"):
        values = self.values.get((row.title, system, key))
        return statistics.median(values) if values else None

    def show(self, row, system, key="value"):
        """Median and spread, and how many runs failed; a dash where nothing was tried."""
        values = self.values.get((row.title, system, key))
        failed = len(self.failures.get((row.title, system), [])) if key == "value" else 0
        if not values:
            return f"FAILED ({failed} of {failed} runs)" if failed else "–"
        low, middle, high = (human(value, UNITS.get(key, row.unit))
                             for value in (min(values), statistics.median(values), max(values)))
        text = middle if len(values) == 1 else f"{middle} ({low} … {high})"
        return f"{text}, {failed} of {failed + len(values)} runs FAILED" if failed else text

    def beside(self, row, system, key="value"):
        """A peer's figure and what Chaski's is to it."""
        times = ratio(self.median(row, "chaski", key), self.median(row, system, key))
        shown = self.show(row, system, key)
        return f"{shown}: **{times}**" if times else shown
