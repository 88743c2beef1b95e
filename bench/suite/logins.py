# SPDX-License-Identifier: Apache-2.0
"""Many logins at once, through the API as a portal would, and then as if they were an hour old."""
import ipaddress
import signal
import time

from lab.process import run, until
from suite import cpu


def fill(narthex, first, count):
    """Authorises `count` clients of a pool, from `first` on. Seconds that took, all of it durable and in
    force: narthexctl reads a file of their addresses. Both daemons are started anew afterwards, without
    the maps: for a minute after a login connections of before it may be left (ARCHITECTURE.md), which costs more."""
    gateway = narthex.gateway
    clients = gateway.home / "clients"
    base = int(ipaddress.ip_address(first))
    clients.write_text("".join(f"{ipaddress.ip_address(base + i)}\n" for i in range(count)))
    began = time.monotonic()
    patience = 30 + count // 50000
    run(None, gateway.build / "control/narthexctl", "--socket", gateway.socket, "--timeout", "120s",
        "session", "authorize", "--from", clients, "--for", "24h", timeout=patience, check=True)
    seconds = time.monotonic() - began
    gateway.dataplane.signal(signal.SIGCONT)
    gateway.dataplane.stop()
    narthex.stop_narthexd()
    gateway.detach()
    gateway.start_narthexd(seconds=patience)
    gateway.start_dataplane()
    cpu.place_workers(gateway.dataplane.pid, narthex.stage.cpus["server"])
    assert until(lambda: int(gateway.status()["sessions"]) == count, 10), f"{gateway.status()['sessions']} sessions of {count}"
    return seconds
