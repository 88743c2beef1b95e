# SPDX-License-Identifier: Apache-2.0
"""Fixtures: three hosts of this test run's own, and a gateway that runs between them."""
import os
import pathlib
import tempfile

import pytest

from lab.gateway import BPFFS, Gateway
from lab.hosts import TOP, Hosts, remove_tree
from lab.process import run


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
    gateway = Gateway(hosts, build, f"{hosts.prefix}-main")
    try:
        gateway.start()
        yield gateway
    finally:
        gateway.stop()


@pytest.fixture
def gateway(running_gateway):
    """The gateway on lan0, both daemons up, nobody logged in."""
    running_gateway.heal()
    return running_gateway


@pytest.fixture
def spare(hosts):
    """A second access interface of the gateway, `sp0`, and its client's end `sp1` in the client."""
    run(None, "ip", "link", "add", "sp0", "netns", hosts.gateway, "type", "veth", "peer", "name", "sp1", "netns",
        hosts.client, check=True)
    run(None, "ip", "-n", hosts.gateway, "link", "set", "sp0", "up", check=True)
    run(None, "ip", "-n", hosts.client, "link", "set", "sp1", "up", check=True)
    yield "sp0"
    run(None, "ip", "-n", hosts.gateway, "link", "del", "sp0", check=True)


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
