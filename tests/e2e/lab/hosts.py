# SPDX-License-Identifier: Apache-2.0
"""Client, gateway and internet: three network namespaces, set up by deploy/lib/topology."""
import os
import pathlib
import shutil
import subprocess

from lab.process import run

TOP = pathlib.Path(__file__).resolve().parents[3]
TOOLS = TOP / "deploy" / "lib"

ORIGIN4, ORIGIN6 = "198.51.100.10", "2001:db8:100::10"
PORTAL4, PORTAL6 = "198.51.100.20", "2001:db8:100::20"
OTHER4, OTHER6 = "198.51.100.30", "2001:db8:100::30"  # DNS and web beyond the garden
# Clients by number: 10.51.1.N and 2001:db8:51:1::N, N from 2 to 9, all on c0.
GARDEN = [f"tcp:{PORTAL4}:80", f"tcp:{PORTAL4}:443", f"tcp:{PORTAL6}:80", f"tcp:{PORTAL6}:443"]
DNS = [f"udp:{ORIGIN4}:53", f"udp:{ORIGIN6}:53", f"tcp:{ORIGIN4}:53", f"tcp:{ORIGIN6}:53"]


def client4(number):
    return f"10.51.1.{number}"


def client6(number):
    return f"2001:db8:51:1::{number}"


def url(address, path="/", scheme="http"):
    return f"{scheme}://[{address}]{path}" if ":" in address else f"{scheme}://{address}{path}"


class Hosts:
    def __init__(self, prefix, directory):
        self.prefix = prefix
        self.directory = directory
        self.client = f"{prefix}-client"
        self.gateway = f"{prefix}-gateway"
        self.internet = f"{prefix}-internet"

    def _topology(self, verb):
        done = subprocess.run(
            [TOOLS / "topology", verb, self.prefix, self.directory],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )
        assert done.returncode == 0, done.stderr

    def __enter__(self):
        self.directory.mkdir(parents=True)
        self._topology("up")
        return self

    def __exit__(self, *_):
        self._topology("down")
        left = [ns for ns in os.listdir("/run/netns") if ns.startswith(self.prefix + "-")]
        assert not left, f"namespaces left behind: {left}"

    def on_client(self, *command, **options):
        return run(self.client, *command, **options)

    def on_gateway(self, *command, **options):
        return run(self.gateway, *command, **options)

    def on_internet(self, *command, **options):
        return run(self.internet, *command, **options)

    def attached_program(self, interface):
        """Id of the XDP program on an interface of the gateway, 0 if there is none."""
        text = self.on_gateway("ip", "-d", "link", "show", "dev", interface, check=True).stdout
        return int(text.split("prog/xdp id ")[1].split()[0]) if "prog/xdp id " in text else 0

    def origin_log(self):
        return (self.directory / "nginx" / "access.log").read_text()


def remove_tree(directory):
    shutil.rmtree(directory, ignore_errors=True)
