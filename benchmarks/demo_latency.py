"""How long the page of `skineval demo` takes to answer while several clients ask at once.

skineval demo MODEL &
python -m benchmarks.demo_latency http://127.0.0.1:8642/ IMAGE... --clients 10 --requests 200
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

import numpy as np
import urllib3

from benchmarks.machine import description


def main() -> None:
    """Print the latency of requests as a Markdown row."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("address")
    asked.add_argument("images", nargs="+", type=Path)
    asked.add_argument("--clients", type=int, default=10)
    asked.add_argument("--requests", type=int, default=200)
    asked.add_argument("--explainer", default="", help="Ask for its map, too.")
    given = asked.parse_args()
    contents = [path.read_bytes() for path in given.images]
    pool = urllib3.PoolManager(maxsize=given.clients)
    url = f"{given.address.rstrip('/')}/api/predict"

    def ask(content: bytes) -> tuple[int, float]:
        begun = time.perf_counter()
        form = {"image": ("image", content), "explainer": given.explainer}
        status = pool.request("POST", url, fields=form, retries=False).status
        return status, time.perf_counter() - begun

    ask(contents[0])
    begun = time.perf_counter()
    with ThreadPoolExecutor(given.clients) as clients:
        done = list(clients.map(ask, islice(cycle(contents), given.requests)))
    seconds = time.perf_counter() - begun
    answered = np.array([one for status, one in done if status == 200])
    median, late, worst = 1000 * np.quantile(answered, [0.5, 0.95, 1])
    print(description())
    print("| clients | answered | refused | median, ms | p95, ms | worst, ms | images/s |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    refused = len(done) - len(answered)
    rate = len(answered) / seconds
    print(f"| {given.clients} | {len(answered)} | {refused} | {median:.0f} | {late:.0f} | {worst:.0f} | {rate:.0f} |")


if __name__ == "__main__":
    main()
