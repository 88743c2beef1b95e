#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The control plane with many sessions: goals P7, P8 and P9.

  bench/control_bench.py [--build DIR] [--sessions N] [--json FILE]

Starts a narthexd of its own in a network namespace of its own, authorises N IPv4 clients from a
file, then one after the other, restarts it, and reads its memory. Needs root and a bpffs.
"""
import argparse
import ipaddress
import json
import os
import pathlib
import shutil
import signal
import statistics
import subprocess
import tempfile
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
SINGLE_LOGINS = 300

CONFIG = """
instance = "{name}"
[paths]
state = "{home}/state"
run = "{home}/run"
bpffs = "/sys/fs/bpf/{name}"
[log]
level = "info"
[sessions]
capacity = {capacity}
[[zone]]
name = "bench"
interface = "nxb0"
pools = ["10.0.0.0/{length}"]
network_name = "bench"
portal_url = "http://198.51.100.20/login"
[[zone.garden]]
prefix = "198.51.100.20/32"
tcp = ["80"]
"""


class Bench:
    def __init__(self, build, sessions):
        self.build, self.sessions = build, sessions
        self.name = f"nxbench{os.getpid():x}"
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="narthex-bench-", dir="/var/tmp"))
        length = 32 - (sessions + SINGLE_LOGINS + 2).bit_length()
        self.config = self.home / "narthex.toml"
        self.config.write_text(CONFIG.format(name=self.name, home=self.home, length=length, capacity=1024))
        self.daemon = None

    def __enter__(self):
        subprocess.run(["ip", "netns", "add", self.name], check=True)
        subprocess.run(["ip", "-n", self.name, "link", "add", "nxb0", "type", "veth", "peer", "name", "nxb1"], check=True)
        return self

    def __exit__(self, *_):
        if self.daemon:
            self.stop()
        self.narthexd("--detach", check=False)
        subprocess.run(["ip", "netns", "del", self.name], check=False)
        shutil.rmtree(self.home, ignore_errors=True)

    def command(self, *options):
        return ["nsenter", f"--net=/run/netns/{self.name}", "--", str(self.build / "control/narthexd"), "--config", str(self.config), *options]

    def narthexd(self, *options, check=True):
        subprocess.run(self.command(*options), check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def ctl(self, *arguments):
        socket = self.home / "run/api.sock"
        return subprocess.run(
            [self.build / "control/narthexctl", "--socket", socket, "--timeout", "60s", "-o", "json", *map(str, arguments)],
            check=True, capture_output=True, text=True,
        ).stdout

    def start(self):
        """Seconds until it serves."""
        log = self.home / "log"
        with open(log, "wb") as out:
            began = time.monotonic()
            self.daemon = subprocess.Popen(self.command(), stdout=out, stderr=out, start_new_session=True)
            while b"narthexd: ready" not in log.read_bytes():
                assert self.daemon.poll() is None, log.read_text()
                time.sleep(0.002)
            return time.monotonic() - began

    def stop(self, number=signal.SIGTERM):
        self.daemon.send_signal(number)
        self.daemon.wait(60)

    def anonymous_bytes(self):
        """What is the process's own: neither files nor mapped maps."""
        for line in pathlib.Path(f"/proc/{self.daemon.pid}/status").read_text().split("\n"):
            if line.startswith("RssAnon"):
                return int(line.split()[1]) * 1024

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.daemon.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def milliseconds(text):
    return float(text.rstrip("s")) * 1000


def measure(bench):
    figures = {"sessions": bench.sessions, "start_s": bench.start()}
    empty = bench.anonymous_bytes()
    first = int(ipaddress.ip_address("10.0.0.1"))
    clients = bench.home / "clients"
    clients.write_text("".join(f"{ipaddress.ip_address(first + i)}\n" for i in range(bench.sessions)))
    began = time.monotonic()
    answer = json.loads(bench.ctl("session", "authorize", "--from", clients, "--for", "4h"))
    figures["bulk_s"] = time.monotonic() - began
    assert answer == {"authorised": bench.sessions, "refused": 0}, answer
    figures["bytes_a_session"] = (bench.anonymous_bytes() - empty) / bench.sessions
    logins = [
        milliseconds(json.loads(bench.ctl("session", "authorize", ipaddress.ip_address(first + bench.sessions + i), "--for", "1h"))["in_force_after"])
        for i in range(SINGLE_LOGINS)
    ]
    figures["login_median_ms"] = statistics.median(logins)
    figures["login_p99_ms"] = statistics.quantiles(logins, n=100)[98]
    before = bench.cpu_seconds()
    time.sleep(20)
    figures["idle_cpu_ms_a_second"] = (bench.cpu_seconds() - before) * 1000 / 20
    bench.stop(signal.SIGKILL)
    figures["restart_s"] = bench.start()
    figures["bytes_a_session_after_restart"] = bench.anonymous_bytes() / bench.sessions
    status = json.loads(bench.ctl("status"))
    assert int(status["sessions"]) == bench.sessions + SINGLE_LOGINS, status["sessions"]
    figures["map_bytes_a_pool_address"] = int(status["map_bytes"]) / int(status["session_capacity"])
    return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=pathlib.Path, default=TOP / "build")
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--json", type=pathlib.Path)
    options = parser.parse_args()
    with Bench(options.build.resolve(), options.sessions) as bench:
        figures = measure(bench)
    for name, value in figures.items():
        print(f"{name:32} {value:14.3f}" if isinstance(value, float) else f"{name:32} {value:14}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
