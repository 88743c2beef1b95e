# SPDX-License-Identifier: Apache-2.0
"""Where a run took place."""
import os
import pathlib
import platform
import subprocess


def _field(path, name):
    for line in pathlib.Path(path).read_text().split("\n"):
        if line.startswith(name):
            return line.split(":", 1)[1].strip()
    return ""


def _said(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return (done.stdout or done.stderr).strip()


def _version(package):
    return _said("dpkg-query", "-W", "-f", "${Version}", package) or "not installed"


def describe(top):
    release = pathlib.Path("/etc/os-release")
    return {
        "cpu": _field("/proc/cpuinfo", "model name"), "cpus": len(os.sched_getaffinity(0)),
        "mhz": _field("/proc/cpuinfo", "cpu MHz"), "memory": _field("/proc/meminfo", "MemTotal"),
        "kernel": platform.release(),
        "system": next((line.split("=", 1)[1].strip('"') for line in release.read_text().split("\n")
                        if line.startswith("PRETTY_NAME=")), ""),
        "hypervisor": "yes" if " hypervisor" in _field("/proc/cpuinfo", "flags") else "no",
        "commit": _said("git", "-c", "safe.directory=*", "-C", str(top), "describe", "--always", "--dirty"),
        "packages": {name: _version(name) for name in ("nginx-light", "opennds", "libdpdk-dev", "dpdk-dev", "libhyperscan5", "libbpf1")},
        "load_before": os.getloadavg()[0],
    }


def words(machine):
    return (f"{machine['cpu']}, {machine['cpus']} CPUs at {float(machine['mhz'] or 0):.0f} MHz, {machine['system']}, "
            f"kernel {machine['kernel']}, commit {machine['commit']}")
