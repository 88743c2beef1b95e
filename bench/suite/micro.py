# SPDX-License-Identifier: Apache-2.0
"""The micro benchmarks (Google Benchmark, P1, P3, P4, P7, P11): each is a program that interleaves floor and
subject itself and gives the ratio of its rounds."""
import json
import os
import re
import subprocess

from suite import plot
from suite.figures import HIGHER, LOWER, Goal, number

PROGRAMS = {  # and what --quick takes of each
    "classifier_bench": "Authorised4/(1|1000|1000000|10000000)/|SynToSynAck(4/16384|6)/",
    "worker_bench": "GetTo|Workers",
    "rules_bench": "Decision/names",
    "control_bench": "ArrayStore|StoreInsert|Rpc|BulkLogin/10{4,5}/",
}


def run_program(bench, name, chosen):
    """{benchmark: its row}; empty if there is no such program."""
    program = bench.build / "bench" / name
    if not program.exists():
        return {}
    bench.say(f"{name}")
    command = [program, "--benchmark_format=json", f"--benchmark_filter={chosen}"]
    environment = {**os.environ, "NARTHEX_BENCH_DIR": str(bench.directory)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False, env=environment)
    assert done.returncode == 0, f"{name}: {done.stderr[-500:]}"
    rows = {}
    for row in json.loads(done.stdout)["benchmarks"]:
        label = row["name"].replace("/manual_time", "")
        label = re.sub(r"/iterations:\d+", "", label)
        if row.get("error_occurred"):
            bench.note(f"{name} {label}: {row['error_message']}")
        else:
            rows[label] = row
    return rows


def add(bench, program, rows):
    """A figure for the time, and one for the ratio with the spread that the program gave."""
    ratios = {}
    for label, row in rows.items():
        scale = {"ns": 1, "us": 1e3, "ms": 1e6, "s": 1e9}[row["time_unit"]]
        bench.figure(f"{program}: {label}", "ns", [row["real_time"] * scale])
        if "ratio" in row:
            ratios[label] = bench.figure(
                f"{program}: {label}, over the floor", "x", [row["ratio_min"], row["ratio"], row["ratio_max"]])
    return ratios


def floor_note(row):
    return f"{number(row['real_time'])} ns over {number(row['floor_ns'])} ns"


def hold(bench, rows, ratios, wanted):
    """Goals on ratios: (id, what, limit, benchmark)."""
    for identifier, what, limit, label in wanted:
        figure = ratios.get(label)
        note = floor_note(rows[label]) if figure else f"no benchmark {label}"
        bench.goals.append(Goal(identifier, what, limit, LOWER, figure, note))


def measure_classifier(bench):
    rows = run_program(bench, "classifier_bench", PROGRAMS["classifier_bench"] if bench.quick else ".")
    ratios = add(bench, "classifier_bench", rows)
    hold(bench, rows, ratios, [
        ("P1", "classifier, one logged-in client, over an empty program", 1.6, "Authorised4/1"),
        ("P1", "classifier, 1 M random clients, over an empty program", 3, "Authorised4/1000000"),
    ])
    few, many = rows.get("Authorised4/1000000"), rows.get("Authorised4/10000000")
    growth = bench.figure("P1: 10 M clients over 1 M", "x", [many["real_time"] / few["real_time"]]) if few and many else None
    bench.goals.append(Goal("P1", "10 M clients, against 1 M", 1.3, LOWER, growth))
    hold(bench, rows, ratios, [("P3", "SYN to SYN-ACK with cookie, over an empty program", 2.5, "SynToSynAck4/16384")])
    plot_classifier(bench, rows)


def by_number(rows, pattern):
    """[(number, median, lowest, highest)] of the benchmarks whose label ends in one; the spread is that of
    the ratios to the floor."""
    points = []
    for label, row in rows.items():
        found = re.fullmatch(pattern + r"/(\d+)", label)
        if found:
            low, high = (row["floor_ns"] * row[key] for key in ("ratio_min", "ratio_max"))
            points.append((int(found[1]), row["real_time"], min(low, row["real_time"]), max(high, row["real_time"])))
    return sorted(points)


def plot_classifier(bench, rows):
    series = {words: by_number(rows, name) for words, name in (
        ("IPv4, logged in: passes", "Authorised4"), ("IPv6, logged in: passes", "Authorised6"), ("IPv4, SYN: cookie SYN-ACK", "SynToSynAck4"))}
    series["empty program"] = [(x, *[rows[f"Authorised4/{x}"]["floor_ns"]] * 3) for x, *_ in series["IPv4, logged in: passes"]]
    series = {words: points for words, points in series.items() if len(points) > 1}
    if series:
        bench.plots["classifier-by-clients"] = lambda where: plot.lines(
            "Classifier: cost of a packet, by number of clients", f"{where}; BPF_PROG_TEST_RUN, 11 rounds", "clients, one picked at random for each packet",
            "nanoseconds a packet", series)


def measure_worker(bench):
    rows = run_program(bench, "worker_bench", PROGRAMS["worker_bench"] if bench.quick else ".")
    ratios = add(bench, "worker_bench", rows)
    for label, words in (("GetTo511Curl4", "GET to 511, curl's request"), ("GetTo511Browser4", "GET to 511, a browser's request"),
                         ("GetTo302Browser4", "GET to a rule's 302, a browser's request")):
        figure = next((f for f in bench.figures if f.name == f"worker_bench: {label}"), None)
        bench.goals.append(Goal("P4", f"worker, {words}", 180, LOWER, figure, "10,000 host rules" if figure else f"no benchmark {label}"))
        if "511" in label:
            hold(bench, rows, ratios, [("P4", f"the same, over the floor loop: {words}", 4, label)])
    plot_workers(bench, rows)


def plot_workers(bench, rows):
    """How many workers get done what: each its CPU, its buffers and its half-read requests, one set of rules."""
    rates = {int(found[1]): 1e9 / row["real_time"] for label, row in rows.items() if (found := re.fullmatch(r"Workers/(\d+)", label))}
    if len(rates) < 2:
        return
    for count, rate in [pair for pair in rates.items() if pair[0] > 1]:
        bench.figure(f"workers, no NIC: throughput of {count} over that of one", "x", [rate / rates[1]], HIGHER)
    bench.plots["throughput-by-workers"] = lambda where: plot.bars(
        "Workers: GETs answered with 511s, a CPU for each worker", f"{where}; no NIC, 10,000 host rules", "transactions a second, all together",
        {f"{count} worker{'s' if count > 1 else ''}": {"throughput": rate} for count, rate in sorted(rates.items())})


def measure_control(bench):
    """P7: many logins, against raw updates of a map in the same process."""
    rows = run_program(bench, "control_bench", PROGRAMS["control_bench"] if bench.quick else ".")
    add(bench, "control_bench", rows)
    count = 100000 if bench.quick else 1000000
    row = rows.get(f"BulkLogin/{count}")
    what = "bulk login, against raw batch updates of a hash"
    if row is None:
        bench.goals.append(Goal("P7", what, 0.5, HIGHER, None, f"no benchmark BulkLogin/{count}"))
        return
    share = bench.figure("P7: bulk login over raw batch updates, rate", "x",
                         [1 / row[key] for key in ("ratio_max", "ratio", "ratio_min")], HIGHER)
    bench.goals.append(Goal("P7", what, 0.5, HIGHER, share, (
        f"{count:,} sessions, {number(row['real_time'])} ns each, raw {number(row['floor_ns'])} ns "
        f"(of an array {number(row['array_ns'])} ns)")))


REQUESTS = {"names / miss": "a host that no rule names", "names / hit": "hosts of the rules at random",
            "names / scan": "every request scanned"}


def measure_rules(bench):
    """P11. The benchmarks of rules_bench end in the number of patterns."""
    rows = run_program(bench, "rules_bench", PROGRAMS["rules_bench"])
    add(bench, "rules_bench", rows)
    by_count = {}
    for label, row in rows.items():
        found = re.fullmatch(r"Decision/(.+)/(\d+)", label)
        if found:
            by_count.setdefault(found[1], {})[int(found[2])] = row["real_time"]
    for name, words in REQUESTS.items():
        what, times = f"rules: 10,000 host patterns against 100, {words}", by_count.get(name, {})
        if not {100, 10000} <= set(times):
            bench.goals.append(Goal("P11", what, 1.5, LOWER, None, f"no benchmark Decision/{name} in this build"))
            continue
        growth = bench.figure(f"P11: 10,000 patterns over 100, {words}", "x", [times[10000] / times[100]])
        bench.goals.append(Goal("P11", what, 1.5, LOWER, growth, f"{number(times[10000])} ns over {number(times[100])} ns"))
    series = {REQUESTS.get(name, name): [(n, t, t, t) for n, t in sorted(counts.items()) if n] for name, counts in by_count.items() if len(counts) > 1}
    if series:
        bench.plots["rules-by-patterns"] = lambda where: plot.lines(
            "Rules: time of a decision, by number of host patterns", f"{where}; rules_bench", "host patterns", "nanoseconds a request", series, log_y=True)
