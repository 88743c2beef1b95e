# SPDX-License-Identifier: Apache-2.0
"""Real programs that look for a captive portal, each in a room: namespaces of its own for mounts and
processes, so that it finds its own configuration, state and resolver, and nothing outlives it."""
import contextlib
import json

from lab.process import Job, run, until

VISITOR4, VISITOR6 = "10.62.1.2", "2001:db8:62:1::2"
RESOLVERS = "nameserver 198.51.100.10\nnameserver 2001:db8:100::10\n"
# Like the system's, but everybody in the room may own and call everything.
BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>system</type><listen>unix:path={bus}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_type="method_call"/><allow receive_type="method_return"/>
<allow receive_type="error"/><allow receive_type="signal"/><allow own="*"/></policy></busconfig>
"""
# /sys read-only and of this network namespace: no udev to wait for. Mounts end with the namespace.
ROOM = """
set -e
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /dev/shm
mkdir -p /run/dbus /run/connman /var/lib/dbus /var/lib/connman /var/lib/NetworkManager
mount -t sysfs -o ro sysfs /sys
mount --bind {home}/resolv.conf /etc/resolv.conf
{before}
exec "$@"
"""
START_BUS = """
dbus-daemon --config-file={home}/bus.conf --nofork --nopidfile &
tries=0
until [ -S {home}/bus ]; do tries=$((tries + 1)); [ $tries -lt 400 ]; sleep 0.05; done
"""


class Room:
    """A directory, and one program that runs with it; `env` lets tools of the outside find its bus."""

    def __init__(self, namespace, home, before=""):
        self.namespace, self.home, self.before = namespace, home, before
        self.env = {
            "HOME": str(home), "TMPDIR": str(home), "DBUS_SESSION_BUS_ADDRESS": "disabled:",
            "DBUS_SYSTEM_BUS_ADDRESS": f"unix:path={home}/bus",
        }
        home.mkdir(exist_ok=True)
        (home / "resolv.conf").write_text(RESOLVERS)
        (home / "bus.conf").write_text(BUS.format(bus=home / "bus"))
        self.job = None

    def start(self, *command):
        script = ROOM.format(home=self.home, before=self.before.format(home=self.home))
        self.job = Job(
            self.namespace, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--",
            "sh", "-c", script, "room", *command, log=self.home / "log", env=self.env,
        )

    def tool(self, *command, timeout=20):
        return run(self.namespace, *command, env=self.env, timeout=timeout).stdout.strip()

    def end(self):
        """unshare's death is the death of all in the room: they are gone when their log is closed."""
        if self.job is not None:
            self.job.kill()
            assert until(lambda: not processes_of(self.home), 10), processes_of(self.home)


def processes_of(home):
    listed = run(None, "ps", "-eo", "pid,args").stdout.split("\n")
    return [line for line in listed if str(home) in line and "ps -eo" not in line]


@contextlib.contextmanager
def room(namespace, home, before=""):
    made = Room(namespace, home, before)
    try:
        yield made
    finally:
        made.end()


@contextlib.contextmanager
def visitor_namespace(hosts):
    """A client whose interface `v0` a daemon may configure; the gateway's end is `vis0`."""
    name = f"{hosts.prefix}-visitor"

    def ip(namespace, words):
        run(None, "ip", "-n", namespace, *words.split(), check=True)

    run(None, "ip", "netns", "add", name, check=True)
    try:
        keys = [f"net.ipv6.conf.{which}.{key}=0" for which in ("all", "default") for key in ("disable_ipv6", "accept_dad", "accept_ra")]
        run(name, "sysctl", "-qw", *keys, check=True)
        ip(name, "link set lo up")
        ip(hosts.gateway, f"link add vis0 type veth peer name v0 netns {name}")
        ip(hosts.gateway, "addr add 10.62.1.1/24 dev vis0")
        ip(hosts.gateway, "addr add 2001:db8:62:1::1/64 dev vis0 nodad")
        ip(hosts.gateway, "link set vis0 up")
        ip(hosts.internet, "-4 route replace 10.62.1.0/24 via 198.51.100.1")
        ip(hosts.internet, "-6 route replace 2001:db8:62:1::/64 via 2001:db8:100::1")
        run(name, "ethtool", "-K", "v0", "tx", "off", check=True)
        run(name, "ip", "link", "set", "dev", "v0", "xdpdrv", "obj", hosts.directory / "pass.o", "sec", "xdp", check=True)
        yield name
    finally:
        run(None, "ip", "-n", hosts.gateway, "link", "del", "vis0")
        run(None, "ip", "netns", "del", name, check=True)


def configure_visitor(namespace):
    """Its addresses and routes, where no daemon sets them."""
    for words in ("addr flush dev v0", "link set v0 up", f"addr add {VISITOR4}/24 dev v0", f"addr add {VISITOR6}/64 dev v0 nodad",
                  "-4 route replace default via 10.62.1.1 dev v0", "-6 route replace default via 2001:db8:62:1::1 dev v0"):
        run(None, "ip", "-n", namespace, *words.split(), check=True)


# ---- NetworkManager -----------------------------------------------------------------------------

NM_CONFIGURATION = """
[main]
plugins=keyfile
rc-manager=unmanaged
no-auto-default=*
[connectivity]
uri={uri}
interval=2
"""
NM_CONNECTION = f"""
[connection]
id=v0
type=ethernet
interface-name=v0
[ipv4]
method=manual
addresses={VISITOR4}/24
gateway=10.62.1.1
dns=198.51.100.10
[ipv6]
method=manual
addresses={VISITOR6}/64
gateway=2001:db8:62:1::1
dns=2001:db8:100::10
"""


@contextlib.contextmanager
def network_manager(namespace, home, uri):
    """Its daemon; `nmcli networking connectivity check` in the room asks it."""
    with room(namespace, home, START_BUS + "mount --bind {home}/etc /etc/NetworkManager") as made:
        connections = home / "etc" / "system-connections"
        connections.mkdir(parents=True)
        (home / "etc" / "NetworkManager.conf").write_text(NM_CONFIGURATION.format(uri=uri))
        (connections / "v0.nmconnection").write_text(NM_CONNECTION)
        (connections / "v0.nmconnection").chmod(0o600)
        made.start("NetworkManager", "--no-daemon", "--config", "/etc/NetworkManager/NetworkManager.conf")
        yield made


# ---- ConnMan ------------------------------------------------------------------------------------

CONNMAN_CONFIGURATION = """
[General]
EnableOnlineCheck=true
AllowHostnameUpdates=false
AllowDomainnameUpdates=false
NetworkInterfaceBlacklist=lo
"""
CONNMAN_SERVICE = f"""
[service_v0]
Type=ethernet
IPv4={VISITOR4}/255.255.255.0/10.62.1.1
IPv6={VISITOR6}/64/2001:db8:62:1::1
Nameservers=198.51.100.10
"""


@contextlib.contextmanager
def connman(namespace, home):
    with room(namespace, home, START_BUS + "cp {home}/v0.config /var/lib/connman/") as made:
        (home / "main.conf").write_text(CONNMAN_CONFIGURATION)
        (home / "v0.config").write_text(CONNMAN_SERVICE)
        made.env["CONNMAN_WEB_DEBUG"] = "1"
        made.start("connmand", "-n", "-r", "-d", f"--config={home}/main.conf", "--device=v0")
        yield made


# ---- Firefox ------------------------------------------------------------------------------------

FIREFOX_PREFERENCES = {
    "network.captive-portal-service.enabled": True,
    "network.captive-portal-service.minInterval": 1000,
    "network.captive-portal-service.maxInterval": 1000,
    "remote.prefs.recommended": False,  # those of automation switch the detection off
    "marionette.port": 0,               # one that is free, told in the profile
    "datareporting.policy.dataSubmissionEnabled": False,
    "app.update.auto": False,
}
FIREFOX_STATES = {0: "unknown", 1: "not captive", 2: "unlocked portal", 3: "locked portal"}
FIREFOX_SCRIPT = """
import json, socket, sys
connection = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=10)
stream = connection.makefile("rb")

def receive():
    length = b""
    while (byte := stream.read(1)) not in (b":", b""): length += byte
    return json.loads(stream.read(int(length)))

def command(number, name, parameters):
    message = json.dumps([0, number, name, parameters]).encode()
    connection.sendall(b"%d:%s" % (len(message), message))
    _, _, error, result = receive()
    assert error is None, error
    return result

receive()
command(1, "WebDriver:NewSession", {})
command(2, "Marionette:SetContext", {"value": "chrome"})
service = 'Cc["@mozilla.org/network/captive-portal-service;1"].getService(Ci.nsICaptivePortalService)'
print(command(3, "WebDriver:ExecuteScript", {"script": f"return {service}.state", "args": []})["value"])
command(4, "WebDriver:DeleteSession", {})
"""


class Firefox:
    def __init__(self, made):
        self.room = made

    def state(self):
        """What its captive-portal service says, asked over Marionette."""
        port = self.room.home / "profile" / "MarionetteActivePort"
        if not port.exists() or not port.read_text():
            return None
        said = self.room.tool("/usr/bin/python3", "-c", FIREFOX_SCRIPT, port.read_text())
        return FIREFOX_STATES[int(said)] if said else None


@contextlib.contextmanager
def firefox(namespace, home):
    with room(namespace, home) as made:
        profile = home / "profile"
        profile.mkdir()
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});\n" for name, value in FIREFOX_PREFERENCES.items()]
        (profile / "user.js").write_text("".join(lines))
        made.start("firefox-esr", "--headless", "--no-remote", "--marionette", "-remote-allow-system-access", "--profile", profile, "about:blank")
        yield Firefox(made)


# ---- Chromium -----------------------------------------------------------------------------------

CHROMIUM = [
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-component-update", "--disable-sync", "--disable-extensions", "--disable-breakpad", "--mute-audio",
]


class Chromium:
    def __init__(self, made):
        self.room = made

    def pages(self):
        """{address: title} of its tabs."""
        port = self.room.home / "profile" / "DevToolsActivePort"
        if not port.exists() or not port.read_text():
            return {}
        text = self.room.tool("curl", "-s", "--max-time", "5", f"http://127.0.0.1:{port.read_text().split()[0]}/json")
        return {tab["url"]: tab["title"] for tab in json.loads(text or "[]") if tab["type"] == "page"}


@contextlib.contextmanager
def chromium(namespace, home, address):
    with room(namespace, home) as made:
        made.start("chromium", *CHROMIUM, f"--user-data-dir={home}/profile", "--remote-debugging-port=0", address)
        yield Chromium(made)
