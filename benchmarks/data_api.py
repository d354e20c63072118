"""Measure what a request to the data API costs, how many it answers, and how fast its streams are.

`python -m benchmarks.data_api [--rounds 5] [--seconds 2] [--in-flight 16] [--subscribers 10000] [--edits 50]`

The requests are measured in turns, beside an ASGI route that does nothing and a FastAPI route with the same document.
Their cost is the CPU time of the server's process alone. The exit code is 1 for wrong data, for an unexpected response,
and when a stream has a gap. Times do not affect it.
"""

import argparse
import resource
import sys
from secrets import token_hex

from benchmarks.benchmark_stack import run_benchmark_stack
from benchmarks.data_api_requests import measure_requests
from benchmarks.data_api_streams import STREAMS_PER_KEY, measure_streams
from benchmarks.resource_usage import measure_other_load

_SMALL_PRODUCTS, _MANY_PRODUCTS = 23, 2_000
"""The products of the two shops. The document of the first one has about 117 KB."""


def raise_open_files_limit() -> int:
    """Let this process and those that it starts open as many files as is allowed. Return that number."""
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))
    return allowed


def main() -> int:
    """Run the benchmark, print its report, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--in-flight", type=int, default=16)
    parser.add_argument("--subscribers", type=int, default=10_000)
    parser.add_argument("--edits", type=int, default=50)
    options = parser.parse_args()
    subscribers = min(options.subscribers, raise_open_files_limit() - 1_000)
    keys = [token_hex(16) for _ in range(-(-subscribers // STREAMS_PER_KEY))]
    settings = {
        "DATA_API_KEYS": " ".join(f"bench{number}:{key}" for number, key in enumerate(keys)),
        "DATA_API_REQUESTS_PER_MINUTE": "1000000000",
        "DATA_API_MAX_CONNECTIONS": str(subscribers + 500),
    }
    with run_benchmark_stack(settings) as stack:
        shops = [stack.make_shop(products=count) for count in (_SMALL_PRODUCTS, _MANY_PRODUCTS)]
        for shop in shops:
            stack.connect_and_sync(shop)
        small, many = (f"shopify:{shop}" for shop in shops)
        with measure_other_load() as describe_other_load:
            fault = measure_requests(
                stack,
                small,
                many,
                keys[0],
                rounds=options.rounds,
                seconds=options.seconds,
                in_flight=options.in_flight,
            )
            faults = [fault] if fault else []
            faults += measure_streams(stack, small, keys, subscribers, options.edits)
        print(f"  {describe_other_load()}", flush=True)
    for fault in faults:
        print(fault, file=sys.stderr)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
