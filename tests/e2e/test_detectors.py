# SPDX-License-Identifier: Apache-2.0
"""Issue 5, REQUIREMENTS §5: Chromium, Firefox, NetworkManager and ConnMan as they are, asking for their
real names, find the portal before the login and the open network after it; for systems that cannot
run here, their bytes are sent and their rule judges the answer."""
import json
import pathlib
import tempfile

import pytest

from lab.clients import parse_response
from lab.detectors import VISITOR4, VISITOR6, chromium, configure_visitor, connman, firefox, network_manager, visitor_namespace
from lab.gateway import Gateway, zone
from lab.hosts import ORIGIN4, ORIGIN6, client4, client6
from lab.probes import ONLINE, PORTAL, PROBES
from lab.process import run, until

PATIENCE_S = 30
PROFILES = {"compatible": "HTTP/1.1 302 Found", "strict-511": "HTTP/1.1 511 Network Authentication Required"}
ZONE = zone("visitors", "vis0", "10.62.1.0/24", "2001:db8:62:1::/64")


@pytest.fixture(scope="module")
def visitor(hosts):
    with visitor_namespace(hosts) as namespace:
        yield namespace


@pytest.fixture(scope="module")
def visitor_gateway(hosts, build, visitor):
    gateway = Gateway(hosts, build, f"{hosts.prefix}-visitors")
    gateway.write_config(ZONE)
    try:
        yield gateway.start()
    finally:
        gateway.stop()


@pytest.fixture
def home(hosts):
    """A directory of a detector's own, its path short enough for the address of a socket."""
    return pathlib.Path(tempfile.mkdtemp(prefix="room-", dir=hosts.directory))


@pytest.fixture(params=list(PROFILES))
def visited(visitor_gateway, request):
    """The visitor's gateway with a profile of rules, nobody logged in."""
    visitor_gateway.heal()
    visitor_gateway.write_config(f'[rules]\nprofile = "{request.param}"\n' + ZONE)
    assert visitor_gateway.json("reload")["workers_in_force"] == 1
    return visitor_gateway


def test_networkmanager(visited, visitor, home):
    """REQ 5.networkmanager: portal, after the login full, after the session's end portal again."""
    with network_manager(visitor, home, "http://network-test.debian.org/nm") as daemon:
        def connectivity():
            return daemon.tool("nmcli", "-g", "CONNECTIVITY", "general")

        assert until(lambda: connectivity() == "portal", PATIENCE_S, 0.1), (connectivity(), daemon.job.log()[-2000:])
        visited.authorize(VISITOR4, VISITOR6)
        assert until(lambda: connectivity() == "full", PATIENCE_S, 0.1), connectivity()
        visited.heal()
        assert until(lambda: connectivity() == "portal", PATIENCE_S, 0.1), connectivity()


@pytest.mark.parametrize("visited, answer", PROFILES.items(), indirect=["visited"], ids=PROFILES)
def test_connman(visited, visitor, home, answer):
    """REQ 5.connman: connected but not online, by narthex's answer to its probe; online after the login,
    when it looks again. 1.41 reads no answer that has a body, so it neither follows the 302 nor asks
    its agent for a browser: what it reports before the login is that it is not online."""
    with connman(visitor, home) as daemon:
        def state():
            return daemon.tool("connmanctl", "state").partition("State = ")[2].split("\n")[0]

        assert until(lambda: answer in daemon.job.log(), PATIENCE_S, 0.1), daemon.job.log()[-2000:]
        assert until(lambda: "wispr_portal_context_unref" in daemon.job.log().split(answer)[1], PATIENCE_S, 0.1)
        assert state() == "ready"
        visited.authorize(VISITOR4, VISITOR6)
        daemon.tool("connmanctl", "disable", "ethernet")
        daemon.tool("connmanctl", "enable", "ethernet")
        assert until(lambda: state() == "online", PATIENCE_S, 0.1), daemon.job.log()[-2000:]


@pytest.fixture
def visitor_at_its_addresses(visitor):
    """As a daemon would configure it."""
    configure_visitor(visitor)
    return visitor


def test_firefox(visited, visitor_at_its_addresses, home):
    """REQ 5.firefox: a locked portal, unlocked by the login."""
    with firefox(visitor_at_its_addresses, home) as browser:
        assert until(lambda: browser.state() == "locked portal", PATIENCE_S, 0.2), browser.state()
        visited.authorize(VISITOR4, VISITOR6)
        assert until(lambda: browser.state() == "unlocked portal", PATIENCE_S, 0.2), browser.state()


@pytest.mark.parametrize("visited, login", [
    pytest.param("compatible", {"http://198.51.100.20/login": "Log in"}, id="compatible"),
    pytest.param("strict-511", {"http://connectivitycheck.gstatic.com/generate_204": "Network login required"}, id="strict-511"),
], indirect=["visited"])
def test_chromium(visited, visitor_at_its_addresses, home, login):
    """REQ 5.chrome: a page whose certificate fails makes it look for a portal: it says so and opens in a
    tab what its probe led to, the login page or the 511 with its link. After the login it shows the failure of the certificate itself."""
    target = "https://portal.test/"
    with chromium(visitor_at_its_addresses, home / "before", target) as browser:
        assert until(lambda: browser.pages().get(target) == "Connect to network", PATIENCE_S, 0.2), browser.pages()
        assert until(lambda: login.items() <= browser.pages().items(), PATIENCE_S, 0.2), browser.pages()
    visited.authorize(VISITOR4, VISITOR6)
    with chromium(visitor_at_its_addresses, home / "after", target) as browser:
        assert until(lambda: browser.pages().get(target) == "Privacy error", PATIENCE_S, 0.2), browser.pages()
        assert set(browser.pages()) == {target}


# ---- systems that cannot run here: their bytes, their published rule ----------------------------

# Each request on a connection of its own. HTTP/1.1 without "Connection: close" is kept open by the
# origin: the client's half is closed, as all has been said.
REPLAY = """
import json, socket, sys
server, source, requests = json.loads(sys.argv[1])
answers = []
for request in requests:
    with socket.create_connection((server, 80), timeout=5, source_address=(source, 0)) as connection:
        connection.sendall(request.encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
        answers.append(answer.decode())
print(json.dumps(answers))
"""
FAMILIES = [pytest.param(ORIGIN4, client4(2), id="IPv4"), pytest.param(ORIGIN6, client6(2), id="IPv6")]


def replay(namespace, origin, client):
    """{name of the probe: what its system concludes}"""
    requests = [probe.request().decode() for probe in PROBES]
    done = run(namespace, "/usr/bin/python3", "-c", REPLAY, json.dumps([origin, client, requests]), timeout=60)
    assert done.returncode == 0, done.stderr
    answers = [parse_response(0, answer) for answer in json.loads(done.stdout)]
    return {probe.name: probe.judge(answer) for probe, answer in zip(PROBES, answers, strict=True)}


@pytest.mark.parametrize("origin, client", FAMILIES)
def test_replayed_probes_before_and_after_the_login(gateway, hosts, origin, client):
    """REQ 5.android, REQ 5.chromeos, REQ 5.edge, REQ 5.apple, REQ 5.windows, REQ 5.fireos, REQ 5.after: each
    concludes that there is a portal; after the login, at once, that there is none."""
    assert replay(hosts.client, origin, client) == {probe.name: PORTAL for probe in PROBES}
    gateway.authorize(client)
    assert replay(hosts.client, origin, client) == {probe.name: ONLINE for probe in PROBES}


@pytest.mark.parametrize("visited", ["strict-511"], indirect=True)
def test_replayed_probes_with_the_strict_profile(visited, visitor_at_its_addresses):
    """REQ 5.android, REQ 5.chromeos, REQ 5.edge: what a bare 511 does: no sign-in on Android and ChromeOS,
    a portal in Edge; for the others no rule is known. After the login all pass."""
    for origin, client in ((ORIGIN4, VISITOR4), (ORIGIN6, VISITOR6)):
        assert replay(visitor_at_its_addresses, origin, client) == {probe.name: probe.strict for probe in PROBES}
        visited.authorize(client)
        assert replay(visitor_at_its_addresses, origin, client) == {probe.name: ONLINE for probe in PROBES}
