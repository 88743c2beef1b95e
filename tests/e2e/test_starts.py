# SPDX-License-Identifier: Apache-2.0
"""Starts that fail, and starts that must not succeed, beside a gateway that runs."""
import socket
import time

import pytest

from lab import clients
from lab.gateway import zone
from lab.hosts import ORIGIN4, ORIGIN6, client4, client6
from lab.process import run, until


def reaches(hosts, origin, client):
    return clients.pings(hosts, origin, client, count=1, seconds=0.3) == 1


def test_a_start_that_fails_late_leaves_expiry_to_the_classifier(gateway, hosts):
    """DESIGN §6: a failed start changes nothing; sessions still end on time, with nobody's help.
    The start has another layout of pools, and fails when its maps and programs are loaded."""
    gateway.authorize(client4(2), duration="12s")
    began = time.monotonic()
    gateway.lose_everything_but_the_store()
    assert reaches(hosts, ORIGIN4, client4(2)) and reaches(hosts, ORIGIN4, client4(2))
    gateway.narthexd.kill()
    good = gateway.config.read_text()
    gateway.socket.unlink(missing_ok=True)
    gateway.socket.write_text("in the way")
    try:
        gateway.config.write_text(good.replace('"10.51.1.0/24"', '"10.50.0.0/24", "10.51.1.0/24"'))
        failed = gateway.run_narthexd()
        assert failed.returncode == 1, failed.stderr
        assert time.monotonic() - began < 10, "too slow to tell"
        assert reaches(hosts, ORIGIN4, client4(2)), "still authorised"
        assert until(lambda: not reaches(hosts, ORIGIN4, client4(2)), 14)
        assert time.monotonic() - began < 13.5, "outlived its end"
    finally:
        gateway.config.write_text(good)
        gateway.socket.unlink()
        gateway.start_narthexd()


@pytest.mark.parametrize("pin", ["accounts", "sessions", "traffic_up"])
def test_a_start_killed_while_it_moves_pins_mixes_no_accounts(gateway, hosts, pin):
    """DESIGN §6: a start has other pools, of the same size, and so makes maps anew; it is killed before it moves one
    of their pins into its place. The next one gives each session what is its own."""
    gateway.authorize(client4(2))
    gateway.authorize(client4(3))
    assert clients.pings(hosts, ORIGIN4, client4(2), count=20) == 20
    gateway.narthexd.stop()
    good = gateway.config.read_text()
    try:
        gateway.config.write_text(good.replace('"10.51.1.0/24"', '"10.51.0.0/25", "10.51.1.0/25"'))
        killed = hosts.on_gateway(
            "strace", "-f", "-qq", "-o", "/dev/null", "-P", f"{gateway.bpffs / pin}-new", "-e", "inject=rename:error=EPERM:signal=KILL",
            "timeout", "-s", "KILL", 15, gateway.build / "control/narthexd", "--config", gateway.config, timeout=30,
        )
        assert killed.returncode == -9 and "ready" not in killed.stdout + killed.stderr, killed
        gateway.start_narthexd()
        counted = {address: int(gateway.json("session", "get", address).get("packets_up", 0)) for address in gateway.addresses()}
        assert counted == {client4(2): 20, client4(3): 0}
    finally:
        gateway.config.write_text(good)
        gateway.heal()
        gateway.restart_with(lambda: None)


def test_a_program_that_the_verifier_refuses_leaves_the_old_one(gateway, hosts):
    """REQ 4.verifier: DESIGN §6, last row. Without CAP_PERFMON and CAP_SYS_ADMIN the kernel makes
    the maps, but its verifier refuses what the classifier does with the stack."""
    gateway.authorize(client4(2))
    before = gateway.program()
    gateway.narthexd.stop()
    refused = hosts.on_gateway(
        "setpriv", "--bounding-set", "-sys_admin,-perfmon", "--",
        gateway.build / "control/narthexd", "--config", gateway.config, timeout=20,
    )
    assert refused.returncode == 1 and "the kernel refuses the classifier" in refused.stderr, refused.stderr
    assert gateway.program() == before
    assert reaches(hosts, ORIGIN4, client4(2)) and not reaches(hosts, ORIGIN4, client4(3))
    gateway.start_narthexd()
    assert gateway.addresses() == {client4(2)}


POLICY = '\n[[policy]]\nname = "gold"\nrate_down = "{rate}"\n'


def in_force(gateway):
    """What programs and dataplane go by."""
    maps = {name: run(None, "bpftool", "map", "dump", "pinned", gateway.bpffs / name, check=True).stdout
            for name in ("garden", "policies", "dns_rules", "keys")}
    return {**maps, "policy.json": (gateway.run_dir / "policy.json").read_text(), "pins": gateway.pins(),
            "run": sorted(path.name for path in gateway.run_dir.iterdir() if path.name != "api.sock"),
            "links": [run(None, "bpftool", "-j", "link", "show", "pinned", gateway.bpffs / "sp0/link", check=True).stdout]}


@pytest.mark.parametrize("capacity", [65536, 4096], ids=["the-same-maps", "other-maps"])
def test_a_start_that_cannot_attach_leaves_what_is_in_force(hosts, another, spare, capacity):
    """DESIGN §6: a failed start changes nothing: neither programs nor policies, garden, DNS rules or the
    dataplane's snapshot. The new uplink's MTU is more than a veth takes a program with."""
    names = zone("annex", spare, "10.61.1.0/24", "2001:db8:61:1::/64")
    other = another("held", zones=[names + POLICY.format(rate="20Mbit/s")])
    other.start_narthexd()
    other.authorize("10.61.1.2", policy="gold")
    before, good = in_force(other), other.config.read_text()
    other.narthexd.stop()
    hosts.on_gateway("ip", *"link add big0 mtu 9000 type veth peer name big1 mtu 9000".split(), check=True)
    try:
        other.uplinks = ["big0"]
        changed = names.replace("198.51.100.20/32", "198.51.100.0/24").replace("[[zone.garden]]", '[zone.dns]\nmode = "enforce"\n[[zone.garden]]', 1)
        other.write_config(changed.replace("Stadium", "Arena") + POLICY.format(rate="5Mbit/s"), capacity=capacity)
        failed = other.run_narthexd()
        assert failed.returncode == 1 and "cannot be attached to big0" in failed.stderr, failed.stderr
        assert "its MTU is 9000" in failed.stderr
        assert in_force(other) == before
    finally:
        hosts.on_gateway("ip", "link", "del", "big0", check=True)
    other.config.write_text(good)
    other.start_narthexd()
    assert other.addresses() == {"10.61.1.2"}
    kept = in_force(other)
    assert {part: kept[part] for part in ("garden", "policies", "dns_rules", "keys")} == {
        part: before[part] for part in ("garden", "policies", "dns_rules", "keys")}


def test_a_service_manager_is_told_when_each_is_ready(another, spare, tmp_path):
    """deploy/systemd, Type=notify: whoever comes after narthexd finds its socket and the policy."""
    other = another("told", zones=[zone("annex", spare, "10.61.1.0/24", "2001:db8:61:1::/64")])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(5)
        for start in (other.start_narthexd, other.start_dataplane):
            start(env={"NOTIFY_SOCKET": str(tmp_path / "notify")})
            assert manager.recv(100) == b"READY=1"


def test_two_instances_cannot_share_their_pins(gateway, hosts, another, spare):
    """Issue 2: two instances do not touch each other, even where the configuration says so."""
    other = another("thief", zones=[zone("annex", spare, "10.61.1.0/24", "2001:db8:61:1::/64")])
    own = other.bpffs
    other.config.write_text(other.config.read_text().replace(str(own), str(gateway.bpffs)))
    before = gateway.program()
    refused = other.run_narthexd()
    assert refused.returncode == 1 and "another narthexd uses" in refused.stderr, refused.stderr
    assert gateway.program() == before
    other.config.write_text(other.config.read_text().replace(str(gateway.bpffs), str(own)))


def test_an_interface_made_anew_gets_its_classifier_and_its_socket(gateway, hosts, another, spare):
    """DESIGN §6, fail closed: a driver that is loaded anew makes a new interface; narthexd puts the
    classifier on it, narthex-dataplane ends, so that a restart binds to it."""
    other = another("anew", zones=[zone("annex", spare, "10.61.1.0/24", "2001:db8:61:1::/64")]).start()
    first = other.program(spare)
    assert first
    for command in (f"link set {spare} name old0", f"link add {spare} type veth peer name sp9"):
        hosts.on_gateway("ip", *command.split(), check=True)
    try:
        assert until(lambda: other.program(spare), 2), "nothing on the new interface"
        assert until(lambda: not other.dataplane.alive(), 3), "the dataplane holds on to the old one"
        assert "made anew" in other.dataplane.log() and "made anew" in other.narthexd.log()
        other.start_dataplane()
    finally:
        other.dataplane.stop()
        hosts.on_gateway("ip", "link", "del", spare)
        hosts.on_gateway("ip", "link", "set", "old0", "name", spare, check=True)


def test_addresses_that_no_client_has_are_refused(gateway):
    """Issue 2: clear refusals; the gateway's own and broadcast addresses are nobody's."""
    for address in ("10.51.1.1", "10.51.1.0", "10.51.1.255", "2001:db8:51:1::1"):
        done = gateway.ctl("session", "authorize", address, "--for", "1h")
        assert done.returncode == 1 and "no client's" in done.stderr, (address, done.stderr)
    assert not gateway.sessions()


def test_a_directory_is_no_configuration(gateway, hosts):
    """Issue 2: each bad input has its clear line."""
    done = hosts.on_gateway(gateway.build / "control/narthexd", "--config", "/tmp", "--check")
    assert done.returncode == 78 and "/tmp: is not a file" in done.stderr
