# SPDX-License-Identifier: Apache-2.0
"""openNDS's redirect and its 511 beside nginx and narthex, in the same rounds (P5). Its rounds are longer, and
few connections are in flight: it answers tens a second, one after the other."""
from suite import opennds
from suite.figures import HIGHER, Figure, ratio
from suite.intercept import transactions, verify
from suite.rounds import column, in_turn, standing
from suite.subjects import Nginx, WithRules

IN_FLIGHT = 8


def answered(bench, subject):
    if subject.cheap:
        return transactions(subject, bench.seconds / 2)
    return transactions(subject, 3 if bench.quick else 6, clients=None, in_flight=IN_FLIGHT)


def measure_opennds(bench):
    missing = opennds.missing()
    if missing:
        bench.lacks("openNDS", f"not here: {', '.join(missing)} (deploy/install-packages bench)")
        return
    bench.say("P5: openNDS beside nginx and narthex")
    place = bench.directory / "opennds"
    subjects = [opennds.OpenNds(place, bench.load), Nginx(place, bench.load), WithRules(place, bench.load, bench.build)]
    with standing(subjects):
        both = [subjects[0], opennds.OpenNds511(subjects[0])]
        for subject in both:
            verify(bench, subject)
        rows = in_turn(bench, [*both, *subjects[1:]], lambda subject: answered(bench, subject), rounds=3 if bench.quick else 9)
    report(bench, rows)


def report(bench, rows):
    for name in (subject for subject in rows if subject.startswith("openNDS")):
        cost = bench.figure(f"P5: {name}, cpu", "us", column(rows[name], "cpu"))
        bench.figure(f"P5: {name}, rate", "/s", column(rows[name], "rate"), HIGHER)
        for other in ("nginx", "narthex"):
            beside = Figure("", "us", column(rows[other], "cpu"))
            bench.figures.append(ratio(f"P5: {other} over {name}, transactions per server CPU", cost, beside, HIGHER))
