# SPDX-License-Identifier: Apache-2.0
"""An access interface with several receive queues, a worker for each."""
import pytest

from lab import adversity
from lab.gateway import Gateway, zone

QUEUES = 2
FETCHES = 400


def zone_with(queues):
    return zone("adverse", "ad0", "10.71.1.0/24", "2001:db8:71:1::/64", extra=f"queues = {queues}")


@pytest.fixture(scope="module")
def gateway(hosts, build):
    with adversity.access_link(hosts, build, relayed=False, queues=QUEUES):
        made = Gateway(hosts, build, f"{hosts.prefix}-queues", zones=[zone_with(QUEUES)])
        try:
            yield made.start()
        finally:
            made.stop()


def answered(gateway):
    """511s of each worker."""
    names = ("network_authentication_required", "redirect")
    return [
        sum(int(counter.get("packets", 0)) for counter in worker["counters"] if counter["name"] in names)
        for worker in gateway.status()["zones"][0]["workers"]
    ]


@pytest.mark.parametrize("request_", ["plain", "cookies"])
def test_each_queue_has_a_worker_that_answers(hosts, gateway, request_):
    """Requests of one and of several segments: a flow keeps to its queue."""
    digest = adversity.reference(hosts)
    before = answered(gateway)
    good, bad = adversity.split(adversity.fetch_many(hosts, FETCHES, 50, 10, request_), digest)
    shares = [now - then for now, then in zip(answered(gateway), before)]
    assert not bad and len(good) == FETCHES, bad[:3]
    assert len(shares) == QUEUES and sum(shares) >= FETCHES, shares
    assert min(shares) > FETCHES / 10, f"one of the queues had next to nothing to do: {shares}"


def test_queues_without_a_worker_are_warned_of(hosts, build, gateway):
    """Their requests would be dropped, each and every one, and only for some clients."""
    with gateway.configured(zone_with(1)):
        assert "interface ad0 has 2 receive queues, and queues = 1" in gateway.narthexd.log()
    assert "receive queues" not in gateway.narthexd.log()


def test_more_queues_than_the_interface_has_are_refused(hosts, gateway):
    before = gateway.config.read_text()
    gateway.narthexd.stop()
    gateway.write_config(zone_with(3))
    try:
        done = gateway.run_narthexd()
    finally:
        gateway.config.write_text(before)
        gateway.start_narthexd()
    assert done.returncode == 1
    assert "zone 'adverse': queues = 3, but interface ad0 has 2 receive queues" in done.stderr
    good, bad = adversity.split(adversity.fetch_many(hosts, 40, 20, 5), adversity.reference(hosts))
    assert len(good) == 40, bad[:3]
