# SPDX-License-Identifier: Apache-2.0
"""Bad cables: what TCP has to repair, a responder without state lets it repair (DESIGN §4, issue 3)."""
import pytest

from lab import adversity
from lab.gateway import Gateway


@pytest.fixture(scope="module")
def row_of(hosts, build):
    with adversity.bad_cables(hosts, build, Gateway(hosts, build, f"{hosts.prefix}-cables", zones=[adversity.ZONE])) as made:
        yield made


@pytest.mark.parametrize("cable", adversity.CABLES, ids=lambda cable: cable.name.replace(" %", "%").replace(" ", "-"))
def test_every_fetch_completes(row_of, cable):
    """REQ 3.identical, REQ 3.last-ack, REQ 3.checksum: 300 of 300 fetches, IPv4 and IPv6, bring the very
    bytes that a good cable brings; no socket is left in LAST-ACK."""
    row = row_of(cable)
    print(row)
    assert not adversity.loss_complaints(row), row
