# SPDX-License-Identifier: Apache-2.0
"""Many plain HTTP fetches from one process: fetch.py '{"targets": [[server, source], …], …}'.

`count` fetches, `parallel` at once, each ended after `timeout` seconds; `seconds`, if given, is
how long to go on beyond `count`. A fetch counts when the stream has ended without an error.
Prints JSON: for each fetch its start (CLOCK_MONOTONIC), its duration, the SHA-256 of all that was
received, and what went wrong.
"""
import asyncio
import hashlib
import json
import sys
import time

REQUEST = b"GET /captive-portal-check HTTP/1.1\r\nHost: api.example.test\r\nUser-Agent: fetch\r\n\r\n"


async def fetch(server, source, timeout):
    began, error, data = time.monotonic(), None, b""
    try:
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(server, 80, local_addr=(source, 0))
            try:
                writer.write(REQUEST)
                data = await reader.read(-1)
            finally:
                writer.close()
    except (OSError, TimeoutError) as problem:
        error = f"{type(problem).__name__} {problem}"
    return {
        "began": began, "seconds": time.monotonic() - began, "digest": hashlib.sha256(data).hexdigest(),
        "status": data[:40].decode(errors="replace").split("\r\n")[0], "error": error,
    }


async def work(plan, turns, results, end):
    for turn in turns:
        if turn >= plan["count"] and time.monotonic() >= end:
            return
        server, source = plan["targets"][turn % len(plan["targets"])]
        results.append(await fetch(server, source, plan["timeout"]))


async def main(plan):
    results, turns = [], iter(range(10**9))
    end = time.monotonic() + plan.get("seconds", 0)
    await asyncio.gather(*(work(plan, turns, results, end) for _ in range(plan["parallel"])))
    return results


print(json.dumps(asyncio.run(main(json.loads(sys.argv[1])))))
