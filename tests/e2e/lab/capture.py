# SPDX-License-Identifier: Apache-2.0
"""What a client sent and received, by tcpdump on its own link: the second opinion on accounts."""
import contextlib
import re

from lab.process import Job, until


class Capture:
    def __init__(self, hosts, path, client):
        self.hosts, self.path, self.client = hosts, path, client

    def bytes(self):
        """(up, down): bytes of the client's frames. What the gateway itself tells it about neighbours
        never was on the uplink."""
        up = down = 0
        for line in self.hosts.on_client("tcpdump", "-neer", self.path, timeout=60).stdout.split("\n"):
            frame = re.search(r"ethertype IPv[46] .*?, length (\d+): (\S+) > ", line)
            if frame and (frame[2] == self.client or frame[2].startswith(self.client + ".")):
                up += int(frame[1])
            elif frame and "neighbor" not in line:
                down += int(frame[1])
        return up, down

    def assert_accounts(self, gateway):
        """Of the session that the client has, once the capture has written all."""
        assert until(lambda: self.bytes() == accounted(gateway, self.client), 10), (
            self.bytes(), accounted(gateway, self.client),
        )


def accounted(gateway, client):
    session = gateway.json("session", "get", client)
    return int(session["bytes_up"]), int(session["bytes_down"])


@contextlib.contextmanager
def capture(hosts, name, client):
    path = hosts.directory / f"{name}.pcap"
    job = Job(
        hosts.client, "tcpdump", "-ni", "c0", "-s", 96, "-w", path, "--immediate-mode", "-U", "-B", 16384, "host", client,
        log=hosts.directory / f"{name}-tcpdump.log",
    ).wait_for("listening on", 10)
    try:
        yield Capture(hosts, path, client)
    finally:
        job.stop()
    assert re.search(r"^0 packets dropped by kernel", job.log(), re.M), job.log()
