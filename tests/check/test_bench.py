# SPDX-License-Identifier: Apache-2.0
"""What bench/run says of its figures: medians, ratios, goals, regressions; and plots that can be read."""
import importlib.machinery
import importlib.util
import json
import re
import subprocess
import sys
import tomllib
import xml.etree.ElementTree

import pytest

from test_tree import TOP

sys.path.insert(0, str(TOP / "bench"))
from suite import micro, opennds, peers, plot, subjects, testpmd  # noqa: E402
from suite.figures import (  # noqa: E402
    HIGHER, LOWER, MET, MISSED, UNMEASURED, Figure, Goal, all_figures, compare, goal_table, number, ratio, table,
)

from suite.rounds import Bench  # noqa: E402

SVG = "{http://www.w3.org/2000/svg}"


def test_ratio_is_taken_round_by_round():
    """A round in which the whole machine was slow leaves it alone."""
    slow_third = ratio("r", Figure("a", "ns", [20, 22, 200]), Figure("b", "ns", [10, 11, 100]))
    assert slow_third.values == [2, 2, 2] and slow_third.median == 2


@pytest.mark.parametrize("values, better, limit, state", [
    ([1, 2, 3], LOWER, 2, MET),
    ([1, 2.1, 3], LOWER, 2, MISSED),
    ([1, 2, 3], HIGHER, 2, MET),
    ([1, 1.9, 3], HIGHER, 2, MISSED),
    ([0, 0, 500], LOWER, 0, MET),
])
def test_a_goal_is_held_against_the_median(values, better, limit, state):
    assert Goal("P0", "", limit, better, Figure("f", "x", values, better)).state == state


def test_what_was_not_measured_is_in_the_table_with_its_reason():
    text = goal_table([Goal("P7", "bulk login", 4, note="the API has no bulk RPC yet")])
    assert UNMEASURED in text and "the API has no bulk RPC yet" in text and "P7" in text


@pytest.mark.parametrize("value, text", [
    (0, "0"), (1234567, "1,234,567"), (1000, "1,000"), (999.4, "999"), (12.345, "12.3"), (0.5, "0.5"), (0.01234, "0.0123"),
])
def test_numbers_have_the_digits_that_count(value, text):
    assert number(value) == text


def test_table_columns_are_as_wide_as_their_longest_cell():
    lines = table([("a", "long cell", "1"), ("bbb", "c", "22")], ("x", "y", "z")).split("\n")
    assert [lines[0].index("z"), lines[2].index("1"), lines[3].index("22")] == [16] * 3


def figures(**medians):
    return {name: Figure(name, "ns", [value * 0.95, value, value * 1.05], better).as_json()
            for name, (value, better) in medians.items()}


@pytest.mark.parametrize("old, new, better, regressed", [
    (100, 105, LOWER, False),   # within the spread
    (100, 125, LOWER, True),
    (100, 80, LOWER, False),    # better
    (100, 80, HIGHER, True),
    (100, 130, HIGHER, False),
])
def test_regressions_are_worse_and_outside_the_earlier_spread(old, new, better, regressed):
    (name, line, found), = compare(figures(cost=(new, better)), figures(cost=(old, better)))
    assert (name, found) == ("cost", regressed) and "ns" in line


def test_a_wide_spread_excuses_a_moved_median():
    old = {"f": Figure("f", "ns", [50, 100, 300]).as_json()}
    assert not compare(figures(f=(150, LOWER)), old)[0][2]


def test_figures_of_goals_are_compared_too():
    goal = Goal("P5", "", 20, HIGHER, Figure("gain", "x", [10.0], HIGHER))
    document = {"figures": [Figure("a", "ns", [1]).as_json()], "goals": [goal.as_json(), Goal("P2", "", 3).as_json()]}
    assert set(all_figures(json.loads(json.dumps(document)))) == {"a", "gain"}


def write_results(path, cost):
    document = {
        "when": "then", "command": "bench/run", "machine": {"cpu": "c", "commit": "k"}, "goals": [],
        "figures": [Figure("P5: cost", "us", [cost] * 3).as_json()],
    }
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("new, status, words", [(2.0, 0, "0 regressions"), (3.0, 3, "1 regressions: P5: cost")])
def test_compare_names_regressions_and_says_so_by_its_exit_status(tmp_path, new, status, words):
    old, now = write_results(tmp_path / "old.json", 2.0), write_results(tmp_path / "new.json", new)
    done = subprocess.run([TOP / "bench/run", "--compare", old, "--show", now], capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    assert words in done.stdout


def texts(svg):
    return [element.text for element in xml.etree.ElementTree.fromstring(svg).iter(f"{SVG}text")]


def test_a_line_plot_is_legible_on_its_own():
    series = {"narthex <new>": [(1, 20.0, 19, 21), (1000000, 60.0, 55, 70)], "floor": [(1, 10.0, 10, 10), (1000000, 11.0, 11, 11)]}
    svg = plot.lines("Cost & growth", "a machine", "clients", "nanoseconds", series)
    words = texts(svg)
    for wanted in ("Cost & growth", "a machine", "clients", "nanoseconds", "narthex <new>", "floor", "1", "1 M"):
        assert wanted in words, words
    points = list(xml.etree.ElementTree.fromstring(svg).iter(f"{SVG}circle"))
    assert len(points) == 3  # two points and the legend's
    assert all(plot.LEFT <= float(p.get("cx")) <= plot.WIDTH and plot.TOP <= float(p.get("cy")) <= plot.HEIGHT for p in points)


def test_higher_values_are_drawn_higher():
    svg = plot.lines("t", "", "x", "y", {"s": [(1, 10.0, 10, 10), (10, 50.0, 50, 50)]})
    low, high, _legend = (float(p.get("cy")) for p in xml.etree.ElementTree.fromstring(svg).iter(f"{SVG}circle"))
    assert high < low


def test_bars_stack_to_their_sum():
    svg = plot.bars("CPU", "a machine", "us", {"nginx": {"kernel": 6.0, "process": 9.0}, "narthex": {"kernel": 0.5, "process": 1.0}})
    words = texts(svg)
    assert {"nginx", "narthex", "kernel", "process", "15", "1.5", "us"} <= set(words), words
    bars = [e for e in xml.etree.ElementTree.fromstring(svg).iter(f"{SVG}rect") if float(e.get("width")) > 50][1:]
    assert [round(float(bar.get("height")) / float(bars[0].get("height")), 2) for bar in bars] == [1, 1.5, 0.08, 0.17]


def quick_bench():
    return Bench("build", "/var/tmp", quick=True)


@pytest.mark.parametrize("logins_ns, state", [(1000, MET), (1300, MISSED)])
def test_bulk_logins_are_held_against_raw_updates_of_the_same_run(monkeypatch, logins_ns, state):
    ratio_now = logins_ns / 600
    row = {"real_time": logins_ns, "time_unit": "ns", "floor_ns": 600, "array_ns": 200, "ratio": ratio_now,
           "ratio_min": ratio_now * 0.9, "ratio_max": ratio_now * 1.1}
    monkeypatch.setattr(micro, "run_program", lambda *_: {"BulkLogin/100000": row})
    bench = quick_bench()
    micro.measure_control(bench)
    (goal,) = bench.goals
    assert goal.state == state and goal.figure.median == pytest.approx(600 / logins_ns)
    assert goal.figure.values == sorted(goal.figure.values)


def test_a_benchmark_that_did_not_run_leaves_its_goal_unmeasured(monkeypatch):
    monkeypatch.setattr(micro, "run_program", lambda *_: {})
    bench = quick_bench()
    micro.measure_control(bench)
    assert [goal.state for goal in bench.goals] == [UNMEASURED]


def test_every_goal_is_measured_by_something():
    """--only knows P1 to P11, and every one of them."""
    done = subprocess.run([TOP / "bench/run", "--only", "P0"], capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no such goal: P0" in done.stderr
    source = (TOP / "bench/run").read_text()
    assert {f"P{n}" for n in range(1, 12)} <= set(re.findall(r'"(P\d+)"', source.split("MEASURES")[1].split("]")[0]))


def test_a_missing_peer_is_named_in_the_report(monkeypatch):
    """openNDS and dpdk-testpmd come from Debian; where they do not, the table says so and the rest goes on."""
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(opennds.shutil, "which", lambda *_, **__: None)
    bench = quick_bench()
    peers.measure_opennds(bench)
    testpmd.measure(bench)
    assert set(bench.absent) == {"openNDS", "dpdk-testpmd"}
    assert "ndsctl" in bench.absent["openNDS"] and not bench.figures and not bench.goals


def test_busy_cycles_are_read_from_testpmd():
    said = "  CPU cycles/packet=1433.38 (total cycles=2060277762 / total io packets=1437358) at 2600 MHz Clock\n"
    assert testpmd.CYCLES.search(said).groups() == ("2060277762", "1437358", "2600")


def test_rule_files_have_as_many_rules_as_asked_for():
    rules = tomllib.loads(subjects.host_rules(1000))["rule"]
    assert len(rules) == len({rule["host"] for rule in rules}) == len({rule["name"] for rule in rules}) == 1000


def bench_run():
    loader = importlib.machinery.SourceFileLoader("bench_run", str(TOP / "bench/run"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_run", loader))
    loader.exec_module(module)
    return module


def test_a_measure_that_fails_leaves_the_others_alone_and_its_goal_unmeasured(monkeypatch):
    run, bench = bench_run(), quick_bench()

    def fail(_bench):
        raise AssertionError("no such interface\nand more")

    monkeypatch.setattr(run, "MEASURES", [(("P1",), fail, 1, 1), (("P2",), lambda b: b.goals.append(Goal("P2", "", 3)), 1, 1)])
    assert run.measure(bench, {"P1", "P2"}) == ["P1: no such interface"]
    assert [(goal.id, goal.state) for goal in bench.goals] == [("P1", UNMEASURED), ("P2", UNMEASURED)]
    assert "no such interface" in bench.goals[0].note


def test_progress_tells_how_much_is_left(monkeypatch, capsys):
    run, bench = bench_run(), quick_bench()
    monkeypatch.setattr(run, "MEASURES", [(("P1",), lambda _: None, 120, 0), (("P2",), lambda _: None, 60, 0), (("P3",), lambda _: None, 600, 0)])
    run.measure(bench, {"P1", "P2"})
    said = capsys.readouterr().err
    assert "1 of 2, P1; about 3 min to go" in said and "2 of 2, P2" in said and "P3" not in said


def test_the_whole_run_is_reckoned_to_take_half_an_hour_and_a_quick_one_five_minutes():
    measures = bench_run().MEASURES
    assert sum(measure[3] for measure in measures) <= 30 * 60
    assert 4 * 60 <= sum(measure[2] for measure in measures) <= 6 * 60
