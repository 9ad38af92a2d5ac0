"""The page that `bench/doors.py` writes, as Markdown."""

from compare.results import dig
from compare.table import grid
from compare.text import human, spread

MIB = 1 / 2**20


class Figures:
    """The reports of one row, by side and round; a round counts when both sides came to their end."""

    def __init__(self, row):
        self.row = row
        self.rounds = []

    def add(self, reports):
        self.rounds.append(reports)

    def each(self, side, path):
        values = (dig(reports[side], f"stages.{self.row.stage}.{path}") for reports in self.rounds)
        return [value for value in values if value is not None]

    def show(self, side, path, unit, scale=1.0):
        return spread([value * scale for value in self.each(side, path)], unit)

    def ratios(self, path):
        """What the door's figure is to AMQP's, round by round: a slow moment weighs on both."""
        pairs = zip(self.each("door", path), self.each("amqp", path))
        return spread([door / amqp for door, amqp in pairs if amqp], "×")

    def generator_share(self, side):
        """The generator's part of all processor time, in percent."""
        pairs = zip(self.each(side, "generator_cpu_s"), self.each(side, "server_usage.cpu_s"))
        return spread([100 * own / (own + server) for own, server in pairs if own + server], "%")


def rates(figures):
    head = ["work", "the door", "bodies", "AMQP", "the door to AMQP"]
    lines = []
    for each in figures:
        path = f"{each.row.what}.per_s"
        lines.append([each.row.title, each.show("door", path, "/s"), each.show("door", "body_bytes_per_s", "MiB/s", MIB),
                      each.show("amqp", path, "/s"), f"**{each.ratios(path)}**"])
    return grid(head, lines)


def costs(figures):
    head = ["work", "the door", "AMQP", "the door to AMQP", "generator's part, the door", "AMQP"]
    path = "server_usage.cpu_s_per_million"
    lines = [[each.row.title, each.show("door", path, ""), each.show("amqp", path, ""), f"**{each.ratios(path)}**",
              each.generator_share("door"), each.generator_share("amqp")] for each in figures]
    return grid(head, lines)


def waits(figures):
    head = ["work", "the door, p50", "p99", "AMQP, p50", "p99"]
    lines = [[each.row.title, *(each.show(side, f"confirm_latency.{quantile}_us", "µs")
                                for side in ("door", "amqp") for quantile in ("p50", "p99"))]
             for each in figures if each.row.confirms]
    return grid(head, lines) if lines else "Nothing waited for a confirm."


def commands(rows):
    lines = [f"- {row.name}: `chaski bench {row.side.door} {row.side.arguments}` beside "
             f"`chaski bench {row.amqp.door} {row.amqp.arguments}`" for row in rows]
    return "\n".join(lines)


def page(command, facts, figures, failures):
    parts = [
        "# Chaski's other doors beside AMQP",
        f"`{command}`",
        "\n".join(f"- {fact}" for fact in facts),
        "Medians (least … most) of all rounds. In each round a row's two sides run one after the other on one server, the second first in "
        "every other round; ratios are taken round by round. Server and generator share the machine, and nothing is pinned.",
        "## Rates",
        rates(figures),
        "## The server's processor seconds per million messages",
        "A message is a publish, or a delivery where there are consumers. The generator's part is its share of its own and the server's "
        "processor time.",
        costs(figures),
        "## From a publish to its confirm",
        "Of a request or a call, from sending it until its answer is there; of a stream and of AMQP, from sending the message.",
        waits(figures),
        "## The rows",
        commands([each.row for each in figures]),
    ]
    parts += ["## Runs that failed", "\n".join(f"- {failure}" for failure in failures)] if failures else ["No run failed."]
    return "\n\n".join(parts) + "\n"
