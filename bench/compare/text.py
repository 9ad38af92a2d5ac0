"""Figures as people read them."""


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
