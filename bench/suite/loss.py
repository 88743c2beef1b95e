# SPDX-License-Identifier: Apache-2.0
"""What loss costs a client: the time from its SYN to the whole 511, by kernel clients behind a relay that
loses frames at random, each way (the relay and the clients of tests/adversity)."""
import os

from lab import adversity
from lab.gateway import Gateway
from lab.hosts import Hosts
from suite import plot

LOSSES = (0, 1, 2, 5, 10, 20)  # per cent of the frames, each way
QUICK_LOSSES = (0, 10)
KEYS = {"median_s": "median", "p99_s": "p99", "longest_s": "longest"}


def measure_rows(bench, losses):
    rows = {}
    directory = bench.directory / "loss"
    with Hosts(f"nxb{os.getpid() % 0x100000:x}l", directory) as hosts:
        gateway = Gateway(hosts, bench.build, f"{hosts.prefix}-loss", zones=[adversity.ZONE])
        with adversity.bad_cables(hosts, bench.build, gateway) as row_of:
            for loss in losses:
                rows[loss] = row_of(adversity.Cable(f"loss {loss} %", loss=loss))
                bench.say(f"  {loss} %: {rows[loss]['fetched']} of {adversity.FETCHES} fetched, in {rows[loss]['took_s']} s")
    return rows


def measure(bench):
    bench.say(f"loss: {adversity.FETCHES} fetches of a 511, {adversity.PARALLEL} at once, over a cable that loses frames")
    rows = measure_rows(bench, QUICK_LOSSES if bench.quick else LOSSES)
    for loss, row in rows.items():
        for key, words in KEYS.items():
            bench.figure(f"loss {loss} %: SYN to the whole 511, {words}", "ms", [row[key] * 1000])
        bench.figure(f"loss {loss} %: fetches that failed", "fetches", [row["failed"]])
    series = {words: [(loss, *[row[key] * 1000] * 3) for loss, row in rows.items()] for key, words in KEYS.items()}
    bench.plots["time-by-loss"] = lambda where: plot.lines(
        "How long a client takes to get its 511, by loss", f"{where}; veth and a relay, {adversity.FETCHES} fetches a point", "per cent of frames lost, each way",
        "milliseconds from SYN to the whole 511", series, log_x=False, log_y=True)
