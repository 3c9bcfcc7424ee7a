"""Our figures beside those that torchvision publishes with its weights.

    python benchmarks/accuracy.py

All classification models, at the smallest size that their weights were tested at. Prints a row for
each that differs, and the share that agrees: parameters exactly, GMACs in the three digits printed.
"""

from __future__ import annotations

import time

import cnnstat
from cnnstat.sources import vision


def main() -> None:
    torchvision = vision._torchvision()
    names = torchvision.models.list_models(module=torchvision.models)
    agreed, began = 0, time.perf_counter()
    for name in names:
        try:
            analysis = cnnstat.analyze(f"torchvision:{name}")
        except cnnstat.CnnstatError as error:
            print(f"{name}: {error}")
            continue
        side = analysis.inputs[0].shape[-1]
        weights = torchvision.models.get_model_weights(name)
        meta = next(w.meta for w in weights if w.transforms().crop_size == [side])
        gmacs = analysis.totals.macs / 1e9
        same = analysis.totals.params == meta["num_params"] and round(gmacs, 3) == meta["_ops"]
        agreed += same
        if not same or not analysis.totals.exact:
            print(
                f"{name} at {side}: {analysis.totals.params:,} parameters, {gmacs:.3f} GMACs; "
                f"published {meta['num_params']:,}, {meta['_ops']}; {analysis.totals.uncounted}"
            )
    seconds = time.perf_counter() - began
    print(f"{agreed} of {len(names)} agree, {seconds:.0f} s, torchvision {torchvision.__version__}")


if __name__ == "__main__":
    main()
