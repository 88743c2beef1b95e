# SPDX-License-Identifier: Apache-2.0
"""Who a client is: MAC addresses, prefixes, several keys, and sessions bound to a place."""
import contextlib

import pytest

from lab import clients
from lab.gateway import zone
from lab.hosts import ORIGIN4, ORIGIN6, client4, client6, url
from lab.process import until

CLIENT_MAC, OTHER_MAC = "02:4e:58:00:00:02", "02:4e:58:00:00:99"


@pytest.fixture(scope="module")
def with_identities(running_gateway):
    extra = 'identities = ["mac", "line"]\nipv6_session_lengths = [128, 64]'
    with running_gateway.configured(zone(extra=extra)) as gateway:
        yield gateway


@pytest.fixture(scope="module")
def with_binding(running_gateway):
    with running_gateway.configured(zone(extra='bind = ["mac", "vlan"]')) as gateway:
        yield gateway


@pytest.fixture
def identities(with_identities):
    with_identities.heal()
    return with_identities


@pytest.fixture
def binding(with_binding):
    with_binding.heal()
    return with_binding


@pytest.fixture
def known(hosts):
    """The gateway's kernel has the client's addresses in its neighbour tables."""
    hosts.on_client("ping", "-nqc1", "-W1", "-I", client4(2), "10.51.1.1")
    for address in (client4(2), client4(3), client6(2)):
        hosts.on_gateway("ip", "neigh", "replace", address, "lladdr", CLIENT_MAC, "dev", "lan0", "nud", "reachable", check=True)


@contextlib.contextmanager
def other_hardware(hosts):
    """The client has another MAC address, and the gateway's kernel has learned it."""
    def change(mac):
        hosts.on_client("ip", "link", "set", "dev", "c0", "address", mac, check=True)
        hosts.on_gateway("ip", "neigh", "flush", "dev", "lan0", check=True)

    change(OTHER_MAC)
    try:
        yield
    finally:
        change(CLIENT_MAC)


def reaches(hosts, origin, source):
    return clients.pings(hosts, origin, source, count=3) == 3


@pytest.mark.parametrize("key, words", [
    pytest.param(CLIENT_MAC, 'add identities = ["mac"] to its [[zone]]', id="mac"),
    pytest.param("line:100", 'add identities = ["line"] to its [[zone]]', id="line"),
    pytest.param("2001:db8:51:1::/64", "add it to ipv6_session_lengths = [128]", id="prefix"),
])
def test_a_kind_that_the_zone_does_not_have_is_refused_with_the_remedy(gateway, key, words):
    done = gateway.ctl("session", "authorize", key, "--for", "1h")
    assert done.returncode == 1 and words in done.stderr, done
    assert gateway.sessions() == []


def test_a_mac_session_passes_whatever_address_of_the_zone_it_uses(identities, hosts):
    """Issue 4: a session by MAC, both directions; another MAC with the same addresses does not pass."""
    identities.authorize(CLIENT_MAC)
    for origin, source in ((ORIGIN4, client4(2)), (ORIGIN4, client4(5)), (ORIGIN6, client6(3))):
        assert reaches(hosts, origin, source)
    session = identities.json("session", "get", CLIENT_MAC)
    assert session["keys"] == [CLIENT_MAC] and session["addresses"] == []
    # Neighbour discovery is the client's, too.
    assert int(session["packets_up"]) >= 9 and int(session["packets_down"]) == 9, session
    assert "is authorised by " + session["name"] in identities.ctl("explain", client4(5), check=True).stdout
    with other_hardware(hosts):
        assert clients.curl(hosts, url(ORIGIN4), client4(2)).is_511()
    identities.terminate(CLIENT_MAC)
    assert clients.curl(hosts, url(ORIGIN4), client4(5)).is_511()


def test_a_prefix_session_passes_all_its_addresses(identities, hosts):
    """Issue 4: IPv6 prefixes from /64 on."""
    identities.authorize("2001:db8:51:1::/64")
    assert reaches(hosts, ORIGIN6, client6(2)) and reaches(hosts, ORIGIN6, client6(7))
    session = identities.json("session", "get", "2001:db8:51:1::/64")
    assert int(session["packets_up"]) >= 6 and int(session["packets_down"]) == 6, session
    assert clients.curl(hosts, url(ORIGIN4), client4(2)).is_511()
    identities.terminate("2001:db8:51:1::/64")
    assert clients.curl(hosts, url(ORIGIN6), client6(7)).is_511()


def test_keys_of_every_kind_are_one_session(identities, hosts):
    """Issue 4: several keys under one session, which end together, over a restart, too."""
    identities.authorize(client4(2), "2001:db8:51:1::/64", "02:00:00:00:00:07", "line:100.7")
    identities.narthexd.kill()
    identities.start_narthexd()
    session = identities.json("session", "get", "line:100.7")
    assert set(session["keys"]) == {client4(2), "2001:db8:51:1::/64", "02:00:00:00:00:07", "line:100.7"}
    assert reaches(hosts, ORIGIN4, client4(2)) and reaches(hosts, ORIGIN6, client6(4))
    identities.terminate("02:00:00:00:00:07")
    assert identities.sessions() == []
    assert not reaches(hosts, ORIGIN6, client6(4))


def wrong_macs(gateway):
    return int(gateway.status()["alarms"]["wrong_mac"])


def test_a_stolen_address_does_not_pass_and_is_reported(binding, hosts, known):
    """REQ 4.spoofed-ip, REQ 4.spoofed-mac: bound to the MAC address that the neighbour table had."""
    binding.authorize(client4(2), client6(2))
    assert binding.json("session", "get", client4(2))["bound_macs"] == [CLIENT_MAC]
    assert reaches(hosts, ORIGIN4, client4(2))
    before = wrong_macs(binding)
    with other_hardware(hosts):
        assert clients.pings(hosts, ORIGIN4, client4(2), count=3, seconds=0.3) == 0
        assert clients.pings(hosts, ORIGIN6, client6(2), count=3, seconds=0.3) == 0
    assert until(lambda: wrong_macs(binding) >= before + 2, 5)
    assert "alarm: session " in binding.narthexd.log()
    assert f"{client4(2)} came from MAC address {OTHER_MAC}" in binding.narthexd.log()
    # The MAC address alone, with an address of its own, is no better.
    assert clients.curl(hosts, url(ORIGIN4), client4(3)).is_511()
    assert reaches(hosts, ORIGIN4, client4(2)), "the owner is not harmed"


def test_the_binding_outlives_both_daemons_and_the_maps(binding, hosts, known):
    binding.authorize(client4(2))
    binding.lose_everything_but_the_store()
    with other_hardware(hosts):
        assert clients.pings(hosts, ORIGIN4, client4(2), count=3, seconds=0.3) == 0
    assert reaches(hosts, ORIGIN4, client4(2))


def test_a_login_that_cannot_be_bound_is_refused_with_both_remedies(binding, hosts):
    hosts.on_gateway("ip", "neigh", "flush", "dev", "lan0", check=True)
    done = binding.ctl("session", "authorize", "10.51.1.77", "--for", "1h")
    assert done.returncode == 1, done
    assert "--mac" in done.stderr and "talk to the gateway first" in done.stderr, done
    binding.authorize("10.51.1.77", options=("--mac", OTHER_MAC))
    assert binding.json("session", "get", "10.51.1.77")["bound_macs"] == [OTHER_MAC]
