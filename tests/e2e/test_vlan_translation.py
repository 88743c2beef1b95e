# SPDX-License-Identifier: Apache-2.0
"""VLANs that differ between the clients' side and the uplink's (access_vlan, uplink_vlan), on the wire.

Frames are made and judged by hand at both ends: the kernel of a test machine may have no VLAN interfaces,
so what narthex leaves to it (the first packet to each neighbour) gets lost here."""
import contextlib
import random
import socket
import time

import pytest
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6
from scapy.layers.l2 import ARP, Dot1AD, Dot1Q, Ether
from scapy.packet import Raw

from lab.forwarding import forwarding_gateway, with_keys
from lab.gateway import zone
from lab.hosts import ORIGIN4
from lab.process import run
from lab.wire import PACKET_AUXDATA, PACKET_IGNORE_OUTGOING, SOL_PACKET, Wire, body_of, restore_tag, socket_in

LAN, WAN, ORIGIN = "02:4e:58:00:00:01", "02:4e:58:00:01:01", "02:4e:58:00:01:10"
CLIENT_MAC, STRANGER_MAC = "02:4e:58:00:03:01", "02:4e:58:00:03:02"
CLIENT = {4: "10.51.1.80", 6: "2001:db8:51:1::80"}
STRANGER = {4: "10.51.1.90", 6: "2001:db8:51:1::90"}
FAR = {4: "198.51.100.80", 6: "2001:db8:100::80"}  # no kernel answers there
C_TAG, S_TAG, PRIORITY = 0x8100, 0x88A8, 5

# Tags as they are written in the configuration, and as (type, VLAN) on the wire, outer first.
ROWS = [
    pytest.param("100", "200", [(C_TAG, 100)], [(C_TAG, 200)], id="replaced"),
    pytest.param("100.7", "", [(S_TAG, 100), (C_TAG, 7)], [], id="QinQ-popped"),
    pytest.param("", "200.7", [], [(S_TAG, 200), (C_TAG, 7)], id="QinQ-pushed"),
    pytest.param("100.7", "200", [(S_TAG, 100), (C_TAG, 7)], [(C_TAG, 200)], id="outer-popped"),
]
FORWARDING = {"fib": {"forwarding": "fib"}, "bridge": {"forwarding": "bridge", "bridge_uplink": "wan0"}}


class End:
    """One end of the gateway: whole frames out, whole frames in."""

    def __init__(self, namespace, interface):
        self.socket = socket_in(namespace, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.bind((interface, 3))

    def send(self, frame):
        self.socket.send(bytes(frame))

    def take_until(self, wanted, seconds=3):
        """What came up to the frame that holds these bytes, that one included."""
        frames, deadline = [], time.monotonic() + seconds
        while not (frames and wanted in frames[-1]):
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data, ancillary, _, _ = self.socket.recvmsg(65536, 256)
            except TimeoutError:
                raise AssertionError(f"not among {len(frames)} frames: {wanted!r}; {[f.hex() for f in frames]}") from None
            frames.append(restore_tag(data, ancillary))
        return frames


def layer2(source, destination, tags, priority=PRIORITY):
    frame = Ether(src=source, dst=destination)
    for ethertype, vlan in tags:
        frame = frame / (Dot1AD if ethertype == S_TAG else Dot1Q)(prio=priority, vlan=vlan)
    layer = frame  # the types that scapy guesses are not always these
    for ethertype, _ in tags:
        layer.type = ethertype
        layer = layer.payload
    return frame


def network(family, source, destination, ttl=64):
    return IP(src=source, dst=destination, ttl=ttl, id=7) if family == 4 else IPv6(src=source, dst=destination, hlim=ttl)


def marked(text, size=0):
    return Raw(text.encode() + random.Random(text).randbytes(size))


def packets(family, source, destination, ttl, name):
    """UDP, TCP and ICMP of several sizes, the last of them full; each with bytes of its own."""
    ip = network(family, source, destination, ttl)
    echo = ICMP(id=9) if family == 4 else ICMPv6EchoRequest(id=9)
    return [
        ip / UDP(sport=5000, dport=443) / marked(f"{name}-empty"),
        ip / UDP(sport=5000, dport=443) / marked(f"{name}-odd", 333),
        ip / TCP(sport=5001, dport=443, flags="PA", seq=1, ack=1) / marked(f"{name}-tcp", 1000),
        ip / echo / marked(f"{name}-echo", 56),
        ip / UDP(sport=5000, dport=443) / marked(f"{name}-full", 1400),
    ]


class Path:
    """A gateway between two ends, with the frames of both sides as they must be."""

    def __init__(self, hosts, gateway, mode, access, uplink):
        self.gateway, self.routes, self.tags_in, self.tags_out = gateway, mode == "fib", access, uplink
        self.access, self.uplink = End(hosts.client, "c0"), End(hosts.internet, "i0")

    def close(self):
        self.access.socket.close()
        self.uplink.socket.close()

    def pair(self, to, out, here, there, sent, arriving):
        """Tags keep their priority; those put on an untagged frame have none."""
        before, after = layer2(*to, here), layer2(*out, there, PRIORITY if here else 0)
        return [before / packet for packet in sent], [after / packet for packet in arriving]

    def up(self, family, source=CLIENT, mac=CLIENT_MAC, name="up"):
        """(what is sent at the client's end, what must arrive at the other)"""
        to = (mac, LAN if self.routes else ORIGIN)
        out = (WAN, ORIGIN) if self.routes else to
        sent = packets(family, source[family], FAR[family], 64, name)
        arriving = packets(family, source[family], FAR[family], 64 - self.routes, name)
        return self.pair(to, out, self.tags_in, self.tags_out, sent, arriving)

    def down(self, family, destination=CLIENT, mac=CLIENT_MAC, name="down"):
        to = (ORIGIN, WAN if self.routes else mac)
        out = (LAN, mac) if self.routes else to
        sent = packets(family, FAR[family], destination[family], 64, name)
        arriving = packets(family, FAR[family], destination[family], 64 - self.routes, name)
        return self.pair(to, out, self.tags_out, self.tags_in, sent, arriving)

    def pass_first(self):
        """One packet to each neighbour is the kernel's; the others of these pass."""
        for family in (4, 6):
            for (sent, _), near, far in ((self.up(family, name="first"), self.access, self.uplink), (self.down(family, name="first"), self.uplink, self.access)):
                for frame in sent:
                    near.send(frame)
                far.take_until(bytes(sent[-1][Raw]))


@contextlib.contextmanager
def neighbours(hosts):
    """Those of a kernel that could not ask for them by tagged frames."""
    rows = [(address, ORIGIN, "wan0") for address in FAR.values()]
    rows += [(address, mac, "lan0") for who, mac in ((CLIENT, CLIENT_MAC), (STRANGER, STRANGER_MAC)) for address in who.values()]
    for address, mac, interface in rows:
        run(None, "ip", "-n", hosts.gateway, "neigh", "replace", address, "lladdr", mac, "dev", interface, "nud", "permanent", check=True)
    try:
        yield
    finally:
        for address, _, interface in rows:
            run(None, "ip", "-n", hosts.gateway, "neigh", "del", address, "dev", interface)


@pytest.fixture(scope="module", params=list(FORWARDING))
def translating(request, hosts, build, running_gateway):
    """(how it forwards, its gateway)"""
    with neighbours(hosts), forwarding_gateway(hosts, build, running_gateway, f"vlans-{request.param}", **FORWARDING[request.param]) as gateway:
        yield request.param, gateway


@contextlib.contextmanager
def path_of(hosts, translating, access_vlan, uplink_vlan, access, uplink):
    """The client is logged in, over the restart that the configuration needs."""
    mode, gateway = translating
    vlans = {key: tags for key, tags in (("access_vlan", access_vlan), ("uplink_vlan", uplink_vlan)) if tags}
    with gateway.configured(with_keys(zone(), **FORWARDING[mode], **vlans)):
        gateway.authorize(CLIENT[4])
        gateway.authorize(CLIENT[6])
        path = Path(hosts, gateway, mode, access, uplink)
        try:
            path.pass_first()
            yield path
        finally:
            path.close()


def mine(frames, address):
    """Those that name an address; the kernels' own frames are no business of these tests."""
    needle = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
    return [frame for frame in frames if needle in frame]


def account(gateway, family):
    session = gateway.json("session", "get", CLIENT[family])
    return {key: int(session[key]) for key in ("packets_up", "bytes_up", "packets_down", "bytes_down")}


def charged(path, family, frames_up, frames_down):
    """What an account gains by these frames, each as the classifier of its side received it."""
    before = account(path.gateway, family)
    for near, far, (sent, arriving) in ((path.access, path.uplink, frames_up), (path.uplink, path.access, frames_down)):
        for frame in sent:
            near.send(frame)
        got = mine(far.take_until(bytes(arriving[-1][Raw])), CLIENT[family])
        assert [frame.hex() for frame in got] == [bytes(frame).hex() for frame in arriving]
    now = account(path.gateway, family)
    return {key: now[key] - before[key] for key in now}


@pytest.mark.parametrize("access_vlan, uplink_vlan, access, uplink", ROWS)
def test_tags_are_translated_and_nothing_else_changes(hosts, translating, access_vlan, uplink_vlan, access, uplink):
    """Issue 4: VLAN translation where the two sides differ: both directions, IPv4 and IPv6; accounts to the byte."""
    with path_of(hosts, translating, access_vlan, uplink_vlan, access, uplink) as path:
        for family in (4, 6):
            up, down = path.up(family), path.down(family)
            assert charged(path, family, up, down) == {
                "packets_up": len(up[0]), "bytes_up": sum(len(bytes(f)) for f in up[0]),
                "packets_down": len(down[0]), "bytes_down": sum(len(bytes(f)) for f in down[0]),
            }


@pytest.mark.parametrize("access_vlan, uplink_vlan, access, uplink", ROWS)
def test_a_stranger_is_answered_in_its_vlan_and_leaks_nothing(hosts, translating, access_vlan, uplink_vlan, access, uplink):
    """REQ 4.tags: of a client without a session nothing arrives on the other side, whatever its tags; and nothing
    that it did not ask for comes back. Frames of an authorised client with other tags do not cross, either."""
    with path_of(hosts, translating, access_vlan, uplink_vlan, access, uplink) as path:
        wire = Wire(hosts.client)
        try:
            for family in (4, 6):
                assert b"Stadium Wi-Fi" in page(wire, family, [(kind, PRIORITY << 13 | vlan) for kind, vlan in access])
        finally:
            wire.close()
        for family in (4, 6):
            for tags in (access, uplink, [(C_TAG, 300)], [(C_TAG, 0)], [(S_TAG, 100), (C_TAG, 8)]):
                for mac in (STRANGER_MAC, CLIENT_MAC):
                    for frame in path.up(family, STRANGER, mac, "stranger")[0]:
                        path.access.send(layer2(mac, frame.dst, tags) / frame[IP if family == 4 else IPv6])
                if tags not in (access, [], [(C_TAG, 0)]):  # the last two are untagged to the kernel
                    for frame in path.up(family, name="elsewhere")[0]:
                        path.access.send(layer2(CLIENT_MAC, frame.dst, tags) / frame[IP if family == 4 else IPv6])
            for frame in path.down(family, STRANGER, STRANGER_MAC, "unsolicited")[0]:
                path.uplink.send(frame)
            # A refusal, back at the stranger, quotes what it had sent: only what came from the other side counts there.
            for near, far, (sent, arriving), words in (
                (path.access, path.uplink, path.up(family), (b"stranger-", b"elsewhere-")),
                (path.uplink, path.access, path.down(family), (b"unsolicited-",)),
            ):
                near.send(sent[-1])
                got = far.take_until(bytes(arriving[-1][Raw]))
                assert not [frame.hex() for frame in got for word in words if word in frame]


def page(wire, family, tags):
    client = wire.client(family, tags=tags)
    client.connect()
    return body_of(client.get())


@pytest.mark.parametrize("translating", ["bridge"], indirect=True)  # what fib does not route is the kernel's
@pytest.mark.parametrize("access_vlan, uplink_vlan, access, uplink", ROWS)
def test_a_bridge_translates_arp_and_dns_of_strangers(hosts, translating, access_vlan, uplink_vlan, access, uplink):
    """What a client needs before it logs in crosses with the other side's tags, too."""
    with path_of(hosts, translating, access_vlan, uplink_vlan, access, uplink) as path:
        question = network(4, STRANGER[4], ORIGIN4) / UDP(sport=5353, dport=53) / marked("q" * 40)
        answer = network(4, ORIGIN4, STRANGER[4]) / UDP(sport=53, dport=5353) / marked("a" * 40)
        asked = ARP(op=1, hwsrc=STRANGER_MAC, psrc=STRANGER[4], pdst=ORIGIN4, hwdst="00:00:00:00:00:00")
        told = ARP(op=2, hwsrc=ORIGIN, psrc=ORIGIN4, hwdst=STRANGER_MAC, pdst=STRANGER[4])
        for near, far, macs, here, there, payload in (
            (path.access, path.uplink, (STRANGER_MAC, "ff:ff:ff:ff:ff:ff"), access, uplink, asked),
            (path.uplink, path.access, (ORIGIN, STRANGER_MAC), uplink, access, told),
            (path.access, path.uplink, (STRANGER_MAC, ORIGIN), access, uplink, question),
            (path.uplink, path.access, (ORIGIN, STRANGER_MAC), uplink, access, answer),
        ):
            near.send(layer2(*macs, here) / payload)
            far.take_until(bytes(layer2(*macs, there, PRIORITY if here else 0) / payload))
