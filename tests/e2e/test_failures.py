# SPDX-License-Identifier: Apache-2.0
"""DESIGN §6, the rows that concern processes: what an authorised stream and a stranger notice.

Each scenario runs under authorised streams of 2,000 packets a second over IPv4 and IPv6, whose
every packet is echoed and counted, beside strangers who try to get through.
"""
import contextlib
import signal
import time

import pytest

from lab import clients
from lab.hosts import ORIGIN4, ORIGIN6, client4, client6, url
from lab.process import until
from lab.traffic import running_traffic

STRANGER4, STRANGER6 = client4(5), client6(5)
DATAPLANE_LIMIT_S = 1.0


@contextlib.contextmanager
def judged_traffic(gateway, hosts):
    gateway.authorize(client4(2), client6(2))
    with running_traffic(hosts) as outcome:
        time.sleep(0.3)  # the stream is under way before, and goes on after
        yield
        time.sleep(0.5)
    outcome.check()


def fetches_511(hosts, origin=ORIGIN4, source=STRANGER4, seconds=0.3):
    return clients.curl(hosts, url(origin), source, seconds=seconds).is_511()


def assert_511_within(hosts, began, limit_s):
    """Both families, counted from the start of the process."""
    assert until(lambda: fetches_511(hosts), 5)
    took = time.monotonic() - began
    assert took < limit_s, f"the first 511 came {took:.2f} s after the start"
    assert until(lambda: fetches_511(hosts, ORIGIN6, STRANGER6), 1)


def assert_silence(hosts):
    for origin, source in ((ORIGIN4, STRANGER4), (ORIGIN6, STRANGER6)):
        response = clients.curl(hosts, url(origin), source, seconds=0.7)
        assert response.exit_code == 28, response


def restart_dataplane(gateway, hosts):
    began = time.monotonic()
    gateway.start_dataplane()
    assert_511_within(hosts, began, DATAPLANE_LIMIT_S)


# REQ 4.death
def test_dataplane_killed_and_restarted(gateway, hosts):
    """§6 row 1: 0 authorised packets lost, strangers dropped, 511 within 1 s of the restart."""
    with judged_traffic(gateway, hosts):
        gateway.dataplane.kill()
        assert_silence(hosts)
        restart_dataplane(gateway, hosts)


def test_dataplane_stopped_in_order(gateway, hosts):
    """The same with SIGTERM: DPDK's clean close must not detach the classifier (DESIGN §2)."""
    program = gateway.program()
    with judged_traffic(gateway, hosts):
        assert gateway.dataplane.stop() == 0
        assert gateway.program() == program
        assert_silence(hosts)
        restart_dataplane(gateway, hosts)
    assert gateway.program() == program


def test_maps_made_anew_end_the_dataplane(gateway, hosts):
    """As when narthexd is upgraded to another layout: a heartbeat in the old map would be read by nobody, so
    that strangers met silence for ever; a service manager starts the dataplane again."""
    gateway.narthexd.stop()
    gateway.detach()
    time.sleep(0.5)  # without pins it waits
    assert gateway.dataplane.alive()
    gateway.start_narthexd()
    assert until(lambda: not gateway.dataplane.alive(), 3), "it writes to maps that nobody reads"
    assert "made anew" in gateway.dataplane.log()
    restart_dataplane(gateway, hosts)


def test_dataplane_hung(gateway, hosts):
    """§6 row 2: no SYN-ACK while the heartbeat is stale, 511 again when it goes on."""
    with judged_traffic(gateway, hosts):
        gateway.dataplane.signal(signal.SIGSTOP)
        try:
            # Refused connects hang in SYN-SENT: no SYN-ACK came. 7 is a refusal, 28 a time-out.
            assert until(lambda: connect_time(hosts) is None, 2), "SYN-ACKs went on"
            assert connect_time(hosts) is None
        finally:
            gateway.dataplane.signal(signal.SIGCONT)
        assert until(lambda: fetches_511(hosts), 1)


def connect_time(hosts):
    """Seconds until the SYN-ACK, None if there was none within 0.4 s."""
    done = hosts.on_client(
        "curl", "-s", "-o", "/dev/null", "--max-time", "0.4", "--interface", STRANGER4, "-w", "%{time_connect}", url(ORIGIN4)
    )
    return float(done.stdout) or None


# REQ 4.death
def test_narthexd_killed(gateway, hosts):
    """§6 row 3: strangers still get 511s; the command line says that the daemon is away; sessions
    are there when it is back."""
    with judged_traffic(gateway, hosts):
        gateway.narthexd.kill()
        assert fetches_511(hosts, seconds=2) and fetches_511(hosts, ORIGIN6, STRANGER6, seconds=2)
        assert gateway.ctl("session", "list").returncode == 4
        gateway.start_narthexd()
        assert fetches_511(hosts, seconds=2)
    assert gateway.addresses() == {client4(2), client6(2)}


# REQ 4.swap
def test_narthexd_upgraded_in_place(gateway, hosts):
    """§6 row 3, DESIGN §2.2: a restart replaces the program through its pinned link; there is a
    classifier at every moment."""
    before = gateway.program()
    with judged_traffic(gateway, hosts):
        assert gateway.narthexd.stop() == 0
        assert gateway.program() == before, "the classifier must stay when narthexd stops"
        gateway.start_narthexd()
        assert fetches_511(hosts, seconds=2)
    after = gateway.program()
    assert after not in (0, before)


# REQ 4.death
def test_both_killed_and_restarted(gateway, hosts):
    """§6 row 4: strangers dropped (fail closed), authorised clients untouched."""
    with judged_traffic(gateway, hosts):
        gateway.narthexd.kill()
        gateway.dataplane.kill()
        assert_silence(hosts)
        gateway.start_narthexd()
        restart_dataplane(gateway, hosts)


def test_dataplane_starts_while_narthexd_is_dead(gateway, hosts):
    """§1: either process starts without the other; the snapshot on disk is enough."""
    with judged_traffic(gateway, hosts):
        gateway.narthexd.kill()
        gateway.dataplane.kill()
        restart_dataplane(gateway, hosts)
        gateway.start_narthexd()


@pytest.mark.parametrize("daemon", ["narthexd", "dataplane"])
def test_killed_again_and_again(gateway, hosts, daemon):
    """A crash loop leaves nothing that would stop the next start, and loses nothing."""
    with judged_traffic(gateway, hosts):
        for _ in range(5):
            getattr(gateway, daemon).kill()
            getattr(gateway, f"start_{daemon}")()
        assert until(lambda: fetches_511(hosts), 1)


# ---- what the operator sees ---------------------------------------------------------------------


def worker_state(gateway):
    return gateway.status()["zones"][0]["workers"][0]["state"]


def test_status_tells_how_the_worker_is(gateway):
    """narthex.proto, WorkerStatus: running, stale while hung, absent when its process is gone."""
    assert until(lambda: worker_state(gateway) == "RUNNING", 2)
    gateway.dataplane.signal(signal.SIGSTOP)
    try:
        assert until(lambda: worker_state(gateway) == "STALE", 2), worker_state(gateway)
    finally:
        gateway.dataplane.signal(signal.SIGCONT)
    assert until(lambda: worker_state(gateway) == "RUNNING", 2)
    gateway.dataplane.kill()
    assert until(lambda: worker_state(gateway) == "ABSENT", 2), worker_state(gateway)


def test_every_refusal_is_counted_by_its_reason(gateway, hosts):
    """DESIGN §3: every drop, rejection and pass has a counter named by its reason."""
    def counted():
        return {counter["name"]: int(counter["packets"]) for counter in gateway.status()["counters"]}

    before = counted()
    assert fetches_511(hosts)
    clients.curl(hosts, url(ORIGIN4, scheme="https"), STRANGER4)
    clients.pings(hosts, ORIGIN4, STRANGER4, count=2, seconds=0.2)
    after = counted()
    assert after["syn_ack"] - before["syn_ack"] == 1
    assert after["request"] - before["request"] == 1
    assert after["rst"] - before["rst"] == 1
    assert after["icmp"] - before["icmp"] == 2
    assert after["authorised"] == before["authorised"]
