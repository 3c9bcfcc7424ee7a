"""Sizes as letters, held against plain runs: `python benchmarks/sizes.py [MODEL …]`.

For each model: are the legal sizes of H and W, found with the other at a legal size, exact (each
bound runs, one step beyond fails), and do the shapes of all calls, MACs, activation and peak
memory by the formulas equal those of plain runs at 20 legal sizes drawn at random? Prints the table
of docs/sizes.md. Takes some minutes.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Mapping

import cnnstat
from cnnstat.errors import CnnstatError
from cnnstat.models.zoo.catalog import CATALOG
from cnnstat.symbolic.results import Formulas, ValidSizes
from cnnstat.symbolic.view import range_text
from cnnstat.symbols.evaluation import parse, value_at

DRAWN = 20
LARGEST = 700  # pixels beyond the lowest legal side
TORCHVISION = (
    "resnet18 resnet34 resnet50 resnet101 resnet152 vgg11 vgg13 vgg16 vgg19 vgg11_bn vgg13_bn "
    "vgg16_bn vgg19_bn densenet121 densenet161 densenet169 densenet201 mobilenet_v2 "
    "mobilenet_v3_small mobilenet_v3_large efficientnet_b0 efficientnet_b1 efficientnet_b2 "
    "efficientnet_b3 efficientnet_b4 efficientnet_b5 efficientnet_b6 efficientnet_b7 "
    "efficientnet_v2_s efficientnet_v2_m efficientnet_v2_l squeezenet1_0 squeezenet1_1 googlenet"
)
Values = dict[str, int]


def models() -> list[str]:
    return sys.argv[1:] or [*CATALOG, *(f"torchvision:{name}" for name in TORCHVISION.split())]


def main() -> None:
    print("| model | legal sizes | found by | bounds exact | 20 runs: shapes | MACs | activations |"
          " peak | seconds |")  # fmt: skip
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    for model in models():
        try:
            print(f"| {' | '.join(row(model))} |", flush=True)
        except CnnstatError as error:
            print(f"| {model} | {error.message} | | | | | | | |", flush=True)


def row(model: str) -> Iterator[str]:
    channels = CATALOG[model].input[1] if model in CATALOG else 3
    start = time.perf_counter()
    formulas = cnnstat.formulas(model, f"1,{channels},H,W")
    seconds = time.perf_counter() - start
    yield model.removeprefix("torchvision:") + (" (torchvision)" if ":" in model else "")
    yield ", ".join(map(range_text, formulas.domains))
    yield " and ".join(dict.fromkeys(domain.found_by for domain in formulas.domains))
    yield yes(all(exact(model, channels, d, formulas.values) for d in formulas.domains))
    yield from agreement(model, channels, formulas)
    yield f"{seconds:.1f}"


def yes(holds: bool) -> str:
    return "yes" if holds else "NO"


def runs(model: str, channels: int, values: Mapping[str, int]) -> bool:
    try:
        cnnstat.analyze(model, (1, channels, values["H"], values["W"]))
    except CnnstatError:
        return False
    return True


def exact(model: str, channels: int, domain: ValidSizes, values: Mapping[str, int]) -> bool:
    """Whether each bound runs and the sizes around the range do not."""

    def legal(size: int) -> bool:
        return runs(model, channels, {**values, domain.letter: size})

    (part,) = domain.ranges
    inside, outside = [part.lowest], [part.lowest - part.step]
    if part.highest is not None:
        inside.append(part.highest)
        outside.append(part.highest + part.step)
    if part.step > 1:
        outside.append(part.lowest + 1)
    return all(map(legal, inside)) and not any(legal(size) for size in outside if size > 0)


def agreement(model: str, channels: int, formulas: Formulas) -> Iterator[str]:
    """How many of the drawn sizes agree in every shape, and in each total."""
    draw = random.Random(model)
    shapes = macs = made = peak = 0
    totals = formulas.totals
    for _ in range(DRAWN):
        values = {d.letter: drawn(draw, d) for d in formulas.domains}
        plain = cnnstat.analyze(model, (1, channels, values["H"], values["W"]))
        shapes += [layer.outputs for layer in plain.layers] == [
            tuple(tuple(valued(size, values) for size in output) for output in layer.outputs)
            for layer in formulas.layers
        ]
        macs += valued(totals.macs, values) == plain.totals.macs
        made += valued(totals.activation_bytes, values) == plain.totals.activation_bytes
        peak += valued(totals.peak_bytes, values) == plain.totals.peak_bytes
    yield from map(str, (shapes, macs, made, peak))


def valued(size: int | str | None, values: Values) -> int | None:
    return value_at(parse(size), values) if isinstance(size, str) else size


def drawn(draw: random.Random, domain: ValidSizes) -> int:
    part = draw.choice(domain.ranges)
    return draw.randrange(part.lowest, (part.highest or part.lowest + LARGEST) + 1, part.step)


if __name__ == "__main__":
    main()
