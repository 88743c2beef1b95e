# SPDX-License-Identifier: Apache-2.0
"""Figures of a run, and what they say: medians and spreads, goals met or missed, regressions."""
import dataclasses
import statistics

LOWER, HIGHER = "lower", "higher"
MET, MISSED, UNMEASURED = "met", "MISSED", "not measured"
# A median that moved by less, or stays within what the earlier run's rounds showed, is no regression.
REGRESSION = 0.10


@dataclasses.dataclass
class Figure:
    """One measured quantity, a value a round."""

    name: str
    unit: str
    values: list
    better: str = LOWER

    @property
    def median(self):
        return statistics.median(self.values)

    def as_json(self):
        return {
            "name": self.name, "unit": self.unit, "better": self.better, "median": self.median,
            "min": min(self.values), "max": max(self.values), "values": self.values,
        }


def ratio(name, over, under, better=LOWER):
    """Round by round, so that what slowed a whole round down cancels out."""
    return Figure(name, "x", [a / b for a, b in zip(over.values, under.values)], better)


@dataclasses.dataclass
class Goal:
    """A figure held against a limit. `figure` None: not measured, for the reason in `note`."""

    id: str
    what: str
    limit: float
    better: str = LOWER
    figure: Figure | None = None
    note: str = ""

    @property
    def state(self):
        if self.figure is None:
            return UNMEASURED
        good = self.figure.median <= self.limit if self.better == LOWER else self.figure.median >= self.limit
        return MET if good else MISSED

    def limit_text(self):
        unit = self.figure.unit if self.figure else ""
        return f"{'<=' if self.better == LOWER else '>='} {number(self.limit)} {unit}".rstrip()

    def as_json(self):
        return {
            "id": self.id, "what": self.what, "limit": self.limit, "better": self.better, "state": self.state,
            "figure": self.figure.as_json() if self.figure else None, "note": self.note,
        }


def number(value):
    """Three digits that count, no more."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    text = f"{value:.3g}"
    return text if "e" not in text else f"{value:.2g}"


def table(rows, header):
    """Columns as wide as their longest cell; the first line is the header."""
    lines = [header, *rows]
    widths = [max(len(str(line[i])) for line in lines) for i in range(len(header))]
    rule = ["-" * width for width in widths]
    return "\n".join("  ".join(str(cell).ljust(width) for cell, width in zip(line, widths)).rstrip()
                     for line in (header, rule, *rows))


def goal_table(goals):
    rows = []
    for goal in goals:
        figure = goal.figure
        median = f"{number(figure.median)} {figure.unit}" if figure else "-"
        spread = f"{number(min(figure.values))} .. {number(max(figure.values))}" if figure and len(figure.values) > 1 else ""
        rows.append((goal.id, goal.what, goal.limit_text(), median, spread, goal.state, goal.note))
    return table(rows, ("id", "what", "goal", "median", "spread", "", "note"))


def figure_table(figures):
    return table(
        [(f.name, f"{number(f.median)} {f.unit}", f"{number(min(f.values))} .. {number(max(f.values))}", len(f.values))
         for f in figures],
        ("figure", "median", "spread", "rounds"),
    )


def compare(now, earlier):
    """[(name, line, is a regression)] for the figures that both runs have."""
    lines = []
    for name, new in now.items():
        old = earlier.get(name)
        if old is None or not old["median"]:
            continue
        change = new["median"] / old["median"] - 1
        worse = change if new["better"] == LOWER else -change
        outside = new["median"] > old["max"] if new["better"] == LOWER else new["median"] < old["min"]
        regressed = worse > REGRESSION and outside
        line = f"{number(old['median'])} -> {number(new['median'])} {new['unit']} ({change:+.0%})"
        lines.append((name, line, regressed))
    return lines


def all_figures(document):
    """{name: figure} of a run's JSON, those of its goals included."""
    found = {figure["name"]: figure for figure in document["figures"]}
    found.update({goal["figure"]["name"]: goal["figure"] for goal in document["goals"] if goal["figure"]})
    return found
