# SPDX-License-Identifier: Apache-2.0
"""Counts single test cases for tests/run.

  count.py collect OUT                 OUT/meson.json of `meson test`, OUT/*.xml of its programs -> OUT/cases.json
  count.py statuses OUT                lines `fuzz NAME STATUS` of OUT/log -> OUT/cases.json
  count.py sum [--no-skips] RESULTS   adds up RESULTS/**/cases.json and RESULTS/*.xml (pytest)

A GoogleTest program counts as its cases. One that crashed counts as one failure more than its
report shows; one without a report has failed.
"""
import json
import pathlib
import re
import sys
import xml.etree.ElementTree

PASSED, FAILED, SKIPPED = "passed", "failed", "skipped"
MESON_RESULTS = {"OK": PASSED, "EXPECTEDFAIL": PASSED, "SKIP": SKIPPED}


def case_result(case):
    if case.find("failure") is not None or case.find("error") is not None:
        return FAILED
    if case.find("skipped") is not None or case.get("status") == "notrun":
        return SKIPPED
    return PASSED


def read_report(path):
    """[(name, result)] of a JUnit or GoogleTest report; None if there is no readable one."""
    try:
        root = xml.etree.ElementTree.parse(path).getroot()
    except (OSError, xml.etree.ElementTree.ParseError):
        return None
    return [(f"{case.get('classname')}.{case.get('name')}", case_result(case)) for case in root.iter("testcase")]


def collect(out):
    cases = []
    log = pathlib.Path(out) / "meson.json"
    for line in log.read_text().split("\n") if log.exists() else []:
        if not line:
            continue
        test = json.loads(line)
        result = MESON_RESULTS.get(test["result"], FAILED)
        found = read_report(pathlib.Path(out) / (pathlib.Path(test["command"][0]).name + ".xml")) or []
        cases += [[f"{test['name']}: {name}", outcome] for name, outcome in found]
        if not found:
            cases.append([f"{test['name']}: no report", FAILED])
        elif result == FAILED and FAILED not in (outcome for _, outcome in found):
            cases.append([test["name"], result])
    if not cases:
        cases.append(["meson test ran nothing", FAILED])
    (pathlib.Path(out) / "cases.json").write_text(json.dumps(cases))


def statuses(out):
    found = re.findall(r"^(fuzz \S+) (\d+)$", (pathlib.Path(out) / "log").read_text(), re.MULTILINE)
    results = {"0": PASSED, "77": SKIPPED}
    (pathlib.Path(out) / "cases.json").write_text(json.dumps([[name, results.get(code, FAILED)] for name, code in found]))


def add_up(results, no_skips):
    cases = []
    for path in sorted(pathlib.Path(results).glob("*/cases.json")):
        cases += [tuple(case) for case in json.loads(path.read_text())]
    for path in sorted(pathlib.Path(results).glob("*.xml")):
        cases += read_report(path) or [(f"{path.name}: no report", FAILED)]
    for name, result in cases:
        if result != PASSED:
            print(f"{result}: {name}")
    count = {kind: sum(1 for _, result in cases if result == kind) for kind in (PASSED, FAILED, SKIPPED)}
    if no_skips and count[SKIPPED]:
        print(f"{count[SKIPPED]} tests were skipped where none may be")
    print(f"{count[PASSED]} passed, {count[FAILED]} failed, {count[SKIPPED]} skipped")
    return 0 if count[PASSED] and not count[FAILED] and not (no_skips and count[SKIPPED]) else 1


if __name__ == "__main__":
    if sys.argv[1] == "collect":
        collect(sys.argv[2])
    elif sys.argv[1] == "statuses":
        statuses(sys.argv[2])
    else:
        sys.exit(add_up(sys.argv[-1], "--no-skips" in sys.argv))
