# SPDX-License-Identifier: Apache-2.0
"""A new configuration for a running gateway: `narthexctl reload` and SIGHUP."""
import signal

import pytest

from lab import clients
from lab.gateway import zone
from lab.hosts import ORIGIN4, url
from lab.process import until

CLIENT = "10.61.1.2"
PLAIN = zone("spare", "sp0", "10.61.1.0/24", "2001:db8:61:1::/64")


@pytest.fixture
def spare_gateway(another, spare):
    return another("reload", zones=[PLAIN]).start()


def page(hosts, source=CLIENT):
    return clients.curl(hosts, url(ORIGIN4, "/"), source).body


def test_pages_and_garden_change_without_a_restart(spare_gateway, hosts):
    """Issue 5, hot reload: by the command, which returns when it is in force; by SIGHUP."""
    gateway = spare_gateway
    assert "Stadium Wi-Fi" in page(hosts)
    garden = f'\n[[zone.garden]]\nprefix = "{ORIGIN4}/32"\ntcp = ["80"]\n'

    gateway.write_config(PLAIN.replace("Stadium Wi-Fi", "Arena"))
    done = gateway.json("reload")
    assert done["changed"] and done["workers_in_force"] == done["workers_running"] == 1, done
    assert float(done["in_force_after"].rstrip("s")) < 1
    assert "Arena" in page(hosts)  # at once: no waiting here

    gateway.write_config(PLAIN + garden)
    gateway.narthexd.signal(signal.SIGHUP)
    assert until(lambda: "narthex" not in page(hosts) and clients.curl(hosts, url(ORIGIN4, "/"), CLIENT).status == 200, 5)
    gateway.write_config(PLAIN)
    gateway.ctl("reload", check=True)
    assert "Stadium Wi-Fi" in page(hosts)
    assert not gateway.json("reload")["changed"]
    assert gateway.narthexd.alive() and gateway.dataplane.alive()


@pytest.mark.parametrize("change, words", [
    pytest.param(("sp0", "sp9"), "needs a restart of narthexd: zone.interface of 'spare'", id="interface"),
    pytest.param(("10.61.1.0/24", "10.61.0.0/16"), "needs a restart of narthexd: zone.pools of 'spare'", id="pools"),
    pytest.param(("network_name", "nonsense = 1\nnetwork_name"), "key 'zone.nonsense': unknown key", id="unknown"),
    pytest.param(("/login", "/login?" + "x" * 200), "too many for one segment", id="too-long"),
    pytest.param(("198.51.100.20/32", "198.51.100.21/32"), "clients cannot reach it", id="portal"),
])
def test_what_cannot_be_used_leaves_the_old_configuration_in_force(spare_gateway, hosts, change, words):
    gateway = spare_gateway
    gateway.write_config(PLAIN.replace("Stadium Wi-Fi", "Arena").replace(*change))
    done = gateway.ctl("reload")
    assert done.returncode == 1 and words in done.stderr and str(gateway.config) in done.stderr, done
    assert len(done.stderr.strip().split("\n")) == 1
    gateway.narthexd.signal(signal.SIGHUP)
    assert until(lambda: "reload by SIGHUP: refused" in gateway.narthexd.log(), 5)
    assert "Stadium Wi-Fi" in page(hosts)
    assert gateway.status()["policy_version"] == 1
    gateway.write_config(PLAIN)
