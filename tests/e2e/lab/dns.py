# SPDX-License-Identifier: Apache-2.0
"""One DNS question: dns.py SERVER SOURCE NAME A|AAAA udp|tcp. Prints the first address, or nothing."""
import ipaddress
import os
import socket
import struct
import sys


def ask(server, source, name, kind, transport):
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM)
    sock.settimeout(1)
    sock.bind((source, 0))
    sock.connect((server, 53))
    identifier = os.urandom(2)
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    query = identifier + struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0) + question
    query += struct.pack("!HH", {"A": 1, "AAAA": 28}[kind], 1)
    sock.send(query if transport == "udp" else struct.pack("!H", len(query)) + query)
    answer = sock.recv(2048)
    answer = answer if transport == "udp" else answer[2:]
    if answer[:2] != identifier or struct.unpack_from("!H", answer, 6)[0] == 0:
        return None
    # One question, its name repeated by a pointer: header, question, then the first record.
    record = len(query) + 2
    length = struct.unpack_from("!H", answer, record + 8)[0]
    return ipaddress.ip_address(answer[record + 10 : record + 10 + length])


try:
    print(ask(*sys.argv[1:]) or "")
except OSError:
    pass
