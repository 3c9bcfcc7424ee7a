"""How fast cnnstat is beside each other counter, on the same models in one run.

    pip install --no-deps --target DIR -r benchmarks/requirements.txt
    python benchmarks/peer_speed.py --peer-path DIR [--output docs/performance.md]

Every run is a process of its own, cnnstat and the other in turn, so that a machine that gets slower
or faster meanwhile does not decide. Prints Markdown, and what happens meanwhile on stderr. With
--output the section between two marks in FILE is replaced by what this run measured, after every
model: all of them take hours, and one that is cut short is not lost.
"""

from __future__ import annotations

import argparse
import datetime
import importlib.metadata
import os
import platform
import statistics
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from peer_runs import GIB, Bench, Limits, Pairs, Run, run, seconds
from peers import MODELS, PEERS, Model

MARKS = "<!-- peer_speed: begin -->", "<!-- peer_speed: end -->"
# torchvision's wheels need the torch that they were built for. Beside another one, as on machines
# without CUDA, its import fails on its compiled operators; declaring them is enough to count.
DECLARE = "from cnnstat.models.torchvision_import import make_importable; make_importable()"


def spread(values: Sequence[float], digits: int = 1) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    if len(values) == 1:
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def cpu(run: Run) -> float:
    return run.cpu


def mib(run: Run) -> float:
    return run.peak / 2**20


def middle(runs: Sequence[Run], value: Callable[[Run], float], digits: int) -> str:
    return f"{statistics.median(map(value, runs)):.{digits}f}"


def cells_of(runs: Sequence[Run], counted: Sequence[Run]) -> dict[str, str]:
    assert runs[0].answer is not None
    return {
        "CPU s": middle(runs, cpu, 2),
        "wall s": middle(runs, lambda r: r.wall, 2),
        "peak MiB": middle(runs, mib, 0),
        "count only, CPU s": middle(counted, seconds, 3),
        "parameters": f"{runs[0].answer['params']:,}",
        "GMACs": ("" if runs[0].answer.get("exact", True) else "≥ ")
        + f"{runs[0].answer['macs'] / 1e9:.3f}",
    }


HEADS = ("counter", "CPU s", "wall s", "peak MiB", "× cnnstat", "count only, CPU s",
         "× cnnstat, count only", "parameters", "GMACs")  # fmt: skip


def table_of(results: dict[str, Pairs]) -> Iterator[str]:
    """A Markdown table of one model: cnnstat, and each counter or why it has no figures."""
    yield f"| {' | '.join(HEADS)} |"
    yield f"|{' --- |' * len(HEADS)}"
    done = [pairs for pairs in results.values() if not pairs.failure]
    if done:
        ours = [r for pairs in done for r in pairs.ours]
        cells = cells_of(ours, [r for pairs in done for r in pairs.counted])
        yield row_of({"counter": "cnnstat", **cells})
    for name, pairs in results.items():
        if pairs.failure:
            yield f"| {name} | {pairs.failure.replace('|', '/')} |{' |' * (len(HEADS) - 2)}"
            continue
        cells = cells_of(pairs.theirs, pairs.theirs)
        cells |= {"× cnnstat": spread(pairs.ratios()),
                  "× cnnstat, count only": spread(pairs.count_ratios())}  # fmt: skip
        yield row_of({"counter": name, **cells})


def row_of(cells: dict[str, str]) -> str:
    return f"| {' | '.join(cells.get(head, '') for head in HEADS)} |"


def verdicts(results: dict[str, dict[str, Pairs]]) -> Iterator[str]:
    """For each model the counter that comes closest, and whether the aim is reached."""
    yield "| model | cnnstat, CPU s | peak MiB | closest | its CPU s | × cnnstat | aim |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for name, by_peer in results.items():
        done = {peer: pairs for peer, pairs in by_peer.items() if not pairs.failure}
        if not done:
            yield f"| {name} | no pair was measured |{' |' * 5}"
            continue
        ours = [r for pairs in done.values() for r in pairs.ours]
        peer = min(done, key=lambda peer: statistics.median(done[peer].ratios()))
        yield (
            f"| {name} | {middle(ours, cpu, 2)} | {middle(ours, mib, 0)} | {peer} "
            f"| {middle(done[peer].theirs, cpu, 2)} | {spread(done[peer].ratios())} "
            f"| {aim_of(MODELS[name], done[peer], ours)} |"
        )


def aim_of(model: Model, closest: Pairs, ours: Sequence[Run]) -> str:
    reached = statistics.median(closest.ratios()) >= model.aim
    text = f"{model.aim}×: {'yes' if reached else 'no'}"
    if model.most is None:
        return text
    most_seconds, most_mib = model.most
    within = (statistics.median(map(cpu, ours)) <= most_seconds
              and statistics.median(map(mib, ours)) <= most_mib)  # fmt: skip
    return f"{text}; {most_seconds} s and {most_mib} MiB: {'yes' if within else 'no'}"


def section_of(results: dict[str, dict[str, Pairs]], bench: Bench, load: float) -> str:
    limits = bench.limits
    lines = [
        "## Beside other counters", "",
        f"Made by `benchmarks/peer_speed.py` on {datetime.date.today()}: {machine(load)}; "
        f"{versions(bench.peer_path)}.", "",
        f"Each run is a process of its own with OMP_WAIT_POLICY=PASSIVE, cnnstat and the other in "
        f"turn, {bench.runs} of each; medians (minimum–maximum). CPU seconds are user + system. "
        "`× cnnstat` is how many times the CPU seconds of `cnnstat shapes MODEL --format json` the "
        "other took, from starting Python, with the model built as its users build it, to the "
        "answer. `count only` starts when everything is imported and the model is built; for "
        "cnnstat that is `cnnstat.analyze(model, x)`. "
        f"Limits: {limits.seconds:g} s, {limits.memory / GIB:g} GiB of address space. "
        "What fvcore, FlopCounterMode and others call FLOPs is shown as the MACs that it stands "
        "for. fvcore runs the models of transformers without their cache, which torch.jit cannot "
        "pass.", "",
    ]  # fmt: skip
    if bench.before:
        lines += ["torchvision's compiled operators do not load beside this torch, so every "
                  "program declared their schemas first.", ""]  # fmt: skip
    lines += [*verdicts(results), ""]
    for name, by_peer in results.items():
        sizes = "×".join(map(str, MODELS[name].input))
        lines += [f"### {name}, {sizes}", "", *table_of(by_peer), ""]
    return "\n".join(lines)


def machine(load: float) -> str:
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines()
             if line.startswith("model name")] if info.exists() else []  # fmt: skip
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / GIB
    return (f"{names[0] if names else platform.machine()}, {os.cpu_count()} cores, "
            f"{memory:.0f} GiB, load {load:.1f} before the first run")  # fmt: skip


def versions(peer_path: str) -> str:
    path = [*filter(None, [peer_path]), *sys.path]
    names = ["cnnstat", "torch", "torchvision", "timm", "transformers"]
    names += [peer.package for peer in PEERS.values()]
    found = {d.name: d.version for d in reversed([*importlib.metadata.distributions(path=path)])}
    known = [f"{name} {found[name]}" for name in dict.fromkeys(names) if name in found]
    return ", ".join([f"Python {platform.python_version()}", *known])


def write_section(path: Path, section: str) -> None:
    """Replace what stands between the marks, or add it at the end; all of it or nothing."""
    text = path.read_text() if path.exists() else ""
    before, begin, rest = text.partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if begin and not end:
        sys.exit(f"{path} has {MARKS[0]} and no {MARKS[1]}")
    if not begin:
        before, after = (text.rstrip("\n") + "\n\n" if text else ""), "\n"
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(f"{before}{MARKS[0]}\n{section}{MARKS[1]}{after}")
    os.replace(beside, path)


def chosen(text: str, known: dict[str, Any], what: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in known:
            sys.exit(f"unknown {what} {name!r}; known: {', '.join(known)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", help="names, separated by commas [all]")
    parser.add_argument("--peers", default=",".join(PEERS), help="names, separated by commas")
    parser.add_argument("--runs", type=int, default=3, help="pairs of each [3]")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="one pair each, alexnet and resnet50 unless --models says others",
    )
    parser.add_argument("--peer-path", default="", help="folder that the peers are installed in")
    parser.add_argument("--seconds", type=float, default=120, help="limit of a run [120]")
    parser.add_argument("--gib", type=float, default=16, help="limit of a run's memory [16]")
    parser.add_argument("--output", type=Path, help="Markdown file to put the section into")
    options = parser.parse_args()
    usual = "alexnet,resnet50" if options.quick else ",".join(MODELS)
    models = chosen(options.models or usual, MODELS, "model")
    peers = chosen(options.peers, PEERS, "peer")
    limits = Limits(options.seconds, int(options.gib * GIB))
    plain = run([sys.executable, "-c", "import torchvision"], limits)
    bench = Bench(1 if options.quick else options.runs, limits, options.peer_path,
                  DECLARE if plain.failure else "")  # fmt: skip
    load = os.getloadavg()[0]
    results: dict[str, dict[str, Pairs]] = {}
    for name in models:
        for peer in peers:
            pairs = bench.pairs(MODELS[name], PEERS[peer])
            results.setdefault(name, {})[peer] = pairs
            print(f"{name}, {peer}: {pairs.failure or spread(pairs.ratios()) + ' ×'}",
                  file=sys.stderr, flush=True)  # fmt: skip
        if options.output:
            write_section(options.output, section_of(results, bench, load))
    print(section_of(results, bench, load))


if __name__ == "__main__":
    main()
