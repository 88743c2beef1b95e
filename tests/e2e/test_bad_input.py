# SPDX-License-Identifier: Apache-2.0
"""Bad input: each one a clear line that names what to do, a non-zero exit, nothing left attached.

Issue 2, `Must hold`. Every test starts from an interface without a program and an instance
without pins, and looks at both again afterwards.
"""
import pytest

from lab.gateway import zone
from lab.hosts import TOP, client4
from lab.process import run, until

OWN_ZONE = zone("spare", "sp0", "10.61.1.0/24", "2001:db8:61:1::/64")


@pytest.fixture
def fresh(another, spare):
    """An instance on the spare interface, nothing started."""
    return another("bad", zones=[OWN_ZONE])


def assert_refused(done, *words):
    """One line on stderr with these words, and an exit status that says so."""
    lines = [line for line in done.stderr.split("\n") if line.strip()]
    assert done.returncode not in (0, None) and done.returncode > 0, done
    assert len(lines) == 1, f"{len(lines)} lines: {done.stderr}"
    for word in words:
        assert word in lines[0], f"'{word}' is not in: {lines[0]}"


def assert_nothing_left(gateway, program=0):
    assert gateway.program("sp0") == program
    assert gateway.pins() == []
    assert not (gateway.run_dir / "policy.json").exists()
    assert not gateway.socket.exists()


# ---- configuration ----------------------------------------------------------------------------

MALFORMED = [
    pytest.param("instance = \n", "1", id="no-value"),
    pytest.param('colour = "red"\n', "colour", id="unknown-key"),
    pytest.param("[sessions]\ncapacity = -1\n", "capacity", id="negative"),
    pytest.param('[sessions]\ncapacity = "many"\n', "capacity", id="wrong-type"),
    pytest.param('[sessions]\nmax_duration = "5 years"\n', "max_duration", id="bad-duration"),
    pytest.param(OWN_ZONE.replace("10.61.1.0/24", "10.61.1.0/33"), "10.61.1.0/33", id="bad-prefix"),
    pytest.param(OWN_ZONE.replace('"80", "443"', '"80", "70000"'), "70000", id="bad-port"),
    pytest.param(OWN_ZONE.replace("http://198.51.100.20/login", "login"), "portal_url", id="portal-no-url"),
    pytest.param(OWN_ZONE.replace("http://198.51.100.20/login", "http://203.0.113.1/"), "portal_url", id="portal-outside-garden"),
    pytest.param(OWN_ZONE + 'mode = "closed"\n', "mode", id="bad-mode"),
    pytest.param("[log]\nlevel = 3\n", "level", id="bad-level"),
    pytest.param("", "zone", id="no-zone"),
]


@pytest.mark.parametrize("options", [[], ["--check"]], ids=["start", "check"])
@pytest.mark.parametrize("text, word", MALFORMED)
def test_malformed_configuration(fresh, text, word, options):
    """Refused with file, line and column, by a start and by --check."""
    fresh.config.write_text(text)
    done = fresh.run_narthexd(*options)
    assert_refused(done, str(fresh.config), word)
    place = done.stderr.split(str(fresh.config), 1)[1]
    if text:
        assert place.startswith(":") and place[1:].split(":")[0].isdigit() and place[1:].split(":")[1].strip().split(" ")[0].isdigit(), place
    assert_nothing_left(fresh)


def test_the_example_configuration_is_valid(fresh, build):
    """deploy/narthex.toml shows every key; it must not be wrong."""
    done = run(fresh.hosts.gateway, build / "control/narthexd", "--config", TOP / "deploy/narthex.toml", "--check")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words, said", [
    (["sesion", "list"], "there is no command 'sesion'; did you mean 'session'?"),
    (["session", "autorise", "10.61.1.2", "--for", "1h"], "'session' has no command 'autorise'; did you mean 'authorize'?"),
    (["--socket", "nowhere", "-o", "json", "staus"], "there is no command 'staus'; did you mean 'status'?"),
    (["policy", "xyzzy"], "'policy' has no command 'xyzzy', only list, show;"),
    (["status", "now"], "now"),
], ids=["command", "of-a-group", "after-options", "nothing-like-it", "one-too-many"])
def test_mistyped_command(build, words, said):
    """narthexctl names the word that it does not know, and the nearest that it does."""
    done = run(None, build / "control/narthexctl", *words)
    assert done.returncode == 2, done
    assert_refused(done, said)


def test_configuration_that_is_not_there(fresh):
    fresh.config.unlink()
    assert_refused(fresh.run_narthexd(), str(fresh.config))
    assert_nothing_left(fresh)


# ---- the machine ------------------------------------------------------------------------------


def test_an_interface_that_hides_tags_is_named(fresh, hosts):
    """README: tags that the NIC takes off are hidden from the classifier; narthexd says so, and how to mend it."""
    fresh.write_config(OWN_ZONE.replace("[[zone.garden]]", "vlans = [100]\n[[zone.garden]]", 1))
    for state, count in (("on", 1), ("off", 0)):
        hosts.on_gateway("ethtool", "-K", "sp0", "rxvlan", state, check=True)
        fresh.start_narthexd()
        assert fresh.narthexd.log().count("ethtool -K sp0 rxvlan off") == count, fresh.narthexd.log()
        fresh.narthexd.stop()
    hosts.on_gateway("ethtool", "-K", "sp0", "rxvlan", "on", check=True)


def test_missing_interface(fresh):
    fresh.write_config(OWN_ZONE.replace("sp0", "sp9"))
    assert_refused(fresh.run_narthexd(), "sp9")
    assert_nothing_left(fresh)


def test_one_of_two_interfaces_missing(fresh):
    """Nothing half attached: the zone that could have been attached is not."""
    fresh.write_config(OWN_ZONE + zone("other", "sp9", "10.62.1.0/24", "2001:db8:62:1::/64"))
    assert_refused(fresh.run_narthexd(), "sp9")
    assert_nothing_left(fresh)


@pytest.mark.parametrize("mode", ["xdpdrv", "xdpgeneric"])
def test_interface_held_by_another_program(fresh, hosts, mode):
    """The other program stays: narthexd throws nobody out."""
    hosts.on_gateway("ip", "link", "set", "dev", "sp0", mode, "obj", hosts.directory / "pass.o", "sec", "xdp", check=True)
    held = program_of_any_mode(hosts)
    assert held
    assert_refused(fresh.run_narthexd(), "sp0")
    assert program_of_any_mode(hosts) == held
    assert fresh.pins() == [] and not (fresh.run_dir / "policy.json").exists()


def program_of_any_mode(hosts):
    text = hosts.on_gateway("ip", "-d", "link", "show", "dev", "sp0", check=True).stdout
    return [line.strip() for line in text.split("\n") if "prog/xdp" in line]


def test_no_bpffs(fresh):
    """Pins need a bpffs: a directory elsewhere is refused."""
    text = fresh.config.read_text().replace(str(fresh.bpffs), str(fresh.home / "no-bpffs"))
    fresh.config.write_text(text)
    assert_refused(fresh.run_narthexd(), "bpffs is not mounted", str(fresh.home))
    assert_nothing_left(fresh)


def test_store_in_a_place_that_is_no_directory(fresh):
    fresh.state.write_text("a file")
    assert_refused(fresh.run_narthexd(), str(fresh.state))
    assert_nothing_left(fresh)


def test_store_that_is_no_database(fresh):
    """A corrupt store is refused with its name; it is not overwritten."""
    fresh.start_narthexd()
    fresh.narthexd.stop()
    assert fresh.detach().returncode == 0
    stores = [path for path in fresh.state.iterdir() if path.is_file()]
    for path in stores:
        path.write_bytes(b"this is no database. " * 500)
    before = {path: path.read_bytes() for path in stores}
    assert_refused(fresh.run_narthexd(), str(fresh.state))
    assert {path: path.read_bytes() for path in stores if path.exists()} == {
        path: data for path, data in before.items() if path.exists()
    }
    assert_nothing_left(fresh)


def test_second_narthexd_of_one_instance(fresh):
    """The lock: a second daemon is refused and disturbs nothing."""
    fresh.start_narthexd()
    program, pins = fresh.program("sp0"), fresh.pins()
    assert_refused(fresh.run_narthexd(), fresh.instance)
    assert fresh.program("sp0") == program and fresh.pins() == pins
    assert fresh.ctl("status").returncode == 0


def test_detach_while_narthexd_runs(fresh):
    """Either refused or complete; never a running daemon that believes in pins that are gone."""
    fresh.start_narthexd()
    done = fresh.detach()
    assert_refused(done)
    assert fresh.program("sp0") != 0 and fresh.ctl("status").returncode == 0


# ---- the dataplane ----------------------------------------------------------------------------


def test_dataplane_without_policy(fresh):
    """narthexd never ran: no snapshot, nothing to do."""
    fresh.run_dir.mkdir()
    assert_refused_by_dataplane(fresh, "policy.json")


def test_dataplane_without_pins(fresh):
    """A snapshot, but narthexd has been detached."""
    fresh.start_narthexd()
    snapshot = (fresh.run_dir / "policy.json").read_bytes()
    fresh.narthexd.stop()
    assert fresh.detach().returncode == 0
    (fresh.run_dir / "policy.json").write_bytes(snapshot)
    assert_refused_by_dataplane(fresh, str(fresh.bpffs), "narthexd")
    assert fresh.pins() == []


def test_dataplane_of_another_version(fresh):
    """It would take the classifier's cookies for forged: every client would wait for its 511."""
    fresh.start_narthexd()
    run(None, "bpftool", *f"map update pinned {fresh.bpffs}/abi_version key 0 0 0 0 value 255 0 0 0".split(), check=True)
    refused = fresh.run_dataplane()
    assert refused.returncode == 1 and "upgrade narthexd and narthex-dataplane together" in refused.stderr, refused.stderr


def lose_classifier(gateway):
    """Snapshot and maps are there, the program is not: its link was unpinned by somebody."""
    gateway.start_narthexd()
    gateway.narthexd.stop()
    (gateway.bpffs / "sp0" / "link").unlink()
    assert until(lambda: gateway.program("sp0") == 0, 2)


def test_dataplane_without_classifier(fresh):
    """DPDK would load libxdp's own program, which sends every packet to the socket. The dataplane
    must refuse and attach nothing."""
    lose_classifier(fresh)
    assert_refused_by_dataplane(fresh, "sp0")


def test_dataplane_beside_a_foreign_program(fresh, hosts):
    """A program that is not the classifier is neither used nor detached."""
    lose_classifier(fresh)
    hosts.on_gateway("ip", "link", "set", "dev", "sp0", "xdpdrv", "obj", hosts.directory / "pass.o", "sec", "xdp", check=True)
    held = fresh.program("sp0")
    assert held
    assert_refused_by_dataplane(fresh, "sp0", program=held)


@pytest.mark.parametrize("text", ["", "{", '{"version": 1}', "[]"], ids=["empty", "cut", "incomplete", "no-object"])
def test_dataplane_with_a_broken_policy(fresh, text):
    fresh.run_dir.mkdir()
    (fresh.run_dir / "policy.json").write_text(text)
    assert_refused_by_dataplane(fresh, "policy.json")


def test_second_dataplane_of_one_instance(fresh):
    """Two processes would fight for one queue: the second is refused, the first goes on."""
    fresh.start()
    program = fresh.program("sp0")
    done = fresh.run_dataplane()
    assert done.returncode > 0 and done.stderr.strip()
    assert fresh.program("sp0") == program and fresh.dataplane.alive()


def assert_refused_by_dataplane(gateway, *words, program=0):
    done = gateway.run_dataplane()
    assert_refused(done, *words)
    assert gateway.program("sp0") == program


# ---- the command line ---------------------------------------------------------------------------

REFUSED_COMMANDS = [
    # arguments, exit code, words
    pytest.param(["session", "authorize", "10.51.1.999", "--for", "1h"], 2, ["10.51.1.999"], id="no-address"),
    pytest.param(["session", "authorize", "phone", "--for", "1h"], 2, ["phone"], id="a-name"),
    pytest.param(["session", "authorize", "203.0.113.5", "--for", "1h"], 1, ["203.0.113.5"], id="in-no-zone"),
    pytest.param(["session", "authorize", client4(2), "--for", "soon"], 2, ["soon"], id="no-duration"),
    pytest.param(["session", "authorize", client4(2), "--for", "0s"], None, [], id="no-time-at-all"),
    pytest.param(["session", "authorize", client4(2), "--for", "9999d"], None, [], id="longer-than-allowed"),
    pytest.param(["session", "get", client4(9)], 3, [client4(9)], id="unknown-session"),
    pytest.param(["session", "terminate", client4(9), "--yes"], 3, [client4(9)], id="terminate-unknown"),
    pytest.param(["session", "fly"], 2, [], id="unknown-command"),
]


@pytest.mark.parametrize("arguments, code, words", REFUSED_COMMANDS)
def test_command_line_refuses(gateway, arguments, code, words):
    """Exit codes: 1 failed, 2 usage, 3 not found; the message names what was wrong."""
    done = gateway.ctl(*arguments)
    if code is None:
        assert done.returncode in (1, 2, 5), done
    elif code == 2:  # narthexctl or narthexd may be the one that notices
        assert done.returncode in (1, 2), done
    else:
        assert done.returncode == code, done
    assert done.stderr.strip()
    for word in words:
        assert word in done.stderr
    assert gateway.sessions() == []


def test_terminate_wants_a_yes(gateway):
    """Without a terminal and without --yes nothing is ended."""
    gateway.authorize(client4(2))
    assert gateway.ctl("session", "terminate", client4(2)).returncode != 0
    assert gateway.addresses() == {client4(2)}


def test_daemon_that_is_not_there(gateway, tmp_path):
    """Exit code 4, and the socket's path in the message."""
    done = gateway.ctl("status", socket=tmp_path / "none.sock")
    assert done.returncode == 4
    assert str(tmp_path / "none.sock") in done.stderr


# REQ 4.full
def test_session_table_full(another, spare):
    """DESIGN §6: a full table refuses, and evicts nobody. IPv6 clients take of `capacity`."""
    gateway = another("full", zones=[OWN_ZONE], capacity=4)
    gateway.start_narthexd()
    for number in range(2, 6):
        gateway.authorize(f"2001:db8:61:1::{number}")
    done = gateway.ctl("session", "authorize", "2001:db8:61:1::9", "--for", "1h")
    assert done.returncode == 5 and done.stderr.strip()
    assert len(gateway.sessions()) == 4
    gateway.authorize("10.61.1.9")  # pools have a place for each address
    gateway.terminate("2001:db8:61:1::2")
    gateway.authorize("2001:db8:61:1::9")
