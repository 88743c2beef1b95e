# SPDX-License-Identifier: Apache-2.0
"""DPDK's own dpdk-testpmd as a subject: the driver's ceiling. It receives frames by the same AF_XDP driver on
the same kind of link as narthex's worker and sends them back as they are: no look, no rules, no response."""
import os
import re
import shutil
import signal
import subprocess

from lab.process import inside, until
from suite import cpu, plot
from suite.figures import HIGHER, ratio
from suite.intercept import IN_FLIGHT, transactions
from suite.rounds import column, in_turn, standing
from suite.stage import FLOW_PORT
from suite.subjects import Narthex, Subject

PROGRAM = "dpdk-testpmd"
FRAME_BYTES = 500  # between a request and a response
CYCLES = re.compile(r"CPU cycles/packet=[\d.]+ \(total cycles=(\d+) / total \w+ packets=(\d+)\) at (\d+) MHz")


def missing():
    return [] if shutil.which(PROGRAM) else [PROGRAM]


class TestPmd(Subject):
    name = "dpdk-testpmd"

    def start(self):
        stage = self.stage
        home = stage.directory / "testpmd"
        home.mkdir()
        self.log = home / "log"
        lcores = f"0@{stage.cpus['network']},1@{stage.cpus['server']}"  # the second forwards
        command = ["stdbuf", "-oL", PROGRAM, f"--lcores={lcores}", "--no-huge", "-m", 256, "--no-pci", "--no-telemetry", f"--file-prefix={stage.prefix}",
                   f"--vdev=net_af_xdp0,iface={stage.lan},start_queue=0,busy_budget=0", "--", "-i", "--forward-mode=io",
                   "--port-topology=loop", "--nb-cores=1", "--total-num-mbufs=8192", "--record-core-cycles"]
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(inside(stage.gateway, command), stdin=subprocess.PIPE, stdout=out, stderr=out,
                                            start_new_session=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
        self.stack.callback(self.end)
        assert until(lambda: "testpmd>" in self.said() or self.process.poll() is not None, 20) and self.process.poll() is None, self.said()[-1000:]
        cpu.place_workers(self.process.pid, stage.cpus["server"])

    def rest(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        super().resume()
        self.process.send_signal(signal.SIGCONT)

    def said(self):
        return self.log.read_text(errors="replace")

    def tell(self, words, answer):
        """A command of its own language, and what it says to it."""
        before = len(self.said())
        self.process.stdin.write(f"{words}\n".encode())
        self.process.stdin.flush()
        assert until(lambda: answer in self.said()[before:], 10), f"dpdk-testpmd, {words}: {self.said()[before:][-500:]}"
        return self.said()[before:]

    def end(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.stdin.close()
        self.process.terminate()
        if not until(lambda: self.process.poll() is not None, 10):
            self.process.kill()
            self.process.wait(10)


def returned(subject, seconds, frame_bytes):
    """One round: frames go to testpmd and back. Only turns of its loop that had frames count as busy."""
    subject.tell("start", "packet forwarding")
    figures = subject.stage.generate(
        "circulate", seconds, "--port", FLOW_PORT, "--clients", 1024, "--bytes", frame_bytes, "--in-flight", IN_FLIGHT,
        "--to", subject.stage.access)
    found = CYCLES.search(subject.tell("stop", "CPU cycles/packet"))
    assert found, f"dpdk-testpmd names no cycles:\n{subject.said()[-800:]}"
    cycles, packets, mhz = (int(number) for number in found.groups())
    assert packets > 1000, f"dpdk-testpmd forwarded {packets} frames of {figures}"
    return {"rate": figures["per_second"], "server": cycles / packets / mhz}


def measure(bench):
    """P5: what a worker's transaction costs over a frame that only comes and goes by the same driver."""
    if missing():
        bench.lacks("dpdk-testpmd", f"not here: {', '.join(missing())} (deploy/install-packages bench)")
        return
    bench.say("P5: dpdk-testpmd, the driver's ceiling")
    place = bench.directory / "testpmd"
    with standing([TestPmd(place, bench.load), Narthex(place, bench.load, bench.build)]) as subjects:
        rows = in_turn(bench, subjects, lambda subject: (
            returned(subject, bench.seconds, FRAME_BYTES) if isinstance(subject, TestPmd) else transactions(subject, bench.seconds)))
    bare, own = (bench.figure(f"P5: {words}", "us", column(rows[name], "server")) for name, words in (
        (TestPmd.name, "dpdk-testpmd, a frame in and out, busy"), ("narthex", "narthex's worker beside it, a GET in and its 511 out, busy")))
    bench.figure("P5: dpdk-testpmd, rate", "/s", column(rows[TestPmd.name], "rate"), HIGHER)
    bench.figures.append(ratio("P5: narthex's worker over dpdk-testpmd", own, bare))
    bench.plots["driver-ceiling"] = lambda where: plot.bars(
        "A GET and its 511, beside a frame that dpdk-testpmd returns", f"{where}; veth, {FRAME_BYTES} bytes, {bench.rounds} rounds", "microseconds of the worker, busy",
        {"dpdk-testpmd, io": {"AF_XDP driver, as much as dpdk-testpmd": bare.median},
         "narthex's worker": {"AF_XDP driver, as much as dpdk-testpmd": bare.median, "the rest: parse, rules, response": max(0, own.median - bare.median)}})
