# SPDX-License-Identifier: Apache-2.0
"""Real programs that fetch through the gateway, and what they saw."""
import dataclasses
import pathlib
import re

HERE = pathlib.Path(__file__).parent


@dataclasses.dataclass
class Response:
    exit_code: int
    version: str = ""
    status: int = 0
    reason: str = ""
    headers: dict = dataclasses.field(default_factory=dict)
    body: str = ""
    errors: str = ""

    def is_511(self):
        return self.status == 511


def parse_response(exit_code, text, errors=""):
    """What `curl -i` prints; the lines of the head may end as they like."""
    head, body = (re.split(r"\r?\n\r?\n", text, maxsplit=1) + [""])[:2]
    head = head.replace("\r\n", "\n")
    match = re.match(r"(HTTP/[\d.]+) (\d{3}) ?(.*)", head)
    if not match:
        return Response(exit_code, errors=errors)
    headers = {}
    for line in head.split("\n")[1:]:
        name, _, value = line.partition(":")
        headers.setdefault(name.strip().lower(), []).append(value.strip())
    return Response(exit_code, match[1], int(match[2]), match[3], headers, body, errors)


def curl(hosts, url, source=None, *options, seconds=3):
    """One fetch by curl from one of the client's addresses."""
    binding = ["--interface", source] if source else []
    done = hosts.on_client("curl", "-sSik", "--max-time", seconds, *binding, *options, url, timeout=seconds + 5)
    return parse_response(done.returncode, done.stdout, done.stderr)


def curl_many(hosts, url, count, source, parallel=1, seconds=60):
    """`count` fetches by one curl, each on a connection of its own: a list of (status, bytes, exit code)."""
    mode = ["-Z", "--parallel-immediate", "--parallel-max", parallel] if parallel > 1 else []
    done = hosts.on_client(
        "curl", "-s", *mode, "--max-time", 10, "--interface", source, "-o", "/dev/null",
        "-w", r"%{http_code} %{size_download} %{exitcode}\n", f"{url}[1-{count}]", timeout=seconds,
    )
    return [tuple(int(field) for field in line.split()) for line in done.stdout.split("\n") if line]


URLLIB = """
import sys, urllib.request, urllib.error
try:
    answer = urllib.request.urlopen(sys.argv[1], timeout=3)
except urllib.error.HTTPError as error:
    answer = error
body = answer.read()
assert len(body) == int(answer.headers["Content-Length"]), "length"
print("HTTP/1.1", answer.status, answer.reason)
print(answer.headers.as_string().strip())
print()
sys.stdout.write(body.decode())
"""


def python_urllib(hosts, url):
    done = hosts.on_client("/usr/bin/python3", "-c", URLLIB, url)
    return parse_response(done.returncode, done.stdout, done.stderr)


def wget(hosts, url):
    """wget prints the headers indented on stderr; --content-on-error gives the body of a 511."""
    done = hosts.on_client(
        "wget", "-S", "-O", "-", "--content-on-error", "--tries=1", "--timeout=3", "--no-check-certificate", url
    )
    head = "\n".join(line[2:] for line in done.stderr.split("\n") if line.startswith("  ")).strip()
    return parse_response(done.returncode, head + "\n\n" + done.stdout, done.stderr)


def dns(hosts, server, source, name="api.example.test", kind="A", transport="udp"):
    """The address that a DNS server gave, or None if it was silent for a second."""
    done = hosts.on_client("/usr/bin/python3", HERE / "dns.py", server, source, name, kind, transport)
    return done.stdout.strip() or None


def pings(hosts, address, source, count=5, seconds=1):
    """How many of the echo requests were answered."""
    done = hosts.on_client("ping", "-nq", "-c", count, "-i", "0.05", "-W", seconds, "-I", source, address)
    return int(re.search(r"(\d+) received", done.stdout)[1])
