# SPDX-License-Identifier: Apache-2.0
"""What lies below TCP, and frames that the gateway has sent itself, judged by scapy: REQUIREMENTS §3.

Every frame that a client receives here has passed lab.wire.assert_well_formed (REQ 3.ip, REQ 3.vlan).
"""
import pytest
from scapy.layers.inet import TCP
from scapy.layers.l2 import Ether

from lab.wire import EXTENSIONS6, OPTIONS4, REQUEST, SETTLE_PORT
from lab.wire_checks import assert_511, assert_ack, assert_reset


# ---- layers below -------------------------------------------------------------------------------

TAGS = [
    pytest.param([(0x8100, 7)], id="one"),
    pytest.param([(0x8100, 0)], id="priority-only"),
    pytest.param([(0x8100, 0xFFFE)], id="all-bits"),
    pytest.param([(0x88A8, 100)], id="service"),
    pytest.param([(0x88A8, 0x2064), (0x8100, 0x7007)], id="two"),
    pytest.param([(0x8100, 5), (0x8100, 6)], id="two-of-one-kind"),
]


@pytest.mark.parametrize("tags", TAGS)
def test_vlan_tags_are_mirrored(wire, family, tags):
    """REQ 3.vlan: SYN-ACK, response, ACK of FIN, RST; assert_well_formed compares every bit."""
    client = wire.client(family, tags=tags)
    client.connect()
    payload = assert_511(client.get(), client)
    client.ack = (client.ack + len(payload) + 1) % 2**32
    client.send("FA")
    assert_ack(client.receive(), client, client.next)
    stranger = wire.client(family, tags=tags)
    stranger.send("A", ack=4711)
    assert_reset(stranger.receive(), 4711)


def test_three_tags_are_dropped(wire, family):
    """REQ 4.tags: what cannot be parsed is not answered."""
    client = wire.client(family, tags=[(0x88A8, 1), (0x8100, 2), (0x8100, 3)])
    client.send("S", options=[("MSS", 1460)])
    client.send("A", ack=5)
    client.silence()


@pytest.mark.parametrize("options", [pytest.param(raw, id=name) for name, raw in OPTIONS4])
def test_ipv4_options(wire, options):
    """REQ 3.ip: answered, and the answer has none."""
    client = wire.client(4, ip_options=options)
    client.connect()
    client.ack += len(assert_511(client.get(), client)) + 1
    client.send("FA")
    assert_ack(client.receive(), client, client.next)


@pytest.mark.parametrize("extension", [pytest.param(make, id=name) for name, make in EXTENSIONS6])
def test_ipv6_extension_headers(wire, extension):
    """REQ 3.ip: answered, and the answer has none."""
    client = wire.client(6, extension=extension)
    client.connect()
    client.ack += len(assert_511(client.get(), client)) + 1
    client.send("FA")
    assert_ack(client.receive(), client, client.next)


def test_ethernet_padding_is_no_data(wire):
    """REQ 3.ip: the IP length decides; a bare ACK or FIN padded to 60 bytes carries nothing."""
    client = wire.client(4)
    client.connect()
    wire.send(bytes(client.frame("A")).ljust(60, b"\xaa"))
    client.silence()
    wire.send(bytes(client.frame("FA")).ljust(60, b"\xaa"))
    assert_ack(client.receive(), client, client.next + 1)


def test_padded_requests_are_answered_without_padding(wire, family):
    """REQ 3.ip: bytes behind the IP packet are neither acknowledged nor sent back."""
    client = wire.client(family)
    client.connect()
    wire.send(bytes(client.frame("PA", REQUEST)) + b"\xaa" * 30)
    client.next += len(REQUEST)
    assert_511(client.receive(), client)


# ---- the responder's own words ------------------------------------------------------------------


def test_no_packet_loop_with_a_mirror(wire, family):
    """REQ 3.loop: a client that sends every frame straight back, addresses swapped; it ends by itself."""
    client = wire.client(family)
    client.connect()
    payload = assert_511(client.get(), client)
    client.send("FA", ack=client.ack + len(payload) + 1)
    client.receive()
    frames = [frame for raw in wire.everything[-200:] if (frame := mirrored(raw)) is not None]
    for depth in range(6):
        before = len(wire.everything)
        for frame in frames:
            wire.send(frame)
        wire.settle()
        frames = [mirrored(raw) for raw in wire.everything[before:] if not is_settling(raw)]
        if not frames:
            break
    assert not frames and depth <= 3, f"still {len(frames)} frames after {depth} rounds"


def is_settling(raw):
    return Ether(raw)[TCP].dport == SETTLE_PORT


def mirrored(raw):
    """The frame with MAC addresses, IP addresses and ports swapped, its checksums still right."""
    frame = Ether(raw)
    network, tcp = frame[TCP].underlayer, frame[TCP]
    frame.src, frame.dst = frame.dst, frame.src
    network.src, network.dst = network.dst, network.src
    tcp.sport, tcp.dport = tcp.dport, tcp.sport
    return frame


def test_frames_sent_back_as_they_are(wire, family):
    """REQ 3.loop: the gateway's frames on its own access side: a foreign source, nothing comes of them."""
    client = wire.client(family)
    client.connect()
    client.get()
    before = list(wire.everything[-50:])
    count = len(wire.everything)
    for raw in before:
        wire.send(raw)
    wire.settle()
    assert not [raw for raw in wire.everything[count:] if not is_settling(raw)]
