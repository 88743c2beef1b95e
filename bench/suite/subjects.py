# SPDX-License-Identifier: Apache-2.0
"""Who answers or forwards: narthex and what a user would take instead. Each has a stage of its own;
`cpu_ns()` is what it has cost so far, by part."""
import contextlib
import json
import signal

from lab.gateway import Gateway, zone
from lab.process import Job, run, until
from suite import cpu
from suite.stage import CLIENTS, CONNTRACK_SYSCTLS, FLOW_PORT, Stage

NGINX = """
daemon off; worker_processes 1; user root; pid {home}/nginx.pid; error_log {home}/error.log;
worker_rlimit_nofile 65536;
events {{ worker_connections 16384; multi_accept on; }}
http {{
    access_log off; keepalive_timeout 0; tcp_nodelay on;
    client_body_temp_path {home}/t1; proxy_temp_path {home}/t2; fastcgi_temp_path {home}/t3;
    uwsgi_temp_path {home}/t4; scgi_temp_path {home}/t5;
    server {{
        listen 2052 backlog=65535;
        location / {{ default_type text/html; return {status} "{page}"; }}
    }}
}}
"""
# About as large as narthex's own page.
PAGE = (
    "<!DOCTYPE html><html lang=en><head><title>Network login required</title>"
    "<meta name=viewport content='width=device-width'></head><body><h1>Stadium Wi-Fi</h1>"
    "<p>You need to log in before you can use this network.</p>"
    "<p><a href='http://198.51.100.20/login'>Log in</a></p></body></html>"
)
REDIRECT = """
table ip nxb {{
    chain pre {{
        type nat hook prerouting priority dstnat
        iifname "{lan}" tcp dport 80 redirect to :2052
    }}
}}
"""

RULES = 10000


class Subject:
    options = ()  # of the load generator
    verify_options = ()
    cheap = True  # answers thousands a second

    def __init__(self, directory, load):
        self.stage = Stage(directory, load)
        self.stack = contextlib.ExitStack()

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.stage)
            self.stack = stack
            self.start()
            self.stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self.stack.close()

    def rest(self):
        """Others are measured now."""

    def resume(self):
        """It is measured next."""
        self.stage.place_network()


class Nginx(Subject):
    """nginx `return 511` behind an nftables redirect: the least that a web server can do."""

    name = "nginx"
    verify_options = ("--partial-checksums",)

    def __init__(self, directory, load, status=511):
        super().__init__(directory, load)
        self.status = status

    def start(self):
        stage = self.stage
        home = stage.directory / "nginx"
        home.mkdir()
        (home / "nginx.conf").write_text(NGINX.format(home=home, status=self.status, page=PAGE))
        self.nginx = Job(
            stage.gateway, "nginx", "-c", home / "nginx.conf", "-e", home / "error.log", log=home / "log"
        )
        self.stack.callback(self.nginx.stop)  # a killed master would leave its worker behind
        rules = home / "rules.nft"
        rules.write_text(REDIRECT.format(lan=stage.lan))
        stage.on_gateway("nft", "-f", rules, check=True)
        with contextlib.suppress(AssertionError):  # older kernels have fewer of them
            stage.sysctl(stage.gateway, CONNTRACK_SYSCTLS)
        passing = stage.attach(stage.gateway, "pass", "--interface", stage.lan)
        self.stack.callback(passing.stop)
        assert until(lambda: (home / "nginx.pid").exists() and cpu.children(self.nginx.pid), 10), self.nginx.log()
        cpu.place_family(self.nginx.pid, stage.cpus["server"])

    def cpu_ns(self):
        return {"napi": self.stage.lan_ns(), "server": cpu.family_ns(self.nginx.pid)}


class Narthex(Subject):
    """narthexd and narthex-dataplane on the access interface."""

    name = "narthex"

    def __init__(self, directory, load, build, pools=(CLIENTS,), capacity=65536, extra="", uplink=False, spin=False):
        super().__init__(directory, load)
        self.build, self.pools, self.capacity, self.extra, self.uplink = build, pools, capacity, extra, uplink
        self.spin = spin

    def start(self):
        stage = self.stage
        self.gateway = Gateway(
            stage, self.build, stage.prefix, [self.zone()], self.capacity, uplinks=[stage.wan] if self.uplink else []
        )
        self.configure()
        self.stack.callback(self.gateway.stop)
        self.stack.callback(self.stop_narthexd)
        self.gateway.start()
        cpu.place_workers(self.gateway.dataplane.pid, stage.cpus["server"])

    def configure(self):
        if self.spin:
            text = self.gateway.config.read_text()
            self.gateway.config.write_text(text.replace("[dataplane]\n", "[dataplane]\nidle_backoff = false\n", 1))

    def stop_narthexd(self):
        """With a million sessions that takes longer than a test would wait."""
        if self.gateway.narthexd is not None and self.gateway.narthexd.alive():
            self.gateway.narthexd.stop(120)

    def zone(self):
        text = zone("bench", self.stage.lan, '", "'.join(self.pools), "2001:db8:51:1::/64")
        return text.replace("[[zone.garden]]", self.extra + "\n[[zone.garden]]", 1)

    def rest(self):
        self.gateway.dataplane.signal(signal.SIGSTOP)

    def resume(self):
        super().resume()
        self.gateway.dataplane.signal(signal.SIGCONT)
        assert until(self.serves, 5), "the worker's heartbeat did not come back"

    def serves(self):
        return all(w["state"] == "RUNNING" for z in self.gateway.status()["zones"] for w in z["workers"])

    def workers(self):
        """Entries of the pinned map `workers` that were ever used."""
        done = run(None, "bpftool", "-j", "map", "dump", "pinned", self.gateway.bpffs / "workers", check=True)
        entries = [entry.get("formatted", entry)["value"] for entry in json.loads(done.stdout)]
        return [entry for entry in entries if entry["started_ns"]]

    def cpu_ns(self):
        busy = sum(w["busy_cycles"] * 1e9 / w["cycles_per_s"] for w in self.workers())
        return {"napi": self.stage.lan_ns(), "server": busy}


def host_rules(count):
    """As many rules, each with a host of its own that nobody asks for."""
    return "".join(f'[[rule]]\nname = "r{i}"\nhost = "www.host-{i}.example"\nrespond = "redirect"\n' for i in range(count))


class WithRules(Narthex):
    """narthex with host rules, RULES of them to begin with."""

    def configure(self):
        super().configure()
        self.rules_file = self.gateway.home / "rules.toml"
        self.rules_file.write_text(host_rules(RULES))
        text = self.gateway.config.read_text()
        self.gateway.config.write_text(text.replace("[dataplane]\n", f'[rules]\nfiles = ["{self.rules_file}"]\n\n[dataplane]\n', 1))


class Router(Subject):
    """The kernel alone forwards, or (`redirecting`) a bare XDP program throws everything across."""

    def __init__(self, directory, load, redirecting=False):
        super().__init__(directory, load)
        self.redirecting = redirecting
        self.name = "bare redirect" if redirecting else "kernel"

    def start(self):
        if self.redirecting:
            bare = self.stage.attach(self.stage.gateway, "redirect", "--interface", self.stage.lan, "--to", self.stage.wan, "--port", FLOW_PORT)
            self.stack.callback(bare.stop)

    def cpu_ns(self):
        return {"napi": self.stage.lan_ns()}
