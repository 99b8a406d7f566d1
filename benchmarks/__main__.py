"""Measure the plugin beside a bare handler and a FastAPI build; ``RESULTS.md`` has the results."""

from __future__ import annotations

import argparse
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import report
from benchmarks.environment import Environment, environments
from benchmarks.flame import profile
from benchmarks.growth import measure_entries, measure_owners, measure_processes
from benchmarks.load import require_wrk
from benchmarks.memory import measure_memory
from benchmarks.resolve import measure_resolve
from benchmarks.rotation import measure_rotation
from benchmarks.rounds import FULL, QUICK, Results, merge
from benchmarks.sealed_key import measure_sealed_key
from benchmarks.servers import STORES
from benchmarks.targets import TARGETS
from benchmarks.workloads import COMPARED, WORKLOADS, Workload, compare, measure_holds

HERE = Path(__file__).parent
OPEN_FILES = 8192


def slug(workload: Workload) -> str:
    return workload.name.replace(" ", "-")


REQUESTS = {slug(workload): workload for workload in WORKLOADS}
EVERYWHERE: dict[str, Callable[[Environment], Results]] = {
    "hold": measure_holds,
    "resolve": measure_resolve,
    "rotation": measure_rotation,
}
ONCE: dict[str, Callable[[Environment], Results]] = {
    "sealed-key": measure_sealed_key,
    "owners": measure_owners,
    "entries": measure_entries,
    "processes": measure_processes,
    "memory": measure_memory,
}
"""What depends on the store only as all else does: measured on the first one alone."""
EVERYTHING = (*map(slug, COMPARED), *EVERYWHERE, *ONCE)


def measure(env: Environment, chosen: Sequence[str], *, first: bool) -> Results:
    say("the contenders, in turn")
    results = compare(env, [one for one in COMPARED if slug(one) in chosen])
    for name, run in {**EVERYWHERE, **(ONCE if first else {})}.items():
        if name in chosen:
            say(name)
            merge(results, run(env))
    return results


def explain(env: Environment, store: str, results: Results) -> dict[str, Any]:
    """Return where the time of those requests goes that miss a target."""
    missed = {one.workload for one in TARGETS if (judged := one.judge(results)) and not judged[1]}
    costs = {}
    for workload in WORKLOADS:
        if workload.name in missed:
            say(f"where the time of {workload.name} goes")
            costs[f"{store}, {workload.name}"] = profile(env, workload)
    return costs


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {what}", file=sys.stderr, flush=True)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a minute and a half")
    parser.add_argument("--rounds", type=int, metavar="N", help="other than 5, or 1 when quick")
    parser.add_argument("--only", choices=EVERYTHING, nargs="+", help="print, and write nothing")
    parser.add_argument("--store", choices=STORES, help="one of them alone")
    parser.add_argument("--driver", choices=("motor", "pymongo"), default="motor")
    parser.add_argument("--profile", choices=REQUESTS, help="draw a flame graph instead")
    parser.add_argument("--output", type=Path, default=HERE, metavar="DIR", help="for the files")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    given = parse(arguments)
    scale = QUICK if given.quick else FULL
    scale = replace(scale, rounds=given.rounds or scale.rounds)
    stores = [given.store] if given.store else list(STORES)
    # Also as a background job, and at a plain kill, everything that was started is ended.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, most), most))
    require_wrk()
    results: dict[str, Results] = {}
    costs: dict[str, Any] = {}
    with environments(scale, given.driver, stores) as prepared:
        for store, environment in prepared:
            say(f"{store}: starting")
            with environment as env:
                found = report.facts(env.mongo.server_info()["version"], given.driver)
                if given.profile:
                    graph = given.output / f"flame-{given.profile}-{store}.svg"
                    costs[store] = profile(env, REQUESTS[given.profile], graph)
                    continue
                results[store] = measure(env, given.only or EVERYTHING, first=store == stores[0])
                if not given.only and not given.quick:
                    costs |= explain(env, store, results[store])
    if not given.only and not given.profile:
        written = {"facts": found, "results": results, "costs": costs}
        command = " ".join(["python -m benchmarks", *(arguments or sys.argv[1:])])
        report.write(given.output, written, command, quick=given.quick)
    for title, text in report.sections(results, costs):
        print(f"\n{title}\n\n{text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
