# SPDX-License-Identifier: Apache-2.0
"""Floods from clients that are not authorised, with ordinary clients beside them (issue 3)."""
import pytest

from lab import adversity
from lab.gateway import Gateway


@pytest.fixture(scope="module")
def row_of(hosts, build):
    with adversity.floods(hosts, build, Gateway(hosts, build, f"{hosts.prefix}-floods", zones=[adversity.ZONE])) as made:
        yield made


@pytest.mark.parametrize("flood", adversity.FLOODS, ids=lambda flood: flood.kind)
def test_a_flood_harms_nobody(row_of, flood):
    """REQ 3.amplification, REQ 3.forged, REQ 3.flat, REQ 3.limit, REQ 3.window, REQ 3.loop, REQ 2.incomplete:
    ordinary clients all served, an authorised stream without a loss, memory flat, tables at their
    bound, never more out than in."""
    row = row_of(flood)
    print(row)
    assert not adversity.flood_complaints(row), row
