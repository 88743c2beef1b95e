# SPDX-License-Identifier: Apache-2.0
"""Sends packets that try to slip past a classifier: odd_packets.py SOURCE4 SOURCE6 MARKER.

Prints how many frames were sent. Every frame carries the marker in its last bytes.
"""
import sys

from scapy.all import (  # pylint: disable=no-name-in-module
    ICMP, IP, TCP, UDP, Dot1AD, Dot1Q, Ether, GRE, ICMPv6EchoRequest, IPOption, IPv6, IPv6ExtHdrDestOpt,
    IPv6ExtHdrFragment, IPv6ExtHdrHopByHop, IPv6ExtHdrRouting, PadN, Raw, conf,
)

ORIGIN4, ORIGIN6 = "198.51.100.10", "2001:db8:100::10"
OTHER4, OTHER6 = "198.51.100.30", "2001:db8:100::30"
CLIENT_MAC, GATEWAY_MAC = "02:4e:58:00:00:02", "02:4e:58:00:00:01"

source4, source6, marker = sys.argv[1:4]
load = Raw(marker.encode())
ether = Ether(src=CLIENT_MAC, dst=GATEWAY_MAC)
ip4 = IP(src=source4, dst=ORIGIN4)
ip6 = IPv6(src=source6, dst=ORIGIN6)
ordinary = [UDP(sport=4000, dport=4000) / load, TCP(sport=4000, dport=22, flags="S") / load]


def protocols():
    for number in range(256):
        yield ether / IP(src=source4, dst=ORIGIN4, proto=number) / Raw(b"\0" * 24) / load
        yield ether / IPv6(src=source6, dst=ORIGIN6, nh=number) / Raw(b"\0" * 24) / load


def fragments():
    body = bytes(UDP(sport=4000, dport=53, len=72) / Raw(b"f" * 64))
    for first, second in ((8, 8), (16, 8), (24, 16), (48, 40)):  # tiny, and overlapping ones
        yield ether / IP(src=source4, dst=ORIGIN4, proto=17, flags="MF", id=first) / Raw(body[:first]) / load
        yield ether / IP(src=source4, dst=ORIGIN4, proto=17, frag=second // 8, id=first) / Raw(body[second:]) / load
    for offset in (0, 1, 3):
        yield ether / ip6 / IPv6ExtHdrFragment(offset=offset, m=1, id=7, nh=17) / Raw(body) / load
    # To a garden address and to a resolver, where a whole packet would pass.
    yield ether / IP(src=source4, dst="198.51.100.20", proto=6, frag=1) / Raw(body) / load
    yield ether / IP(src=source4, dst=ORIGIN4, proto=17, flags="MF") / Raw(body) / load


def options():
    for words in range(1, 11):
        option = IPOption(b"\x94\x04\0\0" + b"\x01" * (4 * words - 4))
        for transport in ordinary:
            yield ether / IP(src=source4, dst=ORIGIN4, options=[option]) / transport
    for routed in (b"\x83\x07\x04" + bytes([198, 51, 100, 10]) + b"\0", b"\x89\x07\x04" + bytes([198, 51, 100, 10]) + b"\0"):
        yield ether / IP(src=source4, dst=ORIGIN4, options=[IPOption(routed)]) / ordinary[0]
    for wrong in range(5):  # header lengths that cannot be
        yield ether / IP(src=source4, dst=ORIGIN4, ihl=wrong) / ordinary[0]


def extension_headers():
    for transport in ordinary:
        yield ether / ip6 / IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)]) / transport
        yield ether / ip6 / IPv6ExtHdrRouting(addresses=[OTHER6]) / transport
        for count in range(1, 12):
            chain = ether / ip6
            for _ in range(count):
                chain = chain / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])
            yield chain / transport
        yield ether / IPv6(src=source6, dst=ORIGIN6, nh=51) / Raw(bytes([17, 4, 0, 0]) + b"\0" * 20) / transport


def tunnels():
    inner4, inner6 = IP(src="10.51.1.2", dst=ORIGIN4) / ordinary[0], IPv6(src="2001:db8:51:1::2", dst=ORIGIN6) / ordinary[0]
    yield ether / ip4 / inner6  # 6in4
    yield ether / ip4 / inner4
    yield ether / ip6 / inner4
    yield ether / ip6 / inner6
    yield ether / ip4 / GRE() / inner4
    yield ether / ip6 / GRE() / inner6
    yield ether / ip4 / ICMP() / load  # an ICMP tunnel's request
    yield ether / ip6 / ICMPv6EchoRequest() / load
    for port in (53, 443, 500, 4500, 1194, 51820, 3478):  # DNS elsewhere, QUIC, VPNs, STUN
        for network in (IP(src=source4, dst=OTHER4), IPv6(src=source6, dst=OTHER6)):
            yield ether / network / UDP(sport=4000, dport=port) / load


def vlans():
    for transport in ordinary:
        for network in (ip4, ip6):
            yield ether / Dot1Q(vlan=7) / network / transport
            yield ether / Dot1Q(vlan=0) / network / transport  # a priority tag: the same network
            yield ether / Dot1AD(vlan=7) / Dot1Q(vlan=8) / network / transport
            yield ether / Dot1Q(vlan=7) / Dot1Q(vlan=8) / Dot1Q(vlan=9) / network / transport
    for ethertype in (0x9100, 0x8847, 0x8863, 0x8864, 0x0805, 0x1234):
        yield Ether(src=CLIENT_MAC, dst=GATEWAY_MAC, type=ethertype) / Raw(bytes(ip4 / ordinary[0]))


def tcp_oddities():
    for flags in range(64):
        for network in (ip4, ip6):
            for port in (80, 443):
                yield ether / network / TCP(sport=4001, dport=port, flags=flags, seq=1, ack=1) / load
    for offset in range(5):
        yield ether / ip4 / TCP(sport=4002, dport=80, flags="A", dataofs=offset) / load


def spoofed():
    """Other hardware addresses and impossible sources."""
    for mac in ("02:4e:58:00:00:99", "ff:ff:ff:ff:ff:ff", GATEWAY_MAC):
        yield Ether(src=mac, dst=GATEWAY_MAC) / ip4 / ordinary[0]
    for address in ("0.0.0.0", "127.0.0.1", "255.255.255.255", "224.0.0.1", "10.51.1.1", "198.51.100.1", "203.0.113.9"):
        yield ether / IP(src=address, dst=ORIGIN4) / ordinary[0]
    for address in ("::", "::1", "ff02::1", "2001:db8:51:1::1", "2001:db8:100::1", "2001:db8:9::9", "::ffff:10.51.1.2"):
        yield ether / IPv6(src=address, dst=ORIGIN6) / ordinary[0]


FAMILIES = [protocols, fragments, options, extension_headers, tunnels, vlans, tcp_oddities, spoofed]

socket = conf.L2socket(iface="c0")
sent = 0
for family in FAMILIES:
    for frame in family():
        socket.send(frame)
        sent += 1
print(sent)
