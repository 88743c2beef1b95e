# SPDX-License-Identifier: Apache-2.0
"""Two instances on one host, and hugepages."""
import pathlib

import pytest

from lab import clients
from lab.gateway import zone
from lab.hosts import ORIGIN4, ORIGIN6, client4, client6, url
from lab.process import until
from lab.traffic import running_traffic

SPARE4, SPARE6 = "10.61.1.2", "2001:db8:61:1::2"
SPARE_ZONE = zone("spare", "sp0", "10.61.1.0/24", "2001:db8:61:1::/64")
HUGEPAGES = pathlib.Path("/proc/sys/vm/nr_hugepages")


def sees_511(hosts, source4, source6):
    return clients.curl(hosts, url(ORIGIN4), source4).is_511() and clients.curl(hosts, url(ORIGIN6), source6).is_511()


def reaches_origin(hosts, source4, source6):
    return (
        clients.curl(hosts, url(ORIGIN4), source4).status == 200
        and clients.curl(hosts, url(ORIGIN6), source6).status == 200
    )


def test_two_instances_do_not_touch_each_other(gateway, another, spare, hosts):
    """Issue 2: different names, interfaces and sockets live on one host; each has its own
    sessions, and the end of one leaves the other's traffic without a lost packet."""
    second = another("second", zones=[SPARE_ZONE])
    before = gateway.program()
    gateway.authorize(client4(2), client6(2))
    with running_traffic(hosts) as outcome:
        second.start()
        assert sees_511(hosts, SPARE4, SPARE6)
        assert sees_511(hosts, client4(3), client6(3))
        second.authorize(SPARE4, SPARE6)
        assert reaches_origin(hosts, SPARE4, SPARE6)
        assert gateway.addresses() == {client4(2), client6(2)}
        assert second.addresses() == {SPARE4, SPARE6}
        assert gateway.ctl("session", "authorize", "10.61.1.3", "--for", "1h").returncode != 0, "not its zone"
        second.dataplane.stop()
        second.narthexd.stop()
        assert second.detach().returncode == 0
        assert second.pins() == [] and second.program("sp0") == 0
    outcome.check()
    assert gateway.program() == before and gateway.pins()
    assert sees_511(hosts, client4(3), client6(3))


def test_one_instance_with_two_zones(another, spare, hosts):
    """One narthexd, two access networks, each with its own workers; `sp2` has no client."""
    hosts.on_gateway("ip", "link", "add", "sp2", "type", "veth", "peer", "name", "sp3", check=True)
    try:
        hosts.on_gateway("ip", "link", "set", "sp2", "up", check=True)
        gateway = another("zones", zones=[zone("empty", "sp2", "10.62.1.0/24", "2001:db8:62:1::/64"), SPARE_ZONE])
        gateway.start()
        assert sees_511(hosts, SPARE4, SPARE6)
        gateway.authorize("10.62.1.2")
        gateway.authorize(SPARE4, SPARE6)
        assert {session["zone"] for session in gateway.sessions()} == {"empty", "spare"}
        assert reaches_origin(hosts, SPARE4, SPARE6)
        gateway.terminate(SPARE4)
        assert sees_511(hosts, SPARE4, SPARE6)
        assert gateway.addresses() == {"10.62.1.2"}
        gateway.stop()
        assert gateway.program("sp0") == gateway.program("sp2") == 0
    finally:
        hosts.on_gateway("ip", "link", "del", "sp2", check=True)


@pytest.fixture
def hugepages():
    """256 more hugepages for the test; skipped where the machine has none to give."""
    if not HUGEPAGES.exists():
        pytest.skip("this kernel has no hugepages")
    before = int(HUGEPAGES.read_text())
    try:
        HUGEPAGES.write_text(str(before + 256))
        got = int(HUGEPAGES.read_text()) - before
        if got < 128:
            pytest.skip(f"only {got} of 256 hugepages could be had")
        yield
    finally:
        HUGEPAGES.write_text(str(before))


def hugepages_free():
    text = pathlib.Path("/proc/meminfo").read_text()
    return int(next(line for line in text.split("\n") if line.startswith("HugePages_Free")).split()[1])


def test_dataplane_on_hugepages(another, spare, hosts, hugepages):
    """Issue 2: with hugepages and without; the rest of the suite runs without."""
    gateway = another("huge", zones=[SPARE_ZONE], hugepages="auto")
    free = hugepages_free()
    gateway.start()
    assert hugepages_free() < free, "the dataplane did not take hugepages"
    assert sees_511(hosts, SPARE4, SPARE6)
    gateway.dataplane.kill()
    gateway.start_dataplane()
    assert sees_511(hosts, SPARE4, SPARE6)
    gateway.dataplane.stop()
    assert until(lambda: hugepages_free() == free, 2), "hugepages were not given back"
