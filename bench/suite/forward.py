# SPDX-License-Identifier: Apache-2.0
"""What forwarding a logged-in client's packet costs (P2): the time of the access interface's NAPI thread
for each packet that came round. 128 frames circulate: up through the subject, back by a link beside it, on
another CPU, so that nothing is lost at a full ring and nothing waits for a generator."""
from lab.gateway import Gateway
from suite import plot
from suite.figures import HIGHER, Goal, number, ratio
from suite.rounds import add_columns, in_turn, standing
from suite.logins import fill
from suite.stage import FLOW_PORT
from suite.subjects import Narthex, Router

FIRST = "10.64.0.2"
FRAME_BYTES = 60  # 64 with the FCS
UNITS = {"rate": ("pps", HIGHER), "cpu": ("ns", "lower")}
FIB = 'forwarding = "fib"'


class Forwarder(Narthex):
    """narthex with `clients` logged in."""

    def __init__(self, bench, clients, forwarding, **options):
        super().__init__(bench.directory / "forward", bench.load, bench.build, extra=forwarding, uplink=forwarding == FIB, **options)
        self.clients = clients
        self.name = f"narthex, {'fib' if forwarding == FIB else 'kernel'}"

    def start(self):
        super().start()
        fill(self, FIRST, self.clients)


def supports_fib(bench):
    """Whether this narthexd knows the key."""
    probe = Narthex(bench.directory / "probe", bench.load, bench.build, extra=FIB)
    with probe.stage:
        gateway = Gateway(probe.stage, bench.build, probe.stage.prefix, [probe.zone()], uplinks=[probe.stage.wan])
        return gateway.run_narthexd("--check").returncode == 0


def forwarded(subject, seconds, clients):
    subject.stage.place_far_end()
    before = subject.stage.lan_ns()
    figures = subject.stage.generate(
        "circulate", seconds, "--port", FLOW_PORT, "--clients", clients, "--first-client", FIRST, "--bytes", FRAME_BYTES,
        "--in-flight", 128, "--to", subject.stage.access, interface=subject.stage.back,
    )
    spent = subject.stage.lan_ns() - before
    assert figures["received"] > 1000, f"{subject.name} forwarded {figures}"
    assert figures["seeded"] == 128, f"{subject.name} lost frames: {figures}"
    return {"rate": figures["per_second"], "cpu": spent / figures["received"]}


def measure(bench):
    """P2."""
    clients = 1000 if bench.quick else 1000000
    bench.say(f"P2: forwarding, {clients:,} logged-in clients, {FRAME_BYTES + 4}-byte frames")
    place = bench.directory / "forward"
    subjects = [Router(place, bench.load), Router(place, bench.load, redirecting=True), Forwarder(bench, clients, "")]
    fib = supports_fib(bench)
    if fib:
        subjects.append(Forwarder(bench, clients, FIB))
    with standing(subjects):
        for subject in subjects:
            subject.stack.callback(subject.stage.open_way_back().stop)
        rows = in_turn(bench, subjects, lambda subject: forwarded(subject, bench.seconds, clients))
    add_columns(bench, rows, "P2", UNITS)
    made = {f.name: f for f in bench.figures}
    of = {name: made[f"P2: {name}, cpu"] for name in rows}
    note = "; ".join(f"{name} {number(figure.median)} ns" for name, figure in of.items())
    if fib:
        over_kernel = ratio("P2: narthex fib over kernel, packets per CPU", of["kernel"], of["narthex, fib"], HIGHER)
        over_bare = ratio("P2: narthex fib over bare redirect, packets per CPU", of["bare redirect"], of["narthex, fib"], HIGHER)
        bench.goals.append(Goal("P2", "forwarding (fib) against the kernel's", 3, HIGHER, over_kernel, note))
        bench.goals.append(Goal("P2", "forwarding (fib) against a bare redirect", 0.85, HIGHER, over_bare))
    else:
        why = f"this narthexd has no forwarding = \"fib\"; with the kernel's forwarding: {note}"
        bench.goals.append(Goal("P2", "forwarding (fib) against the kernel's", 3, HIGHER, None, why))
        bench.goals.append(Goal("P2", "forwarding (fib) against a bare redirect", 0.85, HIGHER, None, "as above"))
        ratio_now = ratio("P2: narthex kernel over kernel, packets per CPU", of["kernel"], of["narthex, kernel"], HIGHER)
        bench.figures.append(ratio_now)
    bench.plots["forwarding"] = lambda where: plot.bars(
        "Forwarding a logged-in client's packet: CPU of the gateway", f"{where}; veth, 64-byte frames, {bench.rounds} rounds", "nanoseconds a packet",
        {name: {"NAPI thread": figure.median} for name, figure in of.items()})
