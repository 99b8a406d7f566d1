"""Measure the plugin beside a bare handler and a FastAPI build; ``RESULTS.md`` has the results."""

import argparse
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmarks import calls, report
from benchmarks.environment import Environment, open_environment
from benchmarks.flame import profile
from benchmarks.growth import measure_growth, measure_retirement
from benchmarks.rounds import FULL, QUICK, Results
from benchmarks.servers import STORES
from benchmarks.targets import TARGETS
from benchmarks.tokens import measure_tokens
from benchmarks.workloads import COMPARED, WORKLOADS, compare, measure_holds

REQUESTS = {workload.name: workload for workload in WORKLOADS}
EVERYWHERE: dict[str, Callable[[Environment], Results]] = {
    "hold": measure_holds,
    "resolve": calls.measure_resolve,
    "rotation": calls.measure_rotation,
}
ONCE: dict[str, Callable[[Environment], Results]] = {
    "sealed-key": calls.measure_sealed_key,
    "tokens": measure_tokens,
    "memory": calls.measure_memory,
    "growth": measure_growth,
    "retirement": measure_retirement,
}
"""What depends on the store only as all else does: measured on the first one alone."""
EVERYTHING = (*(one.name for one in COMPARED), *EVERYWHERE, *ONCE)


def measure(env: Environment, chosen: tuple[str, ...], *, once: bool) -> Results:
    requests = [one for one in COMPARED if one.name in chosen]
    results = compare(env, requests) if requests else {}
    for name, run in {**EVERYWHERE, **(ONCE if once else {})}.items():
        if name in chosen:
            say(name)
            for workload, series in run(env).items():
                results.setdefault(workload, {}).update(series)
    return results


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {what}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short round of each")
    parser.add_argument("--rounds", type=int, metavar="N", help="other than 5, or 1 when quick")
    parser.add_argument("--only", choices=EVERYTHING, nargs="+", help="print, and write nothing")
    parser.add_argument("--store", choices=STORES, help="one of them alone")
    parser.add_argument("--driver", choices=("motor", "pymongo"), default="motor")
    parser.add_argument("--profile", choices=REQUESTS, help="draw a flame graph instead")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, metavar="DIR")
    given = parser.parse_args()
    scale = QUICK if given.quick else FULL
    scale = replace(scale, rounds=given.rounds or scale.rounds)
    # Also as a background job, and at a plain kill, everything that was started is ended.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    if not shutil.which("wrk"):
        parser.error("the load comes from wrk: install it (apt-get install wrk)")
    results: dict[str, Results] = {}
    costs = {}
    for store in [given.store] if given.store else STORES:
        say(store)
        with open_environment(scale, given.driver, store) as env:
            facts = report.facts(env.mongo.server_info()["version"], given.driver)
            if given.profile:
                graph = given.output / f"flame-{given.profile}-{store}.svg"
                costs[store] = profile(env, REQUESTS[given.profile], graph)
                continue
            results[store] = measure(env, given.only or EVERYTHING, once=len(results) == 0)
            if not given.only and not given.quick:
                say("where the time goes of what misses a target")
                judged = {one.workload: one.judge(results[store]) for one in reversed(TARGETS)}
                for name, workload in REQUESTS.items():
                    if not (judged[name] or (0, True))[1]:
                        costs[f"{store}, {name}"] = profile(env, workload)
    if not given.only and not given.profile:
        command = " ".join(["python -m benchmarks", *sys.argv[1:]])
        found = {"facts": facts, "results": results, "costs": costs}
        report.write(given.output, command, found)
    print(report.tables(results, costs))


if __name__ == "__main__":
    main()
