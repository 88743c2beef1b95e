# SPDX-License-Identifier: Apache-2.0
"""What real clients see before a login, after it, and after its end."""
import time

import pytest

from lab import clients
from lab.hosts import DNS, GARDEN, ORIGIN4, ORIGIN6, OTHER4, OTHER6, PORTAL4, PORTAL6, client4, client6, url
from lab.process import until
from lab.traffic import watcher

FAMILIES = [pytest.param(ORIGIN4, client4(2), id="IPv4"), pytest.param(ORIGIN6, client6(2), id="IPv6")]
PROGRAMS = [clients.curl, clients.wget, clients.python_urllib]
PORTAL_LINK = "http://198.51.100.20/login"
ORIGIN_WORDS = "This is the origin"


def assert_complete_511(response):
    assert response.status == 511, response
    assert response.version == "HTTP/1.1"
    assert response.reason == "Network Authentication Required"
    assert response.headers["cache-control"] == ["no-store"]
    assert response.headers["connection"] == ["close"]
    assert response.headers["content-length"] == [str(len(response.body.encode()))]
    assert PORTAL_LINK in response.body
    assert not {"set-cookie", "www-authenticate", "expires", "etag", "last-modified", "server"} & set(response.headers)


# REQ 1.nobody-else, REQ 1.status, REQ 1.no-store, REQ 1.fields
@pytest.mark.parametrize("origin, client", FAMILIES)
@pytest.mark.parametrize("fetch", PROGRAMS, ids=lambda program: program.__name__)
def test_fetch_before_during_and_after_a_session(gateway, hosts, fetch, origin, client):
    """REQUIREMENTS §1, issue 2: 511 with reason phrase, link, no-store and exact length to curl,
    wget and python; the origin's 200 while authorised; the 511 again after the termination."""
    target = url(origin, "/captive-portal-check")
    assert_complete_511(fetch(hosts, target))
    gateway.authorize(client)
    during = fetch(hosts, target)
    assert (during.status, during.reason) == (200, "OK")
    assert ORIGIN_WORDS in during.body
    gateway.terminate(client)
    assert_complete_511(fetch(hosts, target))


# REQ 1.example
def test_the_smallest_example(gateway, hosts):
    """REQUIREMENTS §1: GET /captive-portal-check with Host: api.example.test."""
    response = clients.curl(hosts, url(ORIGIN4, "/captive-portal-check"), None, "-H", "Host: api.example.test")
    assert_complete_511(response)
    assert response.headers["content-type"] == ["text/html; charset=utf-8"]
    assert "Network login required." in response.body


@pytest.mark.parametrize("origin, client", FAMILIES)
def test_the_origin_hears_nothing_of_intercepted_requests(gateway, hosts, origin, client):
    """REQUIREMENTS §4: the tolerance for leaks is zero; nginx logs only what it answered."""
    mark = f"/mark-{time.monotonic_ns()}"
    assert clients.curl(hosts, url(origin, mark), client).is_511()
    assert mark not in hosts.origin_log()
    gateway.authorize(client)
    assert clients.curl(hosts, url(origin, mark), client).status == 200
    assert until(lambda: mark in hosts.origin_log(), 2)


@pytest.mark.parametrize("origin, client", FAMILIES)
def test_a_session_admits_its_own_address_only(gateway, hosts, origin, client):
    """REQUIREMENTS §4: authorising one client opens nothing for its neighbours."""
    gateway.authorize(client)
    neighbour = client.rsplit(".", 1)[0] + ".3" if "." in client else client6(3)
    assert clients.curl(hosts, url(origin), client).status == 200
    assert clients.curl(hosts, url(origin), neighbour).is_511()


@pytest.mark.parametrize("origin, client", FAMILIES)
def test_a_thousand_fetches_one_after_another(gateway, hosts, origin, client):
    """Issue 2: 1,000 sequential fetches without one failure."""
    results = clients.curl_many(hosts, url(origin), 1000, client, seconds=90)
    failures = [r for r in results if r[0] != 511 or r[1] == 0 or r[2] != 0]
    assert len(results) == 1000 and not failures, failures[:5]
    assert until(lambda: not last_ack(hosts), 1), last_ack(hosts)


# REQ 3.last-ack
@pytest.mark.parametrize("origin, client", FAMILIES)
def test_two_hundred_fetches_at_once(gateway, hosts, origin, client):
    """Issue 2: 200 parallel fetches without one failure; REQUIREMENTS §3: the client's
    LAST-ACK sockets are gone within a second."""
    results = clients.curl_many(hosts, url(origin), 200, client, parallel=200, seconds=60)
    failures = [r for r in results if r[0] != 511 or r[1] == 0 or r[2] != 0]
    assert len(results) == 200 and not failures, failures[:5]
    assert until(lambda: not last_ack(hosts), 1), last_ack(hosts)


def last_ack(hosts):
    return hosts.on_client("ss", "-Htan", "state", "last-ack", check=True).stdout


@pytest.mark.parametrize("origin, client", FAMILIES)
def test_https_is_refused_at_once(gateway, hosts, origin, client):
    """DESIGN §3.8: a TLS client gets a RST, so that apps fail fast; it can never get a 511."""
    began = time.monotonic()
    response = clients.curl(hosts, url(origin, scheme="https"), client)
    assert response.exit_code == 7, response  # could not connect; a time-out would be 28
    assert time.monotonic() - began < 1
    gateway.authorize(client)
    assert clients.curl(hosts, url(origin, scheme="https"), client).status == 200


# REQ 4.dns
def test_only_configured_resolvers_answer_before_login(gateway, hosts):
    """DESIGN §3.6: DNS to the configured resolvers only; REQUIREMENTS §4: 53 elsewhere is a leak."""
    assert clients.dns(hosts, ORIGIN4, client4(2)) == ORIGIN4
    assert clients.dns(hosts, ORIGIN6, client6(2), kind="AAAA") == ORIGIN6
    for transport in ("udp", "tcp"):
        assert clients.dns(hosts, OTHER4, client4(2), transport=transport) is None
        assert clients.dns(hosts, OTHER6, client6(2), transport=transport) is None
    gateway.authorize(client4(2), client6(2))
    assert clients.dns(hosts, OTHER4, client4(2)) == ORIGIN4
    assert clients.dns(hosts, OTHER6, client6(2), kind="AAAA") == ORIGIN6


# REQ 1.nobody-else
@pytest.mark.parametrize("portal, client", [(PORTAL4, client4(2)), (PORTAL6, client6(2))], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_portal_is_reached_before_login(gateway, hosts, portal, client, scheme):
    """DESIGN §3.5: the garden; RFC 6585 §6: its requests never see a 511."""
    response = clients.curl(hosts, url(portal, "/login", scheme), client)
    assert response.status == 200 and "login page of the portal" in response.body


@pytest.mark.parametrize("origin, client", FAMILIES)
def test_pings_pass_only_while_authorised(gateway, hosts, origin, client):
    """DESIGN §3.8: ICMP of a client that is not authorised is dropped."""
    assert clients.pings(hosts, origin, client, count=3) == 0
    gateway.authorize(client)
    assert clients.pings(hosts, origin, client, count=3) == 3


# REQ 4.autoconf
def test_address_configuration_works_before_login(gateway, hosts):
    """REQUIREMENTS §4: ARP and neighbour discovery of a client that is not authorised must work."""
    for family, neighbour in (("-4", "10.51.1.1"), ("-6", "2001:db8:51:1::1")):
        hosts.on_client("ip", family, "neigh", "flush", "dev", "c0", check=True)
        target = url(ORIGIN4 if family == "-4" else ORIGIN6)
        assert clients.curl(hosts, target).is_511()
        shown = hosts.on_client("ip", family, "neigh", "show", neighbour, "dev", "c0").stdout
        assert "lladdr" in shown, shown


def test_a_client_that_is_not_authorised_is_not_seen_behind_the_gateway(gateway, hosts):
    """REQUIREMENTS §4: only garden and DNS of such a client appear behind the gateway."""
    mine = [client4(4), client6(4)]
    watch = watcher(hosts, "leaks", hosts.internet, "i0", mine, allow=GARDEN + DNS)
    try:
        for origin, portal, client in ((ORIGIN4, PORTAL4, client4(4)), (ORIGIN6, PORTAL6, client6(4))):
            assert clients.curl(hosts, url(origin), client).is_511()
            clients.curl(hosts, url(origin, scheme="https"), client)
            clients.pings(hosts, origin, client, count=3)
            clients.dns(hosts, OTHER4 if ":" not in origin else OTHER6, client)
            assert clients.dns(hosts, origin, client)
            assert clients.curl(hosts, url(portal), client).status == 200
    finally:
        report = watch.report()
    assert report["admitted"] > 10, "the watcher did not even see garden and DNS"
    assert report["leaked"] == 0 and report["overlooked"] == 0, report
