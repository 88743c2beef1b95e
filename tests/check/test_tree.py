# SPDX-License-Identifier: Apache-2.0
"""The rules of the tree (ARCHITECTURE.md, DESIGN §7), held against every file that git knows."""
import pathlib
import re
import subprocess

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
SOURCE = {".h", ".cc", ".c"}
INCLUDE = re.compile(r'^\s*#\s*include\s+[<"]([^>"]+)[>"]', re.MULTILINE)
PRODUCT = ("bpf", "control", "dataplane")


def tree():
    listed = subprocess.run(
        ["git", "-c", "safe.directory=*", "-C", TOP, "ls-files", "-co", "--exclude-standard"],
        capture_output=True, text=True, check=False,
    )
    if listed.returncode == 0:
        names = listed.stdout.split("\n")
    else:  # an unpacked archive
        names = [str(p.relative_to(TOP)) for p in TOP.rglob("*")]
    return sorted(
        path for path in (TOP / name for name in names if name and not name.startswith("build")) if path.is_file()
    )


FILES = tree()


def name(path):
    return str(path.relative_to(TOP))


def sources(*folders):
    return [path for path in FILES if path.suffix in SOURCE and name(path).split("/")[0] in folders]


def includes(path):
    return INCLUDE.findall(path.read_text())


def assert_none(offenders):
    assert not offenders, "\n".join(offenders)


def test_there_is_something_to_check():
    assert len(sources("bpf")) >= 4 and len(sources("control")) >= 10 and len(sources("dataplane")) >= 10


def folder_of(path, included):
    """The top folder that an include leads to: by its path from the top, or beside the file."""
    if (TOP / included).exists():
        return included.split("/")[0]
    if (path.parent / included).exists():
        return name((path.parent / included).resolve()).split("/")[0]
    return None


@pytest.mark.parametrize("folder, forbidden", [
    ("dataplane", {"control", "bench", "tests", "deploy"}),
    ("control", {"dataplane", "bench", "tests", "deploy"}),
    ("bpf", {"control", "dataplane", "bench", "tests", "deploy"}),
])
def test_direction_of_includes(folder, forbidden):
    """dataplane and control never include each other; nothing includes bench, tests or deploy."""
    assert_none([
        f"{name(path)} includes {included}"
        for path in sources(folder) for included in includes(path) if folder_of(path, included) in forbidden
    ])


@pytest.mark.parametrize("header, owner", [
    (r"hs(/hs)?\.h", r"dataplane/match/"),
    (r"rte_ethdev\.h", r"dataplane/worker/"),
    (r".*\.skel\.h|bpf/skeleton\.h", r"control/(bpf|classifier|pinned_maps)[^/]*$"),
    (r"sqlite3\.h", r"control/(sqlite|session_store)[^/]*$"),
])
def test_one_user_of_each_foreign_library(header, owner):
    """DESIGN §7: each library has one place that knows it."""
    assert_none([
        f"{name(path)} includes {included}, which belongs to {owner}"
        for path in sources("control", "dataplane") for included in includes(path)
        if re.fullmatch(header, included) and not re.match(owner, name(path))
    ])


def test_bpf_objects_have_one_owner():
    """Programs, links and objects are made in control/classifier*; others only open pinned maps."""
    call = re.compile(r"\bbpf_(object|program|link)__\w+\(|\bbpf_xdp_(at|de)tach\(|\bbpf_set_link_xdp")
    assert_none([
        f"{name(path)}: {match.group(0)}"
        for path in sources("control", "dataplane") for match in call.finditer(path.read_text())
        if not re.match(r"control/(bpf|classifier|pinned_maps)[^/]*$", name(path))
    ])


def test_every_source_names_its_licence():
    """An SPDX line within the first five; bpf/ is dual-licensed, so that the kernel takes it."""
    offenders = []
    for path in FILES:
        script = path.suffix == "" and path.stat().st_size > 2 and path.read_bytes()[:2] == b"#!"
        if not (script or path.suffix in SOURCE | {".proto", ".py", ".sh"} or path.name == "meson.build"):
            continue
        head = "\n".join(path.read_text().split("\n")[:5])
        wanted = "GPL-2.0-only OR BSD-2-Clause" if name(path).startswith("bpf/") else "SPDX-License-Identifier: "
        if wanted not in head:
            offenders.append(f"{name(path)}: no SPDX line")
    assert_none(offenders)


def test_sources_are_formatted():
    """clang-format of Debian 12, by .clang-format; bpf/ is in kernel style and not formatted so."""
    files = [path for path in FILES if path.suffix in {".h", ".cc"} and not re.match(r"(tests/)?bpf/", name(path))]
    done = subprocess.run(["clang-format", "--dry-run", "-Werror", *files], capture_output=True, text=True, check=False)
    assert_none(sorted({line.split(":")[0].replace(f"{TOP}/", "") for line in done.stderr.split("\n") if ": error:" in line}))
    assert done.returncode == 0


def test_headers_have_one_guard_each():
    """A guard from the path, or #pragma once: a header can be included by anybody, twice."""
    assert_none([
        name(path) for path in FILES
        if path.suffix == ".h" and not re.search(r"#pragma once|#ifndef \w+_H_?\b", path.read_text())
    ])


def test_documents_name_no_machine():
    """Paths and hosts of one machine help no reader."""
    machine = re.compile(r"/work/|/root/|/home/\w+/|/tmp/b-|registry\.|\.internal\b")
    documents = [path for path in FILES if path.suffix in {".md", ".toml", ".service", ".1", ".8", ".5"}]
    assert_none([
        f"{name(path)}: {match.group(0)}" for path in documents for match in machine.finditer(path.read_text())
    ])


def test_links_in_documents_lead_somewhere():
    link = re.compile(r"\]\((?!https?://|#)([^)#]+)")
    assert_none([
        f"{name(path)}: {target}"
        for path in FILES if path.suffix == ".md"
        for target in link.findall(path.read_text()) if not (path.parent / target).exists()
    ])
