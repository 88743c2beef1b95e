# SPDX-License-Identifier: Apache-2.0
"""openNDS as a subject: Debian's package, without a service manager, in a mount and a pid namespace of its
own, so that what it writes to /etc, /run and /tmp stays there. What it costs is what its cgroup used:
it forks a score of processes for a request, and does not wait for all of them."""
import os
import pathlib
import shutil

from lab.process import Job, run, until
from suite import cpu
from suite.stage import MACS, ROUTER, SERVER
from suite.subjects import Subject

PROGRAMS = ("opennds", "ndsctl", "dnsmasq", "iptables-nft", "ipset", "nft", "unshare")

# Its scripts read this file wherever -c points, and know the options in lower case only.
CONFIG = """
gatewayinterface {lan}
gatewayname bench
gatewayport 2050
login_option_enabled 1
maxclients 250
debuglevel 0
FirewallRuleSet authenticated-users {{
}}
FirewallRuleSet preauthenticated-users {{
}}
FirewallRuleSet users-to-router {{
    FirewallRule allow udp port 53
    FirewallRule allow tcp port 53
    FirewallRule allow udp port 67
}}
"""
DNSMASQ = """
interface={lan}
bind-interfaces
no-resolv
dhcp-range=10.51.1.10,10.51.1.254,24h
dhcp-leasefile=/tmp/dhcp.leases
"""
# All that it asks of a service manager.
SYSTEMCTL = """#!/bin/sh
[ "$*" = "restart dnsmasq" ] || exit 0
if [ -s /run/dnsmasq.pid ]; then kill "$(cat /run/dnsmasq.pid)"; rm -f /run/dnsmasq.pid; fi
exec dnsmasq --conf-file=/etc/dnsmasq.conf --pid-file=/run/dnsmasq.pid --user=root
"""
# openNDS 9.10 makes the chains INPUT and FORWARD of `ip filter` with priority -100, and fills them with
# iptables, which in Debian 12 knows these chains with priority 0 only: openNDS would give up, and pass everybody.
NFT = """#!/bin/sh
case "$1 $2 $3 $4 $5" in
"rename chain ip filter "*) exit 0 ;;
"add chain ip filter INPUT" | "add chain ip filter FORWARD")
    exec {nft} $(echo "$*" | sed 's/priority -100/priority 0/') ;;
esac
exec {nft} "$@"
"""
# The first process of its namespaces: makes them its own, starts openNDS, and reaps. A client without a
# DHCP lease is refused, so there is one.
ROOM = """#!/bin/bash
set -e
PATH={bin}:$PATH
mount --make-rprivate /
mount -t sysfs sysfs /sys
mount --bind {etc} /etc
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mkdir -p /run/tmpfiles.d
echo "$(($(date +%s) + 86400)) {mac} {client} client *" >/tmp/dhcp.leases
systemctl restart dnsmasq
cd /
opennds -f -d 0 &
while :; do wait -n || sleep 1; done
"""


def missing():
    """Programs that it takes and that are not here."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return [name for name in PROGRAMS if not shutil.which(name, path=path)]


def cgroup_root():
    """Where cgroups of the second version are: they count without being configured."""
    for line in pathlib.Path("/proc/mounts").read_text().split("\n"):
        fields = line.split()
        if len(fields) > 2 and fields[2] == "cgroup2":
            return pathlib.Path(fields[1])
    raise AssertionError("no cgroup2 is mounted: the cost of openNDS's processes cannot be told")


class OpenNds(Subject):
    """Answers a GET with a redirect."""

    name = "openNDS, 307"
    # One client, as the generator's packets have it: openNDS wants to know each by lease and MAC address.
    options = ("--first-client", ROUTER, "--clients", 1, "--status", "307", "--timeout", 20)
    verify_options = ("--partial-checksums",)
    cheap = False

    def start(self):
        stage = self.stage
        home = stage.directory / "opennds"
        self.write_home(home)
        stage.ip(stage.gateway, f"route add default via {SERVER}")  # it looks for one
        self.cgroup = cgroup_root() / stage.prefix
        self.cgroup.mkdir()
        self.stack.callback(self.remove_cgroup)
        inside = f"echo $$ >{self.cgroup}/cgroup.procs && exec unshare --mount --pid --fork --kill-child --mount-proc {home}/bin/room"
        self.room = Job(stage.gateway, "sh", "-c", inside, log=home / "log")
        self.stack.callback(self.room.kill)
        passing = stage.attach(stage.gateway, "pass", "--interface", stage.lan)
        self.stack.callback(passing.stop)
        # Not its web server: that answers before its rules are there.
        assert until(lambda: not self.room.alive() or self.serves(), 60, 0.2) and self.room.alive(), self.room.log()[-1000:]

    def write_home(self, home):
        (home / "bin").mkdir(parents=True)
        run(None, "cp", "-a", "/etc", home / "etc", check=True, timeout=60)
        (home / "etc/opennds").mkdir(exist_ok=True)
        (home / "etc/opennds/opennds.conf").write_text(CONFIG.format(lan=self.stage.lan))
        (home / "etc/dnsmasq.conf").write_text(DNSMASQ.format(lan=self.stage.lan))
        scripts = {
            "systemctl": SYSTEMCTL, "nft": NFT.format(nft=shutil.which("nft", path="/usr/sbin:/sbin")),
            "room": ROOM.format(bin=home / "bin", etc=home / "etc", mac=MACS["c"], client=ROUTER),
        }
        for name, text in scripts.items():
            (home / "bin" / name).write_text(text)
            (home / "bin" / name).chmod(0o755)

    def serves(self):
        rooms = cpu.children(self.room.pid)
        if not rooms:
            return False
        asked = run(None, "nsenter", "-t", rooms[0], "--mount", "--pid", "--net", "--", "ndsctl", "status")
        return "openNDS Status" in asked.stdout

    def remove_cgroup(self):
        self.freeze(False)
        assert until(lambda: "populated 0" in (self.cgroup / "cgroup.events").read_text(), 10), "openNDS's processes live on"
        self.cgroup.rmdir()

    def freeze(self, frozen):
        (self.cgroup / "cgroup.freeze").write_text("1" if frozen else "0")

    def rest(self):
        self.freeze(True)

    def resume(self):
        super().resume()
        self.freeze(False)

    def cpu_ns(self):
        fields = dict(line.split() for line in (self.cgroup / "cpu.stat").read_text().strip().split("\n"))
        return {"napi": self.stage.lan_ns(), "server": (int(fields["user_usec"]) + int(fields["system_usec"])) * 1000}


class OpenNds511:
    """The same openNDS, asked by another method: it answers 511 to any but GET."""

    name = "openNDS, 511"
    options = (*OpenNds.options[:4], "--method", "POST", "--timeout", 20)
    verify_options, cheap = OpenNds.verify_options, OpenNds.cheap

    def __init__(self, other):
        self.stage, self.cpu_ns, self.rest, self.resume = other.stage, other.cpu_ns, other.rest, other.resume
