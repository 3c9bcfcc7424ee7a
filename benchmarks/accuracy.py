"""Our figures against those that others publish or measure.

    python benchmarks/accuracy.py [--timm-every N] [--verify N] [--output docs/accuracy.md]

torchvision: every model with published weights, at the size that its figures hold for; parameters
against `num_params`, MACs against `_ops` (GMACs, three decimals). timm: every model, or every N-th,
at its default input; and `cnnstat verify` on N models evenly spaced, fvcore's figures explained.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import torch

import cnnstat
from cnnstat.analysis.results import Analysis
from cnnstat.models import timm as timm_models
from cnnstat.models import torchvision as vision
from cnnstat.models import torchvision_import as vision_operators
from cnnstat.verification import counters as referees
from cnnstat.verification.results import Referee

# The one detector whose published operations hold for another size than its transform's.
PUBLISHED_AT = {"keypointrcnn_resnet50_fpn": [(3, 1333, 1333)]}
CAUSES = {
    "quantized_inception_v3": "published for the float model with its auxiliary head, which "
    "quantisable models are built without",
}


@dataclass
class Tally:
    """What became of the models of one source."""

    models: int = 0
    agree: int = 0
    seconds: float = 0.0
    lanes: Counter[str] = field(default_factory=Counter)
    exceptions: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def ran(self) -> int:
        return sum(self.lanes.values())


def torchvision_models() -> Tally:
    tally, began = Tally(), time.process_time()
    models = vision_operators.torchvision().models
    for name in models.list_models():
        weights = vision._smallest(models.get_model_weights(name))
        if weights is None:
            continue
        tally.models += 1
        given = PUBLISHED_AT.get(name)
        try:
            analysis = cnnstat.analyze(f"torchvision:{name}", *([given] if given else []))
        except cnnstat.CnnstatError as error:
            tally.exceptions.append((name, "does not run", error.message))
            continue
        tally.lanes[analysis.lane] += 1
        differences = list(against_published(name, analysis, weights.meta))
        tally.exceptions += [(name, *difference) for difference in differences]
        tally.agree += not differences
    tally.seconds = time.process_time() - began
    return tally


def against_published(
    name: str, analysis: Analysis, published: dict[str, float]
) -> Iterator[tuple[str, str]]:
    totals = analysis.totals
    if totals.params != published["num_params"]:
        seen = f"{totals.params:,} parameters, published {published['num_params']:,}"
        yield seen, CAUSES.get(name, "unexplained")
    gmacs = published["_ops"]
    if round(totals.macs / 1e9, 3) == gmacs:
        return
    seen = f"{totals.macs / 1e9:.3f} GMACs, published {gmacs:.3f}"
    bounded = totals.bounded
    if bounded is not None and bounded.fixed_macs / 1e9 <= gmacs + 5e-4 <= totals.macs / 1e9:
        parts = " + ".join(f"{p.rows:,} × {p.macs / p.rows / 1e9:.6f}" for p in bounded.parts)
        yield (
            seen,
            (
                f"{bounded.fixed_macs / 1e9:.3f} fixed + at most {parts}; the published "
                "figure holds for the boxes that one image gave"
            ),
        )
    else:
        yield seen, CAUSES.get(name, "unexplained")


def timm_all(every: int) -> Tally:
    tally, began = Tally(), time.process_time()
    for name in timm_models.package().list_models()[::every]:
        tally.models += 1
        try:
            analysis = cnnstat.analyze(f"timm:{name}")
        except cnnstat.CnnstatError as error:
            tally.exceptions.append((name, "does not run", error.message))
            continue
        tally.lanes[analysis.lane] += 1
        if analysis.totals.exact:
            tally.agree += 1
        else:
            uncounted = ", ".join(analysis.totals.uncounted)
            tally.exceptions.append((name, "a bound", f"not counted: {uncounted}"))
    tally.seconds = time.process_time() - began
    return tally


def verified(count: int) -> Iterator[tuple[str, Analysis, Referee]]:
    # the others would take most of the time, and are not in the table
    referees.REFEREES = tuple(known for known in referees.REFEREES if known.name == "fvcore")
    names = timm_models.package().list_models()
    for name in names[:: max(1, len(names) // count)][:count]:
        result = cnnstat.verify(f"timm:{name}")
        (fvcore,) = result.referees
        print(name, fvcore.status, fvcore.macs_unexplained, file=sys.stderr, flush=True)
        yield name, result.ours, fvcore


def report(every: int, count: int) -> Iterator[str]:
    timm = timm_models.package()
    versions = (
        f"torch {torch.__version__}, torchvision {vision_operators.torchvision().__version__}"
    )
    yield f"""# Accuracy

Made by `benchmarks/accuracy.py` on {date.today()} with Python {platform.python_version()},
{versions}, timm {timm.__version__}.

## torchvision

Every model with published weights: classification, segmentation, detection, video, optical flow,
quantised. Parameters are compared with `num_params`, exactly, and MACs with `_ops`, in GMACs to its
last printed digit, at the size for which these were computed (`keypointrcnn_resnet50_fpn` at
1333×1333, other detectors at the size that their transform produces).
"""
    tally = torchvision_models()
    yield from summed(tally, "agree in both")
    yield "\n## timm\n\nEvery model at the input of its default configuration.\n"
    tally = timm_all(every)
    yield from summed(tally, "counted exactly")
    if count:
        yield from fvcore_sample(count)


def summed(tally: Tally, agree: str) -> Iterator[str]:
    lanes = ", ".join(f"{n} on the {lane} lane" for lane, n in tally.lanes.items())
    yield (
        f"**{tally.ran} of {tally.models} run** ({lanes}), **{tally.agree} {agree}**, "
        f"in {tally.seconds:.0f} CPU seconds of one process."
    )
    if tally.exceptions:
        yield "\n| exception | | cause |\n| --- | --- | --- |"
        for name, seen, cause in tally.exceptions:
            yield f"| `{name}` | {seen} | {cause} |"


def fvcore_sample(count: int) -> Iterator[str]:
    rows, asked, explained = [], 0, 0
    for name, ours, fvcore in verified(count):
        if fvcore.status == "ran":
            asked += 1
            explained += fvcore.agrees
            causes: Counter[str] = Counter()
            for bucket in fvcore.buckets:
                if bucket.figure == "macs":
                    causes[bucket.kind] += bucket.value
            listed = ", ".join(f"{kind} {value:+,}" for kind, value in causes.items())
            rest = fvcore.macs_unexplained
            rows.append(f"| `{name}` | {ours.totals.macs:,} | {fvcore.macs:,} | {listed or '–'} "
                        f"| {rest or '–'} |")  # fmt: skip
        else:
            rows.append(f"| `{name}` | {ours.totals.macs:,} | – | {fvcore.reason} | |")
    yield (
        f"\n## fvcore\n\n`cnnstat verify` on {count} of timm's models, evenly spaced: fvcore ran "
        f"on {asked}, and **{explained} of its figures follow from ours** by what it counts "
        "besides (and leaves out), derived from the shapes.\n"
    )
    yield "| model | MACs | fvcore | because of | unexplained |\n| --- | --- | --- | --- | --- |"
    yield from rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--timm-every", type=int, default=1, metavar="N")
    parser.add_argument("--verify", type=int, default=60, metavar="N")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    text = "\n".join(report(options.timm_every, options.verify)) + "\n"
    if options.output is None:
        print(text)
        return
    with tempfile.NamedTemporaryFile("w", dir=options.output.parent, delete=False) as draft:
        draft.write(text)
    os.replace(draft.name, options.output)


if __name__ == "__main__":
    main()
