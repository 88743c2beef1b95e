# SPDX-License-Identifier: Apache-2.0
"""What leaves the gateway, frame by frame, judged by scapy and tcpdump: REQUIREMENTS §3 and §2.

Every frame that a client receives here has passed lab.wire.assert_well_formed (REQ 3.ip, REQ 3.vlan).
"""
import re
import struct
import time

import pytest
from scapy.layers.inet import IP, TCP
from scapy.layers.l2 import Ether

from lab.process import run
from lab.wire import EXTENSIONS6, OPTIONS4, REQUEST, SETTLE_PORT, Wire, body_of

FULL_BYTES, COMPACT_BYTES = 1220, 536
SYN_ACK_RETRANSMISSION_S = 1.2  # a stack that kept state would have sent it again after 1 s


@pytest.fixture(scope="module")
def shared_wire(hosts, running_gateway):
    running_gateway.heal()
    wire = Wire(hosts.client)
    wire.settle()
    yield wire
    wire.close()


@pytest.fixture(scope="module")
def unanswered(shared_wire):
    """SYN-ACKs that nobody acknowledges, from the beginning of this module on."""
    clients = [shared_wire.client(family) for family in (4, 6)]
    for client in clients:
        client.connect()
    return time.monotonic(), clients


@pytest.fixture
def wire(gateway, shared_wire, unanswered):  # pylint: disable=unused-argument
    return shared_wire


@pytest.fixture(params=[4, 6], ids=["IPv4", "IPv6"])
def family(request):
    return request.param


def assert_511(frame, client, request=REQUEST, end=None):
    """One segment with the whole response, PSH, ACK and FIN, at the right place."""
    tcp, payload = frame[TCP], body_of(frame)
    assert tcp.flags == "FPA", frame.summary()
    assert tcp.seq == client.ack and tcp.dataofs == 5
    assert tcp.ack == (client.next if end is None else end) % 2**32, (tcp.ack, client.next, len(request))
    assert_complete_response(payload, b"511 Network Authentication Required")
    return payload


def assert_complete_response(payload, status):
    head, _, body = payload.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 " + status, lines[0]
    assert b"Content-Length: %d" % len(body) in lines, head
    assert b"Cache-Control: no-store" in lines and b"Connection: close" in lines, head
    return body


def assert_ack(frame, client, acknowledges):
    tcp = frame[TCP]
    assert tcp.flags == "A" and tcp.ack == acknowledges % 2**32 and tcp.seq == client.ack, frame.summary()
    assert not body_of(frame) and tcp.dataofs == 5


def assert_reset(frame, seq):
    """<SEQ=SEG.ACK><RST>, RFC 9293 §3.5.2"""
    tcp = frame[TCP]
    assert tcp.flags == "R" and tcp.seq == seq % 2**32 and not body_of(frame), frame.summary()


# ---- the handshake ----------------------------------------------------------------------------

LINUX_OPTIONS = [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 0)), ("NOP", None), ("WScale", 7)]
SYNS = [
    pytest.param({"options": LINUX_OPTIONS}, True, id="as-Linux"),
    pytest.param({"options": [("MSS", 1460)]}, True, id="MSS-only"),
    pytest.param({"options": []}, False, id="no-options"),
    pytest.param({"options": [("NOP", None)] * 3 + [("MSS", 1460), ("EOL", None)]}, True, id="MSS-behind-padding"),
    pytest.param({"options": LINUX_OPTIONS, "flags": "SEC"}, True, id="ECN-setup"),
    pytest.param({"options": LINUX_OPTIONS, "data": REQUEST}, True, id="data"),
    pytest.param({"options": [("MSS", 1460), (34, b"\x01\x02\x03\x04\x05\x06\x07\x08")], "data": REQUEST}, True, id="fast-open"),
    pytest.param({"options": [("MSS", 1460)], "tos": 0xBB}, True, id="DSCP"),
]


@pytest.mark.parametrize("syn, option", SYNS)
def test_syn_draws_one_syn_ack(wire, family, syn, option):
    """REQ 3.syn-ack, REQ 3.syn-data: MSS option only, no ECE, not larger than the SYN, ACK = ISN+1 whatever came with it."""
    client = wire.client(family)
    sent = client.send(syn.get("flags", "S"), syn.get("data", b""), options=syn["options"], tos=syn.get("tos", 0))
    answer = client.receive()
    tcp = answer[TCP]
    assert tcp.flags == "SA" and tcp.ack == (client.isn + 1) % 2**32
    assert [name for name, _ in tcp.options] == (["MSS"] if option else [])
    if option:
        assert tcp.options[0][1] == (1460 if family == 4 else 1440)
    assert not body_of(answer) and len(answer.original) <= len(bytes(sent))
    assert tcp.window >= 4096
    client.silence()


def test_data_in_a_syn_is_asked_for_again(wire, family):
    """REQ 3.syn-data: no TFO; the client repeats its data after the handshake and is answered."""
    client = wire.client(family)
    client.send("S", REQUEST, options=[("MSS", 1460), (34, b"")])
    answer = client.receive()
    client.next, client.ack = client.isn + 1, answer[TCP].seq + 1
    assert_511(client.get(), client)


@pytest.mark.parametrize("mss, limit", [
    (536, COMPACT_BYTES), (537, COMPACT_BYTES), (1219, COMPACT_BYTES), (1220, FULL_BYTES), (1460, FULL_BYTES),
    (9000, FULL_BYTES), (65535, FULL_BYTES), (None, None),
])
def test_the_response_fits_the_mss(wire, family, mss, limit):
    """REQ 3.mss, REQ 3.mss-absent: full for 1,220 and more, else compact; absent means 536 (v4) or 1,220 (v6), RFC 9293 §3.7.1."""
    limit = limit or (COMPACT_BYTES if family == 4 else FULL_BYTES)
    client = wire.client(family)
    client.connect(mss=mss)
    payload = assert_511(client.get(), client)
    assert len(payload) <= limit
    assert (len(payload) > COMPACT_BYTES) == (limit == FULL_BYTES), "the wrong rendering"


@pytest.mark.parametrize("mss", [0, 1, 535])
def test_an_mss_that_holds_no_response_draws_none(wire, family, mss):
    """REQ 3.mss: R never exceeds the client's MSS, so such a SYN is not answered."""
    client = wire.client(family)
    client.send("S", options=[("MSS", mss)])
    client.silence()


def test_a_reused_port_works_at_once(wire, family):
    """REQ 3.reuse: the same ports with new initial sequence numbers, below and above, and the same one."""
    client = wire.client(family, isn=0x80000000)
    for isn in (0x80000000, 0x80000001, 0x80010000, 0x10000000, 0xF0000000, 0x80000000):
        client.isn = client.next = isn
        client.connect()
        assert_511(client.get(), client)
        client.send("FA", ack=client.ack)  # closes without having heard of the response's FIN
        assert client.receive()[TCP].flags == "A"


def test_a_reused_port_after_half_a_request(wire, family):
    """REQ 3.reuse: what the old connection left in the table does not mix with the new one."""
    client = wire.client(family, isn=1000)
    client.connect()
    client.send("PA", b"GET /old HTTP/1.1\r\nHost: a\r\n")
    assert_ack(client.receive(), client, client.next)
    for isn in (900000, 2000, 1000):
        client.isn = client.next = isn
        client.connect()
        assert_511(client.get(), client)


def test_syn_acks_are_never_sent_again(wire, unanswered):
    """REQ 3.not-again: stateless; the SYN-ACKs of this module's beginning came once and once only."""
    began, clients = unanswered
    wire.poll(0)
    while (left := began + SYN_ACK_RETRANSMISSION_S - time.monotonic()) > 0:
        wire.poll(left)
    for client in clients:
        assert not wire.seen.get(client.key), [frame.summary() for frame in wire.seen[client.key]]


# ---- request and response -----------------------------------------------------------------------


@pytest.mark.parametrize("isn", [None, 2**32 - 1, 2**32 - 10, 2**31 - 5], ids=["random", "wraps-at-once", "wraps-in-request", "sign-changes"])
def test_a_request_draws_one_segment(wire, family, isn):
    """REQ 3.one-segment, REQ 3.no-last-ack, REQ 3.cookie: with and without the handshake's last ACK; exactly one answer."""
    for last_ack in (False, True):
        client = wire.client(family, isn=isn)
        client.connect()
        if last_ack:
            client.send("A")
        assert_511(client.get(), client)
        client.silence()


def test_the_fields_of_the_request_are_not_copied(wire, family):
    """REQ 3.ip: DSCP, ECN, ID, TTL and flow label of the request do not come back."""
    client = wire.client(family)
    client.connect(tos=0xBB)
    assert_511(client.get(tos=0xBB), client)  # assert_well_formed has looked


def test_a_retransmitted_request_draws_the_identical_bytes(wire, family):
    """REQ 3.identical"""
    client = wire.client(family)
    client.connect()
    first = client.get()
    for _ in range(3):
        again = client.get(seq=client.isn + 1)
        assert bytes(again.original) == bytes(first.original)


def test_window_too_small_for_the_response(wire, family):
    """REQ 3.window: window 0 or smaller than R: no answer, no ACK; then one byte more, and the answer."""
    client = wire.client(family)
    client.connect()
    size = len(body_of(client.get()))
    other = wire.client(family)
    other.connect()
    for window in (0, 1, size // 2, size - 1):
        other.send("PA", REQUEST, window=window, seq=other.isn + 1)
        other.silence()
    assert_511(other.get(window=size), other)


def test_a_window_update_alone_draws_nothing(wire, family):
    """REQ 3.window: an ACK that opens the window repeats no request."""
    client = wire.client(family)
    client.connect()
    client.send("PA", REQUEST, window=0)
    client.send("A", window=65535)
    client.silence()


def test_request_with_fin(wire, family):
    """REQ 3.fin: GET with FIN is acknowledged behind the FIN, and answered."""
    client = wire.client(family)
    client.connect()
    assert_511(client.get(flags="FPA"), client)
    assert client.next == (client.isn + 1 + len(REQUEST) + 1) % 2**32


def test_fin_after_the_response(wire, family):
    """REQ 3.fin, REQ 3.last-ack: the client's FIN, and its retransmission, is acknowledged: LAST-ACK empties."""
    client = wire.client(family)
    client.connect()
    payload = assert_511(client.get(), client)
    client.ack = (client.ack + len(payload) + 1) % 2**32
    client.send("A")
    client.send("FA")
    assert_ack(client.receive(), client, client.next)
    client.send("FA", seq=client.next - 1)
    assert_ack(client.receive(), client, client.next)
    client.silence()


def test_fin_without_a_request(wire, family):
    """REQ 3.fin: a connection that is opened and closed without a word, and half-close before the response."""
    client = wire.client(family)
    client.connect()
    client.send("A")
    client.send("FA")
    assert_ack(client.receive(), client, client.next)
    client.silence()


@pytest.mark.parametrize("acknowledged", ["nothing", "part", "response", "response-and-FIN"])
def test_data_after_the_response_is_acknowledged(wire, family, acknowledged):
    """REQ 3.after: never a RST; it could destroy the response before it is read (RFC 9112 §9.6)."""
    client = wire.client(family)
    client.connect()
    payload = assert_511(client.get(), client)
    heard = {"nothing": 0, "part": 100, "response": len(payload), "response-and-FIN": len(payload) + 1}[acknowledged]
    client.ack = (client.ack + heard) % 2**32
    for data in (b"x", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x00" * 1400):
        client.send("PA", data)
        if heard:
            assert_ack(client.receive(), client, client.next)
    wire.settle()
    for frame in wire.seen.pop(client.key, []):  # before it has heard the response: perhaps that again
        assert not frame[TCP].flags.R, "a RST after the response"


@pytest.mark.parametrize("request_bytes", [
    b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n",
    b"PUT /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
])
def test_a_body_in_flight_draws_no_reset(wire, family, request_bytes):
    """REQ 2.methods, REQ 3.after: the body's segments, in flight before the client has seen the 511."""
    client = wire.client(family)
    client.connect()
    assert_511(client.get(request_bytes), client)
    for _ in range(5):
        client.send("A", b"b" * 1000)
        answer = client.receive()
        assert not answer[TCP].flags.R and answer[TCP].ack == client.next


def test_pipelined_requests_are_discarded(wire, family):
    """REQ 2.one-response: one response, its ACK covers all that came with it."""
    client = wire.client(family)
    client.connect()
    assert_511(client.get(REQUEST * 3), client)
    client.silence()


# ---- split requests -----------------------------------------------------------------------------

LONG_REQUEST = b"GET /path HTTP/1.1\r\nHost: api.example.test\r\nCookie: " + b"c" * 3000 + b"\r\n\r\n"


def test_a_request_byte_by_byte(wire, family):
    """REQ 3.split: each piece is acknowledged once it is clear that it is a request; the last draws the response."""
    client = wire.client(family)
    client.connect()
    acknowledged = 0
    for i in range(len(REQUEST) - 1):
        client.send("PA", REQUEST[i : i + 1])
        wire.poll(0)
    last = client.get(REQUEST[-1:])
    while last[TCP].flags == "A":
        assert last[TCP].ack - client.isn > acknowledged or last[TCP].ack < client.isn
        last = client.receive()
    assert_511(last, client)
    client.silence()


def pieces(data, *cuts):
    bounds = [0, *cuts, len(data)]
    return [(begin, data[begin:end]) for begin, end in zip(bounds, bounds[1:])]


ORDERS = [
    pytest.param(pieces(REQUEST, 20), id="two-halves"),
    pytest.param(list(reversed(pieces(REQUEST, 20))), id="swapped"),
    pytest.param([pieces(REQUEST, 10, 20, 40)[i] for i in (0, 2, 1, 3)], id="middle-swapped"),
    pytest.param([pieces(REQUEST, 10, 20, 40)[i] for i in (0, 3, 2, 1)], id="last-first"),
    pytest.param([(0, REQUEST[:30]), (10, REQUEST[10:50]), (40, REQUEST[40:])], id="overlapping"),
    pytest.param([(0, REQUEST[:30]), (0, REQUEST[:30]), (0, REQUEST[:50]), (20, REQUEST[20:])], id="repeated-and-growing"),
    pytest.param(pieces(LONG_REQUEST, 1000, 2000, 3000), id="3-KB-in-order"),
    pytest.param([pieces(LONG_REQUEST, 1000, 2000, 3000)[i] for i in (0, 3, 1, 2)], id="3-KB-reordered"),
]


@pytest.mark.parametrize("order", ORDERS)
def test_a_split_request(wire, family, order):
    """REQ 3.split: in any order and overlapping, exactly one 511 that acknowledges the whole."""
    whole = b"".join(data for _, data in pieces(REQUEST)) if max(len(d) for _, d in order) < 1000 else LONG_REQUEST
    client = wire.client(family)
    client.connect()
    for at, data in order:
        client.send("PA", data, seq=client.isn + 1 + at)
    client.next = (client.isn + 1 + len(whole)) % 2**32
    answer, known = client.receive(), client.isn + 1
    while answer[TCP].flags == "A":
        known = answer[TCP].ack
        answer = client.receive()
    assert answer is not None and known is not None
    assert_511(answer, client)
    client.silence()


def test_the_pieces_are_acknowledged_as_they_come(wire, family):
    """REQ 3.split: a client sends no more than its initial window without."""
    client = wire.client(family)
    client.connect()
    for _, data in pieces(LONG_REQUEST, 1000, 2000, 3000)[:-1]:
        client.send("A", data)
        assert_ack(client.receive(), client, client.next)
    assert_511(client.get(LONG_REQUEST[3000:]), client)


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


# ---- a second opinion ---------------------------------------------------------------------------


def test_tcpdump_finds_no_fault(wire, family, hosts, tmp_path):
    """REQ 3.checksum, REQ 3.ip: each frame received in this module, read by another program."""
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
