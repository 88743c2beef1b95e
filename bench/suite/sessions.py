# SPDX-License-Identifier: Apache-2.0
"""Logins (P7), a restart with a million of them (P8), and what they weigh (P9)."""
import json
import pathlib
import threading
import time

from lab.traffic import Tool
from suite import cpu
from suite.figures import LOWER, Goal, number
from suite.intercept import LOCAL_CLIENT, KernelClient
from suite.logins import fill
from suite.stage import SERVER
from suite.subjects import Narthex

FIRST = "10.64.0.2"
MILLION = 1000000
EXACT_POOL = "10.64.0.0/12"  # 1,048,576 addresses
PORT = 7000


def measure_login(bench):
    """P7: answered, then the first packet passes."""
    bench.say("P7: a login, and the first packet after its answer")
    rounds, count = (3, 50) if bench.quick else (9, 100)
    with Narthex(bench.directory / "login", bench.load, bench.build) as narthex:
        stage = narthex.stage
        KernelClient(narthex)
        narthex.resume()
        echo = Tool(stage, stage.internet, "echo", "stream", "echo", "--bind", SERVER, "--port", PORT)
        cpu.place(echo.job.pid, stage.cpus["server"])
        script = pathlib.Path(__file__).with_name("first_packet.py")
        rows = []
        for _ in range(rounds):
            done = stage.on_client("chrt", "--fifo", "9", "/usr/bin/python3", script, bench.build / "control/narthexctl", narthex.gateway.socket,
                                   LOCAL_CLIENT, SERVER, PORT, count, timeout=120)
            assert done.returncode == 0, done.stderr
            rows.append(json.loads(done.stdout))
        echo.report()
    p99 = bench.figure("P7: first packet after the answer, p99", "ms", [quantile(row["first_us"], 0.99) / 1000 for row in rows])
    median = bench.figure("P7: first packet after the answer, median", "ms", [row["first_us"][count // 2] / 1000 for row in rows])
    bench.figure("P7: from a login's call to in force, median", "ms", [row["force_us"][count // 2] / 1000 for row in rows])
    bench.figure("P7: from a login's call to in force, p99", "ms", [quantile(row["force_us"], 0.99) / 1000 for row in rows])
    bench.figure("P7: narthexctl session authorize, median", "ms", [row["login_us"][count // 2] / 1000 for row in rows])
    bench.goals.append(Goal("P7", "login answered, to the first packet's echo, p99", 1, LOWER, p99,
                            f"median {number(median.median)} ms, {rounds * count} logins; the way there and back included"))


def quantile(ordered, fraction):
    return ordered[min(len(ordered) - 1, int(len(ordered) * fraction))]


def bare_restart_s(gateway):
    """How long a restart without traffic takes: with traffic, when accounts are to be saved, about twice as long."""
    begin = time.monotonic()
    gateway.narthexd.stop(120)
    gateway.start_narthexd()
    return time.monotonic() - begin


def idle_cpu_ms(narthex, seconds):
    """What narthexd costs while nothing happens, milliseconds of CPU a second."""
    pid = narthex.gateway.narthexd.pid
    before = cpu.threads_ns(pid)
    time.sleep(seconds)  # the span that is measured
    return (cpu.threads_ns(pid) - before) / 1e6 / seconds


def restart(narthex, seconds, kill):
    """One restart under traffic of all clients, by SIGTERM as for an upgrade (the program in the links is a new
    one), or by kill -9: seconds until it is ready again, and what was lost."""
    gateway, stage, result = narthex.gateway, narthex.stage, {}

    def traffic():
        result.update(stage.forward(result["seconds"], "--rate", 20000, "--clients", MILLION, "--first-client", FIRST))

    result["seconds"] = seconds
    thread = threading.Thread(target=traffic)
    thread.start()
    time.sleep(1)  # of traffic before, not a wait for anything
    begin = time.monotonic()
    if kill:
        gateway.narthexd.kill()
    else:
        gateway.narthexd.stop(120)
    stopped = time.monotonic()
    gateway.start_narthexd()
    ready = time.monotonic()
    thread.join()
    return {"stop": stopped - begin, "start": ready - stopped, "whole": ready - begin, "lost": result["sent"] - result["received"],
            "sent": result["sent"], "drops": result["drops"], "covered": ready - begin < result["seconds"] - 1}


def measure_million(bench):
    """P8 and P9."""
    bench.say("P8, P9: a million sessions")
    rounds = 3 if bench.quick else 9
    with Narthex(bench.directory / "million", bench.load, bench.build, pools=(EXACT_POOL,), capacity=1024) as narthex:
        before_kib = cpu.rss_kib(narthex.gateway.narthexd.pid)
        bulk_s = fill(narthex, FIRST, MILLION)
        bench.say(f"  a million logins in {bulk_s:.1f} s")
        idle_ms = idle_cpu_ms(narthex, 3 if bench.quick else 20)
        narthex.resume()
        needed = bare_restart_s(narthex.gateway)
        rows, killed = [], []
        for turn in range(2 * rounds):
            done = killed if turn % 2 else rows
            done.append(restart(narthex, max([needed * 2, *(row["whole"] for row in rows)]) * 1.5 + 4, done is killed))
            bench.say(f"  restarted in {done[-1]['whole']:.1f} s{' after kill -9' if done is killed else ''}")
        status = narthex.gateway.status()
        map_bytes = int(status["mapBytes"] if "mapBytes" in status else status["map_bytes"])
        rss_kib = cpu.rss_kib(narthex.gateway.narthexd.pid)
    bulk = bench.figure("P7: bulk login of 1 M sessions", "s", [bulk_s])
    bench.goals.append(Goal("P7", "bulk login of 1 M sessions, durable and in the map", 4, LOWER, bulk, "one run; narthexctl and its file included"))
    lost = bench.figure("P8: packets lost in a restart", "packets", [row["lost"] for row in rows + killed])
    whole = bench.figure("P8: restart with 1 M sessions", "s", [row["whole"] for row in rows])
    start = bench.figure("P8: of it, from start to ready", "s", [row["start"] for row in rows])
    again = bench.figure("P8: kill -9 to ready with 1 M sessions", "s", [row["whole"] for row in killed])
    drops = {where: sum(row["drops"][where] for row in rows + killed) for where in rows[0]["drops"]}
    covered = "" if all(row["covered"] for row in rows + killed) else "; THE TRAFFIC ENDED BEFORE THE RESTART DID"
    bench.goals.append(Goal("P8", "restart of narthexd with 1 M sessions, SIGTERM to ready", 3, LOWER, whole,
                            f"of it {number(start.median)} s from start to ready"))
    bench.goals.append(Goal("P8", "the same, kill -9 to ready", 3, LOWER, again))
    bench.goals.append(Goal("P8", "packets lost meanwhile", 0, LOWER, lost, f"of {sum(row['sent'] for row in rows + killed):,}, at full rings {drops}{covered}"))
    kernel = bench.figure("P9: kernel memory a client", "B", [map_bytes / 2**20])
    bench.goals.append(Goal("P9", "kernel memory per IPv4 client, pool of 2^20", 64, LOWER, kernel, f"{map_bytes:,} bytes of maps"))
    bench.figure("narthexd with 1 M idle sessions, CPU a second", "ms", [idle_ms])
    own = bench.figure("P9: narthexd's memory a session", "B", [(rss_kib - before_kib) * 1024 / MILLION])
    bench.goals.append(Goal("P9", "narthexd's memory per session", 300, LOWER, own,
                            f"{rss_kib // 1024} MiB with 1 M sessions, {before_kib // 1024} MiB without"))
