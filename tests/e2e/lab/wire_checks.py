# SPDX-License-Identifier: Apache-2.0
"""What a frame from the gateway has to be (lab.wire receives them)."""
from scapy.layers.inet import TCP

from lab.wire import REQUEST, body_of


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
