"""The run: what is measured, in which order, and what becomes of it."""

from __future__ import annotations

import argparse
import asyncio
import resource
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from benchmarks import growth, peers, report
from benchmarks.cold import measure_cold_tokens
from benchmarks.facts import facts
from benchmarks.flame import PROFILED, profile
from benchmarks.hold import measure_holds
from benchmarks.keys import measure_keys
from benchmarks.load import WrkMissing, require_wrk
from benchmarks.memory import bytes_of_a_token
from benchmarks.resolve import measure_resolve
from benchmarks.rotation import measure_rotation
from benchmarks.scale import FULL, QUICK, Scale
from benchmarks.stage import Contender, Stage, open_stage
from benchmarks.works import WORKS, Course

OPEN_FILES = 8192


def measure(stage: Stage, scale: Scale, left_out: dict[str, str]) -> dict[str, Any]:
    """Return all results; ``left_out`` holds peers that cannot take part, and why."""
    results: dict[str, Any] = {
        "scale": scale.name,
        "facts": facts(stage.mongo.server_info()["version"]),
    }
    results |= compare(stage, scale, left_out)
    say("the event loop, and resolve")
    results["hold"] = measure_holds(stage, scale)
    results["resolve"] = asyncio.run(measure_resolve(stage, scale))
    say("how it grows")
    results["owners"] = growth.measure_owners(stage, scale)
    results["entries"] = growth.measure_entries(stage, scale)
    results["processes"] = growth.measure_processes(stage, scale)
    results["drivers"] = growth.measure_drivers(stage, scale)
    tokens = scale.remembered_tokens
    remembered = asyncio.run(bytes_of_a_token(stage.settings("memory"), tokens))
    results["memory"] = {"tokens": tokens, "bytes": remembered}
    results["rotation"] = asyncio.run(measure_rotation(stage, scale))
    results["keys"] = measure_keys(stage.dataset, scale)
    say("the peers")
    results["peers"] = {
        "token checks": peers.measure_token_checks(stage, scale, left_out),
        "config handlers": peers.measure_config_handlers(stage, scale, left_out),
        "left out": left_out,
    }
    return results


def compare(stage: Stage, scale: Scale, left_out: dict[str, str]) -> dict[str, Any]:
    """Return what all contenders do in turn; they are all up, and idle while it is not theirs."""
    with ExitStack() as stack:
        contenders: list[Contender] = [stack.enter_context(stage.plugin("ours"))]
        with ExitStack() as tried:
            fast = tried.enter_context(stage.plugin("ours, speed", plain=False))
            if fast.process.facts["accelerated"]:
                contenders.append(fast)
                stack.push(tried.pop_all())
            else:
                left_out["ours, speed"] = "the accelerator of the extra speed is not in use here"
        contenders.append(stack.enter_context(stage.bare()))
        contenders.append(stack.enter_context(stage.fastapi()))
        say("a first request of every owner")
        course = Course(stage, scale, contenders)
        http = {}
        for work in WORKS:
            say(work.name)
            http[work.name] = course.run(work)
        say("cold tokens")
        return {"http": http, "cold": measure_cold_tokens(contenders, scale)}


def say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {what}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about a minute; shows that it runs")
    parser.add_argument("--profile", choices=sorted(PROFILED), help="write a flame graph instead")
    given = parser.parse_args(arguments)
    scale = QUICK if given.quick else FULL
    # Also as a background job, and at a plain kill, everything that was started is ended.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(OPEN_FILES, most), most))
    try:
        require_wrk()
        if given.profile:
            print(profile(given.profile, scale).name)
            return 0
        left_out = peers.install()
        with open_stage() as stage:
            results = measure(stage, scale, left_out)
    except WrkMissing as err:
        print(err, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    report.write(results, "python -m benchmarks" + (" --quick" if given.quick else ""))
    for title, body in report.sections(results):
        print(f"\n{title}\n\n{body}")
    return 0
