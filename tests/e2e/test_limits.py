# SPDX-License-Identifier: Apache-2.0
"""What a session may use: rates, quotas, idle time, and policies that change under it."""
import contextlib
import time

import pytest

from lab import adversity, clients
from lab.gateway import zone
from lab.hosts import ORIGIN4, ORIGIN6, client4, client6, url
from lab.process import Job, run, until

RATE = 20_000_000
PING_BYTES = 1442  # frame of an echo request with 1,400 bytes

POLICIES = f"""
[[policy]]
name = "rated"
rate_up = "20Mbit/s"
rate_down = "20Mbit/s"

[[policy]]
name = "slow"
rate_up = "5Mbit/s"
rate_down = "5Mbit/s"

[[policy]]
name = "portal"
quota_total = "500kB"

[[policy]]
name = "throttled"
quota_up = "100kB"
at_quota = "throttle"
throttle_up = "64kbit/s"

[[policy]]
name = "blocked"
quota_down = "100kB"
at_quota = "block"

[[policy]]
name = "idle"
idle = "2s"
"""


@pytest.fixture(scope="module")
def limited(running_gateway):
    with running_gateway.configured(POLICIES + zone()) as gateway:
        yield gateway


@pytest.fixture
def limits(limited):
    limited.heal()
    return limited


# ---- rates ----------------------------------------------------------------------------------


@contextlib.contextmanager
def iperf_server(hosts, port):
    server = Job(
        hosts.internet, "iperf3", "-s", "-p", port, "-B", ORIGIN4, "--forceflush", log=hosts.directory / f"iperf-{port}.log"
    ).wait_for("Server listening", 10)
    try:
        yield port
    finally:
        server.kill()


def iperf(hosts, source, *options, port=5201):
    return Job(
        hosts.client, "iperf3", "-c", ORIGIN4, "-p", port, "-B", source, "-t", 8, "-J", *options,
        log=hosts.directory / f"iperf-{port}.json",
    )


def counted(namespace, interface):
    """Bits of IP packets that an interface has received, and when."""
    for line in run(namespace, "cat", "/proc/net/dev", check=True).stdout.split("\n"):
        name, _, fields = line.partition(":")
        if name.strip() == interface:
            frames, packets = (int(field) for field in fields.split()[:2])
            return 8 * (frames - 14 * packets), time.monotonic()
    raise AssertionError(f"no interface {interface}")


def received_rate(hosts, jobs, down, seconds=5):
    """Bits of IP packets a second at the receiver, after the first burst."""
    where = (hosts.client, "c0") if down else (hosts.internet, "i0")
    began, _ = counted(*where)
    assert until(lambda: counted(*where)[0] > began + 4e6, 5), [job.log() for job in jobs]
    time.sleep(1)  # the burst is over
    first, then = counted(*where)
    time.sleep(seconds)
    last, now = counted(*where)
    for job in jobs:
        job.kill()
    return (last - first) / (now - then)


def passing_rate(hosts, sources, *options):
    """What passes when each of the sources sends, or with -R receives, as much as it can."""
    with contextlib.ExitStack() as servers:
        ports = [servers.enter_context(iperf_server(hosts, 5201 + i)) for i in range(len(sources))]
        jobs = [iperf(hosts, source, *options, port=port) for source, port in zip(sources, ports)]
        return received_rate(hosts, jobs, down="-R" in options)


def assert_rate(rate, wanted):
    assert abs(rate - wanted) < 0.05 * wanted, f"{rate / 1e6:.2f} Mbit/s instead of {wanted / 1e6:.2f}"


@pytest.fixture
def free_uplink(running_gateway):
    """`wan0` without the uplink program of the run's own gateway, which starts anew afterwards."""
    running_gateway.stop()
    yield
    running_gateway.start()


@pytest.mark.parametrize("options", [
    pytest.param(("-C", "cubic"), id="TCP-up"),
    pytest.param(("-C", "cubic", "-R"), id="TCP-down"),
    pytest.param(("-u", "-b", "30M", "-l", "1400"), id="UDP-up"),
    pytest.param(("-u", "-b", "30M", "-l", "1400", "-R"), id="UDP-down"),
])
def test_at_a_real_round_trip_a_rate_is_kept(hosts, build, free_uplink, another, options):
    """Issue 4: accurate to 5 %, with 20 ms of relay: UDP in each second, TCP over six of them. A single second of
    TCP may fall short (ARCHITECTURE.md, "How even a rate is")."""
    gateway = another("far", zones=[POLICIES + adversity.ZONE], uplinks=["wan0"])
    client = f"{adversity.POOL4}{adversity.FETCHERS[0]}"
    with adversity.far_clients(hosts, build, gateway, 20) as edge, iperf_server(hosts, 5201):
        gateway.authorize(client, policy="rated")
        job = iperf(hosts, client, *options, "-t", 12)
        where = (hosts.client, edge) if "-R" in options else (hosts.internet, "i0")
        time.sleep(3)  # the first burst and TCP's search for the rate are over
        readings = [counted(*where)]
        for _ in range(6):
            time.sleep(1)
            readings.append(counted(*where))
        job.kill()
    rates = [(last - first) / (now - then) for (first, then), (last, now) in zip(readings, readings[1:])]
    print("Mbit/s in each second:", *(f"{rate / 1e6:.2f}" for rate in rates))
    for rate in rates if "-u" in options else [sum(rates) / len(rates)]:
        assert_rate(rate, RATE)


@pytest.mark.parametrize("options", [
    pytest.param((), id="TCP-up"),
    pytest.param(("-R",), id="TCP-down"),
    pytest.param(("-u", "-b", "30M", "-l", "1400"), id="UDP-up"),
    pytest.param(("-u", "-b", "30M", "-l", "1400", "-R"), id="UDP-down"),
])
def test_a_rate_is_kept_within_five_percent(limits, hosts, options):
    """Issue 4: iperf3 TCP and a UDP stream through a rate-limited session within 5 %."""
    limits.authorize(client4(2), policy="rated")
    assert_rate(passing_rate(hosts, [client4(2)], *options), RATE)


def test_keys_share_the_rate_and_a_change_of_policy_is_in_force_at_once(limits, hosts):
    """Issue 4: one bucket for the keys of a session; policies by name, changed under traffic."""
    limits.authorize(client4(2), client4(3), policy="rated")
    assert_rate(passing_rate(hosts, [client4(2), client4(3)]), RATE)
    limits.ctl("session", "set-policy", client4(3), "slow", check=True)
    assert_rate(passing_rate(hosts, [client4(2)]), 5e6)
    limits.write_config(POLICIES.replace("5Mbit/s", "10Mbit/s") + zone())
    limits.ctl("reload", check=True)
    assert_rate(passing_rate(hosts, [client4(2)]), 10e6)
    limits.write_config(POLICIES + zone())
    limits.ctl("reload", check=True)


# ---- quotas and idle time -------------------------------------------------------------------


def big_pings(hosts, source, count, origin=ORIGIN4):
    done = hosts.on_client("ping", "-nq", "-c", count, "-i", "0.002", "-W", "0.3", "-s", 1400, "-I", source, origin)
    return int(done.stdout.split(" received")[0].split()[-1])


def test_keys_share_a_quota_that_ends_the_session(limits, hosts):
    """Issue 4: byte quota, then back to the portal; over a restart and a loss of all maps.
    Of clients whose kernels have nothing left over from the streams of other tests."""
    limits.authorize(client4(6), client6(6), policy="portal")
    assert big_pings(hosts, client4(6), 100) == 100
    session = limits.json("session", "get", client6(6))
    assert int(session["usage"]["bytes_left"]) == 500_000 - 200 * PING_BYTES
    limits.narthexd.kill()
    limits.start_narthexd()
    assert limits.json("session", "get", client6(6))["usage"] == session["usage"]
    limits.lose_everything_but_the_store()
    assert limits.json("session", "get", client6(6))["usage"] == session["usage"]
    passed = big_pings(hosts, client6(6), 200, ORIGIN6)
    left = int(session["usage"]["bytes_left"])
    assert left // (2 * (PING_BYTES + 20)) <= passed <= left // (2 * (PING_BYTES + 20)) + 1
    assert until(lambda: limits.sessions() == [], 2)
    assert clients.curl(hosts, url(ORIGIN4), client4(6)).is_511()
    assert "audit: ended for its quota session " in limits.narthexd.log()


def test_a_used_up_quota_throttles(limits, hosts):
    limits.authorize(client4(2), policy="throttled")
    assert big_pings(hosts, client4(2), 69) == 69
    # Then 64 kbit/s are 5.6 of these packets a second, after a burst of 15,000 bytes.
    began = time.monotonic()
    passed = big_pings(hosts, client4(2), 500)
    seconds = time.monotonic() - began
    assert 10 <= passed <= 14 + 6 * seconds, f"{passed} in {seconds:.1f} s"
    assert len(limits.sessions()) == 1


def test_a_used_up_quota_blocks_without_a_portal(limits, hosts):
    limits.authorize(client4(2), policy="blocked")
    passed = big_pings(hosts, client4(2), 100)
    assert passed == 100_000 // PING_BYTES + 1
    assert clients.curl(hosts, url(ORIGIN4), client4(2), seconds=1).status == 0
    assert len(limits.sessions()) == 1
    limits.ctl("session", "set-policy", client4(2), "none", check=True)
    assert clients.curl(hosts, url(ORIGIN4), client4(2)).status == 200


def test_an_idle_session_ends_to_the_second(limits, hosts):
    """Issue 4: idle timeout; packets put it off."""
    limits.authorize(client4(2), policy="idle")
    for _ in range(6):
        assert clients.pings(hosts, ORIGIN4, client4(2), count=1) == 1
        last = time.monotonic()
        time.sleep(0.5)  # traffic with pauses, longer than the idle time altogether
    assert until(lambda: limits.sessions() == [], 4, interval_s=0.05)
    assert 1 <= time.monotonic() - last <= 4
    assert "audit: ended idle session " in limits.narthexd.log()
    assert clients.curl(hosts, url(ORIGIN4), client4(2)).is_511()


# ---- policies -------------------------------------------------------------------------------


def test_a_policy_in_use_cannot_go(limits):
    """The reload names how many sessions use it, and the policy stays in force."""
    limits.authorize(client4(2), policy="slow")
    without = POLICIES.replace('name = "slow"', 'name = "swift"')
    limits.write_config(without + zone())
    done = limits.ctl("reload")
    assert done.returncode == 1 and "policy 'slow' is gone, but 1 session uses it" in done.stderr, done
    assert limits.json("policy", "show", "slow")["sessions"] == "1"
    limits.ctl("session", "set-policy", client4(2), "idle", check=True)
    limits.ctl("reload", check=True)
    assert limits.ctl("policy", "show", "slow").returncode == 3
    limits.write_config(POLICIES + zone())
    limits.ctl("reload", check=True)


def test_an_unknown_policy_is_refused(limits):
    done = limits.ctl("session", "authorize", client4(2), "--for", "1h", "--policy", "gold")
    assert done.returncode == 1 and 'there is no [[policy]] with name = "gold"' in done.stderr, done
    assert limits.sessions() == []
