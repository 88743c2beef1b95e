# SPDX-License-Identifier: Apache-2.0
"""The uplink program: what reaches clients, and accounts that are exact in both directions."""
import datetime
import json
import time

import pytest
from lab import clients
from lab.capture import accounted, capture
from lab.hosts import ORIGIN4, ORIGIN6, client4, client6
from lab.process import run, until
from lab.traffic import echo, sender

FAMILIES = pytest.mark.parametrize("origin, client", [(ORIGIN4, client4), (ORIGIN6, client6)], ids=["IPv4", "IPv6"])


def delivered(hosts, origin, client):
    """A packet that the internet sends to a client unasked: does the client's kernel answer it?"""
    done = hosts.on_internet("ping", "-nq", "-c", 3, "-i", "0.05", "-W", "0.3", "-I", origin, client)
    return " 0 received" not in done.stdout


def unsolicited(gateway):
    return next(int(c["packets"]) for c in gateway.status()["counters"] if c["name"] == "unsolicited")


@FAMILIES
def test_nothing_unsolicited_reaches_a_client_that_has_not_logged_in(gateway, hosts, origin, client):
    """Issue 4: nothing unsolicited to unauthorised clients; an authorised one can be reached."""
    before = unsolicited(gateway)
    assert not delivered(hosts, origin, client(4))
    assert unsolicited(gateway) == before + 3
    gateway.authorize(client(4))
    assert delivered(hosts, origin, client(4))
    gateway.terminate(client(4))
    assert not delivered(hosts, origin, client(4))


def seen(gateway, client):
    """(first, last) in seconds since the epoch; None: never."""
    session = gateway.json("session", "get", client)
    return tuple(
        name in session and datetime.datetime.fromisoformat(session[name].replace("Z", "+00:00")).timestamp()
        for name in ("first_seen_time", "last_seen_time")
    )


def test_first_and_last_packets_are_seen(gateway, hosts):
    """Issue 4: first and last seen. Receiving is no sign of life; who asks looks."""
    gateway.authorize(client4(2))
    assert seen(gateway, client4(2)) == (False, False)
    began = time.time()
    assert clients.pings(hosts, ORIGIN4, client4(2), count=1) == 1
    first, last = seen(gateway, client4(2))
    assert first == last and began - 1 <= first <= time.time()
    alike = pytest.approx((first, last), abs=0.1)  # the clocks' difference is read anew for each answer
    assert not until(lambda: seen(gateway, client4(2)) != alike, 1.2), "nothing more came"
    assert clients.pings(hosts, ORIGIN4, client4(2), count=1) == 1
    again, later = seen(gateway, client4(2))
    assert again == pytest.approx(first, abs=0.1) and first + 0.5 < later <= time.time()
    gateway.narthexd.kill()
    gateway.start_narthexd()
    assert seen(gateway, client4(2))[0] == pytest.approx(first, abs=0.1)


def test_both_directions_are_counted(gateway, hosts):
    """Issue 4: bytes and packets up and down, Ethernet header included."""
    gateway.authorize(client4(2))
    assert clients.pings(hosts, ORIGIN4, client4(2), count=20) == 20
    session = gateway.json("session", "get", client4(2))
    assert (int(session["packets_up"]), int(session["packets_down"])) == (20, 20)
    assert (int(session["bytes_up"]), int(session["bytes_down"])) == (20 * 98, 20 * 98)


def restart_under_traffic(gateway, hosts, origin, client, restarts, change=None):
    """Kills and orderly ends of narthexd in turn, `change(gateway)` before each new start, under 1,000 packets/s of a
    client: none is lost, and accounts are what tcpdump saw. The session is an old one (its login lies before the
    maps), so the classifier notes its packets in the ledger and settles in batches. Returns the programs seen."""
    gateway.authorize(client)
    gateway.lose_everything_but_the_store()
    programs = {gateway.program()}
    with capture(hosts, "count", client) as captured:
        answering = echo(hosts, "count-echo", origin)
        sending = sender(hosts, "count", client, origin, rate=1000)
        try:
            for restart in range(restarts):
                assert until(lambda: accounted(gateway, client)[0] > 10000 * restart, 5)
                gateway.narthexd.kill() if restart % 2 else gateway.narthexd.stop()
                if change:
                    change(gateway)
                gateway.start_narthexd()
                programs.add(gateway.program())
            sent = sending.report()
        finally:
            sending.job.kill()
            answering.report()
        assert sent["sent"] > 1200 and sent["lost"] == 0, sent
        captured.assert_accounts(gateway)
    return programs


@FAMILIES
def test_accounts_are_exact_over_kills_and_upgrades(gateway, hosts, origin, client):
    """Issue 4: to the byte what tcpdump saw, over ten kill -9 and ten upgrades."""
    programs = restart_under_traffic(gateway, hosts, origin, client(2), 20)
    assert len(programs) == 21, "each start puts its own program in place"


def other_pools(gateway):
    text = gateway.config.read_text()
    one, two = '"10.51.1.0/24"', '"10.50.0.0/24", "10.51.1.0/24"'
    gateway.config.write_text(text.replace(two, one) if two in text else text.replace(one, two))


def another_abi(gateway):
    """As if narthexd of another version, but with the same accounts (the upper half), had made the maps."""
    row, = json.loads(run(None, "bpftool", "-j", "map", "dump", "pinned", gateway.bpffs / "abi_version", check=True).stdout)
    of_accounts = " ".join(row["value"][2:])
    run(None, "bpftool", *f"map update pinned {gateway.bpffs}/abi_version key 0 0 0 0 value 255 0 {of_accounts}".split(), check=True)


@FAMILIES
@pytest.mark.parametrize("change", [other_pools, another_abi])
def test_accounts_are_exact_over_maps_made_anew(gateway, hosts, origin, client, change):
    """Issue 4: exact over restarts and upgrades, also where maps replace others: the old program counts until the new
    one is attached, and has notes in its ledger."""
    good = gateway.config.read_text()
    try:
        restart_under_traffic(gateway, hosts, origin, client(2), 6, change)
    finally:
        gateway.config.write_text(good)
        gateway.heal()
        gateway.restart_with(lambda: None)


def test_the_uplink_is_told_in_status_and_freed_on_detach(gateway, hosts):
    """narthexctl status names uplinks; --detach leaves none behind (checked when the run ends)."""
    uplink, = gateway.status()["uplinks"]
    assert uplink["interface"] == "wan0" and uplink["program_id"] > 0 and uplink["attach"] == "native"
