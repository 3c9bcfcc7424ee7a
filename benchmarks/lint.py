"""How often each rule of `cnnstat lint` fires on public models, and what linting takes.

    python benchmarks/lint.py RESULTS.jsonl [--sets torchvision,timm,transformers,zoo] [--timm 120]
    python benchmarks/lint.py RESULTS.jsonl --models MODELS.jsonl --sets none
    python benchmarks/lint.py RESULTS.jsonl --report [--list CN205]

Each line of the results is one model: the findings, the rules that were undecided, and the seconds
of this process for its shapes and for linting it. A model that has a line is not run again, so an
interrupted run goes on where it stopped. `--models` names further models, a JSON object a line:
`spec`, and if needed `input` (as `--input`, several with blanks between), `args`, `set` and `cwd`.
`--optional` selects the rules that are off by default too. `--report` prints the share of models on
which each rule fires, and `--list` every finding of a rule, to be read.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import signal
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cnnstat
from cnnstat.linting.rules import RULES
from cnnstat.pipeline import load_model, run_model
from cnnstat.run_config import ModelRequest, RunConfig
from cnnstat.tracing.process.isolation import isolated

LIMIT = 180  # seconds for one model
TRANSFORMERS = (
    "bert", "distilbert", "roberta", "albert", "electra", "gpt2", "gpt_neox", "llama", "mistral",
    "qwen2", "gemma", "phi", "t5", "bart", "mbart", "opt", "bloom", "vit", "deit", "swin",
    "convnext", "segformer", "dinov2", "clip", "whisper", "wav2vec2", "mobilenet_v2", "resnet",
    "funnel", "xlnet",
)  # fmt: skip


def library_models(library: str, number: int) -> Iterator[dict[str, Any]]:
    """Evenly spaced over the list of a library, without quantised models."""
    names = [item.name for item in cnnstat.list_models(library).models]
    names = [name for name in names if ":quantized" not in name]
    for name in names[:: max(1, len(names) // number)][:number]:
        yield {"spec": name, "set": library}


def built_in(sets: list[str], torchvision: int, timm: int) -> Iterator[dict[str, Any]]:
    """The models of the named sets."""
    if "zoo" in sets:
        yield from ({"spec": item.name, "set": "zoo"} for item in cnnstat.list_models().models)
    if "torchvision" in sets:
        yield from library_models("torchvision", torchvision)
    if "timm" in sets:
        yield from library_models("timm", timm)
    if "transformers" in sets:
        yield from (
            {"spec": f"transformers:{name}", "set": "transformers"} for name in TRANSFORMERS
        )


def linted(model: dict[str, Any], select: list[str]) -> dict[str, Any]:
    """One line of the results."""
    inputs = tuple(model["input"].split()) if model.get("input") else ()
    arguments = model.get("args") or None
    line: dict[str, Any] = {"spec": model["spec"], "set": model.get("set", "")}
    folder = os.getcwd()
    try:
        os.chdir(model.get("cwd", folder))
        sys.path.insert(0, os.getcwd())
        began = time.process_time()
        with isolated():
            request = ModelRequest(model["spec"], inputs, {}, arguments)
            run_model(load_model(request), RunConfig(diagnosed=False))
        line["shapes_seconds"] = time.process_time() - began
        began = time.process_time()
        lint = cnnstat.lint(model["spec"], *inputs, select=select, arguments=arguments)
        line["lint_seconds"] = time.process_time() - began
        line["findings"] = [
            {
                "code": f.code, "severity": f.severity, "message": f.message, "paths": f.paths[:4],
                "number": len(f.paths), "params": f.params, "macs": f.macs,
                "source": f"{f.source.file}:{f.source.line}" if f.source else None,
                "mended": f.fix.verified if f.fix else None,
            }
            for f in lint.findings
        ]  # fmt: skip
        line["undecided"] = {rule.code: rule.reason for rule in lint.undecided}
    except (Exception, SystemExit) as error:  # a model of the corpus may do anything
        line["error"] = f"{type(error).__name__}: {error}"[:300]
    finally:
        sys.path.remove(os.getcwd())
        os.chdir(folder)
    return line


def run(models: Iterator[dict[str, Any]], results: Path, select: list[str]) -> None:
    known = {(line["spec"], line.get("input")) for line in read(results)}
    for model in models:
        if (model["spec"], model.get("input")) in known:
            continue
        with results.open("a", encoding="utf-8") as file:  # if it ends the process, not again
            begun = file.tell()
            file.write(json.dumps({**model, "error": "it ended the process"}) + "\n")
        signal.alarm(LIMIT)
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                line = linted(model, select)
        except TimeoutError:
            line = {"error": f"more than {LIMIT} s"}
        finally:
            signal.alarm(0)
        with results.open("r+", encoding="utf-8") as file:
            file.truncate(begun)
            file.seek(begun)
            file.write(json.dumps({**model, **line}) + "\n")


def read(results: Path) -> list[dict[str, Any]]:
    if not results.exists():
        return []
    return [json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()]


def report(lines: list[dict[str, Any]]) -> Iterator[str]:
    """The share of models on which each rule fires, by set, and the seconds."""
    ran = [line for line in lines if "findings" in line]
    sets = list(dict.fromkeys(line["set"] for line in ran))
    sizes = Counter(line["set"] for line in ran)
    yield f"{len(ran)} models of {len(lines)}: " + ", ".join(f"{s} {sizes[s]}" for s in sets)
    fired: dict[str, Counter[str]] = defaultdict(Counter)
    levels: dict[str, Counter[str]] = defaultdict(Counter)
    mended: dict[str, Counter[bool]] = defaultdict(Counter)
    undecided: Counter[str] = Counter()
    for line in ran:
        for code in {finding["code"] for finding in line["findings"]}:
            fired[code][line["set"]] += 1
        for finding in line["findings"]:
            levels[finding["code"]][finding["severity"]] += 1
            if finding["mended"] is not None:
                mended[finding["code"]][finding["mended"]] += 1
        undecided.update(line["undecided"].keys())
    heads = [*(f"{s} ({sizes[s]})" for s in sets), "undecided", "findings", "fixes verified"]
    yield f"| rule | {' | '.join(heads)} |"
    yield "|---|" + "---:|" * len(heads)
    for code, rule in sorted(RULES.items()):
        cells = " | ".join(str(fired[code][s]) for s in sets)
        counts = ", ".join(f"{n} {level}s" for level, n in levels[code].items())
        row = f"| {code} {rule.name} | {cells} | {undecided[code]} | {counts} |"
        yield f"{row} {mended[code][True]} of {mended[code].total()} |"
    shapes = [line["shapes_seconds"] for line in ran]
    lints = [line["lint_seconds"] for line in ran]
    more = [b - a for a, b in zip(shapes, lints, strict=True)]
    yield (
        f"seconds of the process, median: shapes {statistics.median(shapes):.2f}, lint "
        f"{statistics.median(lints):.2f}, more than shapes {statistics.median(more):.2f}"
    )
    for line in lines:
        if "findings" not in line:
            yield f"not linted: {line['spec']}: {line.get('error', '')[:100]}"


def listed(lines: list[dict[str, Any]], codes: list[str]) -> Iterator[str]:
    """Every finding of these rules, to be read."""
    for line in lines:
        for finding in line.get("findings", ()):
            if not codes or finding["code"] in codes:
                where = finding["source"] or ", ".join(finding["paths"])
                model = f"{line['spec']} [{line.get('input') or ''}]"
                yield f"{finding['code']} {finding['severity']} {model} {where}: " + (
                    f"{finding['message']} ×{finding['number']}"
                )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("results", type=Path)
    parser.add_argument("--sets", default="torchvision,timm,transformers,zoo")
    parser.add_argument("--timm", type=int, default=120, help="how many of timm's models")
    parser.add_argument("--torchvision", type=int, default=109, help="likewise of torchvision's")
    parser.add_argument("--models", type=Path, action="append", default=[])
    parser.add_argument("--select", default="")
    parser.add_argument("--optional", action="store_true")
    parser.add_argument("--report", action="store_true")
    parser.add_argument("--list", nargs="*", metavar="CODE")
    options = parser.parse_args()
    if options.report or options.list is not None:
        lines = read(options.results)
        print("\n".join(report(lines) if options.report else listed(lines, options.list)))
        return
    signal.signal(signal.SIGALRM, _timed_out)
    select = [code for code in options.select.split(",") if code] or ["CN"]
    if options.optional:
        select += [code for code, rule in RULES.items() if rule.is_optional]
    models = list(built_in(options.sets.split(","), options.torchvision, options.timm))
    for file in options.models:
        models += [{"set": file.stem, **line} for line in read(file) if "failed" not in line]
    run(iter(models), options.results, select)


def _timed_out(*_: object) -> None:
    raise TimeoutError


if __name__ == "__main__":
    main()
