"""How often the diagnosis puts back what was there.

Working networks are written to files, a mistake is made in one, and the diagnosis is asked.

An integer: networks are drawn from a seed and written out in the style of torchvision
(`drawn_networks.py`, `networks/`), and one integer argument is broken by adding or subtracting a
little, doubling, halving, or exchanging it for another size of the file. Structural mistakes
(`--structural`): lines and words that people forget or write otherwise (`drawn_mistakes.py`), in
other networks (`drawn_architectures.py`). What still runs to its end is drawn again.

    python benchmarks/diagnosis.py [--count 400] [--structural 6] [--seed 0] [--misses]
"""

from __future__ import annotations

import argparse
import ast
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from drawn_mistakes import mistakes
from drawn_networks import Network, draw, networks
from fix_verdicts import Verdict, judge, print_misses, shares

__all__ = ["Network", "break_one", "draw"]


@dataclass(frozen=True)
class Broken:
    network: Network
    source: str
    line: int
    column: int
    was: int
    now: int
    argument: str


# Breaking one

_ARGUMENTS = ("Conv", "Linear", "Norm", "Pool", "Embedding", "LSTM", "GRU", "Attention", "Block",
              "Branches", "block", "make", "conv", "stage", "layer")  # fmt: skip


def arguments_of(source: str) -> list[tuple[ast.Constant, str]]:
    """The integer literals that are arguments of layers and blocks, or stand inside one."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if not any(part in name for part in _ARGUMENTS):
            continue
        places = [(str(i), argument) for i, argument in enumerate(node.args)]
        places += [(keyword.arg or "", keyword.value) for keyword in node.keywords]
        for place, argument in places:
            if isinstance(argument, ast.Constant | ast.BinOp | ast.Tuple | ast.List):
                found += [
                    (constant, f"{name}[{place}]")
                    for constant in ast.walk(argument)
                    if isinstance(constant, ast.Constant) and type(constant.value) is int
                    and not _in_a_call(argument, constant)
                ]  # fmt: skip
    return found


def _in_a_call(outer: ast.AST, inner: ast.AST) -> bool:
    """Whether a call stands between: its arguments are found there."""
    return any(inner in ast.walk(node) for node in ast.walk(outer) if isinstance(node, ast.Call))


def break_one(network: Network, chosen: random.Random) -> Broken:
    constant, argument = chosen.choice(arguments_of(network.source))
    was = int(constant.value)  # type: ignore[arg-type]  # a number
    sizes = [int(c.value) for c, _ in arguments_of(network.source)]  # type: ignore[arg-type]  # likewise
    now = was
    while now == was or now < 0:
        way = chosen.choice(("near", "near", "double", "half", "other"))
        if way == "near":
            now = was + chosen.choice((-2, -1, 1, 2))
        else:
            now = {"double": 2 * was, "half": was // 2, "other": chosen.choice(sizes)}[way]
    lines = network.source.split("\n")
    line = lines[constant.lineno - 1]
    lines[constant.lineno - 1] = (
        line[: constant.col_offset] + str(now) + line[constant.end_col_offset :]
    )
    return Broken(
        network, "\n".join(lines), constant.lineno, constant.col_offset, was, now, argument
    )


# Asking


def verdict(broken: Broken, folder: Path, number: int) -> tuple[str, str]:
    """What came of it, and what the first suggestion was."""
    import cnnstat

    file = folder / f"net{number}.py"
    file.write_text(broken.source)
    try:
        cnnstat.analyze(f"{file}:Net")
    except cnnstat.ShapeError as error:
        diagnosis = error.diagnosis
    except cnnstat.CnnstatError as error:
        return "undiagnosed", str(error).splitlines()[0]
    else:
        return "runs", ""
    fault = diagnosis.errors[0]
    if not fault.fixes:
        return "no fix", ""
    first = [fix.edit for fix in fault.fixes[:1]] if len(diagnosis.errors) == 1 else []
    if any(restores(broken, fix) for fix in fault.fixes[: len(first)]):
        return "first", fault.fixes[0].edit
    rank = next((i for i, fix in enumerate(fault.fixes) if restores(broken, fix)), None)
    shown = f"{fault.fixes[0].edit} instead of {fault.fixes[0].instead_of}"
    if len(diagnosis.errors) > 1:
        return "several", shown
    return ("later" if rank is not None else "absent"), shown


def restores(broken: Broken, fix: object) -> bool:
    """Whether a fix puts back the value of the argument that was broken."""
    edit, instead, source = fix.edit, fix.instead_of, fix.source  # type: ignore[attr-defined]  # a Fix
    if source is None or int(source.rpartition(":")[2]) != broken.line:
        return False
    good = broken.network.source.split("\n")[broken.line - 1]
    bad = broken.source.split("\n")[broken.line - 1]
    if bad.replace(instead, edit, 1) == good:
        return True
    return _values(bad.replace(instead, edit, 1)) == _values(good)


def _values(line: str) -> str:
    """The line with its arithmetic done: 32 * 5 * 5 is 800."""

    class Folded(ast.NodeTransformer):
        def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
            try:
                return ast.Constant(eval(ast.unparse(node), {"__builtins__": {}}))
            except Exception:  # it is no arithmetic
                return node

    try:
        return ast.unparse(Folded().visit(ast.parse(line.strip().rstrip(","))))
    except SyntaxError:
        return line.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=300, help="broken networks")
    parser.add_argument("--structural", type=int, default=0, help="mistakes of each kind")
    parser.add_argument("--kind", default="", help="of structural mistakes: this one alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--misses", action="store_true", help="print each that is not first")
    given = parser.parse_args()
    if given.count:
        results, seconds = asked(given.count, given.seed, given.misses)
        total = sum(results.values())
        for name, count in results.most_common():
            print(f"{name:12} {count:5} {count / total:7.1%}")
        print_seconds(seconds)
    if given.structural:
        verdicts = structural(given.structural, given.seed, given.kind)
        print(shares(verdicts))
        print_seconds([verdict.seconds for verdict in verdicts])
        if given.misses:
            print_misses(verdicts)


def print_seconds(seconds: list[float]) -> None:
    middle = sorted(seconds)[len(seconds) // 2]
    print(f"median {middle:.2f} s, longest {max(seconds):.2f} s of CPU a diagnosis")


def structural(count: int, seed: int, kind: str = "") -> list[Verdict]:
    with tempfile.TemporaryDirectory() as folder:
        return [judge(mistake, Path(folder)) for mistake in mistakes(seed, count)
                if kind in ("", mistake.kind)]  # fmt: skip


def asked(count: int, seed: int, misses: bool = False) -> tuple[Counter[str], list[float]]:
    chosen = random.Random(seed + 1)
    known = networks(seed, 60)
    results: Counter[str] = Counter()
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        number = 0
        while sum(results.values()) < count:
            broken = break_one(chosen.choice(known), chosen)
            begun = time.process_time()
            what, shown = verdict(broken, Path(folder), number)
            number += 1
            if what == "runs":
                continue
            seconds.append(time.process_time() - begun)
            results[what] += 1
            if misses and what != "first":
                place = f"{broken.network.name}:{broken.line} {broken.argument}"
                change = f"{broken.was} → {broken.now}"
                print(f"{what}: {place} {change}; shown {shown}", file=sys.stderr)
    return results, seconds


if __name__ == "__main__":
    main()
