"""Figures as people read them."""

import statistics


def human(value, unit):
    """Writes a figure with three digits."""
    for limit, suffix in ((1e6, " M"), (1e3, " k")):
        if unit == "/s" and abs(value) >= limit:
            return f"{value / limit:.3g}{suffix}{unit}"
    if unit == "µs" and value >= 1000:
        return f"{value / 1000:.3g} ms"
    number = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{number}/s" if unit == "/s" else f"{number} {unit}".strip()


def ratio(a, b):
    """How often `b` goes into `a`; nothing where one is missing."""
    if a is None or not b:
        return ""
    return human(a / b, "×")


def spread(values, unit):
    """Median and spread; a dash where nothing was measured."""
    if not values:
        return "–"
    low, middle, high = (human(value, unit) for value in (min(values), statistics.median(values), max(values)))
    return middle if len(values) == 1 else f"{middle} ({low} … {high})"
