# SPDX-License-Identifier: Apache-2.0
"""What is dropped, refused or answered with an error, judged by scapy: REQUIREMENTS §3 and §2.

Every frame that a client receives here has passed lab.wire.assert_well_formed (REQ 3.ip, REQ 3.vlan).
"""
import struct

import pytest
from scapy.layers.inet import IP, TCP

from lab.wire import REQUEST, body_of
from lab.wire_checks import assert_511, assert_complete_response, assert_reset


# ---- what is dropped, and what is refused -------------------------------------------------------


def test_a_reset_is_never_answered(wire, family):
    """REQ 3.rst: RST and RST+ACK, with and without a valid cookie, with and without data."""
    client = wire.client(family)
    client.connect()
    for flags in ("R", "RA", "RPA"):
        for data in (b"", REQUEST):
            client.send(flags, data)
            client.send(flags, data, ack=12345)
    client.silence()
    assert_511(client.get(), client)  # and it changed nothing


def all_flags():
    """The 64 combinations of FIN, SYN, RST, PSH, ACK and URG that no honest client sends."""
    for bits in range(64):
        fin, syn, rst, ack = bits & 1, bits & 2, bits & 4, bits & 16
        if rst or (syn and (fin or ack)) or (not syn and not ack):
            yield "".join(letter for i, letter in enumerate("FSRPAU") if bits >> i & 1)


@pytest.mark.parametrize("data", [b"", REQUEST], ids=["empty", "with-data"])
def test_impossible_flags_are_dropped(wire, family, data):
    """REQ 3.flags: SYN+FIN, null, Xmas, SYN+RST and all of their kind, with a valid cookie and without."""
    connected, stranger = wire.client(family), wire.client(family)
    connected.connect()
    for flags in all_flags():
        connected.send(flags, data, seq=connected.next)
        stranger.send(flags, data, seq=stranger.next)
    connected.silence()
    assert not wire.seen.get(stranger.key)


@pytest.mark.parametrize("flags, data", [("A", b""), ("PA", REQUEST), ("A", b"x" * 1400), ("FA", b""), ("FPA", REQUEST)])
def test_a_stray_segment_draws_one_reset(wire, family, flags, data):
    """REQ 3.stray: <SEQ=SEG.ACK><RST>, no larger than what drew it, and no byte of a response."""
    client = wire.client(family)
    sent = client.send(flags, data, ack=0xDEADBEEF)
    answer = client.receive()
    assert_reset(answer, 0xDEADBEEF)
    assert len(answer.original) <= len(bytes(sent))
    client.silence()


def test_resets_have_a_limit_of_the_clients_own(wire, family):
    """REQ 3.limit: so many a second; another client's stray segments are still answered."""
    client = wire.client(family)
    for _ in range(400):
        client.send("A", ack=77)
    wire.settle()
    resets = len(wire.seen.pop(client.key, []))
    assert 90 <= resets <= 300, resets  # 100 a second; the burst may touch two seconds, or three
    other = wire.client(family)
    other.send("A", ack=78)
    assert_reset(other.receive(), 78)


def test_a_cookie_is_good_for_its_own_connection_only(wire, family):
    """REQ 3.cookie: not for another port, address, server or server port, and not off by a few."""
    client = wire.client(family)
    client.connect()
    others = [wire.client(family), wire.client(family, port=client.port), wire.client(family)]
    others[2].address, others[2].server = client.address, ("198.51.100.11" if family == 4 else "2001:db8:100::11")
    others[2].port = client.port
    for other in others:
        other.key = (other.address, other.port)
        other.send("PA", REQUEST, ack=client.ack)
        assert_reset(other.receive(), client.ack)
    for wrong in (-2**31, -70000, -5, 3000, 65536):
        client.send("PA", REQUEST, seq=client.next, ack=client.ack + wrong)
        assert_reset(client.receive(), client.ack + wrong)


def test_other_ports_are_refused_at_once(wire, family):
    """REQ 3.stray, DESIGN §3.8: a SYN to a port that is not intercepted draws RST+ACK of ISN+1."""
    for port in (443, 22, 8443):
        client = wire.client(family, server_port=port)
        client.send("S", options=[("MSS", 1460)])
        tcp = client.receive()[TCP]
        assert tcp.flags == "RA" and tcp.ack == (client.isn + 1) % 2**32 and tcp.seq == 0


def spoil_ip(frame):
    frame = frame.__class__(bytes(frame))
    frame[IP].chksum ^= 0x0101
    return frame


def spoil_tcp(frame):
    frame = frame.__class__(bytes(frame))
    frame[TCP].chksum ^= 0x0101
    return frame


@pytest.mark.parametrize("family, spoil", [(4, spoil_ip), (4, spoil_tcp), (6, spoil_tcp)])
def test_a_bad_checksum_draws_nothing(wire, family, spoil):
    """REQ 3.checksum: SYN, request, piece, FIN and stray segment."""
    client, stranger = wire.client(family), wire.client(family)
    wire.send(spoil(client.frame("S", options=[("MSS", 1460)])))
    client.silence()
    client.connect()
    wire.send(spoil(client.frame("PA", REQUEST)))
    wire.send(spoil(client.frame("PA", REQUEST[:20])))
    wire.send(spoil(client.frame("FA")))
    wire.send(spoil(stranger.frame("A", ack=1)))
    wire.send(spoil(stranger.frame("PA", REQUEST, ack=1)))
    client.silence()
    assert not wire.seen.get(stranger.key)
    assert_511(client.get(), client)


BAD_SOURCES = {
    4: ["0.0.0.0", "127.0.0.1", "224.0.0.1", "255.255.255.255", "10.51.1.255", "10.51.1.0", "10.51.1.1", "203.0.113.9"],
    6: ["::", "::1", "ff02::1", "2001:db8:51:1::1", "fe80::1", "2001:db8:9::9", "::ffff:10.51.1.2"],
}
BAD_DESTINATIONS = {4: ["224.0.0.1", "255.255.255.255", "127.0.0.1", "0.0.0.0"], 6: ["ff02::1", "::1", "::"]}


def test_impossible_addresses_draw_nothing(wire, family):
    """REQ 3.addresses: broadcast, multicast, martian or own ones, as source or destination."""
    clients = [wire.client(family, address=address) for address in BAD_SOURCES[family]]
    clients += [wire.client(family, server=server) for server in BAD_DESTINATIONS[family]]
    for client in clients:
        client.send("S", options=[("MSS", 1460)])
        client.send("A", ack=5)
        client.send("PA", REQUEST, ack=5)
    wire.settle()
    for client in clients:
        assert not wire.seen.get(client.key), (client.address, client.server)


@pytest.mark.parametrize("mac", ["ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01", "33:33:00:00:00:01"])
def test_frames_to_everybody_draw_nothing(wire, family, mac):
    """REQ 3.addresses: RFC 1122 §4.2.3.10; an answer would have a broadcast address as its source."""
    client = wire.client(family)
    for frame in (client.frame("S", options=[("MSS", 1460)]), client.frame("A", ack=9), client.frame("PA", REQUEST, ack=9)):
        frame.dst = mac
        wire.send(frame)
    client.silence()


# ---- HTTP that is none --------------------------------------------------------------------------


def test_a_tls_client_hello_draws_a_reset(wire, family):
    """REQ 2.tls: on an intercepted port, at once."""
    hello = bytes.fromhex("16030100c8010000c40303") + b"\x11" * 190
    client = wire.client(family)
    client.connect()
    client.send("PA", hello)
    assert_reset(client.receive(), client.ack)
    client.silence()


def test_the_http2_preface_is_answered(wire, family):
    """REQ 2.http2: GOAWAY(HTTP_1_1_REQUIRED), RFC 9113 §6.8, and the connection closes."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + struct.pack("!HBBBI", 0, 0, 4, 0, 0)
    client = wire.client(family)
    client.connect()
    answer = client.get(preface)
    assert answer[TCP].flags == "FPA" and answer[TCP].ack == client.next
    data, kinds = body_of(answer), []
    while data:
        length, kind = int.from_bytes(data[:3], "big"), data[3]
        kinds.append(kind)
        if kind == 7:
            assert int.from_bytes(data[13:17], "big") == 0xD
        data = data[9 + length :]
    assert kinds == [4, 7]


REFUSED = [
    pytest.param(b"GET / HTTP/1.1\r\n\r\n", b"400 Bad Request", id="no-host"),
    pytest.param(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", b"400 Bad Request", id="space-before-colon"),
    pytest.param(b"GET / HTTP/3.0\r\nHost: a\r\n\r\n", b"505 HTTP Version Not Supported", id="version"),
    pytest.param(b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", b"414 URI Too Long", id="target"),
]


@pytest.mark.parametrize("request_bytes, status", REFUSED)
def test_errors_are_one_segment_too(wire, family, request_bytes, status):
    """REQ 3.one-segment, REQ 2.long-target, REQ 2.version: as the 511, with FIN and without RST."""
    client = wire.client(family)
    client.connect()
    for at in range(0, len(request_bytes), 1400):
        client.send("PA", request_bytes[at : at + 1400])
    answer = client.receive()
    while answer[TCP].flags == "A":
        answer = client.receive()
    assert answer[TCP].flags == "FPA" and answer[TCP].seq == client.ack
    assert_complete_response(body_of(answer), status)
