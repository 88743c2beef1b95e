# SPDX-License-Identifier: Apache-2.0
"""The load generator (bench/load) counts what happens, and does not count what does not: figures of
bench/run are worth as much as it is."""
import contextlib
import sys

import pytest

from lab.hosts import TOP

sys.path.insert(0, str(TOP / "bench"))
from suite.subjects import Narthex, Nginx, Router  # noqa: E402

FEW = ("--in-flight", 16, "--timeout", 3)


@pytest.fixture
def load(build):
    return build / "bench/load/narthex-load"


@contextlib.contextmanager
def stage_of(subject):
    with subject:
        subject.resume()
        yield subject.stage


def test_every_transaction_against_narthex_is_whole(hosts, build, load):
    with stage_of(Narthex(hosts.directory / "load", load, build)) as stage:
        figures = stage.generate("transactions", 60, "--count", 20000, "--verify", "--clients", 65536, *FEW)
    assert figures["completed"] >= 20000
    assert figures["completed"] == figures["begun"] == figures["verified"], figures
    assert figures["wrong"] == figures["reset"] == figures["incomplete"] == figures["stray"] == 0, figures
    assert figures["sample"].startswith("HTTP/1.1 511 Network Authentication Required\r\n")


@pytest.mark.parametrize("verify, faults", [((), None), (("--verify", "--partial-checksums"), ["status 200"])])
def test_a_server_that_answers_something_else_is_wrong(hosts, load, verify, faults):
    """Noticed by the program that counts, and by the one that verifies bytes."""
    with stage_of(Nginx(hosts.directory / "load", load, status=200)) as stage:
        figures = stage.generate("transactions", 60, "--count", 500, *verify, *FEW)
    assert figures["wrong"] == figures["completed"] >= 500, figures
    assert figures.get("faults") == faults


def test_a_server_that_answers_511_is_right(hosts, load):
    with stage_of(Nginx(hosts.directory / "load", load)) as stage:
        figures = stage.generate("transactions", 60, "--count", 500, "--verify", "--partial-checksums", *FEW)
    assert figures["completed"] == figures["verified"] >= 500 and figures["wrong"] == 0, figures


def test_silence_is_incomplete(hosts, load):
    with stage_of(Router(hosts.directory / "load", load)) as stage:
        stage.ip(stage.internet, f"link set {stage.far} down")
        figures = stage.generate("transactions", 0.5, "--in-flight", 8, "--timeout", 0.1)
    assert figures["completed"] == 0 and figures["incomplete"] >= 8 and figures["begun"] == figures["incomplete"], figures


def test_a_refusal_is_a_reset(hosts, load):
    """Nobody listens behind the gateway."""
    with stage_of(Router(hosts.directory / "load", load)) as stage:
        passing = stage.attach(stage.gateway, "pass", "--interface", stage.lan)
        figures = stage.generate("transactions", 60, "--count", 100, *FEW)
        passing.stop()
    assert figures["completed"] == 0 and figures["reset"] == figures["begun"] >= 100, figures


@pytest.mark.parametrize("redirecting", [False, True])
def test_forwarded_packets_are_counted_to_the_last(hosts, load, redirecting):
    with stage_of(Router(hosts.directory / "load", load, redirecting)) as stage:
        figures = stage.forward(1, "--rate", 5000, "--clients", 100)
    assert figures["sent"] > 2500 and figures["received"] == figures["sent"], figures


def test_a_flood_is_answered_beside_ordinary_clients(hosts, build, load):
    with stage_of(Narthex(hosts.directory / "load", load, build)) as stage:
        figures = stage.generate(
            "syn-flood", 1, "--sources", "10.96.0.0/12", "--flood-in-flight", 32, "--clients", 65536, *FEW
        )
    assert figures["flood_syn_acks"] > 10000, figures
    assert figures["completed"] > 100 and figures["wrong"] == figures["reset"] == figures["incomplete"] == 0, figures
