# SPDX-License-Identifier: Apache-2.0
"""A SYN flood at the rate that the gateway answers, beside 100 logged-in clients' streams and 100 new
clients that ask for a page (P10)."""
import json

from lab.process import Job, until
from suite import cpu, plot
from suite.figures import HIGHER, LOWER, Goal, number
from suite.logins import fill
from suite.intercept import KernelClient
from suite.stage import MACS, SERVER
from suite.subjects import Narthex

LOGGED_IN, CLIENTS = "10.64.0.2", 100
NEW = "10.64.1.0"
SOURCES = "10.96.0.0/12"  # a million spoofed ones, in the zone's pool
RATE = 20000  # of the logged-in clients' packets, all together


def ask(stage, seconds, log):
    """100 new clients of the kernel's, each in turn, over and over."""
    return Job(
        stage.client, "taskset", "-c", stage.cpus["server"], "chrt", "--fifo", "9", stage.load, "latency", "--interface", stage.access, "--gateway-mac", MACS["l"],
        "--server", SERVER, "--first-client", NEW, "--clients", CLIENTS, "--seconds", seconds, log=log,
    )


def flooded(narthex, seconds, in_flight):
    """One row: what the flood did, and what the others had of it."""
    stage = narthex.stage
    daemons = (narthex.gateway.dataplane.pid, narthex.gateway.narthexd.pid)
    flood = None
    if in_flight:
        flood = Job(
            stage.client, stage.load, "syn-flood", "--interface", stage.access, "--gateway-mac", MACS["l"], "--server", SERVER,
            "--sources", SOURCES, "--in-flight", 0, "--first-client", "10.127.255.1", "--clients", 1, "--flood-in-flight", in_flight, "--seconds", seconds + 60, "--quiet",
            log=stage.directory / "flood.log",
        )
        until(lambda: not flood.alive() or stage.on_client("ip", "link", "show", "dev", stage.access).stdout.count("xdp"), 5)
        stage.place_network()
    before = [cpu.rss_kib(pid) for pid in daemons]
    asking = ask(stage, seconds, stage.directory / "ask.log")
    stream = stage.forward(seconds, "--rate", RATE, "--clients", CLIENTS, "--first-client", LOGGED_IN)
    assert asking.process.wait(seconds + 30) == 0, asking.log()
    asked = json.loads(asking.log())
    after = [cpu.rss_kib(pid) for pid in daemons]
    row = {
        "served": 100 * asked["requests"] / (asked["requests"] + asked["failed"]), "asked": asked["requests"],
        "median_us": asked["median_us"], "p99_us": asked["p99_us"], "sent": stream["sent"],
        "drops": stream["drops"], "lost": stream["sent"] - stream["received"], "grown_kib": max(b - a for a, b in zip(before, after)), "syn_per_second": 0,
    }
    if flood:
        assert flood.stop() == 0, flood.log()
        figures = json.loads(flood.log())
        row["syn_per_second"] = figures["flood_per_second"]
        row["answered"] = figures["flood_syn_acks"] / figures["flood_sent"]
    return row


def measure(bench):
    """P10."""
    bench.say("P10: a SYN flood beside 100 logged-in and 100 new clients")
    rounds = 3 if bench.quick else 9
    seconds = 1 if bench.quick else 3
    rows = {}
    with Narthex(bench.directory / "flood", bench.load, bench.build) as narthex:
        stage = narthex.stage
        fill(narthex, LOGGED_IN, CLIENTS)
        KernelClient(narthex, attach=False)
        stage.ip(stage.client, f"route add local {NEW}/25 dev lo")
        for in_flight in (0, 16, 64, 128):
            passing = stage.attach(stage.client, "pass", "--interface", stage.access) if not in_flight else None
            narthex.resume()
            rows[in_flight] = [flooded(narthex, seconds, in_flight) for _ in range(rounds)]
            if passing:
                passing.stop()
            bench.say(f"  {in_flight} SYNs in flight")
    report(bench, rows, rounds)


def report(bench, rows, rounds):
    def figure(in_flight, key, unit, better=LOWER):
        return bench.figure(f"P10: {in_flight} SYNs in flight, {key}", unit, [row[key] for row in rows[in_flight]], better)

    for in_flight in rows:
        figure(in_flight, "syn_per_second", "/s", HIGHER)
        figure(in_flight, "median_us", "us")
        figure(in_flight, "p99_us", "us")
    most = max(rows, key=lambda n: max(row["syn_per_second"] for row in rows[n]))
    sent = sum(row["sent"] for row in rows[most])
    note = f"{number(max(row['syn_per_second'] for row in rows[most]))} SYN/s, {most} in flight"
    bench.goals.append(Goal("P10", "packets of logged-in clients lost", 0, LOWER, figure(most, "lost", "packets"), f"of {sent:,}; {note}; at full rings {[row['drops'] for row in rows[most]]}"))
    bench.goals.append(Goal("P10", "new clients served", 100, HIGHER, figure(most, "served", "%", HIGHER),
                            f"{sum(row['asked'] for row in rows[most]):,} requests"))
    bench.goals.append(Goal("P10", "growth of either daemon's memory", 1024, LOWER, figure(most, "grown_kib", "KiB")))
    series = {}
    for key, name in (("median_us", "median"), ("p99_us", "p99")):
        series[name] = []
        for in_flight, made in rows.items():
            values = sorted(row[key] for row in made)
            rate = sorted(row["syn_per_second"] for row in made)[len(made) // 2]
            series[name].append((rate, values[len(values) // 2], values[0], values[-1]))
    bench.plots["flood"] = lambda where: plot.lines(
        "What new clients wait for a 511 beside a SYN flood", f"{where}; veth, kernel clients, {rounds} rounds", "SYNs of the flood a second", "microseconds from GET to 511",
        series, log_x=False, log_y=True)
