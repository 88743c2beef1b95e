# SPDX-License-Identifier: Apache-2.0
"""A second opinion on all that the other tests of the wire have received; their names come before this one's."""
import re

from lab.process import run


def test_tcpdump_finds_no_fault(wire, family, hosts, tmp_path):
    """REQ 3.checksum, REQ 3.ip: each frame received in this run, read by another program."""
    client = wire.client(family)
    client.connect()
    client.get()
    wire.write_pcap(tmp_path / "received.pcap")
    done = run(None, "tcpdump", "-nnvvr", tmp_path / "received.pcap", check=True, timeout=60)
    lines = [line for line in done.stdout.split("\n") if "Flags [" in line]
    assert len(lines) == len(wire.everything) and hosts.prefix
    faults = re.compile(r"incorrect|bad cksum|\[bad|truncated|\[\||invalid|bogus", re.IGNORECASE)
    bad = [line for line in done.stdout.split("\n") if faults.search(line)]
    assert not bad, bad[:3]
