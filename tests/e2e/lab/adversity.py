# SPDX-License-Identifier: Apache-2.0
"""Bad cables and floods, and what clients and gateway make of them.

An access interface of its own, `ad0`, with its own narthex instance:

  floods   gateway ad0 ——————————————————— ad1 clients and flood
  losses   gateway ad0 ——— ad1 =relay= ad2 ——— ad3 clients

tests/e2e/test_loss.py and test_floods.py assert on these figures, tests/adversity prints them.
"""
import contextlib
import dataclasses
import json
import pathlib
import signal
import struct
import time

from lab.gateway import zone
from lab.hosts import ORIGIN4, ORIGIN6
from lab.process import Job, run, until
from lab.traffic import Tool, echo, sender
from lab.wire import Wire, body_of

HERE = pathlib.Path(__file__).parent
ZONE = zone("adverse", "ad0", "10.71.1.0/24", "2001:db8:71:1::/64")
POOL4, PREFIX6 = "10.71.1.", "2001:db8:71:1::"
GATEWAY_MAC, CLIENT_MAC = "02:4e:58:00:02:01", "02:4e:58:00:02:02"
TALLY = ["syn_acks", "resets", "acks", "data", "other"]
# Ordinary clients by number; one stream is authorised.
FETCHERS, AUTHORISED = (2, 3, 4, 5), 6
TARGETS = [[server, f"{prefix}{n}"] for n in FETCHERS for server, prefix in ((ORIGIN4, POOL4), (ORIGIN6, PREFIX6))]
STREAM_RATE = 1000


# ---- the link -----------------------------------------------------------------------------------


def _ip(namespace, words):
    run(None, "ip", "-n", namespace, *words.split(), check=True)


def _set_addresses(hosts, interface):
    client, gateway = hosts.client, hosts.gateway
    for n in (*FETCHERS, AUTHORISED):
        _ip(client, f"addr add {POOL4}{n}/24 dev {interface}")
        _ip(client, f"addr add {PREFIX6}{n}/64 dev {interface} nodad")
        # Known neighbours: a flood may use up the table, and a bad cable may lose the question.
        _ip(gateway, f"neigh replace {POOL4}{n} lladdr {CLIENT_MAC} dev ad0 nud permanent")
        _ip(gateway, f"neigh replace {PREFIX6}{n} lladdr {CLIENT_MAC} dev ad0 nud permanent")
    for family, router, source in (("-4", POOL4 + "1", POOL4 + "0/24"), ("-6", PREFIX6 + "1", PREFIX6 + "/64")):
        _ip(client, f"{family} neigh replace {router} lladdr {GATEWAY_MAC} dev {interface} nud permanent")
        _ip(client, f"{family} route replace default via {router} dev {interface} table 71")
        _ip(client, f"{family} rule add from {source} lookup 71")


def _attach(hosts, interface, program, section="xdp"):
    hosts.on_client("ip", "link", "set", "dev", interface, "xdpdrv", "obj", program, "sec", section, check=True)


@contextlib.contextmanager
def access_link(hosts, build, relayed, queues=1):
    """ad0 at the gateway, with so many queues each way; yields the interface at which the clients are."""
    client, gateway, internet = hosts.client, hosts.gateway, hosts.internet
    edge = "ad3" if relayed else "ad1"
    size = f"numtxqueues {queues} numrxqueues {queues}"
    _ip(gateway, f"link add ad0 address {GATEWAY_MAC} {size} type veth peer name ad1 netns {client} {size}")
    try:
        if relayed:
            _ip(client, "link add ad2 type veth peer name ad3")
            for interface in ("ad1", "ad2"):
                hosts.on_client("sysctl", "-qw", f"net.ipv6.conf.{interface}.disable_ipv6=1", check=True)
        _ip(client, f"link set {edge} address {CLIENT_MAC}")
        _ip(gateway, f"addr add {POOL4}1/24 dev ad0")
        _ip(gateway, f"addr add {PREFIX6}1/64 dev ad0 nodad")
        _ip(gateway, "link set ad0 up")
        for interface in ("ad1", "ad2", "ad3") if relayed else ("ad1",):
            _ip(client, f"link set {interface} up")
            hosts.on_client("ethtool", "-K", interface, "tx", "off", "gro", "off", check=True)
        _set_addresses(hosts, edge)
        _ip(internet, f"-4 route replace {POOL4}0/24 via 198.51.100.1")
        _ip(internet, f"-6 route replace {PREFIX6}/64 via 2001:db8:100::1")
        # XDP_TX on a veth reaches only an end with a program of its own.
        _attach(hosts, "ad1", hosts.directory / "pass.o" if relayed else build / "tests/tools/tally.o")
        yield edge
    finally:
        _ip(gateway, "link del ad0")
        if relayed:
            run(None, "ip", "-n", client, "link", "del", "ad3")
        for family, source in (("-4", POOL4 + "0/24"), ("-6", PREFIX6 + "/64")):
            run(None, "ip", "-n", client, family, "rule", "del", "from", source, "lookup", "71")


@contextlib.contextmanager
def far_clients(hosts, build, gateway, round_trip_ms):
    """The clients are so far away from a gateway of a zone like ZONE, which runs inside without its
    dataplane; yields their interface. No kernel leaves a checksum to hardware: the relay has none."""
    with access_link(hosts, build, relayed=True) as edge, contextlib.ExitStack() as stack:
        stack.callback(gateway.stop)
        gateway.start_narthexd()
        stack.callback(hosts.on_internet, "ethtool", "-K", "i0", "tx", "on")
        hosts.on_internet("ethtool", "-K", "i0", "tx", "off", check=True)
        hosts.on_gateway("ethtool", "-K", "ad0", "tx", "off", check=True)
        cable = Tool(
            hosts, hosts.client, "relay", build / "tests/tools/relay", "--a", "ad2", "--b", "ad1",
            "--delay", round_trip_ms / 2, "--seconds", 1000,
        )
        stack.callback(cable.job.kill)
        yield edge


# ---- fetches ------------------------------------------------------------------------------------


def _plan(count, parallel, timeout, request="plain"):
    return json.dumps({"targets": TARGETS, "count": count, "parallel": parallel, "timeout": timeout, "request": request})


def fetch_many(hosts, count, parallel, timeout, request="plain"):
    done = hosts.on_client("/usr/bin/python3", HERE / "fetch.py", _plan(count, parallel, timeout, request), timeout=timeout * (count // parallel + 2))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def reference(hosts):
    """The digest of the response on a good cable; every client has the same MSS."""
    results = fetch_many(hosts, len(TARGETS), 1, 5)
    digests = {result["digest"] for result in results}
    assert len(digests) == 1 and all(r["status"].startswith("HTTP/1.1 511") and not r["error"] for r in results), results
    return digests.pop()


def split(results, digest):
    """(good, bad) of fetches."""
    good = [r for r in results if not r["error"] and r["digest"] == digest]
    return good, [r for r in results if r["error"] or r["digest"] != digest]


def quantile(results, fraction):
    seconds = sorted(result["seconds"] for result in results)
    return round(seconds[min(len(seconds) - 1, int(len(seconds) * fraction))], 3) if seconds else None


# ---- bad cables ---------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Cable:
    name: str
    loss: float = 0
    duplicate: float = 0
    reorder: float = 0
    corrupt: float = 0
    request: str = "plain"

    def options(self):
        return [word for key in ("loss", "duplicate", "reorder", "corrupt") for word in (f"--{key}", getattr(self, key))]


CABLES = [
    Cable("loss 5 %", loss=5),
    Cable("loss 10 %", loss=10),
    Cable("loss 20 %", loss=20),
    Cable("duplication 30 %", duplicate=30),
    Cable("reordering 30 %", reorder=30),
    Cable("corruption 10 %", corrupt=10),
    Cable("all at once", loss=5, duplicate=10, reorder=10, corrupt=5),
    Cable("loss 10 %, 12 KB of cookies", loss=10, request="cookies"),
    Cable("loss 10 %, a body of 100 KB", loss=10, request="body"),
]
GOOD_CABLE = Cable("none")
FETCHES, PARALLEL = 300, 100
# A client whose SYN was lost repeats its request after 3, 9, 21, 45, 93 s (RFC 6298 §5.7: without
# timestamps it has not measured the way), which no test can wait for. So its kernel is told not to
# wait longer than a second; the gateway is the same. `patient` measures with the kernel's own times.
PERSISTENCE = {"net.ipv4.tcp_rto_max_ms": 1000, "net.ipv4.tcp_syn_retries": 30}
FETCH_TIMEOUT_S, PATIENT_TIMEOUT_S = 60, 300
LAST_ACK_DEADLINE_S = 1.2  # of a mended cable: one repetition of the FIN, and its way
HURT = {"loss": "lost", "duplicate": "duplicated", "reorder": "reordered", "corrupt": "corrupted"}


@contextlib.contextmanager
def relay(hosts, build, cable, seed=0x511):
    tool = Tool(
        hosts, hosts.client, "relay", build / "tests/tools/relay", "--a", "ad2", "--b", "ad1",
        *cable.options(), "--seed", seed, "--seconds", 1000,
    )
    try:
        yield tool
    finally:
        tool.job.kill()


def last_acks(hosts):
    lines = hosts.on_client("ss", "-Htan", "state", "last-ack", check=True).stdout.split("\n")
    return len([line for line in lines if POOL4 in line or PREFIX6 in line])


def run_cable(hosts, build, cable, digest, timeout):
    """One row of the loss table."""
    with relay(hosts, build, cable) as tool:
        began = time.monotonic()
        results = fetch_many(hosts, FETCHES, PARALLEL, timeout, cable.request)
        took = time.monotonic() - began
        tool.job.signal(signal.SIGUSR1)
        until(lambda: last_acks(hosts) == 0, LAST_ACK_DEADLINE_S)
        left = last_acks(hosts)
        report = tool.report()
    good, bad = split(results, digest)
    ways = (report["there"], report["back"])
    return {
        "cable": cable.name, "frames": sum(way["received"] for way in ways),
        **{past: sum(way[past] for way in ways) for past in HURT.values()},
        "by_accident": report["overlooked"] + sum(way["refused"] for way in ways),
        "fetched": len(good), "failed": len(bad), "errors": sorted({r["error"] or f"wrong bytes: {r['status']!r}" for r in bad}),
        "median_s": quantile(results, 0.5), "p99_s": quantile(results, 0.99), "longest_s": quantile(results, 1),
        "took_s": round(took, 1), "last_ack_after_1s": left,
    }


@contextlib.contextmanager
def quick_repetitions(hosts, wanted):
    """The client's kernel repeats within a second, and as often as it takes: seven SYNs in a row
    get lost once in a few thousand times at 20 %. Yields whether it does."""
    before = {name: hosts.on_client("sysctl", "-n", name).stdout.strip() for name in PERSISTENCE}
    wanted = wanted and all(before.values())  # the limit is of Linux 6.15
    try:
        for name, value in PERSISTENCE.items() if wanted else ():
            hosts.on_client("sysctl", "-qw", f"{name}={value}", check=True)
        yield wanted
    finally:
        for name, value in before.items() if wanted else ():
            hosts.on_client("sysctl", "-qw", f"{name}={value}")


@contextlib.contextmanager
def bad_cables(hosts, build, gateway, patient=False):
    """Yields a function that makes the row of a cable."""
    with access_link(hosts, build, relayed=True), quick_repetitions(hosts, not patient) as quick:
        try:
            gateway.start()
            with relay(hosts, build, GOOD_CABLE):
                digest = reference(hosts)
            timeout = FETCH_TIMEOUT_S if quick else PATIENT_TIMEOUT_S
            yield lambda cable: run_cable(hosts, build, cable, digest, timeout)
        finally:
            gateway.stop()


# ---- floods -------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Flood:
    kind: str
    name: str
    count: int
    rate: int  # a second
    seconds: int = 15
    handshakes: bool = False  # its clients have proven themselves


# On two shared cores the flood and the classifier's softirq take one; at full rate (600,000 a
# second) the ordinary clients' kernel would starve before the gateway does.
FLOODS = [
    Flood("syn", "SYN, random sources", 800_000, 200_000),
    Flood("forged", "forged ACK+GET, random sources", 1_000_000, 200_000),
    Flood("forged-one", "forged ACK+GET, one source", 400_000, 100_000),
    Flood("slowloris", "slowloris, 10,000 half requests", 10_000, 50_000, 4, True),
    Flood("zero-window", "zero window, 10,000 requests", 10_000, 10_000, 15, True),
    Flood("replay", "the responder's own output", 400_000, 100_000),
]
SERVED_AT_LEAST = 100
TABLE_ENTRIES = 1024  # of requests in pieces


def rss_kib(job):
    text = pathlib.Path(f"/proc/{job.pid}/status").read_text()
    return int(text.split("VmRSS:")[1].split()[0])


class Tally:
    """Counts, by kind, what reached the flood's addresses (tests/tools/tally.bpf.c)."""

    def __init__(self, hosts):
        shown = hosts.on_client("ip", "-d", "link", "show", "dev", "ad1", check=True).stdout
        program = shown.split("prog/xdp id ")[1].split()[0]
        info = json.loads(run(None, "bpftool", "-j", "prog", "show", "id", program, check=True).stdout)
        names = [json.loads(run(None, "bpftool", "-j", "map", "show", "id", i, check=True).stdout) for i in info["map_ids"]]
        self.map = next(m["id"] for m in names if m["name"] == "tally")
        self.before = self._read()

    def _read(self):
        dumped = json.loads(run(None, "bpftool", "-j", "map", "dump", "id", self.map, check=True).stdout)
        sums = {}
        for entry in dumped:
            entry = entry.get("formatted", entry)
            values = [cpu["value"] for cpu in entry["values"]]
            sums[TALLY[entry["key"]]] = {field: sum(value[field] for value in values) for field in ("packets", "bytes")}
        return sums

    def since(self):
        now = self._read()
        return {kind: {f: now[kind][f] - self.before[kind][f] for f in now[kind]} for kind in now}


def capture_own_output(hosts, path):
    """Frames that the gateway sends to clients — SYN-ACK, 511, ACK of FIN, RST — and, so that they
    meet the responder's code, the same ones with addresses and ports swapped."""
    wire = Wire(hosts.client, "ad1", POOL4, PREFIX6, GATEWAY_MAC)
    try:
        for family in (4, 6):
            client = wire.client(family)
            client.connect()
            client.ack += len(body_of(client.get())) + 1
            client.send("FA")
            client.receive()
            stranger = wire.client(family)
            stranger.send("A", ack=1)
            stranger.receive()
        raws = list(wire.everything)
    finally:
        wire.close()
    frames = raws + [swap_ends(raw) for raw in raws]
    path.write_bytes(b"".join(struct.pack("!H", len(frame)) + frame for frame in frames))


def swap_ends(raw):
    """Destination and source exchanged on layers 2, 3 and 4; no checksum changes by that."""
    at, size = (26, 4) if raw[12:14] == b"\x08\x00" else (22, 16)
    l4 = at + 2 * size
    addresses = raw[at + size : l4] + raw[at : at + size]
    return raw[6:12] + raw[:6] + raw[12:at] + addresses + raw[l4 + 2 : l4 + 4] + raw[l4 : l4 + 2] + raw[l4 + 4 :]


@contextlib.contextmanager
def authorised_stream(hosts, gateway):
    """Yields a list; its one element at the end is the stream's report."""
    source, reports = f"{POOL4}{AUTHORISED}", []
    gateway.authorize(source)
    with contextlib.ExitStack() as stack:
        answers = echo(hosts, "adverse-echo", ORIGIN4)
        stack.callback(answers.job.kill)
        stream = sender(hosts, "adverse-stream", source, ORIGIN4, STREAM_RATE)
        stack.callback(stream.job.kill)
        yield reports
        reports.append(stream.report())
        answers.report()
    gateway.terminate(source)


def start_flood(hosts, build, flood, *options):
    return Tool(
        hosts, hosts.client, "flood", build / "tests/tools/flood", flood.kind, "--interface", "ad1",
        "--count", flood.count, "--rate", flood.rate, "--seconds", flood.seconds,
        "--pool4", POOL4, "--prefix6", PREFIX6, "--client-mac", CLIENT_MAC, "--gateway-mac", GATEWAY_MAC, *options,
    )


def run_flood(hosts, build, gateway, flood, digest):
    """One row of the flood table."""
    tally, status = Tally(hosts), worker_counters(gateway)
    before = [rss_kib(job) for job in (gateway.dataplane, gateway.narthexd)]
    frames = hosts.directory / "own-output"
    with authorised_stream(hosts, gateway) as stream:
        tool = start_flood(hosts, build, flood, "--frames", frames)
        began = time.monotonic()
        fetcher = Job(hosts.client, "/usr/bin/python3", HERE / "fetch.py", _plan(SERVED_AT_LEAST, 4, 10), log=hosts.directory / f"fetch-{flood.kind}")
        try:
            sent = tool.wait(flood.seconds + 20)
            ended = time.monotonic()
            fetcher.process.wait(120)
        finally:
            tool.job.kill()
            fetcher.kill()
    good, bad = split(json.loads(fetcher.log()), digest)
    out, now = tally.since(), worker_counters(gateway)
    packets, size = (sum(kind[field] for kind in out.values()) for field in ("packets", "bytes"))
    after = [rss_kib(job) for job in (gateway.dataplane, gateway.narthexd)]
    return {
        "flood": flood.name, "rate": round(sent["packets"] / sent["seconds"]), "seconds": sent["seconds"],
        "packets_in": sent["packets"], "bytes_in": sent["bytes"], "refused": sent["refused"],
        "packets_out": packets, "bytes_out": size,
        "packet_ratio": round(packets / sent["packets"], 4), "byte_ratio": round(size / sent["bytes"], 4),
        "out": {kind: out[kind]["packets"] for kind in out},
        "handshakes": sent["syn_acks"],
        "served": len(good), "unserved": len(bad), "errors": sorted({str(r["error"] or r["status"]) for r in bad}),
        "served_during": len([r for r in good if began < r["began"] < ended]),
        "median_s": quantile(good, 0.5), "p99_s": quantile(good, 0.99),
        "authorised_sent": stream[0]["sent"], "authorised_lost": stream[0]["lost"], "authorised_rate": stream[0]["rate"],
        "dataplane_rss_kib": [before[0], after[0]], "narthexd_rss_kib": [before[1], after[1]],
        "worker": {name: now[name] - status.get(name, 0) for name in now if now[name] != status.get(name, 0)},
    }


def run_flood_on_a_free_cable(hosts, build, gateway, flood, digest):
    """A row in which the cable took every frame. A veth ring holds 256; when somebody else has the
    core for a few milliseconds it is full, and what the stream loses then, the cable has lost."""
    for _ in range(3):
        row = run_flood(hosts, build, gateway, flood, digest)
        if not row["refused"]:
            break
    return row


def worker_counters(gateway):
    """The workers' counters by name."""
    sums = {}
    for area in gateway.status()["zones"]:
        for worker in area["workers"]:
            for counter in worker["counters"]:
                sums[counter["name"]] = sums.get(counter["name"], 0) + int(counter.get("packets", 0))
    return sums


@contextlib.contextmanager
def floods(hosts, build, gateway):
    """Yields a function that makes the row of a flood."""
    with access_link(hosts, build, relayed=False):
        try:
            gateway.start()
            digest = reference(hosts)
            fetch_many(hosts, 200, 20, 10)  # what is allocated on first use has been used
            capture_own_output(hosts, hosts.directory / "own-output")
            yield lambda flood: run_flood_on_a_free_cable(hosts, build, gateway, flood, digest)
        finally:
            gateway.stop()


# ---- what was promised --------------------------------------------------------------------------


def loss_complaints(row):
    """REQ 3.fin, issue 3: every fetch completes with the right bytes; no socket is left behind."""
    wrong = []
    if row["fetched"] != FETCHES or row["failed"]:
        wrong.append(f"{row['failed']} of {FETCHES} fetches failed: {row['errors'][:3]}")
    if row["last_ack_after_1s"]:
        wrong.append(f"{row['last_ack_after_1s']} sockets in LAST-ACK after a second")
    cable = next(cable for cable in CABLES if cable.name == row["cable"])
    for chance, past in HURT.items():
        expected = row["frames"] * getattr(cable, chance) / 100
        if not expected / 2 <= row[past] <= 2 * expected:
            wrong.append(f"the cable was not as bad as it should be: {past} {row[past]} of {row['frames']}")
    if row["by_accident"]:
        wrong.append(f"{row['by_accident']} frames got lost without being told to")
    return [f"{row['cable']}: {line}" for line in wrong]


def flood_complaints(row):
    """REQ 3.amplification, REQ 3.loop, issue 3."""
    wrong = []
    flood = next(flood for flood in FLOODS if flood.name == row["flood"])
    if row["unserved"] or row["served"] < SERVED_AT_LEAST:
        wrong.append(f"{row['unserved']} ordinary fetches failed: {row['errors'][:3]}")
    if row["served_during"] < 10:
        wrong.append(f"only {row['served_during']} fetches began while it lasted")
    if row["authorised_lost"] or row["authorised_rate"] < STREAM_RATE / 2:
        wrong.append(f"the authorised stream lost {row['authorised_lost']} of {row['authorised_sent']} ({row['authorised_rate']} a second)")
    for name in ("dataplane", "narthexd"):
        before, after = row[f"{name}_rss_kib"]
        if after - before > 1024:
            wrong.append(f"{name} grew from {before} to {after} KiB")
    if row["packet_ratio"] > 1.0 or row["byte_ratio"] > 1.1:
        wrong.append(f"out:in {row['packet_ratio']} packets, {row['byte_ratio']} bytes")
    if row["out"]["data"]:
        wrong.append(f"{row['out']['data']} responses with data")
    if not flood.handshakes and row["packets_in"] < 0.9 * flood.count:
        wrong.append(f"only {row['packets_in']} of {flood.count} packets were sent")
    if flood.handshakes and row["handshakes"] < flood.count:
        wrong.append(f"only {row['handshakes']} of {flood.count} handshakes")
    # All but the newest requests had to go: the table is full, and no fuller.
    if flood.kind == "slowloris" and row["worker"].get("reassembly_evicted", 0) < flood.count - TABLE_ENTRIES:
        wrong.append("the table of pieces did not reach its bound")
    if flood.kind == "zero-window" and row["worker"].get("window_too_small", 0) < flood.count:
        wrong.append("the requests with window 0 did not all reach the worker")
    if flood.kind == "forged-one" and row["out"]["resets"] > 100 * (row["seconds"] + 2):
        wrong.append(f"{row['out']['resets']} RSTs to one client in {row['seconds']} s")
    return [f"{row['flood']}: {line}" for line in wrong]
