# SPDX-License-Identifier: Apache-2.0
"""VLANs: zones that share an interface, sessions of lines, sessions bound to their VLAN.

The kernel of a test machine may have no VLAN interfaces, so the clients are hand-made, and what
passes is seen in the classifier's counters."""
import contextlib
import json

import pytest

from lab.gateway import zone
from lab.hosts import client4
from lab.process import run, until
from lab.wire import Wire, body_of

C_TAG, S_TAG = 0x8100, 0x88A8
STANDS = zone(name="stands", pool="10.52.0.0/24", prefix6="2001:db8:52::/64", extra="vlans = [10, 20]").replace(
    "Stadium Wi-Fi", "Stands Wi-Fi"
)


@pytest.fixture
def lobby(hosts):
    wire = Wire(hosts.client)
    yield wire
    wire.close()


@pytest.fixture
def stands(hosts):
    wire = Wire(hosts.client, pool="10.52.0.", prefix6="2001:db8:52::")
    yield wire
    wire.close()


def page(wire, family=4, tags=()):
    """What a client is answered: the page, or nothing at all."""
    client = wire.client(family, tags=tags)
    client.send("S", options=client.mss_option(1460))
    if wire.take(client.key, 1) is None:
        return None
    client = wire.client(family, tags=tags)
    client.connect()
    return body_of(client.get())


def count(gateway, name):
    return next(int(counter["packets"]) for counter in gateway.status()["counters"] if counter["name"] == name)


def counted(gateway, name, frames):
    """How many of the frames the classifier counted so."""
    before = count(gateway, name)
    frames()
    return count(gateway, name) - before


@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
def test_zones_on_one_interface_have_their_own_pages_and_clients(running_gateway, lobby, stands, family):
    """Issue 5: several access networks on one interface. Over a restart of narthexd, too."""
    with running_gateway.configured(zone() + STANDS) as gateway:
        for _ in range(2):
            assert b"Stadium Wi-Fi" in page(lobby, family)
            assert b"Stadium Wi-Fi" in page(lobby, family, [(C_TAG, 30)]), "a VLAN of no zone is the rest's"
            for tags in ([(C_TAG, 10)], [(C_TAG, 20)], [(S_TAG, 10), (C_TAG, 7)]):
                assert b"Stands Wi-Fi" in page(stands, family, tags), tags
            assert page(stands, family) is None, "no client of the rest"
            assert page(lobby, family, [(C_TAG, 10)]) is None, "no client of the VLAN"
            gateway.narthexd.kill()
            gateway.start_narthexd()
        assert "lan0/vlan_zones" in gateway.pins() and "lan0/vlan_zones-new" not in gateway.pins()
    assert "lan0/vlan_zones" not in running_gateway.pins()


def test_without_a_zone_for_the_rest_it_is_dropped(running_gateway, lobby, stands):
    with running_gateway.configured(STANDS) as gateway:
        assert b"Stands Wi-Fi" in page(stands, 4, [(C_TAG, 20)])
        assert counted(gateway, "no_zone", lambda: page(lobby)) >= 1  # the kernel's own frames, too
        assert page(stands, 4, [(C_TAG, 30)]) is None


def test_sessions_and_explanations_are_of_the_vlans_zone(running_gateway, stands):
    with running_gateway.configured(zone() + STANDS) as gateway:
        client = stands.client(4, tags=[(C_TAG, 10)])
        assert "syn_ack" in gateway.ctl("explain", client.address, check=True).stdout
        gateway.authorize(client.address)
        assert counted(gateway, "authorised", lambda: (client.send("S"), stands.poll(0.2))) == 1
        assert gateway.json("session", "get", client.address)["zone"] == "stands"
        assert "authorised" in gateway.ctl("explain", client.address, check=True).stdout


def test_a_line_session_passes_its_tags_only(running_gateway, lobby):
    """Issue 4: a subscriber line, outer and inner VLAN."""
    with running_gateway.configured(zone(extra='identities = ["line"]')) as gateway:
        gateway.authorize("line:100.7")
        for tags, passes in (
            ([(S_TAG, 100), (C_TAG, 7)], 1), ([(C_TAG, 100), (C_TAG, 7)], 1),
            ([(S_TAG, 100), (C_TAG, 8)], 0), ([(C_TAG, 100)], 0), ([(C_TAG, 7)], 0), ([], 0),
        ):
            client = lobby.client(4, tags=tags)
            sent = lambda client=client: (client.send("S", options=client.mss_option(1460)), lobby.poll(0.2))
            assert counted(gateway, "authorised", sent) == passes, tags
        assert int(gateway.json("session", "get", "line:100.7")["packets_up"]) == 2


# REQ 4.spoofed-vlan, REQ 4.alarm
def test_a_key_that_moves_to_another_vlan_is_reported_and_dropped_where_bound(running_gateway, lobby):
    """REQUIREMENTS §4: the same addresses on another VLAN."""
    for bind, there, reason in (('bind = ["vlan"]', 0, "binding"), ("watch_moves = true", 1, "authorised")):
        with running_gateway.configured(zone(extra=bind)) as gateway:
            client = lobby.client(4, tags=[(C_TAG, 10)], address=client4(9))
            thief = lobby.client(4, tags=[(C_TAG, 20)], address=client4(9))
            gateway.authorize(client4(9))
            assert counted(gateway, "authorised", lambda: (client.send("S"), lobby.poll(0.2))) == 1
            moved = int(gateway.status()["alarms"]["moved"])
            assert counted(gateway, reason, lambda: (thief.send("S"), lobby.poll(0.2))) == 1
            assert until(lambda: int(gateway.status()["alarms"]["moved"]) == moved + 1, 5)
            assert "alarm: session " in gateway.narthexd.log()
            if not there:
                assert counted(gateway, "authorised", lambda: (client.send("S"), lobby.poll(0.2))) == 1


def mac_of(hosts, namespace, interface):
    return json.loads(run(None, "ip", "-n", namespace, "-j", "link", "show", interface, check=True).stdout)[0]["address"]


# REQ 4.alarm
@pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])
def test_a_key_at_another_zones_port_is_a_stranger_and_reported(running_gateway, hosts, lobby, spare, family):
    """Issue 4: an alarm when a key moves between ports or VLANs. Of a zone of another interface, and one of a VLAN."""
    aisle = zone(name="aisle", interface=spare, pool="10.61.1.0/24", prefix6="2001:db8:61:1::/64")
    lobby_zone = zone(extra='identities = ["mac"]')
    with contextlib.ExitStack() as stack:
        gateway = stack.enter_context(running_gateway.configured(lobby_zone + STANDS + aisle))
        there = Wire(hosts.client, "sp1", "10.61.1.", "2001:db8:61:1::", mac_of(hosts, hosts.gateway, spare))
        stack.callback(there.close)
        elsewhere = lambda: int(gateway.status()["alarms"].get("elsewhere", 0))
        true = lobby.client(family)
        gateway.authorize(true.address)
        passes = lambda: counted(gateway, "authorised", lambda: (true.send("S"), lobby.poll(0.2))) == 1
        assert passes() and elsewhere() == 0
        for wire, tags, words in ((there, (), "by zone 'aisle', no VLAN"), (lobby, [(C_TAG, 10)], "by zone 'stands', VLAN 10")):
            thief = wire.client(family, tags=tags, address=true.address)
            before = elsewhere()
            assert counted(gateway, "martian", lambda thief=thief, wire=wire: (thief.send("S"), wire.poll(0.2))) >= 1
            if wire is there:
                assert until(lambda before=before: elsewhere() == before + 1, 5)
                assert f"{true.address} came {words}, MAC address {thief.mac}, and has no session there" in gateway.narthexd.log()
            else:
                assert elsewhere() == before, "the same key, within a minute"
        # Known by its MAC address, it wanders off and asks for an address over there.
        wanderer = there.client(family)
        gateway.authorize(wanderer.mac)
        assert page(there, family) and elsewhere() == 1, "other clients are no news"
        wanderer.send("S", options=wanderer.mss_option(1460))
        wanderer.receive()  # still a stranger's answer
        assert until(lambda: elsewhere() == 2, 5)
        assert f"of {wanderer.mac} in zone 'lobby': {wanderer.address} came by zone 'aisle'" in gateway.narthexd.log()
        assert passes(), "the true one goes on"
