# SPDX-License-Identifier: Apache-2.0
"""Fixtures: three hosts of this test run's own, and a gateway that runs between them."""
import os
import pathlib
import tempfile

import pytest

from lab.gateway import BPFFS, Gateway
from lab.hosts import TOP, Hosts, remove_tree
from lab.process import run
from lab.wire import Wire


def pytest_addoption(parser):
    parser.addoption("--build", default=os.environ.get("NARTHEX_BUILD", str(TOP / "build")))


def pytest_collection_modifyitems(config, items):
    if os.geteuid() != 0:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs root for network namespaces and BPF"))


@pytest.fixture(scope="session")
def build(pytestconfig):
    directory = pathlib.Path(pytestconfig.getoption("build")).resolve()
    for binary in ("control/narthexd", "control/narthexctl", "dataplane/narthex-dataplane"):
        assert (directory / binary).exists(), f"{directory / binary} is missing: build first"
    return directory


@pytest.fixture(scope="session")
def hosts():
    """Namespaces, files and names that no other run on this machine has."""
    prefix = f"nxt{os.getpid():x}"
    directory = pathlib.Path(tempfile.mkdtemp(prefix=f"narthex-{prefix}-", dir="/var/tmp"))
    try:
        with Hosts(prefix, directory / "hosts") as made:
            yield made
        left = [pin for pin in os.listdir(BPFFS) if pin.startswith(prefix)] if BPFFS.exists() else []
        assert not left, f"pins left behind: {left}"
        processes = run(None, "ps", "-eo", "pid,args").stdout
        left = [line for line in processes.split("\n") if str(directory) in line and "ps -eo" not in line]
        assert not left, f"processes left behind: {left}"
    finally:
        remove_tree(directory)


@pytest.fixture(scope="session")
def running_gateway(hosts, build):
    gateway = Gateway(hosts, build, f"{hosts.prefix}-main", uplinks=["wan0"])
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture
def gateway(running_gateway):
    """The gateway on lan0 with the uplink wan0, both daemons up, nobody logged in."""
    running_gateway.heal()
    return running_gateway


@pytest.fixture
def spare(hosts):
    """A second access interface of the gateway, `sp0`; the client's end `sp1` has 10.61.1.2 and
    2001:db8:61:1::2, and routes of its own."""
    def ip(namespace, words):
        run(None, "ip", "-n", namespace, *words.split(), check=True)

    gateway, client, internet = hosts.gateway, hosts.client, hosts.internet
    ip(gateway, f"link add sp0 type veth peer name sp1 netns {client}")
    try:
        ip(gateway, "addr add 10.61.1.1/24 dev sp0")
        ip(gateway, "addr add 2001:db8:61:1::1/64 dev sp0 nodad")
        ip(client, "addr add 10.61.1.2/24 dev sp1")
        ip(client, "addr add 2001:db8:61:1::2/64 dev sp1 nodad")
        ip(gateway, "link set sp0 up")
        ip(client, "link set sp1 up")
        for family, source, via in (("-4", "10.61.1.2", "10.61.1.1"), ("-6", "2001:db8:61:1::2", "2001:db8:61:1::1")):
            ip(client, f"{family} route replace default via {via} dev sp1 table 61")
            ip(client, f"{family} rule add from {source} lookup 61")
        ip(internet, "-4 route replace 10.61.1.0/24 via 198.51.100.1")
        ip(internet, "-6 route replace 2001:db8:61:1::/64 via 2001:db8:100::1")
        hosts.on_client("ethtool", "-K", "sp1", "tx", "off", check=True)
        hosts.on_client("ip", "link", "set", "dev", "sp1", "xdpdrv", "obj", hosts.directory / "pass.o", "sec", "xdp", check=True)
        yield "sp0"
    finally:
        ip(gateway, "link del sp0")
        for family, source in (("-4", "10.61.1.2"), ("-6", "2001:db8:61:1::2")):
            run(None, "ip", "-n", client, family, "rule", "del", "from", source, "lookup", "61")


@pytest.fixture
def another(hosts, build, request):
    """A gateway object of the test's own, nothing started; stopped and removed afterwards."""
    made = []

    def make(name="other", **options):
        gateway = Gateway(hosts, build, f"{hosts.prefix}-{name}-{len(os.listdir(hosts.directory)):x}", **options)
        made.append(gateway)
        return gateway

    yield make
    for gateway in made:
        gateway.stop()


@pytest.fixture(scope="session")
def shared_wire(hosts, running_gateway):
    """Hand-made clients on c0; one for all modules, so that what they received can be judged together."""
    running_gateway.heal()
    wire = Wire(hosts.client)
    wire.settle()
    yield wire
    wire.close()


@pytest.fixture
def wire(gateway, shared_wire):  # pylint: disable=unused-argument
    return shared_wire


@pytest.fixture(params=[4, 6], ids=["IPv4", "IPv6"])
def family(request):
    return request.param
