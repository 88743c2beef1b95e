# SPDX-License-Identifier: Apache-2.0
"""How cost and memory grow with the number of logged-in clients (P2, P9): a thousand, a million, ten
millions, all of them logged in through the API, all of them sending in turn."""
from suite import cpu, plot
from suite.figures import number
from suite.forward import FIB, FIRST, Forwarder, forwarded
from suite.logins import fill
from suite.rounds import column, in_turn, standing
from suite.stage import CLIENTS, MORE_CLIENTS
from suite.subjects import Router

COUNTS = (1000, 1000000, 10000000)
# Of the pools; the directly indexed entries are there whether somebody has logged in or not.
POOLS = {1000: ("10.64.0.0/22",), 1000000: ("10.64.0.0/12",), 10000000: (CLIENTS, MORE_CLIENTS)}
ADDRESSES = {1000: 1 << 10, 1000000: 1 << 20, 10000000: (1 << 22) + (1 << 23)}
SLOWEST = 500000  # packets a second that forwarding reaches at the least


class Crowd(Forwarder):
    """narthex (fib) with `clients` logged in, in pools just large enough; knows what they took."""

    def __init__(self, bench, clients):
        super().__init__(bench, clients, FIB, pools=POOLS[clients], capacity=1024)

    def start(self):
        super(Forwarder, self).start()
        before_kib = cpu.rss_kib(self.gateway.narthexd.pid)
        self.login_s = fill(self, FIRST, self.clients)
        self.own_bytes = (cpu.rss_kib(self.gateway.narthexd.pid) - before_kib) * 1024 / self.clients
        self.map_bytes = int(self.gateway.status()["map_bytes"]) / ADDRESSES[self.clients]


def measure_count(bench, count):
    bench.say(f"  {count:,} clients: logging them in")
    place = bench.directory / "growth"
    bare = Router(place, bench.load, redirecting=True)
    crowd = Crowd(bench, count)
    with standing([bare, crowd]) as subjects:
        for subject in subjects:
            subject.stack.callback(subject.stage.open_way_back().stop)
        # The first packet of each is judged by its entry; what is measured is those that follow.
        crowd.resume()
        forwarded(crowd, 1 + count / SLOWEST, count)
        crowd.rest()
        rows = in_turn(bench, subjects, lambda subject: forwarded(subject, bench.seconds, count), rounds=5)
    bench.figure(f"growth: {count:,} clients, login of each through the API", "us", [crowd.login_s / count * 1e6])
    bench.figure(f"growth: {count:,} clients, kernel memory an address", "B", [crowd.map_bytes])
    bench.figure(f"growth: {count:,} clients, narthexd's memory a session", "B", [crowd.own_bytes])
    return {
        "cpu": bench.figure(f"growth: {count:,} clients, forwarding (fib)", "ns", column(rows[crowd.name], "cpu")),
        "bare": bench.figure(f"growth: {count:,} clients, bare redirect", "ns", column(rows[bare.name], "cpu")),
        "login_us": crowd.login_s / count * 1e6, "map_bytes": crowd.map_bytes,
    }


def measure(bench):
    """P2 and P9 by clients. Ten million logins take a minute or two: not for --quick."""
    if bench.quick:
        bench.note("growth with 1 k, 1 M and 10 M logged-in clients: not with --quick")
        return
    bench.say("P2, P9: by number of logged-in clients")
    made = {count: measure_count(bench, count) for count in COUNTS}
    series = {words: [(count, f[key].median, min(f[key].values), max(f[key].values)) for count, f in made.items()]
              for key, words in (("cpu", "narthex, forwarding = \"fib\""), ("bare", "bare redirect program"))}
    bench.plots["forwarding-by-clients"] = lambda where: plot.lines(
        "Forwarding a logged-in client's packet, by number of clients", f"{where}; veth, 64-byte frames, 5 rounds", "logged-in IPv4 clients, all sending in turn",
        "nanoseconds of the gateway's NAPI thread", series)
    bench.plots["memory-by-clients"] = lambda where: plot.lines(
        "Kernel memory for a client, by number of clients", f"{where}; as the kernel accounts for maps", "logged-in IPv4 clients", "bytes for each pool address",
        {"all maps: entries, counters, rings": [(count, f["map_bytes"], f["map_bytes"], f["map_bytes"]) for count, f in made.items()]}, log_y=True)
    bench.note("; ".join(f"{count:,} logins through the API: {number(f['login_us'])} us each" for count, f in made.items()))
