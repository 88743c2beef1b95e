# SPDX-License-Identifier: Apache-2.0
"""Forwarding by the kernel's routes without its stack (zone.forwarding = "fib")."""
import contextlib
import re
import time

import pytest

from lab import clients
from lab.capture import capture
from lab.forwarding import counted, fast_ping, forwarding_gateway
from lab.hosts import ORIGIN4, ORIGIN6, client4, client6, url
from lab.process import Job, run, until
from lab.traffic import running_traffic, watcher

FAMILIES = pytest.mark.parametrize("origin, client", [(ORIGIN4, client4), (ORIGIN6, client6)], ids=["IPv4", "IPv6"])


@pytest.fixture(scope="module")
def fib_gateway(hosts, build, running_gateway):
    with forwarding_gateway(hosts, build, running_gateway, forwarding="fib") as gateway:
        yield gateway


@pytest.fixture
def fib(fib_gateway):
    fib_gateway.heal()
    return fib_gateway


@FAMILIES
def test_authorised_packets_do_not_meet_the_kernel(fib, hosts, origin, client):
    """Issue 4: fib forwards both directions itself; what the kernel forwarded is next to nothing."""
    def forwarded():
        text = hosts.on_gateway("nstat", "-asz", "IpForwDatagrams", "Ip6OutForwDatagrams").stdout
        return sum(int(line.split()[1]) for line in text.split("\n") if "Forw" in line)

    fib.authorize(client(2))
    assert fast_ping(hosts, origin, client(2), 5) == 5
    before = forwarded()
    with counted(fib) as gained:
        assert fast_ping(hosts, origin, client(2), 100) == 100
    assert gained["authorised"] >= 98 and gained["downlink_authorised"] >= 98, gained
    by_kernel = gained.get("kernel_fallback", 0) + gained.get("downlink_kernel_fallback", 0)
    assert forwarded() - before == by_kernel <= 4


@FAMILIES
def test_fetches_of_authorised_and_unauthorised_clients(fib, hosts, origin, client):
    """Issue 4: real nginx and curl; who has no session still gets the 511 and reaches nothing."""
    fib.authorize(client(2))
    for scheme in ("http", "https"):
        response = clients.curl(hosts, url(origin, "/", scheme), client(2))
        assert response.status == 200 and "you reached it" in response.body, response
    watch = watcher(hosts, "fib-watch", hosts.internet, "i0", [client(3)])
    try:
        assert clients.curl(hosts, url(origin), client(3)).is_511()
        assert clients.curl(hosts, url(origin, "/", "https"), client(3)).exit_code != 0
        assert clients.pings(hosts, origin, client(3), count=3, seconds=0.3) == 0
    finally:
        seen = watch.report()
    assert seen["leaked"] == 0, seen


def set_uplink_mtu(hosts, mtu):
    for namespace, interface in ((hosts.gateway, "wan0"), (hosts.internet, "i0")):
        run(None, "ip", "-n", namespace, "link", "set", interface, "mtu", mtu, check=True)


@FAMILIES
def test_the_kernel_answers_for_what_cannot_be_forwarded(fib, hosts, origin, client):
    """Issue 4: TTL, MTU and fragments are the kernel's; its ICMP errors come back."""
    fib.authorize(client(2))
    assert fast_ping(hosts, origin, client(2), 3) == 3
    hop = hosts.on_client("ping", "-n", "-c", 1, "-W", 1, "-t", 1, "-I", client(2), origin).stdout
    router = "2001:db8:51:1::1" if ":" in origin else "10.51.1.1"
    assert f"From {router}" in hop and re.search("exceeded|Hop limit", hop), hop
    set_uplink_mtu(hosts, 1300)
    try:
        with counted(fib) as gained:
            large = hosts.on_client("ping", "-n", "-c", 1, "-W", 1, "-M", "do", "-s", 1400, "-I", client(2), origin)
        assert re.search("Frag needed.*1300|Packet too big.*1300", large.stdout), large.stdout
        assert gained["kernel_fallback"] >= 1, gained
        # From now on the client sends fragments, and those are the kernel's, too.
        with counted(fib) as gained:
            assert fast_ping(hosts, origin, client(2), 10, "-s", 1400) == 10
        assert gained["kernel_fallback"] >= 20, gained
    finally:
        set_uplink_mtu(hosts, 1500)
        for namespace in (hosts.client, hosts.internet):
            for family in ("-4", "-6"):
                run(None, "ip", "-n", namespace, family, "route", "flush", "cache")


@FAMILIES
def test_accounts_equal_what_the_wire_carried(fib, hosts, origin, client):
    """Issue 4: accounting to the byte, beside a capture on the client's link."""
    fib.authorize(client(2))
    with capture(hosts, "fib", client(2)) as captured:
        for _ in range(5):
            assert clients.curl(hosts, url(origin), client(2)).status == 200
        assert fast_ping(hosts, origin, client(2), 50, "-s", 700) == 50
        captured.assert_accounts(fib)


def test_no_packet_is_lost_when_narthexd_dies_or_is_replaced(fib, hosts):
    """REQ 4.death, with fib: forwarding goes on without narthexd, over kills and upgrades."""
    fib.authorize(client4(2), client6(2))
    with running_traffic(hosts) as outcome:
        for _ in range(2):
            fib.narthexd.kill()
            time.sleep(0.3)
            fib.start_narthexd()
            fib.narthexd.stop()
            fib.start_narthexd()
    outcome.check()


def test_explain_knows_what_is_forwarded(fib):
    """narthexctl explain names the verdict of a client that is forwarded."""
    fib.authorize(client4(2))
    answers = fib.ctl("explain", client4(2), check=True).stdout
    assert "authorised" in answers and "live traffic" not in answers and "worker" not in answers, answers


def test_a_changed_interface_is_followed(fib, hosts):
    """An uplink with another MAC address is forwarded to and from again."""
    fib.authorize(client4(2))
    try:
        hosts.on_gateway("ip", "link", "set", "wan0", "address", "02:4e:58:00:01:77", check=True)
        assert until(lambda: fast_ping(hosts, ORIGIN4, client4(2), 5) == 5, 5)
        with counted(fib) as gained:
            assert fast_ping(hosts, ORIGIN4, client4(2), 50) == 50
        assert gained["downlink_authorised"] >= 48, gained
    finally:
        hosts.on_gateway("ip", "link", "set", "wan0", "address", "02:4e:58:00:01:01", check=True)
        assert until(lambda: fast_ping(hosts, ORIGIN4, client4(2), 5) == 5, 5)


@contextlib.contextmanager
def pinging(hosts, source):
    """Somebody whose packets to the origin keep its route known."""
    job = Job(hosts.client, "ping", "-nq", "-i", "0.002", "-I", source, ORIGIN4, log=hosts.directory / "pinging.log")
    try:
        yield
    finally:
        job.stop()


@contextlib.contextmanager
def blackhole_for(hosts, source):
    """A rule that looks at the source, as of policy routing."""
    hosts.on_gateway("ip", "route", "add", "blackhole", "default", "table", "51", check=True)
    hosts.on_gateway("ip", "rule", "add", "from", source, "lookup", "51", check=True)
    try:
        yield
    finally:
        hosts.on_gateway("ip", "rule", "del", "from", source, "lookup", "51", check=True)
        hosts.on_gateway("ip", "route", "del", "blackhole", "default", "table", "51", check=True)


@pytest.mark.parametrize("alive", [True, False], ids=["narthexd", "without narthexd"])
def test_a_rule_by_source_is_followed(fib, hosts, alive):
    """Answers of routes are kept for a moment and given to other clients, but not once a rule tells clients apart."""
    fib.authorize(client4(2), client4(3))
    assert until(lambda: fast_ping(hosts, ORIGIN4, client4(2), 5) == 5, 5)
    if not alive:
        fib.narthexd.kill()
    # As long as the last word of a narthexd that is dead holds, and in which one that lives sees it.
    patience_s = 3 if alive else 6
    with pinging(hosts, client4(3)):
        with blackhole_for(hosts, client4(2)):
            assert until(lambda: fast_ping(hosts, ORIGIN4, client4(2), 200) == 0, patience_s)
            assert fast_ping(hosts, ORIGIN4, client4(3), 50) == 50
        assert until(lambda: fast_ping(hosts, ORIGIN4, client4(2), 5) == 5, 5)


def test_routes_and_neighbours_are_followed_without_narthexd(fib, hosts):
    """What is kept of routes lives for a tick of the classifier's clock, whoever is dead."""
    fib.authorize(client4(2), client4(3))
    assert until(lambda: fast_ping(hosts, ORIGIN4, client4(2), 5) == 5, 5)
    fib.narthexd.kill()
    with pinging(hosts, client4(3)):
        hosts.on_gateway("ip", "route", "add", "blackhole", ORIGIN4, check=True)
        try:
            assert until(lambda: fast_ping(hosts, ORIGIN4, client4(2), 5) == 0, 1.5)
        finally:
            hosts.on_gateway("ip", "route", "del", "blackhole", ORIGIN4, check=True)
        assert until(lambda: fast_ping(hosts, ORIGIN4, client4(2), 50) == 50, 5)
