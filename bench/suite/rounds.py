# SPDX-License-Identifier: Apache-2.0
"""What every measure is given: where things are, how long to measure, where figures go; and rounds
that take the subjects in turn, A B A B, so that what drifts drifts for all."""
import contextlib
import pathlib
import sys
import time

from suite.figures import HIGHER, LOWER, Figure


class Bench:
    def __init__(self, build, directory, quick):
        self.build, self.directory, self.quick = pathlib.Path(build), pathlib.Path(directory), quick
        self.load = self.build / "bench/load/narthex-load"
        self.rounds = 5 if quick else 11
        self.seconds = 0.6 if quick else 2
        self.figures, self.goals, self.plots, self.notes, self.absent = [], [], {}, [], {}
        self.began = time.monotonic()

    def say(self, words):
        print(f"[{time.monotonic() - self.began:4.0f} s] {words}", file=sys.stderr, flush=True)

    def note(self, words):
        self.notes.append(words)
        self.say(words)

    def lacks(self, what, why):
        """Something that would have been measured beside the rest: it is named in the report."""
        self.absent[what] = why
        self.say(f"{what}: {why}")

    def figure(self, name, unit, values, better=LOWER):
        figure = Figure(name, unit, list(values), better)
        self.figures.append(figure)
        return figure


@contextlib.contextmanager
def standing(subjects):
    """All are up, all but the one that is measured rest."""
    with contextlib.ExitStack() as stack:
        for subject in subjects:
            stack.enter_context(subject)
            subject.rest()
        yield subjects


def in_turn(bench, subjects, measure, rounds=None):
    """{subject name: [what measure(subject) gave, a round each]}; a warm-up round is thrown away."""
    rows = {subject.name: [] for subject in subjects}
    for number in range((rounds or bench.rounds) + 1):
        for subject in subjects:
            subject.resume()
            try:
                row = measure(subject)
            finally:
                subject.rest()
            if number:
                rows[subject.name].append(row)
        bench.say(f"  round {number} of {rounds or bench.rounds}" + (" (warm-up)" if not number else ""))
    return rows


def column(rows, key):
    return [row[key] for row in rows]


def add_columns(bench, rows, name, units):
    """Figures `<name>: <subject> <column>` for each subject and each column with a unit."""
    for subject, made in rows.items():
        for key, (unit, better) in units.items():
            bench.figure(f"{name}: {subject}, {key}", unit, column(made, key), better)


RATE = ("/s", HIGHER)
COST = ("us", LOWER)
