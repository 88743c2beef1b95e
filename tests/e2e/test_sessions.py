# SPDX-License-Identifier: Apache-2.0
"""Sessions: what the command line promises, survival, and expiry to the second."""
import time

import pytest

from lab import clients
from lab.gateway import zone
from lab.hosts import ORIGIN4, ORIGIN6, client4, client6, url
from lab.process import until
from lab.traffic import echo, sender

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1"


def reaches_origin(hosts, number=2):
    return (
        clients.curl(hosts, url(ORIGIN4), client4(number)).status == 200
        and clients.curl(hosts, url(ORIGIN6), client6(number)).status == 200
    )


def test_a_login_is_in_force_when_it_is_answered(gateway, hosts):
    """DESIGN §5: an acknowledged login is on disk and in the map: the first packet passes."""
    for number in range(2, 10):
        gateway.authorize(client4(number))
        assert clients.pings(hosts, ORIGIN4, client4(number), count=1) == 1
        gateway.terminate(client4(number))
        assert clients.pings(hosts, ORIGIN4, client4(number), count=1, seconds=0.2) == 0


def test_list_and_get_tell_what_was_authorised(gateway):
    """DESIGN §8: the JSON of the command line is for scripts."""
    gateway.authorize(client4(2), client6(2))
    listed = gateway.sessions()
    assert len(listed) == 1 and set(listed[0]["addresses"]) == {client4(2), client6(2)}
    assert listed[0]["zone"] == "lobby"
    got = gateway.json("session", "get", client6(2))
    assert set(got["addresses"]) == {client4(2), client6(2)} and got["name"] == listed[0]["name"]


def test_traffic_is_counted(gateway, hosts):
    """Issue 2: sessions count packets and bytes of their client."""
    gateway.authorize(client4(2))
    assert clients.pings(hosts, ORIGIN4, client4(2), count=20) == 20
    session = gateway.json("session", "get", client4(2))
    assert int(session["packets_up"]) == 20
    assert int(session["bytes_up"]) == 20 * 98  # Ethernet, IPv4, ICMP and 56 bytes


def test_a_second_login_extends_the_first(gateway):
    """narthex.proto: EXTEND; one session, a later end, the same name."""
    gateway.authorize(client4(2), duration="10m")
    first = gateway.json("session", "get", client4(2))
    gateway.authorize(client4(2), duration="2h")
    second = gateway.json("session", "get", client4(2))
    assert len(gateway.sessions()) == 1
    assert second["name"] == first["name"] and second["expire_time"] > first["expire_time"]


def test_a_file_of_long_lines_is_sent_in_small_calls(hosts, another, spare):
    """narthexctl --from: 4,096 lines of 16 keys would be more than narthexd takes in a call, 1 MiB."""
    other = another("bulk", zones=[zone("annex", spare, "10.61.1.0/24", "2001:db8:61:1::/64")])
    other.start_narthexd()
    lines = [" ".join(f"2001:0db8:0061:0001:0000:0000:{line:04x}:{key:04x}" for key in range(16)) for line in range(1, 2001)]
    path = other.home / "clients"
    path.write_text("\n".join(lines) + "\n")
    assert path.stat().st_size > 1 << 20
    done = other.ctl("session", "authorize", "--from", path, "--for", "1h")
    assert done.returncode == 0 and done.stdout == "2000 authorised, 0 refused\n", done
    assert int(other.status()["sessions"]) == 2000


def test_sessions_survive_a_restart_of_both_daemons(gateway, hosts):
    """Issue 2: survive a restart of the machine's services."""
    gateway.authorize(client4(2), client6(2))
    gateway.dataplane.stop()
    gateway.narthexd.stop()
    assert reaches_origin(hosts), "the classifier must hold while both are stopped"
    gateway.start()
    assert gateway.addresses() == {client4(2), client6(2)}
    assert reaches_origin(hosts)


def test_sessions_survive_the_loss_of_all_pins(gateway, hosts):
    """DESIGN §5: the store is the one truth; after a reboot bpffs is empty."""
    gateway.authorize(client4(2), client6(2))
    gateway.dataplane.stop()
    gateway.narthexd.kill()
    assert gateway.detach().returncode == 0
    assert gateway.program() == 0 and gateway.pins() == []
    gateway.start()
    assert gateway.addresses() == {client4(2), client6(2)}
    assert reaches_origin(hosts)
    assert clients.curl(hosts, url(ORIGIN4), client4(3)).is_511()


def test_a_terminated_session_stays_terminated(gateway, hosts):
    """A restart must not bring back what was ended, from map or store."""
    gateway.authorize(client4(2))
    gateway.terminate(client4(2))
    gateway.narthexd.kill()
    gateway.start_narthexd()
    assert gateway.sessions() == []
    assert clients.curl(hosts, url(ORIGIN4), client4(2)).is_511()


# ---- expiry ---------------------------------------------------------------------------------


def measured_lifetime(gateway, hosts, duration_s, meanwhile=lambda: None):
    """Seconds from the answer to `session authorize` to the last packet that passed."""
    server = echo(hosts, "expiry-echo", ORIGIN4)
    try:
        gateway.authorize(client4(2), duration=f"{duration_s}s")
        began = time.monotonic()
        stream = sender(hosts, "expiry", client4(2), ORIGIN4, rate=200, seconds=duration_s + 2)
        meanwhile()
        report = stream.wait(duration_s + 10)
    finally:
        server.job.kill()
    assert report["answered"], "nothing passed at all"
    return report["last_answer_at"] - began


@pytest.fixture
def stepped_clock(gateway, tmp_path):
    """narthexd with a wall clock that the test steps; CLOCK_BOOTTIME and MONOTONIC stay real."""
    offset = tmp_path / "offset"
    offset.write_text("+0")
    gateway.narthexd.stop()
    gateway.start_narthexd(env={
        "LD_PRELOAD": FAKETIME, "FAKETIME_TIMESTAMP_FILE": str(offset), "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
    })
    yield lambda text: offset.write_text(text)
    gateway.narthexd.kill()
    gateway.start_narthexd()


def test_a_session_expires_to_the_second(gateway, hosts):
    """Issue 2: expiry to the second."""
    assert 2.9 < measured_lifetime(gateway, hosts, 3) < 3.6
    assert until(lambda: gateway.sessions() == [], 2)
    assert clients.curl(hosts, url(ORIGIN4), client4(2)).is_511()


@pytest.mark.parametrize("step", ["+1d", "-1d"])
def test_a_stepped_wall_clock_moves_no_end(gateway, hosts, stepped_clock, step):
    """DESIGN §5: expiry on CLOCK_BOOTTIME; a wall clock stepped by a day, either way, ends
    nobody's session early or late."""
    assert 2.9 < measured_lifetime(gateway, hosts, 3, meanwhile=lambda: stepped_clock(step)) < 3.6


@pytest.mark.parametrize("step", ["+1d", "-1d"])
def test_a_wall_clock_stepped_between_two_starts_moves_no_end(gateway, hosts, stepped_clock, step):
    """The store's own times must not be read by wall clock within one boot."""
    def step_and_restart():
        stepped_clock(step)
        gateway.narthexd.kill()
        gateway.start_narthexd(env={
            "LD_PRELOAD": FAKETIME, "FAKETIME": step, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
        })

    assert 3.9 < measured_lifetime(gateway, hosts, 4, meanwhile=step_and_restart) < 4.6


def test_a_session_expires_while_narthexd_is_dead(gateway, hosts):
    """DESIGN §3: a timer held by pins alone goes on; expiry needs no daemon."""
    assert 2.9 < measured_lifetime(gateway, hosts, 3, meanwhile=gateway.narthexd.kill) < 3.6
    assert clients.curl(hosts, url(ORIGIN4), client4(2)).is_511()
    gateway.start_narthexd()
    assert gateway.sessions() == []
    assert clients.curl(hosts, url(ORIGIN4), client4(2)).is_511()
