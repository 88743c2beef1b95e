# SPDX-License-Identifier: Apache-2.0
"""What the tests of forwarding share: a gateway that forwards by itself, and what it counted."""
import contextlib
import re

from lab.gateway import Gateway, zone
from lab.process import run


def with_keys(text, **keys):
    lines = "".join(f'{key} = "{value}"\n' for key, value in keys.items())
    return text.replace("network_name", lines + "network_name", 1)


def counters(gateway):
    return {c["name"]: int(c.get("packets", 0)) for c in gateway.status()["counters"]}


@contextlib.contextmanager
def counted(gateway):
    """A dict that holds what each reason counted inside."""
    before, gained = counters(gateway), {}
    yield gained
    now = counters(gateway)
    gained.update({name: now[name] - before[name] for name in now if now[name] != before[name]})


@contextlib.contextmanager
def kernel_receive_path(hosts, namespace, interface):
    """Partial checksums of a kernel on veth do not survive a redirect; frames reach it by NAPI."""
    run(namespace, "ethtool", "-K", interface, "tx", "off", "gro", "on", check=True)
    try:
        yield
    finally:
        run(namespace, "ethtool", "-K", interface, "tx", "on", "gro", "off")


def fast_ping(hosts, origin, source, count, *options):
    """Replies to `count` echo requests."""
    done = hosts.on_client("ping", "-nq", "-c", count, "-i", "0.005", "-W", 1, "-I", source, *options, origin)
    return int(re.search(r"(\d+) received", done.stdout)[1])


@contextlib.contextmanager
def forwarding_gateway(hosts, build, running_gateway, name=None, **keys):
    """On lan0 and wan0, which the other tests' gateway leaves meanwhile. Another name for each module."""
    running_gateway.stop()
    gateway = Gateway(hosts, build, f"{hosts.prefix}-{name or keys['forwarding']}", zones=[with_keys(zone(), **keys)], uplinks=["wan0"])
    with kernel_receive_path(hosts, hosts.internet, "i0"):
        try:
            gateway.start()
            yield gateway
        finally:
            gateway.stop()
