# SPDX-License-Identifier: Apache-2.0
"""Hand-made TCP clients on c0, and an oracle that knows nothing of narthex' own code.

The clients' addresses are in the zone but on no interface, so no kernel sends RSTs for them.
What the gateway sends is read from an AF_PACKET socket and judged by scapy: addresses, lengths,
checksums, and the IP fields that REQUIREMENTS §3 fixes. Silence needs no waiting: `settle` makes
another client fetch, and what was sent before it has then been seen by classifier and worker.
"""
import ctypes
import itertools
import os
import random
import select
import socket
import struct
import time

from scapy.layers.inet import IP, IPOption, TCP
from scapy.layers.inet6 import IPv6, IPv6ExtHdrDestOpt, IPv6ExtHdrHopByHop, PadN
from scapy.layers.l2 import Dot1AD, Dot1Q, Ether
from scapy.packet import NoPayload, Padding, Raw
from scapy.utils import wrpcap

from lab.hosts import ORIGIN4, ORIGIN6

GATEWAY_MAC = "02:4e:58:00:00:01"
PATIENCE_S = 3
SETTLE_PORT = 1999
REQUEST = b"GET /captive-portal-check HTTP/1.1\r\nHost: api.example.test\r\n\r\n"

SOL_PACKET, PACKET_AUXDATA, PACKET_IGNORE_OUTGOING = 263, 8, 23
TP_STATUS_VLAN_VALID, TP_STATUS_VLAN_TPID_VALID = 1 << 4, 1 << 6
CLONE_NEWNET = 0x40000000
SO_RCVBUFFORCE = 33

DEI = "dei" if "dei" in [field.name for field in Dot1Q.fields_desc] else "id"  # scapy before 2.6

# Frames with these are answered as if they had none.
OPTIONS4 = [("router-alert", b"\x94\x04\0\0"), ("no-operation", b"\x01\x01\x01\x00"), ("all-40-bytes", b"\x01" * 39 + b"\x00")]
EXTENSIONS6 = [
    ("hop-by-hop", lambda: IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)])),
    ("destination", lambda: IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 12)])),
    ("both", lambda: IPv6ExtHdrHopByHop(options=[PadN(optdata=b"\0" * 4)]) / IPv6ExtHdrDestOpt(options=[PadN(optdata=b"\0" * 4)])),
]


def socket_in(namespace, *arguments):
    """A socket of another network namespace: it stays there, this thread comes back."""
    libc = ctypes.CDLL(None, use_errno=True)

    def enter(descriptor):
        if libc.setns(descriptor, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), "setns")

    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        enter(there)
        try:
            return socket.socket(*arguments)
        finally:
            enter(home)
    finally:
        os.close(home)
        os.close(there)


class Wire:
    """The client's end of an access link: frames out, frames in, sorted by flow."""

    def __init__(self, namespace, interface="c0", pool="10.51.1.", prefix6="2001:db8:51:1::", gateway_mac=GATEWAY_MAC):
        self.pool, self.prefix6, self.gateway_mac = pool, prefix6, gateway_mac
        self.socket = socket_in(namespace, socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
        self.socket.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
        self.socket.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        self.socket.bind((interface, 3))
        self.numbers = itertools.cycle(range(100, 250))
        self.ports = itertools.cycle(range(20000, 60000))
        self.random = random.Random(0x51)
        self.seen = {}  # (address, port) -> [frame not yet taken]
        self.everything = []  # for a second opinion

    def close(self):
        self.socket.close()

    def client(self, family, **options):
        return WireClient(self, family, **options)

    def send(self, frame):
        self.socket.send(bytes(frame))

    def poll(self, seconds):
        """Takes in what has come, waiting at most so long for the first."""
        while select.select([self.socket], [], [], max(0, seconds))[0]:
            data, ancillary, _, _ = self.socket.recvmsg(65536, 256)
            self._sort(restore_tag(data, ancillary))
            seconds = 0

    def _sort(self, raw):
        frame = Ether(raw)
        if TCP not in frame:
            return
        self.everything.append(raw)
        network = frame[IP] if IP in frame else frame[IPv6]
        self.seen.setdefault((network.dst, frame[TCP].dport), []).append(frame)

    def take(self, key, seconds=PATIENCE_S):
        deadline = time.monotonic() + seconds
        while not self.seen.get(key):
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            self.poll(left)
        return self.seen[key].pop(0)

    def settle(self):
        """Returns when all that was sent so far has met classifier and worker and been answered:
        one queue, first in, first out."""
        for _ in range(5):  # the barrier, too, may meet a full ring
            client = self.client(4, port=SETTLE_PORT)
            client.send("S", options=client.mss_option(1460))
            answer = self.take(client.key, 1)
            if answer is None:
                continue
            client.send("PA", REQUEST, ack=answer[TCP].seq + 1)
            if self.take(client.key, 1) is not None:
                self.poll(0)
                self.seen.pop(client.key, None)
                return
        raise AssertionError("the gateway does not answer an ordinary client")

    def write_pcap(self, path):
        wrpcap(str(path), [Ether(raw) for raw in self.everything])


def restore_tag(data, ancillary):
    """The kernel takes the outer VLAN tag out of a frame; PACKET_AUXDATA has it."""
    for level, kind, value in ancillary:
        if level == SOL_PACKET and kind == PACKET_AUXDATA:
            status, _, _, _, _, tci, tpid = struct.unpack_from("=IIIHHHH", value)
            if status & TP_STATUS_VLAN_VALID:
                tpid = tpid if status & TP_STATUS_VLAN_TPID_VALID else 0x8100
                return data[:12] + struct.pack("!HH", tpid, tci) + data[12:]
    return data


class WireClient:
    """One connection of one client. `tags`: (ethertype, TCI) from the outside in."""

    def __init__(self, wire, family, port=None, tags=(), isn=None, server_port=80, ip_options=b"", extension=None, server=None, address=None):
        number = next(wire.numbers)
        self.wire, self.family, self.tags = wire, family, tuple(tags)
        self.address = address or (f"{wire.pool}{number}" if family == 4 else f"{wire.prefix6}1:{number:x}")
        self.server = server or (ORIGIN4 if family == 4 else ORIGIN6)
        self.mac = f"02:4e:58:00:01:{number:02x}"
        self.port, self.server_port = port or next(wire.ports), server_port
        self.ip_options, self.extension = ip_options, extension
        self.isn = wire.random.getrandbits(32) if isn is None else isn
        self.next = self.isn  # our next sequence number
        self.ack = 0  # what we have of the server
        self.key = (self.address, self.port)

    @staticmethod
    def mss_option(mss):
        return [] if mss is None else [("MSS", mss)]

    def frame(self, flags, data=b"", seq=None, ack=None, window=65535, options=(), tos=0):
        """A frame by scapy, lengths and checksums not yet filled in."""
        frame = Ether(src=self.mac, dst=self.wire.gateway_mac)
        for ethertype, tci in self.tags:
            tag = Dot1Q if ethertype == 0x8100 else Dot1AD
            frame = frame / tag(vlan=tci & 0xFFF, prio=tci >> 13, **{DEI: tci >> 12 & 1})
        # scapy would give the tag before a Dot1AD its own ethertype by itself; it is set, to be sure.
        layer = frame
        for ethertype, _ in self.tags:
            layer.type = ethertype
            layer = layer.payload
        if self.family == 4:
            frame = frame / IP(src=self.address, dst=self.server, tos=tos, options=[IPOption(self.ip_options)] if self.ip_options else [])
        else:
            frame = frame / IPv6(src=self.address, dst=self.server, tc=tos, fl=0x12345)
            if self.extension:
                frame = frame / self.extension()
        seq = self.next if seq is None else seq
        ack = self.ack if ack is None else ack
        tcp = TCP(
            sport=self.port, dport=self.server_port, flags=flags, seq=seq % 2**32,
            ack=ack % 2**32 if "A" in flags else 0, window=window, options=list(options),
        )
        return frame / tcp / Raw(data) if data else frame / tcp

    def send(self, flags, data=b"", **fields):
        """Sends a segment; one that is in order moves our sequence number on."""
        frame = self.frame(flags, data, **fields)
        self.wire.send(frame)
        if fields.get("seq") is None and "S" not in flags and "R" not in flags:
            self.next = (self.next + len(data) + ("F" in flags)) % 2**32
        return frame

    def receive(self, seconds=PATIENCE_S):
        """The next frame to this connection, judged; a missing one is a failure."""
        frame = self.wire.take(self.key, seconds)
        assert frame is not None, f"no answer to {self.key}"
        assert_well_formed(frame, self)
        return frame

    def silence(self):
        """Nothing has come, and nothing will, for what was sent."""
        self.wire.settle()
        frames = self.wire.seen.pop(self.key, [])
        assert not frames, [frame.summary() for frame in frames]

    def connect(self, mss=1460, **fields):
        """SYN and SYN-ACK. The last ACK is left to the caller: a GET may come without it."""
        syn = self.send("S", options=self.mss_option(mss), **fields)
        answer = self.receive()
        tcp = answer[TCP]
        assert tcp.flags == "SA" and tcp.ack == (self.isn + 1) % 2**32, answer.summary()
        assert len(bytes(answer)) <= len(bytes(syn)), "the SYN-ACK is larger than the SYN"
        self.next = (self.isn + 1) % 2**32
        self.ack = (tcp.seq + 1) % 2**32
        return answer

    def get(self, data=REQUEST, flags="PA", **fields):
        self.send(flags, data, **fields)
        return self.receive()


def body_of(frame):
    payload = frame[TCP].payload
    return b"" if isinstance(payload, (NoPayload, Padding)) else bytes(payload)


PADDING_BYTES = 40  # at most so much of a frame is left behind a reply of the classifier (bpf/reply.h)


def assert_ends(packet_bytes, raw, frame):
    """Nothing behind a packet with data; zeros, and not many, behind a bare header."""
    behind = raw[packet_bytes:]
    assert len(raw) >= packet_bytes, "length of the IP packet"
    assert not any(behind) and len(behind) <= (0 if body_of(frame) else PADDING_BYTES), f"bytes behind the packet: {behind.hex()}"


def assert_well_formed(frame, client):
    """REQUIREMENTS §3: the IP and TCP fields of whatever the gateway sends, and the tags."""
    raw = bytes(frame.original)
    assert (frame.dst, frame.src) == (client.mac, client.wire.gateway_mac)
    tags, layer = [], frame
    while isinstance(layer.payload, Dot1Q):  # a Dot1AD is one, too
        ethertype, layer = layer.type, layer.payload
        tags.append((ethertype, layer.prio << 13 | getattr(layer, DEI) << 12 | layer.vlan))
    assert tuple(tags) == client.tags, f"tags {tags}, not {client.tags}"
    head = 14 + 4 * len(tags)
    tcp = frame[TCP]
    if client.family == 4:
        ip = frame[IP]
        assert (ip.src, ip.dst) == (client.server, client.address)
        assert (ip.version, ip.ihl, ip.tos, ip.id, ip.flags, ip.frag, ip.ttl, ip.proto) == (4, 5, 0, 0, "DF", 0, 64, 6), ip.summary()
        assert_ends(head + ip.len, raw, frame)
        tcp_at = head + 20
    else:
        ip = frame[IPv6]
        assert (ip.src, ip.dst) == (client.server, client.address)
        assert (ip.version, ip.tc, ip.fl, ip.nh, ip.hlim) == (6, 0, 0, 6, 64), ip.summary()
        assert_ends(head + 40 + ip.plen, raw, frame)
        tcp_at = head + 40
    assert tcp.reserved == 0 and tcp.urgptr == 0 and not tcp.flags & 0xE0, f"URG, ECE or CWR: {tcp.flags}"
    assert (tcp.sport, tcp.dport) == (client.server_port, client.port)
    assert struct.unpack_from("!B", raw, tcp_at + 12)[0] >> 4 == tcp.dataofs
    # The checksums once more, by scapy.
    again = Ether(raw)
    if client.family == 4:
        del again[IP].chksum
    del again[TCP].chksum
    assert bytes(again) == raw, "a checksum is wrong"
