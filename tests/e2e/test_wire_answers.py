# SPDX-License-Identifier: Apache-2.0
"""Connections that the gateway answers, frame by frame, judged by scapy: REQUIREMENTS §3.

Every frame that a client receives here has passed lab.wire.assert_well_formed (REQ 3.ip, REQ 3.vlan).
"""
import time

import pytest
from scapy.layers.inet import TCP

from lab.wire import REQUEST, body_of
from lab.wire_checks import assert_511, assert_ack

FULL_BYTES, COMPACT_BYTES = 1220, 536
SYN_ACK_RETRANSMISSION_S = 1.2  # a stack that kept state would have sent it again after 1 s


@pytest.fixture(scope="module")
def unanswered(shared_wire):
    """SYN-ACKs that nobody acknowledges, from the beginning of this module on."""
    clients = [shared_wire.client(family) for family in (4, 6)]
    for client in clients:
        client.connect()
    return time.monotonic(), clients


@pytest.fixture
def wire(wire, unanswered):  # pylint: disable=unused-argument,redefined-outer-name
    return wire


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
