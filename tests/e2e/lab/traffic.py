# SPDX-License-Identifier: Apache-2.0
"""Streams that count their losses, and watchers that count leaks (deploy/lib/stream, watch)."""
import contextlib
import json

from lab.hosts import ORIGIN4, ORIGIN6, TOOLS, client4, client6
from lab.process import Job

PORT = 7000
STREAM_RATE = 2000
STRANGER_RATE = 200


class Tool:
    """A stream end or a watcher; `report()` ends it and reads its figures."""

    def __init__(self, hosts, namespace, name, *command):
        self.path = hosts.directory / f"{name}.json"
        self.path.unlink(missing_ok=True)
        self.job = Job(
            namespace, TOOLS / command[0], *command[1:], "--report", self.path, log=hosts.directory / f"{name}.log"
        ).wait_for("ready", 10)

    def report(self):
        assert self.job.stop() == 0, self.job.log()
        return json.loads(self.path.read_text())

    def wait(self, seconds):
        """For a tool that ends by itself."""
        self.job.process.wait(seconds)
        return json.loads(self.path.read_text())


def echo(hosts, name, address, port=PORT):
    return Tool(hosts, hosts.internet, name, "stream", "echo", "--bind", address, "--port", port)


def sender(hosts, name, source, destination, rate=STREAM_RATE, seconds=0, port=PORT, namespace=None):
    return Tool(
        hosts, namespace or hosts.client, name, "stream", "send", "--from", source, "--to", destination,
        "--port", port, "--rate", rate, "--seconds", seconds,
    )


def watcher(hosts, name, namespace, interface, clients, allow=(), marker=None, link_control=False):
    options = [word for client in clients for word in ("--client", client)]
    options += [word for entry in allow for word in ("--allow", entry)]
    options += ["--marker", marker] if marker else []
    options += ["--link-control"] if link_control else []
    return Tool(hosts, namespace, name, "watch", "--interface", interface, *options)


class Outcome:
    """Reports of one scenario: authorised streams, strangers' streams, and the watcher."""

    def __init__(self, authorised, strangers, watch):
        self.authorised, self.strangers, self.watch = authorised, strangers, watch

    def check(self):
        for name, report in self.authorised.items():
            assert report["sent"] > STREAM_RATE / 2, f"{name}: the stream hardly ran: {report}"
            assert report["rate"] > 0.25 * STREAM_RATE, f"{name}: the stream was too slow to show a gap: {report}"
            assert report["lost"] == 0 and report["refused"] == 0, f"{name} lost packets: {report}"
        for name, report in self.strangers.items():
            assert report["sent"] > STRANGER_RATE / 4, f"{name}: the stranger hardly tried: {report}"
            assert report["answered"] == 0, f"{name} was answered: {report}"
        assert self.watch["overlooked"] == 0, f"the watcher was too slow to judge: {self.watch['overlooked']}"
        seen = sum(report["sent"] for report in self.authorised.values())
        assert self.watch["frames"] >= seen, "the watcher did not see the authorised streams"
        assert self.watch["leaked"] == 0, f"leaked: {self.watch['leaked']}, {self.watch['samples'][:2]}"


@contextlib.contextmanager
def running_traffic(hosts, authorised=2, stranger=3):
    """Authorised and strangers' streams, IPv4 and IPv6, run inside; the Outcome is filled at the end."""
    outcome = Outcome({}, {}, {})
    with contextlib.ExitStack() as stack:
        def started(tool):
            stack.callback(tool.job.kill)
            return tool

        watch = started(watcher(hosts, "watch", hosts.internet, "i0", [client4(stranger), client6(stranger)]))
        echoes, good, bad = [], {}, {}
        for version, client, origin in ((4, client4, ORIGIN4), (6, client6, ORIGIN6)):
            echoes.append(started(echo(hosts, f"echo{version}", origin)))
            good[f"IPv{version}"] = started(sender(hosts, f"good{version}", client(authorised), origin))
            bad[f"IPv{version}"] = started(sender(hosts, f"bad{version}", client(stranger), origin, STRANGER_RATE))
        yield outcome
        outcome.authorised.update({name: tool.report() for name, tool in good.items()})
        outcome.strangers.update({name: tool.report() for name, tool in bad.items()})
        for tool in echoes:
            tool.report()
        outcome.watch.update(watch.report())
