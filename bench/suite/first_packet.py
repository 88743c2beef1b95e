#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Run inside the client's namespace: logs itself in, and measures how long after narthexctl's answer its
first packet is answered by the far end; logs out again. JSON: microseconds of each, of narthexctl's whole
run, and of it from the call's arrival to the session in force, by narthexd's own account."""
import json
import socket
import subprocess
import sys
import time

# As deploy/lib/stream's echo knows it.
PACKET = b"nxstream" + bytes(56)

ctl, api, client, server, port, count = sys.argv[1:]


def command(*words):
    return subprocess.run([ctl, "--socket", api, *words], capture_output=True, text=True, check=True)


def answered(connection, since):
    """Asks until the echo comes, each millisecond again."""
    while time.monotonic() < since + 5:
        connection.send(PACKET)
        try:
            connection.recv(100)
        except TimeoutError:
            continue
        return time.monotonic()
    raise SystemExit("no packet came back within 5 s of the login")


first, whole, force = [], [], []
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as connection:
    connection.bind((client, 0))
    connection.connect((server, int(port)))
    connection.settimeout(0.001)
    for _ in range(int(count)):
        begin = time.monotonic()
        said = json.loads(command("-o", "json", "session", "authorize", client, "--for", "1h").stdout)
        login = time.monotonic()
        first.append((answered(connection, login) - login) * 1e6)
        whole.append((login - begin) * 1e6)
        force.append(float(said["in_force_after"].rstrip("s")) * 1e6)
        command("session", "terminate", client, "--yes")
print(json.dumps({"first_us": sorted(first), "login_us": sorted(whole), "force_us": sorted(force)}))
