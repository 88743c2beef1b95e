# SPDX-License-Identifier: Apache-2.0
"""What a 511 costs (P5), and how long a client waits for it (P6)."""
import json

from suite import plot
from suite.figures import HIGHER, Goal, number, ratio
from suite.rounds import COST, RATE, add_columns, column, in_turn, standing
from suite.stage import CLIENTS as CLIENT_POOL, MACS, MORE_CLIENTS, SERVER
from suite.subjects import RULES, Narthex, Nginx, WithRules

IN_FLIGHT = 128
# Enough of them that none exceeds what one client may ask for in a second.
CLIENTS = 1 << 16
LOCAL_CLIENT = "10.64.0.1"  # of the kernel client, beside the generator's own
# Addresses that ask in turn: 200 connections a second are one client's limit, and a kernel makes 20,000.
LOCAL_CLIENTS, LOCAL_PREFIX = 1000, "10.64.0.0/22"


def transactions(subject, seconds, clients=CLIENTS, in_flight=IN_FLIGHT):
    """One round: rate, and the subject's CPU time for each transaction, by part."""
    before = subject.cpu_ns()
    crowd = ("--clients", clients) if clients else ()
    figures = subject.stage.generate("transactions", seconds, "--in-flight", in_flight, *crowd, *subject.options)
    after = subject.cpu_ns()
    done = figures["completed"]
    assert done, f"{subject.name} completed no transaction: {figures}"
    parts = {part: (after[part] - before[part]) / done / 1000 for part in after}
    bad = {key: figures[key] for key in ("wrong", "reset", "incomplete") if figures[key]}
    return {"rate": figures["per_second"], "cpu": sum(parts.values()), **parts, "completed": done, "bad": bad}


def verify(bench, subject):
    """Every byte of every response, apart from what is timed."""
    subject.resume()
    figures = subject.stage.generate(
        "transactions", 30, "--count", 20000 if subject.cheap else 40, "--verify", "--in-flight", 16 if subject.cheap else 1,
        *subject.options, *subject.verify_options,
    )
    subject.rest()
    assert not figures["uncopied"], f"too many responses at once to verify: {figures}"
    assert figures["verified"] == figures["completed"] and not figures["wrong"] and not figures["incomplete"], figures
    bench.note(f"{subject.name}: {figures['verified']:,} responses verified byte by byte, 0 wrong, "
               f"{len(figures['sample'])} bytes each")


def report_bad(bench, rows):
    for name, made in rows.items():
        bad = [row["bad"] for row in made if row["bad"]]
        if bad:
            bench.note(f"{name}: not all transactions were whole: {bad}")


def measure_cost(bench):
    """P5."""
    bench.say("P5: transactions per second of server CPU")
    place = bench.directory / "intercept"
    with standing([Nginx(place, bench.load), WithRules(place, bench.load, bench.build)]) as subjects:
        for subject in subjects:
            verify(bench, subject)
        rows = in_turn(bench, subjects, lambda subject: transactions(subject, bench.seconds))
    report_bad(bench, rows)
    add_columns(bench, rows, "P5", {"rate": RATE, "cpu": COST, "napi": COST, "server": COST})
    cost = {f.name: f for f in bench.figures}
    gain = ratio("P5: narthex over nginx, transactions per server CPU", cost["P5: nginx, cpu"], cost["P5: narthex, cpu"], HIGHER)
    bench.goals.append(Goal("P5", "transactions per server CPU, against nginx return 511 + redirect", 20, HIGHER, gain,
                            f"narthex {number(cost['P5: narthex, cpu'].median)} us, nginx {number(cost['P5: nginx, cpu'].median)} us; with {RULES:,} host rules, none of them met, and negotiation"))
    bench.plots["server-cpu"] = lambda where: plot.bars(
        "Server CPU for one GET and its 511", f"{where}; veth, {IN_FLIGHT} connections in flight, {bench.rounds} rounds", "microseconds a transaction",
        {name: {"NAPI thread": cost[f"P5: {name}, napi"].median, "process, busy": cost[f"P5: {name}, server"].median}
         for name in rows})


def measure_growth(bench):
    """P5: how narthex's cost grows with distinct clients, and with connections at once."""
    bench.say("P5: growth")
    with standing([WithRules(bench.directory / "growth", bench.load, bench.build, pools=(CLIENT_POOL, MORE_CLIENTS))]) as (narthex,):
        transactions_by(bench, narthex)


def transactions_by(bench, narthex):
    seconds, rounds = bench.seconds / 2, 3 if bench.quick else 9
    sweeps = {
        "clients": ("clients", (10000, 100000, 1000000, 10000000)),
        "in flight": ("in_flight", (1, 4, 16, 64, 128)),
    }
    for name, (option, values) in sweeps.items():
        bench.say(f"  cost by {name}")
        narthex.resume()
        points = []
        for value in values:
            rows = [transactions(narthex, seconds, **{option: value}) for _ in range(rounds)]
            figure = bench.figure(f"growth: {value} {name}, cpu", "us", column(rows, "cpu"))
            points.append((value, figure.median, min(figure.values), max(figure.values)))
        narthex.rest()
        title = {"clients": "distinct unauthorised clients", "in flight": "connections in flight"}[name]
        bench.plots[f"cost-by-{name.replace(' ', '-')}"] = lambda where, points=points, title=title: plot.lines(
            f"narthex: server CPU by {title}", f"{where}; veth, {rounds} rounds", title, "microseconds a transaction", {"NAPI thread and worker": points})


class KernelClient:
    """A client of the stage's own kernel."""

    def __init__(self, subject, attach=True):
        stage = subject.stage
        stage.ip(stage.client, f"addr add {LOCAL_CLIENT}/32 dev {stage.access}")
        stage.ip(stage.client, f"route add local {LOCAL_PREFIX} dev {stage.access}")
        stage.on_client("ethtool", "-K", stage.access, "tx", "off", check=True)
        stage.on_client("sysctl", "-qw", "net.ipv4.ip_local_port_range=1024 65535", "net.ipv4.tcp_tw_reuse=1", check=True)
        if attach:
            passing = stage.attach(stage.client, "pass", "--interface", stage.access, name="client-pass")
            subject.stack.callback(passing.stop)


def latency(subject, seconds):
    stage = subject.stage
    done = stage.on_client(
        "chrt", "--fifo", "9", "taskset", "-c", stage.cpus["network"], stage.load, "latency", "--interface", stage.access, "--gateway-mac",
        MACS["l"], "--server", SERVER, "--first-client", LOCAL_CLIENT, "--clients", LOCAL_CLIENTS, "--seconds", seconds, timeout=seconds + 30,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def measure_latency(bench):
    """P6. A worker that has its core for itself spins; one that backs off is shown beside it."""
    bench.say("P6: from GET to 511, one client, one request after the other")
    place = bench.directory / "latency"
    spinning = Narthex(place, bench.load, bench.build, spin=True)
    backing = Narthex(place, bench.load, bench.build)
    backing.name = "narthex, idle_backoff"
    with standing([Nginx(place, bench.load), spinning, backing]) as subjects:
        for subject in subjects:
            KernelClient(subject)
        rows = in_turn(bench, subjects, lambda subject: latency(subject, bench.seconds))
    units = {"median_us": COST, "p99_us": COST, "whole_median_us": COST}
    add_columns(bench, rows, "P6", units)
    by_name = {f.name: f for f in bench.figures}
    for key, words in (("median_us", "median"), ("p99_us", "p99")):
        over = ratio(f"P6: narthex over nginx, {words}", by_name[f"P6: narthex, {key}"], by_name[f"P6: nginx, {key}"])
        backed = ratio("", by_name[f"P6: narthex, idle_backoff, {key}"], by_name[f"P6: nginx, {key}"])
        bench.goals.append(Goal("P6", f"GET to 511, {words}, against nginx", 0.6, figure=over, note=(
            f"narthex {number(by_name[f'P6: narthex, {key}'].median)} us, nginx {number(by_name[f'P6: nginx, {key}'].median)} us; "
            f"with idle_backoff {number(backed.median)} x")))
