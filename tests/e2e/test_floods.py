# SPDX-License-Identifier: Apache-2.0
"""Floods from clients that are not authorised, with ordinary clients beside them (issue 3)."""
import pytest

from lab import adversity
from lab.gateway import Gateway
from lab.process import until

# A request in two segments, the second 200 ms after the first; prints the status line.
SPLIT_REQUEST = """
import socket, sys, time
source, server = sys.argv[1:]
with socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET) as connection:
    connection.settimeout(2)
    connection.bind((source, 0))
    connection.connect((server, 80))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(b"GET /split HTTP/1.1\\r\\nHost: exa")
    time.sleep(0.2)
    connection.sendall(b"mple.test\\r\\n\\r\\n")
    print(connection.recv(4096).split(b"\\r\\n")[0].decode())
"""


@pytest.fixture(scope="module")
def flooded(hosts, build):
    return Gateway(hosts, build, f"{hosts.prefix}-floods", zones=[adversity.ZONE])


@pytest.fixture(scope="module")
def row_of(hosts, build, flooded):
    with adversity.floods(hosts, build, flooded) as made:
        yield made


@pytest.mark.parametrize("flood", adversity.FLOODS, ids=lambda flood: flood.kind)
def test_a_flood_harms_nobody(row_of, flood):
    """REQ 3.amplification, REQ 3.forged, REQ 3.flat, REQ 3.limit, REQ 3.window, REQ 3.loop, REQ 2.incomplete:
    ordinary clients all served, an authorised stream without a loss, memory flat, tables at their
    bound, never more out than in."""
    row = row_of(flood)
    print(row)
    assert not adversity.flood_complaints(row), row


def test_a_few_clients_with_half_requests_push_nobody_out(row_of, flooded, hosts, build):
    """REQ 2.incomplete: 16 clients keep 3,200 connections with half a request each, three times what the table of
    pieces has room for, and send another piece of one 40,000 times a second; a request in two segments is answered."""
    flood = adversity.Flood("slowloris", "", 3200, 40_000, 12)
    before = adversity.worker_counters(flooded).get("incomplete_request", 0)
    tool = adversity.start_flood(hosts, build, flood, "--clients", 16)
    try:
        assert until(lambda: adversity.worker_counters(flooded).get("incomplete_request", 0) > before + 20_000, 10)
        ends = (("10.71.1.2", adversity.ORIGIN4), ("2001:db8:71:1::2", adversity.ORIGIN6))
        for source, server in 3 * ends:
            got = hosts.on_client("/usr/bin/python3", "-c", SPLIT_REQUEST, source, server)
            assert got.stdout.startswith("HTTP/1.1 511 "), got.stderr
        assert tool.job.alive(), "the flood was over before the requests were"
        assert tool.report()["syn_acks"] > 2048, tool.job.log()
    finally:
        tool.job.kill()
