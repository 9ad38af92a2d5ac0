"""The page that the comparison writes, as Markdown."""

from .servers import SYSTEMS


def grid(head, lines):
    rows = [head, ["---"] * len(head), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def titles(systems):
    return [SYSTEMS[system].title for system in systems]


def rates(rows, results, peers):
    """Every figure, what Chaski's is to each peer's, and what is wanted."""
    lines = []
    for row in rows:
        goals = "<br>".join(goal.verdict(row, results) for goal in row.goals)
        lines.append([row.title, results.show(row, "chaski"), *(results.beside(row, peer) for peer in peers), goals])
    return grid(["work", "Chaski", *titles(peers), "target: this run"], lines)


def usage(rows, results, peers, key):
    """Processor time or memory, for rows that have it."""
    lines = [[row.title, results.show(row, "chaski", key), *(results.beside(row, peer, key) for peer in peers)]
             for row in rows if results.median(row, "chaski", key) is not None]
    return grid(["work", "Chaski", *titles(peers)], lines) if lines else "Nothing was measured."


def tally(rows, results):
    """How many targets this run meets."""
    verdicts = [goal.met(row, results) for row in rows for goal in row.goals]
    met, missed, unknown = (sum(verdict is kind for verdict in verdicts) for kind in (True, False, None))
    return f"Of {len(verdicts)} targets this run meets {met}, misses {missed} and cannot judge {unknown}."


def failures(results):
    lines = []
    for (title, system), errors in results.failures.items():
        lines += [f"- {title}, {SYSTEMS[system].title}: {error}" for error in errors]
    return lines


def page(command, facts, rows, results, systems):
    peers = [system for system in systems if system != "chaski"]
    absent = [f"- not compared: {SYSTEMS[system].title}: {why}" for system, why in results.absent.items()]
    parts = [
        "# Chaski beside its peers",
        f"`{command}`",
        "\n".join([*(f"- {fact}" for fact in facts), *absent]),
        "Medians (least … most) of all runs; in bold, how Chaski's figure compares to the peer's: of rates more is better, of times and "
        "memory less. Server and generator share the machine.",
        rates(rows, results, peers),
        tally(rows, results),
        "## The server's processor seconds per million messages",
        usage(rows, results, peers, "cpu"),
        "## The server's most resident memory",
        usage(rows, results, peers, "memory"),
    ]
    failed = failures(results)
    parts += ["## Runs that failed", "\n".join(failed)] if failed else ["No run failed."]
    return "\n\n".join(parts) + "\n"
