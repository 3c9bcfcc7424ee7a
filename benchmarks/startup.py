"""What starting up costs, and what of torch could be left unimported.

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
    ([CNNSTAT, "shapes", "resnet50"], [PYTHON, "-c", "import torch"]),
    ([CNNSTAT, "compare", "nin", "alexnet"], [PYTHON, "-c", "import torch"]),
    ([CNNSTAT, "list"], [PYTHON, "-c", "import typer"]),
    ([CNNSTAT, "--help"], [PYTHON, "-c", "import typer"]),
]
# Parts of torch that `import torch` loads and a forward pass might do without.
PARTS = [
    (),
    ("torch._meta_registrations",),
    ("torch._meta_registrations", "torch._decomp"),
    ("torch.export",),
    ("torch.onnx",),
]
WITHOUT_PARTS = """
import resource, sys, types
for name in sys.argv[1:]:
    sys.modules[name] = types.ModuleType(name)
try:
    import torch
except Exception as error:
    print(f"import torch fails: {type(error).__name__}: {error}")
    raise SystemExit
usage = resource.getrusage(resource.RUSAGE_SELF)
x, w = torch.empty(1, 3, 8, 8, device="meta"), torch.empty(4, 3, 3, 3, device="meta")
v = torch.empty(3, device="meta")
F = torch.nn.functional
operators = {
    "conv2d": lambda: F.conv2d(x, w), "relu": lambda: F.relu(x), "add": lambda: x + x,
    "max_pool2d": lambda: F.max_pool2d(x, 2), "batch_norm": lambda: F.batch_norm(x, v, v),
}
broken = []
for name, run in operators.items():
    try:
        run()
    except Exception:
        broken.append(name)
print(f"{usage.ru_utime + usage.ru_stime:.2f} s; broken on meta: {', '.join(broken) or 'nothing'}")
"""


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
    print("\nimport torch with a part of it replaced by an empty module:")
    for part in PARTS:
        result = subprocess.run(
            [PYTHON, "-c", WITHOUT_PARTS, *part], capture_output=True, text=True
        )
        print(f"  {' + '.join(part) or 'nothing replaced':<46} {result.stdout.strip()}")


if __name__ == "__main__":
    main()
