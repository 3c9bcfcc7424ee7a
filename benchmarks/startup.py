"""What starting up costs, and what each means to import torch faster saves.

    python benchmarks/startup.py [--runs 9]

CPU seconds (user + system) of whole processes, the commands of a pair in turn, so that a machine
that gets slower or faster meanwhile does not decide. The median is printed with the range.
"""

from __future__ import annotations

import argparse
import platform
import resource
import statistics
import subprocess
import sys
from pathlib import Path

PYTHON = sys.executable
CNNSTAT = str(Path(sys.executable).parent / "cnnstat")
PAIRS = [
    ([CNNSTAT, "shapes", "nin"], [PYTHON, "-c", "import torch"]),
    ([CNNSTAT, "shapes", "nin", "--training"], [PYTHON, "-c", "import torch"]),
    ([CNNSTAT, "shapes", "resnet50"], [PYTHON, "-c", "import torch"]),
    ([CNNSTAT, "compare", "nin", "alexnet"], [PYTHON, "-c", "import torch"]),
    ([CNNSTAT, "list"], [PYTHON, "-c", "import typer"]),
    ([CNNSTAT, "--help"], [PYTHON, "-c", "import typer"]),
]
LEAVE = "import os; os._exit(0)"
COLLECT = "import gc; gc.disable()"
POSTPONE = """
from cnnstat.fast_meta.torch_import import rules_postponed
with rules_postponed():
    import torch
"""
MEANS = {  # each with those before it
    "nothing": "import torch",
    "leaving by os._exit": f"import torch\n{LEAVE}",
    "no garbage collection": f"{COLLECT}\nimport torch\n{LEAVE}",
    "shape rules in Python postponed": f"{COLLECT}\n{POSTPONE}\n{LEAVE}",
}


def cpu_seconds(command: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(pair: tuple[list[str], list[str]], runs: int) -> None:
    for command in pair:  # once each to fill the file cache
        cpu_seconds(command)
    ours, theirs = zip(
        *((cpu_seconds(pair[0]), cpu_seconds(pair[1])) for _ in range(runs)), strict=True
    )
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    names = [" ".join(["cnnstat" if c == CNNSTAT else "python" if c == PYTHON else c for c in p])
             for p in pair]  # fmt: skip
    print(
        f"{names[0]:<28} {spread(ours)}   {names[1]:<24} {spread(theirs)}   ratio {spread(ratios)}"
    )


def spread(values: tuple[float, ...] | list[float]) -> str:
    return f"{statistics.median(values):.2f} ({min(values):.2f}–{max(values):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=9)
    runs = parser.parse_args().runs
    print(f"Python {platform.python_version()}, {platform.machine()}, {runs} runs, CPU seconds")
    for pair in PAIRS:
        measure(pair, runs)
    seconds: dict[str, list[float]] = {means: [] for means in MEANS}
    for _ in range(runs):
        for means, code in MEANS.items():
            seconds[means].append(cpu_seconds([PYTHON, "-c", code]))
    print("\nimport torch, each means with those before it:")
    for means, values in seconds.items():
        print(f"  {means:<32} {spread(values)}")


if __name__ == "__main__":
    main()
