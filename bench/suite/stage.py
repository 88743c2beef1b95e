# SPDX-License-Identifier: Apache-2.0
"""One subject's three hosts in network namespaces, with links whose names no other run has.

  client c<tag> ---- l<tag> gateway w<tag> ---- i<tag> internet
         b<tag> ------------------------------- r<tag>           for what circulates

Clients by the million lie behind one router address, so that no neighbour table limits them.
"""
import itertools
import json
import os
import pathlib

from lab.process import Job, run, until
from suite import cpu

SERVER, UPLINK = "203.0.113.10", "203.0.113.1"  # the origin, far from the portal and its garden; the gateway towards it
GATEWAY, ROUTER = "10.51.1.1", "10.51.1.2"  # the gateway on the access link; the clients' router
FLOW_PORT = 9  # of one-way UDP
CLIENTS = "10.64.0.0/10"  # all clients, the SYN flood's spoofed ones too
MORE_CLIENTS = "10.128.0.0/9"  # behind them, for more than four millions
MACS = {"c": "02:4e:58:00:00:02", "l": "02:4e:58:00:00:01", "w": "02:4e:58:00:01:01", "i": "02:4e:58:00:01:10",
        "b": "02:4e:58:00:02:02", "r": "02:4e:58:00:02:10"}
_numbers = itertools.count()

SYSCTLS = {
    "net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.default.rp_filter": 0,
    "net.ipv6.conf.all.disable_ipv6": 1, "net.ipv6.conf.default.disable_ipv6": 1,
}
# A kernel that answers tens of thousands of connections a second, and forgets them soon.
GATEWAY_SYSCTLS = {
    "net.ipv4.ip_forward": 1, "net.core.somaxconn": 65535, "net.ipv4.tcp_max_syn_backlog": 65535,
    "net.ipv4.tcp_max_tw_buckets": 4096, "net.ipv4.tcp_fin_timeout": 1,
}
CONNTRACK_SYSCTLS = {
    f"net.netfilter.nf_conntrack_tcp_timeout_{state}": 1
    for state in ("close", "close_wait", "fin_wait", "last_ack", "time_wait", "syn_recv", "syn_sent")
}


class Stage:
    """Has the names that lab.gateway.Gateway asks its hosts for."""

    def __init__(self, directory, load):
        tag = f"{os.getpid() % 0x100000:x}{next(_numbers):x}"
        self.prefix = f"nxb{tag}"
        self.directory = pathlib.Path(directory) / tag
        self.load = load  # the load generator's program
        self.client, self.gateway, self.internet = (f"{self.prefix}-{n}" for n in ("client", "gateway", "internet"))
        self._names = {end: f"{end}{tag}" for end in "clwibr"}
        self.access, self.lan, self.wan, self.far, self.back, self.returning = self._names.values()
        self.cpus = cpu.layout()

    # -- up and down ----------------------------------------------------------------------

    def __enter__(self):
        self.directory.mkdir(parents=True)
        try:
            self._make_namespaces()
            self._make_links()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for namespace in (self.client, self.gateway, self.internet):
            if pathlib.Path("/run/netns", namespace).exists():
                run(None, "ip", "netns", "del", namespace)

    def ip(self, namespace, words):
        run(None, "ip", "-n", namespace, *words.split(), check=True)

    def sysctl(self, namespace, values):
        run(namespace, "sysctl", "-qw", *[f"{name}={value}" for name, value in values.items()], check=True)

    def _make_namespaces(self):
        for namespace in (self.client, self.gateway, self.internet):
            run(None, "ip", "netns", "add", namespace, check=True)
            self.sysctl(namespace, SYSCTLS)
            self.ip(namespace, "link set lo up")
        self.sysctl(self.gateway, GATEWAY_SYSCTLS)

    def _make_links(self):
        for near, far in (("c", "l"), ("w", "i"), ("b", "r")):
            a, b = self._names[near], self._names[far]
            places = {"c": self.client, "b": self.client, "i": self.internet, "r": self.internet}
            run(None, *f"ip link add {a} address {MACS[near]} netns {places.get(near, self.gateway)} type veth "
                f"peer name {b} address {MACS[far]} netns {places.get(far, self.gateway)}".split(), check=True)
        self.ip(self.client, f"addr add {ROUTER}/24 dev {self.access}")
        self.ip(self.gateway, f"addr add {GATEWAY}/24 dev {self.lan}")
        self.ip(self.gateway, f"addr add {UPLINK}/24 dev {self.wan}")
        self.ip(self.internet, f"addr add {SERVER}/24 dev {self.far}")
        ends = ((self.client, self.access), (self.gateway, self.lan), (self.gateway, self.wan),
                (self.internet, self.far), (self.client, self.back), (self.internet, self.returning))
        for namespace, interface in ends:
            self.ip(namespace, f"link set {interface} up")
            # GRO gives the end a NAPI, with or without a program.
            run(namespace, "ethtool", "-K", interface, "gro", "on", check=True)
        self._make_routes()
        for namespace, interface in ends:
            self._make_threaded(namespace, interface)

    def _make_routes(self):
        self.ip(self.client, f"route add default via {GATEWAY}")
        for clients in (CLIENTS, MORE_CLIENTS):
            self.ip(self.gateway, f"route add {clients} via {ROUTER}")
            self.ip(self.internet, f"route add {clients} via {UPLINK}")
        self.ip(self.internet, f"route add 10.51.1.0/24 via {UPLINK}")
        for namespace, interface, address, end in (
            (self.client, self.access, GATEWAY, "l"), (self.gateway, self.lan, ROUTER, "c"),
            (self.gateway, self.wan, SERVER, "i"), (self.internet, self.far, UPLINK, "w"),
        ):
            self.ip(namespace, f"neigh replace {address} lladdr {MACS[end]} dev {interface} nud permanent")

    def _make_threaded(self, namespace, interface):
        """A fresh mount of /sys shows the namespace's own interfaces."""
        script = f"mount -t sysfs sysfs /sys && echo 1 >/sys/class/net/{interface}/threaded"
        run(None, "nsenter", f"--net=/run/netns/{namespace}", "unshare", "--mount", "sh", "-c", script, check=True)
        assert until(lambda: cpu.napi_threads(interface), 2), f"{interface} has no NAPI thread"

    def place_network(self):
        """NAPI of every end on the network's CPU; a program's coming and going renews the threads."""
        for interface in self._names.values():
            for thread in cpu.napi_threads(interface):
                cpu.place(thread, self.cpus["network"])

    def place_far_end(self):
        """All but the access interface away from the forwarding that is measured."""
        for interface in (self.far, self.access, self.wan, self.back, self.returning):
            for thread in cpu.napi_threads(interface):
                cpu.place(thread, self.cpus["server"])

    # -- what Gateway asks for -------------------------------------------------------------

    def on_client(self, *command, **options):
        return run(self.client, *command, **options)

    def on_gateway(self, *command, **options):
        return run(self.gateway, *command, **options)

    def on_internet(self, *command, **options):
        return run(self.internet, *command, **options)

    # -- figures ---------------------------------------------------------------------------

    def lan_ns(self):
        return sum(cpu.run_ns(thread) for thread in cpu.napi_threads(self.lan))

    def attach(self, namespace, command, *options, name=None):
        """A program of the load generator's, attached while its process lives."""
        job = Job(namespace, self.load, command, *options, log=self.directory / f"{name or command}.log")
        return job.wait_for("ready", 10)

    def generate(self, command, seconds, *options, interface=None):
        """Runs the load generator at the client's end; its figures."""
        done = self.on_client(
            "taskset", "-c", self.cpus["server"], self.load, command, "--interface", interface or self.access, "--gateway-mac", MACS["l"], "--server", SERVER,
            "--seconds", seconds, "--quiet", *options, timeout=seconds + 60,
        )
        assert done.returncode == 0, f"narthex-load {command}: {done.stderr}"
        return json.loads(done.stdout)

    def open_way_back(self):
        """What reaches the far end comes back to the client beside the gateway: what circulates is never lost
        at a full ring, and costs the gateway nothing. Returns the process that keeps it open."""
        return self.attach(self.internet, "redirect", "--interface", self.far, "--to", self.returning, "--port", FLOW_PORT, name="back")

    def drops(self):
        """Frames that found a ring full, by the interface that sent them: the access link's ring is the
        gateway's receive ring, the uplink's is the far end's."""
        found = {}
        for where, namespace, interface in (("access", self.client, self.access), ("uplink", self.gateway, self.wan)):
            shown = run(None, "ip", "-n", namespace, "-s", "-j", "link", "show", "dev", interface, check=True)
            found[where] = json.loads(shown.stdout)[0]["stats64"]["tx"]["dropped"]
        return found

    def forward(self, seconds, *options, port=FLOW_PORT):
        """One-way traffic through the gateway: figures of the generator, `received` at the far end, and what
        was dropped at either ring."""
        sink = self.attach(self.internet, "sink", "--interface", self.far, "--port", port)
        try:
            self.place_far_end()
            before = self.drops()
            figures = self.generate("forward", seconds, "--port", port, *options)
            figures["drops"] = {where: count - before[where] for where, count in self.drops().items()}
        finally:
            sink.stop()
        figures["received"] = json.loads(sink.log().split("ready", 1)[1])["received"]
        return figures
