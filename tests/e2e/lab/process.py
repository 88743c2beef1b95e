# SPDX-License-Identifier: Apache-2.0
"""Commands and long-running jobs inside network namespaces, and waiting for conditions."""
import contextlib
import os
import signal
import subprocess
import time


def until(condition, seconds, interval_s=0.02):
    """Polls until the condition is true; its last value, so that `assert until(...)` reads well."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(interval_s)


def inside(namespace, command):
    if namespace is None:
        return [str(word) for word in command]
    # Not `ip netns exec`: it would hide bpffs.
    return ["nsenter", f"--net=/run/netns/{namespace}", "--", *[str(word) for word in command]]


def run(namespace, *command, timeout=20, env=None, check=False):
    """The finished process, its output decoded but with its line ends as they were. A command
    that overstays is an error of the test."""
    done = subprocess.run(
        inside(namespace, command),
        capture_output=True,
        timeout=timeout,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
        stdin=subprocess.DEVNULL,
    )
    done.stdout, done.stderr = done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")
    assert not check or done.returncode == 0, f"{' '.join(map(str, command))}: {done.stderr}"
    return done


class Job:
    """A process of ours; only ever signalled through its own handle."""

    def __init__(self, namespace, *command, log, env=None):
        self.name = os.path.basename(str(command[0]))
        self.log_path = log
        self.log_start = log.stat().st_size if log.exists() else 0
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                inside(namespace, command),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})},
            )

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        """What it has said since this start."""
        with open(self.log_path, "rb") as file:
            file.seek(self.log_start)
            return file.read().decode(errors="replace")

    def alive(self):
        return self.process.poll() is None

    def wait_for(self, words, seconds=20):
        until(lambda: words in self.log() or not self.alive(), seconds)
        assert words in self.log(), f"{self.name} did not say '{words}':\n{self.log()[-2000:]}"
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """As a crash does; returns when it is gone."""
        if self.alive():
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self, seconds=10):
        """The exit status of an orderly end; a hung process is killed and is an error."""
        if self.alive():
            self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.process.wait(seconds)
        self.kill()
        raise AssertionError(f"{self.name} did not stop within {seconds} s of SIGTERM")
