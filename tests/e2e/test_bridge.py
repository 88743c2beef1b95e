# SPDX-License-Identifier: Apache-2.0
"""Forwarding across a port pair (zone.forwarding = "bridge")."""
import contextlib
import random
import socket

import pytest
from scapy.layers.dhcp import BOOTP, DHCP
from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether

from lab import clients
from lab.forwarding import fast_ping, forwarding_gateway
from lab.hosts import ORIGIN4, ORIGIN6, client4, client6, url
from lab.process import Job, run, until
from lab.traffic import watcher
from lab.wire import socket_in

FAMILIES = pytest.mark.parametrize("origin, client", [(ORIGIN4, client4), (ORIGIN6, client6)], ids=["IPv4", "IPv6"])
ROUTER4, ROUTER6 = "10.51.1.254", "2001:db8:51:1::fe"
LEASED4 = "10.51.1.200"
CLIENT_MAC = "02:4e:58:00:00:02"  # of c0


@pytest.fixture(scope="module")
def bridge_gateway(hosts, build, running_gateway):
    """The clients' router is on the other side: the internet's host, in their own network."""
    def ip(namespace, words):
        run(None, "ip", "-n", namespace, *words.split(), check=True)

    client, gateway, internet = hosts.client, hosts.gateway, hosts.internet
    back = [("-4", "10.51.1.0/24", "198.51.100.1"), ("-6", "2001:db8:51:1::/64", "2001:db8:100::1")]
    ways = [("-4", ROUTER4, "10.51.1.1"), ("-6", ROUTER6, "2001:db8:51:1::1")]
    try:
        for family, network, _ in back:
            ip(internet, f"{family} route del {network}")
        ip(internet, f"addr add {ROUTER4}/24 dev i0")
        ip(internet, f"addr add {ROUTER6}/64 dev i0 nodad")
        for family, router, _ in ways:
            ip(client, f"{family} route replace default via {router}")
        with forwarding_gateway(hosts, build, running_gateway, forwarding="bridge", bridge_uplink="wan0") as bridging:
            yield bridging
    finally:
        ip(internet, f"addr del {ROUTER4}/24 dev i0")
        ip(internet, f"addr del {ROUTER6}/64 dev i0")
        for family, _, before in ways:
            ip(client, f"{family} route replace default via {before}")
        for family, network, via in back:
            ip(internet, f"{family} route add {network} via {via}")
        for namespace in (client, gateway, internet):
            ip(namespace, "neigh flush all")


@pytest.fixture
def bridge(bridge_gateway):
    bridge_gateway.heal()
    return bridge_gateway


@FAMILIES
def test_the_bridge_carries_what_clients_need(bridge, hosts, origin, client):
    """Issue 4: ARP and ND, fetches, large packets; nothing is routed or aged on the way."""
    bridge.authorize(client(2))
    for scheme in ("http", "https"):
        response = clients.curl(hosts, url(origin, "/", scheme), client(2))
        assert response.status == 200 and "you reached it" in response.body, response
    assert fast_ping(hosts, origin, client(2), 50) == 50
    assert fast_ping(hosts, origin, client(2), 10, "-s", 4000) == 10, "fragments"
    assert fast_ping(hosts, origin, client(2), 3, "-t", 1) == 3, "the bridge is no hop"


@FAMILIES
def test_the_bridge_carries_nothing_of_strangers(bridge, hosts, origin, client):
    """Issue 4: who has no session gets the 511 and reaches nothing; nothing unsolicited comes back."""
    watch = watcher(hosts, "bridge-watch", hosts.internet, "i0", [client(3)], link_control=True)
    try:
        assert clients.curl(hosts, url(origin), client(3)).is_511()
        assert clients.curl(hosts, url(origin, "/", "https"), client(3)).exit_code != 0
        assert clients.pings(hosts, origin, client(3), count=3, seconds=0.3) == 0
        done = hosts.on_internet("ping", "-nq", "-c", 3, "-i", "0.05", "-W", "0.3", "-I", origin, client(3))
        assert " 0 received" in done.stdout, done.stdout
    finally:
        seen = watch.report()
    assert seen["leaked"] == 0, seen


@pytest.mark.parametrize("own", ["10.51.1.1", "2001:db8:51:1::1"], ids=["IPv4", "IPv6"])
def test_the_gateway_is_reached_at_its_own_address(bridge, hosts, own):
    """A bridge with an address: questions for it by ARP or ND, and what is for it, stay here."""
    source = client6(2) if ":" in own else client4(2)
    bridge.authorize(source)
    run(None, "ip", "-n", hosts.client, "neigh", "flush", "all")
    assert fast_ping(hosts, own, source, 5) == 5


def test_the_garden_and_dns_are_across_the_bridge(bridge, hosts):
    """A client that has not logged in reaches the portal and the resolver on the other side."""
    assert clients.curl(hosts, "http://198.51.100.20/", client4(3)).status == 200
    assert clients.dns(hosts, ORIGIN4, client4(3)) == ORIGIN4


# ---- DHCP ---------------------------------------------------------------------------------------


@contextlib.contextmanager
def dhcp_server(hosts):
    server = Job(
        hosts.internet, "dnsmasq", "--conf-file=/dev/null", "--keep-in-foreground", "--log-facility=-", "--user=root", "--pid-file",
        "--port=0", "--interface=i0", "--bind-interfaces", "--no-ping", "--leasefile-ro", f"--dhcp-range={LEASED4},{LEASED4},255.255.255.0",
        log=hosts.directory / "dnsmasq.log",
    ).wait_for("DHCP, IP range", 10)
    try:
        yield
    finally:
        server.kill()


@contextlib.contextmanager
def frames(namespace, interface):
    port = socket_in(namespace, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    port.bind((interface, 0x0003))
    port.setblocking(False)
    with port:
        yield port


def dhcp_messages(port):
    """(transaction, type) of what servers have sent here by now."""
    while True:
        try:
            frame = Ether(port.recv(2048))
        except BlockingIOError:
            return
        if BOOTP in frame and frame[UDP].sport == 67:
            yield frame[BOOTP].xid, dict(option for option in frame[DHCP].options if len(option) == 2)["message-type"]


def test_a_stranger_gets_its_lease_and_no_other_dhcp(bridge, hosts):
    """Issue 4: nothing unsolicited to unauthorised clients. A real server is across the bridge; its offer is a
    packet for an address that nobody has yet. Others like it, which nobody asked for, stay outside."""
    unasked, asked = random.sample(range(2**32), 2)
    ether = Ether(dst=CLIENT_MAC)
    forged = IP(src=ORIGIN4, dst=LEASED4) / UDP(sport=67, dport=68) / BOOTP(op=2, xid=unasked) / DHCP(options=[("message-type", "offer"), "end"])
    question = (
        Ether(src=CLIENT_MAC, dst="ff:ff:ff:ff:ff:ff") / IP(src="0.0.0.0", dst="255.255.255.255") / UDP(sport=68, dport=67)
        / BOOTP(chaddr=bytes.fromhex(CLIENT_MAC.replace(":", "")), xid=asked) / DHCP(options=[("message-type", "discover"), "end"])
    )
    dropped = lambda: next(int(c["packets"]) for c in bridge.status()["counters"] if c["name"] == "unsolicited")
    before = dropped()
    with dhcp_server(hosts), frames(hosts.client, "c0") as client, frames(hosts.internet, "i0") as internet:
        internet.send(bytes(ether / forged))
        assert until(lambda: dropped() == before + 1, 3)
        client.send(bytes(question))
        heard = []
        assert until(lambda: heard.extend(dhcp_messages(client)) or heard, 3), "no offer"
        internet.send(bytes(ether / forged))
        assert until(lambda: dropped() == before + 2, 3)
        heard.extend(dhcp_messages(client))
    assert set(heard) == {(asked, 2)}, heard
