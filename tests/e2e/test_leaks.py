# SPDX-License-Identifier: Apache-2.0
"""Nothing of a client that is not authorised gets past the classifier, however it is wrapped."""
import pathlib

from lab.hosts import DNS, GARDEN, client4, client6
from lab.traffic import watcher

ODD_PACKETS = pathlib.Path(__file__).parent / "lab" / "odd_packets.py"

STRANGER, GUEST = "NARTHEX-STRANGER", "NARTHEX-GUEST"


def send_odd_packets(hosts, number, marker):
    done = hosts.on_client(
        "/usr/bin/python3", ODD_PACKETS, client4(number), client6(number), marker, timeout=90
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return int(done.stdout)


# REQ 4.fragments, REQ 4.options, REQ 4.extensions, REQ 4.tags, REQ 4.protocols,
# REQ 4.ethertypes, REQ 4.tunnels, REQ 4.dns, REQ 4.quic
def test_odd_packets_of_a_stranger_do_not_pass(gateway, hosts):
    """REQUIREMENTS §4: fragments, options, extension headers, VLAN tags, every protocol, tunnels,
    impossible flags and sources. Watched on the access interface itself, where whatever the
    classifier passes appears, and behind the gateway. The same set sent by an authorised client
    is seen in both places: the watchers are not blind."""
    gateway.authorize(client4(2), client6(2))
    watchers = {
        (who, where): watcher(
            hosts, f"odd-{who}-{where}", namespace, interface, addresses, GARDEN + DNS, marker, link_control=True
        )
        for who, addresses, marker in (
            ("stranger", [client4(4), client6(4)], STRANGER),
            ("guest", [client4(2), client6(2)], GUEST),
        )
        for where, namespace, interface in (
            ("access", hosts.gateway, "lan0"),
            ("behind", hosts.internet, "i0"),
        )
    }
    sent = send_odd_packets(hosts, 4, STRANGER)
    send_odd_packets(hosts, 2, GUEST)
    reports = {key: tool.report() for key, tool in watchers.items()}
    assert sent > 900
    for (who, where), report in reports.items():
        assert report["overlooked"] == 0, (who, where)
    assert reports["guest", "access"]["leaked"] > 0.8 * sent, "the watcher on the access side is blind"
    assert reports["guest", "behind"]["leaked"] > 0.3 * sent, "the watcher behind the gateway is blind"
    for where in ("access", "behind"):
        report = reports["stranger", where]
        assert report["leaked"] == 0, f"{where}: {report['leaked']} leaked: {report['samples'][:5]}"
