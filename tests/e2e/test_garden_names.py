# SPDX-License-Identifier: Apache-2.0
"""The garden by name and the discipline of DNS, with a real dnsmasq as the resolver."""
import json
import pathlib
import random
import statistics
import sys

import pytest

from lab.gateway import zone
from lab.hosts import OTHER4, OTHER6, PORTAL4, PORTAL6, client4, client6
from lab.process import Job, run, until

CLIENT = pathlib.Path(__file__).parent / "lab" / "garden.py"
RESOLVER = {4: "198.51.100.40", 6: "2001:db8:100::40"}
KIND = {4: "A", 6: "AAAA"}
MANY = 120  # addresses, each with its own name
TTL_S = 3
PORTAL = {4: PORTAL4, 6: PORTAL6}
OTHER = {4: OTHER4, 6: OTHER6}
FAMILIES = pytest.mark.parametrize("family", [4, 6], ids=["IPv4", "IPv6"])

NAMES = """
[[zone.garden]]
name = "idp.example.test"
tcp = ["80", "443"]

[[zone.garden]]
name = "*.cdn.example.test"
tcp = ["80", "8080"]

[[zone.garden]]
name = "evil.example.test"
tcp = ["80"]
"""
DNS = '\n[zone.dns]\nmode = "{mode}"\ngarden_ttl_min = "1s"\ngarden_ttl_max = "10s"\ntunnel_block = "5s"\n'
LISTENER = """
import socket
listener = socket.create_server(("", 8080), backlog=512)
print("ready", flush=True)
while True:
    listener.accept()[0].close()
"""


def configuration(names=NAMES, mode="off"):
    """No prefix in the garden: the portal, too, is reached by its name."""
    text = zone().split("[[zone.garden]]")[0].replace(PORTAL4, "idp.example.test")
    return text.replace("198.51.100.10", RESOLVER[4]).replace("2001:db8:100::10", RESOLVER[6]) + names + DNS.format(mode=mode)


def dnsmasq_options():
    records = [
        f"idp.example.test,{PORTAL4},{PORTAL6}",
        f"www.example.test,{OTHER4},{OTHER6}",
        f"shop.example.test,{PORTAL4},{PORTAL6}",
        "evil.example.test,10.51.1.9,2001:db8:51:1::9",
        "evil.example.test,198.51.100.1,::1",
        "evil.example.test,169.254.169.254,2001:db8:51:1::1",
    ]
    records += [f"n{i}.cdn.example.test,198.51.100.{100 + i}" for i in range(MANY)]
    return [
        "--keep-in-foreground", "--conf-file=/dev/null", "--user=root", "--pid-file=", "--no-resolv", "--no-hosts",
        "--bind-interfaces", "--except-interface=lo", f"--local-ttl={TTL_S}",
        *[f"--listen-address={address}" for address in RESOLVER.values()],
        *[f"--host-record={record}" for record in records],
        "--cname=alias.cdn.example.test,idp.example.test", "--local=/example.test/", "--log-facility=-",
    ]


@pytest.fixture(scope="module")
def resolver(hosts):
    """A DNS server with records of its own, on addresses of the internet's host."""
    addresses = [f"{RESOLVER[4]}/24", f"{RESOLVER[6]}/64", *[f"198.51.100.{100 + i}/24" for i in range(MANY)]]
    for address in addresses:
        run(None, "ip", "-n", hosts.internet, "addr", "add", address, "dev", "i0", *(["nodad"] if ":" in address else []), check=True)
    jobs = [
        Job(hosts.internet, "dnsmasq", *dnsmasq_options(), log=hosts.directory / "resolver.log"),
        Job(hosts.internet, sys.executable, "-c", LISTENER, log=hosts.directory / "listener.log"),
    ]
    try:
        jobs[0].wait_for("started")
        jobs[1].wait_for("ready")
        yield
    finally:
        for job in jobs:
            job.kill()
        for address in addresses:
            run(None, "ip", "-n", hosts.internet, "addr", "del", address, "dev", "i0")


@pytest.fixture(scope="module")
def configured(running_gateway, resolver):
    gateway = running_gateway
    before = gateway.config.read_text()
    gateway.heal()
    gateway.narthexd.stop()
    gateway.write_config(configuration())
    gateway.start_narthexd()
    yield gateway
    gateway.narthexd.stop()
    gateway.config.write_text(before)
    gateway.start_narthexd()


@pytest.fixture
def named(configured):
    """The gateway with a garden by name alone; nobody logged in, nothing learned."""
    configured.heal()
    put(configured, configuration(names=""))
    put(configured, configuration())
    assert not learned(configured)
    return configured


def put(gateway, text):
    gateway.write_config(text)
    gateway.ctl("reload", check=True)


def learned(gateway):
    return {entry["address"]: entry for entry in gateway.json("garden", "list")["learned"]}


def counter(gateway, name):
    return next(int(c["packets"]) for c in gateway.json("garden", "list")["counters"] if c["name"] == name)


def reason(gateway, name):
    return next(int(c["packets"]) for c in gateway.status()["counters"] if c["name"] == name)


def visit(hosts, family, questions, port=80, client=2, **options):
    plan = {"server": RESOLVER[family], "source": (client4 if family == 4 else client6)(client),
            "questions": questions, "port": port, "tls": port == 443, **options}
    done = hosts.on_client(sys.executable, CLIENT, json.dumps(plan), timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def reaches(hosts, family, address, port=80):
    return visit(hosts, family, [[address, "address"]], port)[0].get("status") == "HTTP/1.1 200 OK"


@FAMILIES
@pytest.mark.parametrize("port", [80, 443], ids=["http", "https"])
@pytest.mark.parametrize("name", ["idp.example.test", "IDP.Example.TEST"])
def test_a_name_of_the_garden_is_reached_at_the_first_try(named, hosts, family, port, name):
    """Issue 5: garden by name; before the login, with the addresses that the resolver answers."""
    assert not reaches(hosts, family, PORTAL[family], port), "closed before anybody asked"
    [result] = visit(hosts, family, [[name, KIND[family]]], port)
    assert result["address"] == PORTAL[family] and result["status"] == "HTTP/1.1 200 OK", result
    entry = learned(named)[PORTAL[family]]
    assert entry["names"][0]["name"] == "idp.example.test" and entry["ports"] == ["tcp 80", "tcp 443"]
    assert named.ctl("garden", "test", "idp.example.test:443").returncode == 0
    where = f"[{PORTAL[family]}]" if family == 6 else PORTAL[family]
    shown = named.ctl("garden", "test", f"{where}:443")
    assert shown.returncode == 0 and "idp.example.test for" in shown.stdout, shown.stdout
    assert named.ctl("garden", "test", f"{where}:22").returncode == 3


@FAMILIES
def test_a_cname_leads_to_its_addresses(named, hosts, family):
    """Issue 5: CNAME chains included."""
    [result] = visit(hosts, family, [["alias.cdn.example.test", KIND[family]]])
    assert result["status"] == "HTTP/1.1 200 OK", result
    entry = learned(named)[PORTAL[family]]
    assert entry["names"][0]["entry"] == "*.cdn.example.test" and entry["ports"] == ["tcp 80", "tcp 8080"]
    assert not reaches(hosts, family, PORTAL[family], 443), "the ports are those of the name that was asked for"


@FAMILIES
def test_other_names_stay_closed(named, hosts, family):
    """Issue 5: what is not in the garden is answered with 511, or refused."""
    [result] = visit(hosts, family, [["www.example.test", KIND[family]]])
    assert result["address"] == OTHER[family] and result["status"].startswith("HTTP/1.1 511"), result
    assert visit(hosts, family, [["www.example.test", KIND[family]]], 443)[0]["error"] == "ConnectionRefusedError"
    assert not learned(named)
    assert named.ctl("garden", "test", "www.example.test").returncode == 3


def test_an_address_closes_when_its_ttl_is_over(named, hosts):
    """Issue 5: admitted for the TTL."""
    visit(hosts, 4, [["idp.example.test", "A"]])
    assert reaches(hosts, 4, PORTAL4)
    assert until(lambda: not reaches(hosts, 4, PORTAL4), TTL_S + 5, 0.3)
    assert until(lambda: not learned(named), 5)


def test_answers_of_others_teach_nothing(named, hosts):
    """Issue 5: answers from anybody else teach nothing: neither a stranger's nor a client's own."""
    answers = counter(named, "answers")
    forge = (
        "import socket, struct, sys\n"
        "source, port, target = sys.argv[1], int(sys.argv[2]), sys.argv[3]\n"
        "name = b'\\3idp\\7example\\4test\\0'\n"
        "message = struct.pack('!HHHHHH', 1, 0x8180, 1, 1, 0, 0) + name + struct.pack('!HH', 1, 1)\n"
        "message += struct.pack('!HHHIH', 0xc00c, 1, 1, 600, 4) + socket.inet_aton('198.51.100.30')\n"
        "sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "sock.bind((source, port))\n"
        "for _ in range(5): sock.sendto(message, (target, 40000))\n"
    )
    for source, port in (("198.51.100.150", 53), (RESOLVER[4], 5353)):
        hosts.on_internet(sys.executable, "-c", forge, source, port, client4(2), check=True)
    hosts.on_client(sys.executable, "-c", forge, client4(3), 53, client4(2), check=True)
    hosts.on_client(sys.executable, "-c", forge, client4(3), 53, RESOLVER[4], check=True)
    visit(hosts, 4, [["www.example.test", "A"]], port=0)  # what was copied is in order: all is read now
    assert until(lambda: counter(named, "answers") == answers + 1, 5)
    assert not learned(named) and not reaches(hosts, 4, OTHER4)


@FAMILIES
def test_hostile_answers_open_nothing(named, hosts, family):
    """Issue 5: a name cannot open the gateway, other clients or inner networks."""
    before = {name: counter(named, name) for name in ("not_global", "clients", "own")}
    visit(hosts, family, [["evil.example.test", KIND[family]]], port=0)
    assert until(lambda: sum(counter(named, name) - before[name] for name in before) == 3, 5)
    assert not learned(named)
    assert "evil.example.test is answered with" in named.narthexd.log()


def test_a_shared_address_is_reported_once(named, hosts):
    """Issue 5: a garden address shared with other sites is reported as such."""
    visit(hosts, 4, [["idp.example.test", "A"], ["shop.example.test", "A"], ["shop.example.test", "A"]], port=0)
    assert until(lambda: learned(named).get(PORTAL4, {}).get("shared_with") == "shop.example.test", 5)
    line = f"the garden admits {PORTAL4}, which shop.example.test has, too"
    assert named.narthexd.log().count(line) == 1
    assert "shop.example.test" in named.ctl("garden", "test", PORTAL4).stdout


@FAMILIES
def test_a_restart_keeps_what_was_learned(named, hosts, family):
    """Issue 5: the map and its names outlive narthexd, also killed."""
    put(named, configuration().replace('"1s"', '"30s"').replace('"10s"', '"30s"'))
    visit(hosts, family, [["idp.example.test", KIND[family]]], port=0)
    assert until(lambda: PORTAL[family] in learned(named), 5)
    named.narthexd.kill()
    assert reaches(hosts, family, PORTAL[family]), "while it is dead"
    named.start_narthexd()
    assert learned(named)[PORTAL[family]]["names"][0]["name"] == "idp.example.test"
    assert reaches(hosts, family, PORTAL[family]), "without asking again"


def blocks_set(gateway):
    shown = run(None, "bpftool", "-j", "map", "dump", "pinned", gateway.bpffs / "garden_blocks", check=True)
    return [entry["key"] for entry in json.loads(shown.stdout) if any(int(byte, 16) for byte in entry["value"])]


def test_an_address_is_learned_in_a_block_that_had_nothing(named, hosts):
    """A start clears what earlier gardens left; learning sets what it needs."""
    named.narthexd.stop()
    named.start_narthexd()
    assert not blocks_set(named)
    visit(hosts, 4, [["idp.example.test", "A"]], port=0)
    assert until(lambda: PORTAL4 in learned(named), 5)
    assert len(blocks_set(named)) == 1 and reaches(hosts, 4, PORTAL4)


def test_a_start_finds_the_blocks_of_what_was_learned(named, hosts):
    """As left by a version that had no map of them."""
    put(named, configuration().replace('"1s"', '"30s"').replace('"10s"', '"30s"'))
    visit(hosts, 4, [["idp.example.test", "A"]], port=0)
    assert until(lambda: PORTAL4 in learned(named), 5)
    named.narthexd.stop()
    (named.bpffs / "garden_blocks").unlink()
    named.start_narthexd()
    assert reaches(hosts, 4, PORTAL4), "without asking again"


def test_a_removed_name_closes_at_once(named, hosts):
    """Issue 5: hot reload."""
    visit(hosts, 4, [["idp.example.test", "A"]], port=0)
    assert reaches(hosts, 4, PORTAL4)
    put(named, configuration(names=NAMES.replace("idp.example.test", "else.example.test")))
    assert not reaches(hosts, 4, PORTAL4) and not learned(named)


@pytest.mark.parametrize("client, think_s", [(5, 0), (6, 0.003)], ids=["at-once", "after-3ms"])
def test_every_first_connection_succeeds_and_an_early_one_is_repeated(named, hosts, client, think_s):
    """Issue 5: DNS learning to first admitted packet. A client of its own each: one may ask 200 questions a second."""
    waited = reason(named, "answer_unread")
    questions = [[f"n{i}.cdn.example.test", "A"] for i in range(MANY)]
    results = visit(hosts, 4, questions, 8080, client, get=False, think_s=think_s)
    failed = [result for result in results if "connect_us" not in result]
    assert not failed, failed
    at_once = sorted(result["connect_us"] for result in results if not result["repeated"])
    garden = named.json("garden", "list")
    learning = [float(garden[key].rstrip("s")) * 1e6 for key in ("learning_median", "learning_longest")]
    early = reason(named, "answer_unread") - waited
    print(f"\n{len(results)} names, connecting {think_s * 1000:.0f} ms after the answer: from the answer at the uplink to "
          f"the map {learning[0]:.0f} us (median), {learning[1]:.0f} us (longest of the last 1024); connected at the "
          f"first SYN {len(at_once)}, in {statistics.median(at_once or [0]):.0f} us (median); {early} SYN too early")
    assert len(at_once) + early >= MANY


ORDINARY = ["www.google.com", "r3---sn-4g5e6nsz.googlevideo.com", "e2867.dsca.akamaiedge.net",
            "www.apple.com.edgekey.net.globalredir.akadns.net", "connectivitycheck.gstatic.com",
            "internal-my-very-long-service-name-1234567890.eu-central-1.elb.amazonaws.com"]


def tunnel_questions(count):
    source = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz012345"

    def label():
        return "".join(source.choice(letters) for _ in range(60))

    return [[f"{label()}.{label()}.t.example.test", "TXT"] for _ in range(count)]


@pytest.mark.parametrize("mode", ["observe", "enforce"])
def test_a_tunnel_is_flagged_and_its_client_alone_refused(named, hosts, mode):
    """Issue 5: DNS discipline before the login: off, observe or enforce."""
    put(named, configuration(mode=mode))
    tunneler = 4 if mode == "observe" else 7
    refused = reason(named, "dns_tunnel")

    def ordinary_answered(client):
        return visit(hosts, 4, [["www.example.test", "A"]], port=0, client=client, patience_s=0.2)[0].get("answered", False)

    # All of it within the five seconds for which the zone refuses.
    results = visit(hosts, 4, tunnel_questions(45), port=0, client=tunneler, patience_s=0.1)
    answered = sum(result.get("answered", False) for result in results)
    if mode == "observe":
        assert answered == 45 and reason(named, "dns_observed") > 0 and reason(named, "dns_tunnel") == refused
    else:
        assert answered < 40 and reason(named, "dns_tunnel") == refused + 45 - answered
        assert not ordinary_answered(tunneler)
    assert f"DNS of client {client4(tunneler)} looks like a tunnel" in named.narthexd.log()
    refused = reason(named, "dns_tunnel")
    ordinary = visit(hosts, 4, [[name, kind] for name in ORDINARY * 5 for kind in ("A", "AAAA")], port=0, client=5)
    assert all(result.get("answered") for result in ordinary)
    assert reason(named, "dns_tunnel") == refused and client4(5) not in named.narthexd.log()
    assert until(lambda: ordinary_answered(tunneler), 15, 0.5), "not for ever"


def test_long_names_are_refused_only_where_the_zone_enforces(named, hosts):
    """Issue 5: label and name lengths, judged by the classifier."""
    name = ".".join(["a" * 63] * 3) + ".example.test"
    for mode, answered, name_of_reason in (("off", True, None), ("observe", True, "dns_observed"), ("enforce", False, "dns_refused")):
        put(named, configuration(mode=mode))
        before = reason(named, name_of_reason) if name_of_reason else 0
        [result] = visit(hosts, 4, [[name, "A"]], port=0, client=6)
        assert bool(result.get("answered")) == answered, mode
        assert not name_of_reason or reason(named, name_of_reason) == before + 1, mode
