# SPDX-License-Identifier: Apache-2.0
"""A client that asks for a name and connects at once, as a browser does:
garden.py '{"server": …, "source": …, "questions": [[NAME, A|AAAA], …], "port": N, "tls": false}'.

Prints JSON, for each question: its first address, the microseconds from the answer to the
connection, how often the SYN was repeated, and the first line of the answer to a GET (port 0: it
does not connect). A question may name its address itself; then nobody is asked.
"""
import ipaddress
import json
import os
import socket
import ssl
import struct
import sys
import time

KINDS = {"A": 1, "AAAA": 28, "TXT": 16}


def skip_name(data, at):
    while data[at]:
        if data[at] >= 0xC0:
            return at + 2
        at += data[at] + 1
    return at + 1


def query_for(name, kind):
    question = b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"
    return os.urandom(2) + struct.pack("!HHHHH", 0x0100, 1, 0, 0, 0) + question + struct.pack("!HH", KINDS[kind], 1)


def first_address(answer, kind):
    at = skip_name(answer, 12) + 4
    for _ in range(struct.unpack_from("!H", answer, 6)[0]):
        at = skip_name(answer, at)
        found, _, _, length = struct.unpack_from("!HHIH", answer, at)
        if found == KINDS[kind] and kind != "TXT":
            return str(ipaddress.ip_address(answer[at + 10 : at + 10 + length]))
        at += 10 + length
    return None


def ask(sock, name, kind):
    query = query_for(name, kind)
    sock.send(query)
    answer = sock.recv(4096)
    while answer[:2] != query[:2]:
        answer = sock.recv(4096)
    return first_address(answer, kind)


def fetch(plan, address, result):
    began = time.monotonic()
    try:
        sock = socket.create_connection((address, plan["port"]), timeout=3, source_address=(plan["source"], 0))
        result["connect_us"] = (time.monotonic() - began) * 1e6
        # struct tcp_info: tcpi_total_retrans is its 26th 32-bit word.
        result["repeated"] = struct.unpack_from("=I", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192), 100)[0]
        if plan.get("get", True):
            if plan.get("tls"):
                context = ssl.create_default_context()
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                sock = context.wrap_socket(sock)
            sock.sendall(b"GET / HTTP/1.1\r\nHost: www.example.test\r\nConnection: close\r\n\r\n")
            result["status"] = sock.recv(200).split(b"\r\n")[0].decode()
        sock.close()
    except OSError as error:
        result["error"] = type(error).__name__


def main(plan):
    family = socket.AF_INET6 if ":" in plan["server"] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.settimeout(plan.get("patience_s", 1))
    sock.bind((plan["source"], 0))
    sock.connect((plan["server"], 53))
    results = []
    for name, kind in plan["questions"]:
        result = {"name": name, "address": None}
        results.append(result)
        try:
            result["address"] = name if kind == "address" else ask(sock, name, kind)
            result["answered"] = True
        except OSError as error:
            result["error"] = type(error).__name__
        time.sleep(plan.get("think_s", 0))  # the way back over a radio
        if plan["port"] and result["address"]:
            fetch(plan, result["address"], result)
    return results


print(json.dumps(main(json.loads(sys.argv[1]))))
