# SPDX-License-Identifier: Apache-2.0
"""Many plain HTTP fetches from one process: fetch.py '{"targets": [[server, source], …], …}'.

`count` fetches, `parallel` at once, each ended after `timeout` seconds; `request` is a key of
REQUESTS. A fetch counts when the stream has ended without an error.
Prints JSON: for each fetch its start (CLOCK_MONOTONIC), its duration, the SHA-256 of all that was
received, and what went wrong.
"""
import asyncio
import hashlib
import json
import sys
import time

HEAD = b"/captive-portal-check HTTP/1.1\r\nHost: api.example.test\r\nUser-Agent: fetch\r\n"
REQUESTS = {
    "plain": b"GET " + HEAD + b"\r\n",
    "cookies": b"GET " + HEAD + b"Cookie: session=" + b"c" * 12000 + b"\r\n\r\n",
    "body": b"POST " + HEAD + b"Content-Length: 100000\r\n\r\n" + b"b" * 100000,
}


async def fetch(server, source, timeout, request):
    began, error, data = time.monotonic(), None, b""
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(server, 80, local_addr=(source, 0))
            try:
                writer.write(request)
                data = await reader.read(-1)
            finally:
                writer.close()
    except (OSError, TimeoutError) as problem:
        error = f"{type(problem).__name__} {problem}"
    return {
        "began": began, "seconds": time.monotonic() - began, "digest": hashlib.sha256(data).hexdigest(),
        "status": data[:40].decode(errors="replace").split("\r\n")[0], "error": error,
    }


async def work(plan, turns, results):
    for turn in turns:
        server, source = plan["targets"][turn % len(plan["targets"])]
        results.append(await fetch(server, source, plan["timeout"], REQUESTS[plan["request"]]))


async def main(plan):
    results, turns = [], iter(range(plan["count"]))
    await asyncio.gather(*(work(plan, turns, results) for _ in range(plan["parallel"])))
    return results


print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
