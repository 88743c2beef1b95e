# SPDX-License-Identifier: Apache-2.0
"""Where CPU time goes. The kernel charges a softirq to whatever it interrupts and samples by tick,
so NAPI runs in threads of its own here, and times are read from schedstat."""
import contextlib
import os
import pathlib

PROC = pathlib.Path("/proc")


def run_ns(task):
    """Time on a CPU of a task (a thread), by the scheduler's own account."""
    return int((PROC / str(task) / "schedstat").read_text().split()[0])


def threads_ns(pid):
    return sum(run_ns(task.relative_to(PROC)) for task in (PROC / str(pid) / "task").iterdir())


def children(pid):
    text = (PROC / str(pid) / "task" / str(pid) / "children").read_text()
    return [int(word) for word in text.split()]


def family_ns(pid):
    """A process and its children, all threads."""
    return threads_ns(pid) + sum(family_ns(child) for child in children(pid))


def napi_threads(interface):
    """Pids of the interface's NAPI threads; interface names here are unique on the machine."""
    found = []
    for comm in PROC.glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if comm.read_text().startswith(f"napi/{interface}-"):
                found.append(int(comm.parent.name))
    return sorted(found)


def place(task, cpu):
    """On that CPU alone, ahead of what else the machine does. Real-time, for a nice value counts within
    a session's own group only; the kernel leaves 5 % to the others."""
    os.sched_setaffinity(task, {cpu})
    os.sched_setscheduler(task, os.SCHED_FIFO, os.sched_param(10))


def place_family(pid, cpu):
    """A server's working processes: its children."""
    for child in children(pid):
        place(child, cpu)


def place_workers(pid, cpu):
    """DPDK's workers; the threads beside them stay wherever there is time for them."""
    placed = 0
    for task in (PROC / str(pid) / "task").iterdir():
        if "worker" in (task / "comm").read_text():
            place(int(task.name), cpu)
            placed += 1
    assert placed, f"process {pid} has no worker thread"


def layout():
    """{network: CPU of the NAPI threads, server: CPU of the server's process}: never one for both
    if there are two."""
    cpus = sorted(os.sched_getaffinity(0))
    return {"network": cpus[0], "server": cpus[1] if len(cpus) > 1 else cpus[0]}


def rss_kib(pid):
    text = (PROC / str(pid) / "status").read_text()
    return int(text.split("VmRSS:")[1].split()[0])
