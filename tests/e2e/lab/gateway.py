# SPDX-License-Identifier: Apache-2.0
"""One narthex instance: its configuration, its two daemons, its command line."""
import contextlib
import json
import os
import pathlib
import shutil
import signal

from lab.process import Job, run

BPFFS = pathlib.Path("/sys/fs/bpf")

ZONE = """
[[zone]]
name = "{name}"
interface = "{interface}"
pools = ["{pool}"]
ipv6_prefixes = ["{prefix6}"]
resolvers = ["198.51.100.10", "2001:db8:100::10"]
network_name = "Stadium Wi-Fi"
portal_url = "http://198.51.100.20/login"
{extra}

[[zone.garden]]
prefix = "198.51.100.20/32"
tcp = ["80", "443"]

[[zone.garden]]
prefix = "2001:db8:100::20/128"
tcp = ["80", "443"]
"""


def zone(name="lobby", interface="lan0", pool="10.51.1.0/24", prefix6="2001:db8:51:1::/64", extra=""):
    """`extra`: more keys of the zone, a line each."""
    return ZONE.format(name=name, interface=interface, pool=pool, prefix6=prefix6, extra=extra)


class Gateway:
    """Starts nothing by itself; `stop()` removes all that it ever made."""

    def __init__(self, hosts, build, instance, zones=None, capacity=65536, hugepages="never", uplinks=()):
        self.hosts, self.build, self.instance = hosts, pathlib.Path(build), instance
        self.home = hosts.directory / instance
        self.home.mkdir()
        self.run_dir, self.state, self.bpffs = self.home / "run", self.home / "state", BPFFS / instance
        self.socket = self.run_dir / "api.sock"
        self.config = self.home / "narthex.toml"
        self.narthexd = self.dataplane = None
        self.uplinks = list(uplinks)
        self.write_config("".join(zones or [zone()]), capacity, hugepages)

    def write_config(self, zones, capacity=65536, hugepages="never"):
        self.config.write_text(
            f'instance = "{self.instance}"\nuplinks = {json.dumps(self.uplinks)}\n\n'
            f'[paths]\nstate = "{self.state}"\nrun = "{self.run_dir}"\nbpffs = "{self.bpffs}"\n\n'
            f"[sessions]\ncapacity = {capacity}\n\n"
            f'[dataplane]\nhugepages = "{hugepages}"\n' + zones
        )

    # -- daemons ------------------------------------------------------------------------

    def start_narthexd(self, env=None, seconds=20):
        self.narthexd = Job(
            self.hosts.gateway, self.build / "control/narthexd", "--config", self.config,
            log=self.home / "narthexd.log", env=env,
        ).wait_for("narthexd: ready", seconds)
        return self.narthexd

    def start_dataplane(self, env=None):
        self.dataplane = Job(
            self.hosts.gateway, self.build / "dataplane/narthex-dataplane", "--run", self.run_dir,
            log=self.home / "dataplane.log", env=env,
        ).wait_for("narthex-dataplane: ready")
        return self.dataplane

    def start(self):
        self.start_narthexd()
        self.start_dataplane()
        return self

    def heal(self):
        """Both daemons run, nobody has a session: what a test may start from."""
        if self.narthexd is None or not self.narthexd.alive():
            self.start_narthexd()
        if self.dataplane is None or not self.dataplane.alive():
            self.start_dataplane()
        for session in self.sessions():
            self.ctl("session", "terminate", session["name"], "--yes", check=True)

    @contextlib.contextmanager
    def configured(self, zones):
        """Both daemons with another configuration, as before in the end."""
        before = self.config.read_text()
        self.heal()
        self.restart_with(lambda: self.write_config(zones))
        try:
            yield self
        finally:
            self.heal()
            self.restart_with(lambda: self.config.write_text(before))

    def restart_with(self, change):
        self.dataplane.stop()
        self.narthexd.stop()
        change()
        self.start()

    def detach(self):
        return self.run_narthexd("--detach")

    def run_narthexd(self, *options, timeout=20, env=None):
        """narthexd in the foreground, for starts that end by themselves."""
        return self.hosts.on_gateway(
            self.build / "control/narthexd", "--config", self.config, *options, timeout=timeout, env=env
        )

    def lose_everything_but_the_store(self):
        """As after a reboot of the machine: no pin, no program; then both daemons start."""
        self.dataplane.stop()
        self.narthexd.stop()
        self.detach()
        self.start()

    def run_dataplane(self, timeout=20):
        return self.hosts.on_gateway(
            self.build / "dataplane/narthex-dataplane", "--run", self.run_dir, timeout=timeout
        )

    def stop(self):
        for job in (self.dataplane, self.narthexd):
            if job is not None and job.alive():
                job.signal(signal.SIGCONT)
                job.stop()
        self.detach()
        left = sorted(str(p) for p in self.bpffs.rglob("*")) if self.bpffs.exists() else []
        shutil.rmtree(self.bpffs, ignore_errors=True)
        shutil.rmtree(f"/run/dpdk/narthex-{self.instance}", ignore_errors=True)  # of a killed dataplane
        assert not left, f"{self.instance} left pins after --detach: {left}"

    # -- command line -------------------------------------------------------------------

    def ctl(self, *arguments, check=False, socket=None):
        """narthexctl, from the test's own namespace: a unix socket knows none."""
        done = run(None, self.build / "control/narthexctl", "--socket", socket or self.socket, *arguments)
        if check:
            assert done.returncode == 0, f"narthexctl {' '.join(map(str, arguments))}: {done.stderr}"
        return done

    def json(self, *arguments):
        return json.loads(self.ctl(*arguments, "-o", "json", check=True).stdout)

    def authorize(self, *keys, duration="1h", policy=None, options=()):
        named = ["--policy", policy] if policy else []
        return self.ctl("session", "authorize", *keys, "--for", duration, *named, *options, check=True)

    def terminate(self, address):
        return self.ctl("session", "terminate", address, "--yes", check=True)

    def sessions(self):
        listed = self.json("session", "list")
        return listed["sessions"] if isinstance(listed, dict) else listed

    def addresses(self):
        return {address for session in self.sessions() for address in session["addresses"]}

    def status(self):
        return self.json("status")

    # -- what is on the host ------------------------------------------------------------

    def pins(self):
        return sorted(str(p.relative_to(self.bpffs)) for p in self.bpffs.rglob("*")) if self.bpffs.exists() else []

    def program(self, interface="lan0"):
        return self.hosts.attached_program(interface)

    def open_files(self):
        return len(os.listdir(f"/proc/{self.narthexd.pid}/fd"))
