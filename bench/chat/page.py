"""The page that `bench/chat.py` writes, as Markdown."""

import statistics

from compare.results import dig
from compare.table import grid
from compare.text import human, ratio
from doors.page import spread

from .rows import ACCOUNTS, OURS


class Figures:
    """The reports of all rounds, by row and system."""

    def __init__(self, doors):
        self.doors = doors
        self.reports = {}
        self.failures = {}

    def add(self, row, door, report):
        self.reports.setdefault((row.name, door), []).append(report)

    def fail(self, row, door, error):
        self.failures.setdefault((row.name, door), []).append(str(error))

    def values(self, row, figure, door):
        found = (dig(report["stages"][0], figure.path) for report in self.reports.get((row.name, door), []))
        return [value * figure.scale for value in found if value is not None]

    def show(self, row, figure, door):
        """Median and spread, how it compares with the line protocol, and how many runs failed; a dash where nothing was tried."""
        values = self.values(row, figure, door)
        failed = len(self.failures.get((row.name, door), []))
        if not values:
            return f"FAILED ({failed} of {failed} runs)" if failed else "–"
        text = spread(values, figure.unit)
        line = self.values(row, figure, "line")
        if line and door not in OURS:
            text += f": **{ratio(statistics.median(line), statistics.median(values))}**"
        return f"{text}, {failed} of {failed + len(values)} runs FAILED" if failed else text

    def verdicts(self, row, figure):
        """Which targets this figure has, and whether this run meets them."""
        found = []
        for target in figure.targets:
            values = self.values(row, figure, target.system)
            verdict = judge(statistics.median(values), target.limit) if values else "not measured"
            found.append((f"{target.system} ≤ {human(target.limit, figure.unit)}: {verdict}", verdict))
        return found


def judge(value, limit):
    """Nothing costs nothing: a figure that says so was disturbed."""
    if value <= 0:
        return "not credible"
    return "met" if value <= limit else "**missed**"


def table(rows, figures):
    head = ["work", *(door.title for door in figures.doors), "target: this run"]
    lines = []
    for row in rows:
        for figure in row.figures:
            goals = "<br>".join(text for text, _ in figures.verdicts(row, figure))
            lines.append([figure.title, *(figures.show(row, figure, door.name) for door in figures.doors), goals])
    return grid(head, lines)


def tally(rows, figures):
    """How many targets this run meets."""
    verdicts = [verdict for row in rows for figure in row.figures for _, verdict in figures.verdicts(row, figure)]
    met, missed = verdicts.count("met"), verdicts.count("**missed**")
    return f"Of {len(verdicts)} targets this run meets {met}, misses {missed} and cannot judge {len(verdicts) - met - missed}."


def shares(rows, figures):
    """The generator's part of all processor time, in percent."""
    lines = []
    for row in (row for row in rows if row.timed):
        cells = []
        for door in figures.doors:
            stages = [report["stages"][0] for report in figures.reports.get((row.name, door.name), [])]
            used = [(stage["generator_cpu_s"], stage["server_usage"]["cpu_s"]) for stage in stages]
            cells.append(spread([100 * own / (own + server) for own, server in used if own + server], "%"))
        lines.append([f"`{row.name}`", *cells])
    return grid(["row", *(door.title for door in figures.doors)], lines) if lines else "Nothing was measured."


def page(command, facts, rows, figures):
    failures = [f"- {row.name}, {door.title}: {error}" for row in rows for door in figures.doors
                for error in figures.failures.get((row.name, door.name), [])]
    parts = [
        "# Chaski's chat beside ngircd and ejabberd",
        f"`{command}`",
        "\n".join(f"- {fact}" for fact in facts),
        "Medians (least … most) of all rounds; in bold, what the line protocol's figure is to the peer's: of processor time, latency and memory less is "
        "better. Server and generator share the machine, and nothing is pinned. Latencies count from the moment a message was due. In every "
        "run each member is held against what its room has heard: a message that is lost, doubled or out of order makes the run a failure.",
        table(rows, figures),
        tally(rows, figures),
        "## The generator's part of the processor time",
        shares(rows, figures),
        "## The rows",
        "\n".join(f"- {row.name}: `chaski bench chat {row.arguments}`" for row in rows),
        "## What is the same, and what is not",
        "- Chaski writes every message to its history, and nobody hears of one before it is on the disk. ngircd and ejabberd (as it is set up here, "
        "`history_size: 0`) keep nothing.\n"
        "- IRC does not send a message back to who said it: there are 199 deliveries of a message in a room of 200, and no order between senders that all see, so "
        "each sender's own order is what is checked.\n"
        "- Members log in to Chaski by sessions that were opened before, to ejabberd as whoever they say they are, and to ngircd by a nickname: hashing passwords "
        "is in none of the figures. All limits on how fast somebody may talk are off.\n"
        f"- Idle members of Chaski are in the room `lobby` and share {ACCOUNTS} accounts; those of the peers are in no room. The memory of a connection is the slope of the server's resident "
        "memory over several numbers of connections, from the smallest on, on a server that was just started.",
    ]
    parts += ["## Runs that failed", "\n".join(failures)] if failures else ["No run failed."]
    return "\n\n".join(parts) + "\n"
