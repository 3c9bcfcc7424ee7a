"""What benchmarks/cuda.py measures: each part yields its rows, one as soon as it is measured.

Predictions come from the public functions of cnnstat; what they are compared with is plain PyTorch,
written here by hand.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product
from statistics import median
from typing import Any

import torch
from cuda_loops import RATE, SPECS, Loop, Row, Scale, products_in, release, synchronize
from cuda_memory import memory, tensors
from cuda_networks import NETWORKS, SHAPES
from torch.nn import functional as F

import cnnstat

# Throughput


@dataclass(frozen=True)
class Setting:
    """How a network is trained."""

    precision: str = "fp32"
    channels_last: bool = False
    compile: bool = False

    def __str__(self) -> str:
        extra = {"channels-last": self.channels_last, "compiled": self.compile}
        return ", ".join([self.precision, *(name for name, on in extra.items() if on)])


ROUNDS = 2
WARM_UP = 32  # steps
SECONDS = 1.0  # of training a round


def throughput(scale: Scale) -> Iterator[Row]:
    """`bench` and a loop by hand."""
    settings = [Setting("fp32")]
    if not scale.quick:
        settings += [Setting("bf16")]
        if scale.on_cuda:
            settings += [Setting("tf32"), Setting("bf16", channels_last=True)]
    names = scale.among("NiN") if scale.quick else scale.among("NiN", "AlexNet")
    for setting, name in product(settings, names):
        yield trained(name, setting, scale)


def compiled(scale: Scale) -> Iterator[Row]:
    """The same with torch.compile, which takes long to start."""
    for name in scale.among("NiN"):
        yield trained(name, Setting("bf16" if scale.on_cuda else "fp32", compile=True), scale)


def trained(name: str, setting: Setting, scale: Scale) -> Row:
    """Both loops in turns, each a whole run after its warm-up; ratios are taken within a round."""
    by_hand = partial(
        Loop.of, name, scale.batch, scale.device, "sgd", setting.precision,
        setting.channels_last, setting.compile,
    )  # fmt: skip
    rates: list[tuple[float, float]] = []
    steps, warm_up = 0, WARM_UP if scale.on_cuda else 2
    rounds = ROUNDS if scale.on_cuda else 1
    for number in range(rounds):

        def hand() -> float:
            nonlocal steps
            release(scale.device)
            with products_in(setting.precision):
                loop = by_hand()
                loop.seconds(warm_up)
                steps = steps or steps_for(loop.seconds(2), scale)
                return scale.batch / loop.seconds(steps)

        def ours() -> tuple[float, Any]:
            release(scale.device)
            return benched(name, setting, scale, warm_up, steps)

        if number % 2 and steps:
            own, run = ours()
            rates.append((hand(), own))
        else:
            plain = hand()
            own, run = ours()
            rates.append((plain, own))
    ratios = [own / plain for plain, own in rates]
    bound = run.prediction
    return {
        "model": name, "setting": str(setting), "batch": scale.batch, "steps": steps,
        "by_hand": median(plain for plain, _ in rates), "bench": median(own for _, own in rates),
        "ratio": median(ratios), "least": min(ratios), "most": max(ratios),
        "stated": run.timing.examples_per_second, "step": run.timing.seconds.median,
        "mfu": run.mfu, "bound": bound.seconds if bound else None,
        "memory": run.memory_bytes, "predicted": bound.memory_bytes if bound else None,
        "notes": list(run.notes), "warm_up": run.timing.warmup_steps,
        "step_seconds": [round(s, 6) for s in run.timing.step_seconds],
    }  # fmt: skip


def steps_for(seconds: float, scale: Scale) -> int:
    """As many steps as take about a second."""
    return max(32, min(320, round(SECONDS / seconds))) if scale.on_cuda else 4


def benched(
    name: str, setting: Setting, scale: Scale, warm_up: int, steps: int
) -> tuple[float, Any]:
    """Examples per second by the wall clock outside of `bench`, and what it states itself."""
    moments: dict[int, float] = {}

    def watch(event: Any) -> None:
        if hasattr(event, "step") and hasattr(event, "phases"):
            moments[event.step] = time.perf_counter()

    result = cnnstat.measure(
        f"{SPECS}:{name}", input=(scale.batch, *SHAPES[name]), data="synthetic",
        batch_size=scale.batch, steps=warm_up + steps, optimizer="sgd", lr=RATE, init="default",
        precision=setting.precision, channels_last=setting.channels_last, compile=setting.compile,
        device=scale.device, watch=watch,
    )  # fmt: skip
    seconds = moments[warm_up + steps] - moments[warm_up]
    return scale.batch * steps / seconds, result.runs[0]


# The roofline's bound


def roofline(scale: Scale) -> Iterator[Row]:
    """The lower bound of a step, and the step."""
    device: Any = torch.cuda.get_device_name() if scale.on_cuda else cnnstat.measure_device("cpu")
    names = ("NiN", "AlexNet") if scale.quick else ("NiN", "AlexNet", "ResNet50", "ViT")
    for name, precision, training in product(scale.among(*names), scale.precisions, (False, True)):
        bound = cnnstat.roofline(
            NETWORKS[name](), (scale.batch, *SHAPES[name]), device=device, precision=precision,
            training=training, optimizer="sgd" if training else None,
        )  # fmt: skip
        release(scale.device)
        with products_in(precision):
            loop = Loop.of(name, scale.batch, scale.device, "sgd" if training else None, precision)
            loop.seconds(3)
            once = loop.seconds(2)
            found = loop.seconds(max(2, min(50, int(0.4 / once))))
        del loop
        yield {
            "model": name, "precision": precision, "batch": scale.batch,
            "step": "training, sgd" if training else "inference", "bound": bound.seconds,
            "measured": found, "reached": bound.seconds / found, "mfu": bound.mfu(found),
            "limit": bound.layers[0].bound,
        }  # fmt: skip


# The peaks of the device


def peaks(scale: Scale) -> Iterator[Row]:
    """The measured peaks beside those of the table that cnnstat ships."""
    found = cnnstat.measure_device(scale.device)
    known = [d for d in cnnstat.list_devices().devices if found.title in d.driver_names]
    table = known[0] if known else None
    spreads = found.measured
    for precision, rate in found.peak_flops.items():
        shipped = table.peak_flops.get(precision) if table else None
        yield {
            "peak": f"{precision}, FLOP/s", "measured": rate, "table": shipped,
            "reached": rate / shipped if shipped else None,
            "spread": spreads.peak_flops_spread[precision],
            "at": f"{spreads.matmul_size[precision]}×{spreads.matmul_size[precision]}",
        }  # fmt: skip
    yield {
        "peak": "memory, bytes/s", "measured": found.bandwidth,
        "table": table.bandwidth if table else None,
        "reached": found.bandwidth / table.bandwidth if table else None,
        "spread": spreads.bandwidth_spread, "at": spreads.bandwidth_kernel,
    }  # fmt: skip


# The layers


def layers(scale: Scale) -> Iterator[Row]:
    """The sum of the layers' times beside the whole pass, with hooks and bare."""
    precisions = ("fp32", "bf16") if scale.on_cuda else ("fp32",)
    for name, precision in product(scale.among("NiN", "ResNet50"), precisions):
        release(scale.device)
        run = cnnstat.measure(
            f"{SPECS}:{name}", input=(scale.batch, *SHAPES[name]), data="synthetic",
            batch_size=scale.batch, steps=32 if scale.on_cuda else 2, optimizer="sgd", lr=RATE,
            init="default", precision=precision, device=scale.device, layers=True,
        ).runs[0]  # fmt: skip
        timed, phases = run.layers, run.timing.phases
        passed = phases["forward"].median + phases["backward"].median
        total = sum(layer.both for layer in timed.layers)
        yield {
            "model": name, "precision": precision, "batch": scale.batch,
            "layers": len(timed.layers), "in_steps": passed, "bare": timed.bare.median,
            "hooked": timed.hooked.median, "overhead": timed.overhead, "sum": total,
            "share": total / timed.hooked.median,
        }  # fmt: skip


# The largest batch


def fitting(scale: Scale) -> Iterator[Row]:
    """`--batch-size auto`, and a batch that does not fit."""
    if not scale.on_cuda:  # a batch limited by the data, since memory is not to be used up
        start = time.perf_counter()
        run = cnnstat.measure("lenet", data="digits", batch_size="auto", steps=4, device="cpu",
                              lr=RATE).runs[0]  # fmt: skip
        yield {"model": "lenet", "asked": "auto", "predicted": None, "found": run.batch_size,
               "seconds": time.perf_counter() - start, "notes": list(run.notes)}  # fmt: skip
        return
    for name in scale.among("NiN"):
        release("cuda")
        room = torch.cuda.mem_get_info()[0]
        predicted = cnnstat.memory(
            NETWORKS[name](), (2, *SHAPES[name]), precision="bf16", device="cuda",
            device_memory=room,
        )  # fmt: skip
        measure = partial(
            cnnstat.measure, f"{SPECS}:{name}", input=(2, *SHAPES[name]), data="synthetic",
            steps=16, lr=RATE, init="default", precision="bf16", device="cuda",
        )  # fmt: skip
        start = time.perf_counter()
        run = measure(batch_size="auto").runs[0]
        found = run.batch_size
        yield {"model": name, "asked": "auto", "room": room,
               "predicted": predicted.fit.largest_batch, "found": found,
               "memory": run.memory_bytes, "seconds": time.perf_counter() - start,
               "notes": list(run.notes)}  # fmt: skip
        release("cuda")
        start = time.perf_counter()
        run = measure(batch_size=2 * found).runs[0]
        yield {"model": name, "asked": f"{2 * found}", "predicted": None, "found": run.batch_size,
               "memory": run.memory_bytes, "seconds": time.perf_counter() - start,
               "notes": list(run.notes)}  # fmt: skip


# timm's protocol


def timm_protocol(scale: Scale) -> Iterator[Row]:
    """timm's benchmark.py: 10 steps of warm-up, 40 timed, the device idle after each; AMP."""
    import timm

    sizes = {"resnet50": 256} if scale.on_cuda else {"resnet18": 2}
    warm_up, timed = (10, 40) if scale.on_cuda else (1, 2)
    for name, batch in sizes.items():
        release(scale.device)
        network = timm.create_model(name).to(scale.device).train()
        optimizer = torch.optim.SGD(network.parameters(), lr=RATE, momentum=0.9)
        images = torch.randn(batch, 3, 224, 224, device=scale.device)

        def step(network: Any = network, optimizer: Any = optimizer, images: Any = images) -> None:
            optimizer.zero_grad()
            with torch.autocast(scale.device, torch.bfloat16):
                output = network(images)
                labels = torch.empty(len(images), dtype=torch.long, device=scale.device)
                F.cross_entropy(output, labels.random_(output.shape[1])).backward()
            optimizer.step()
            synchronize(scale.device)

        for _ in range(warm_up):
            step()
        start = time.perf_counter()
        for _ in range(timed):
            step()
        theirs = batch * timed / (time.perf_counter() - start)
        del network, optimizer, images, step
        release(scale.device)
        run = cnnstat.measure(
            f"timm:{name}", data="synthetic", batch_size=batch, steps=warm_up + timed,
            optimizer="momentum", lr=RATE, init="default", precision="bf16", device=scale.device,
        ).runs[0]  # fmt: skip
        ours = run.timing.examples_per_second
        yield {"model": name, "batch": batch, "timm": theirs, "bench": ours,
               "ratio": ours / theirs, "mfu": run.mfu}  # fmt: skip


# Commands


def commands(scale: Scale) -> Iterator[Row]:
    """The command line, as typed; under torchrun with one process and its communication."""
    steps = "64" if scale.on_cuda else "2"
    bench = [
        "bench", f"{SPECS}:NiN", "--data", "synthetic", "--input", "2,1,224,224", "--steps", steps,
        "--batch-size", str(scale.batch), "--device", scale.device, "--lr", f"{RATE}",
        "--format", "json",
    ]  # fmt: skip
    python = [sys.executable, "-m"]
    torchrun = [*python, "torch.distributed.run", "--standalone", "--nproc-per-node", "1"]
    for typed, command in (
        ("cnnstat bench NiN", [*python, "cnnstat", *bench]),
        ("torchrun, 1 process", [*torchrun, "-m", "cnnstat", *bench]),
        ("cnnstat devices", [*python, "cnnstat", "devices"]),
    ):
        yield ran(typed, command)


def ran(typed: str, command: Sequence[str]) -> Row:
    """How a command ended, and what a `bench` measured."""
    start = time.perf_counter()
    environment = {**os.environ, "TORCH_DISTRIBUTED_DEBUG": "INFO", "NCCL_DEBUG": "VERSION"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    seconds = time.perf_counter() - start
    before, brace, rest = done.stdout.partition("{")  # NCCL writes to stdout too
    result: Any = json.JSONDecoder().raw_decode(brace + rest)[0] if brace else {}
    said = (before + done.stderr).splitlines()
    nccl = next((line for line in said if "NCCL version" in line), None)
    timing = result["runs"][0]["timing"] if "runs" in result else None
    return {
        "command": typed, "status": done.returncode, "seconds": seconds,
        "rate": timing["examples_per_second"] if timing else None,
        "nccl": None if nccl is None else nccl[nccl.find("NCCL version") :].strip(),
        "said": done.stderr.strip().splitlines()[-1:] if done.returncode else [],
    }  # fmt: skip


# The machine


def machine(scale: Scale) -> Iterator[Row]:
    """What the figures were measured on."""
    device = torch.cuda.get_device_name() if scale.on_cuda else "CPU"
    driver = None
    if scale.on_cuda:
        asked = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        printed = subprocess.run(asked, capture_output=True, text=True)
        driver = printed.stdout.strip() or None
    yield {
        "device": device, "driver": driver, "torch": torch.__version__, "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if scale.on_cuda else None,
        "python": sys.version.split()[0], "cnnstat": cnnstat.__version__,
        "timm": bool(importlib.util.find_spec("timm")),
    }  # fmt: skip


# Latency


def latency(scale: Scale) -> Iterator[Row]:
    """`cnnstat latency` and torch.utils.benchmark in turns, on networks with the same weights."""
    precisions = ("fp32", "bf16-true") if scale.on_cuda and not scale.quick else ("fp32",)
    sizes = (1, 64) if scale.on_cuda else (1, 2)
    for name, precision, batch in product(scale.models, precisions, sizes):
        rounds = [timed(name, precision, batch, scale) for _ in range(3)]
        middle = sorted(rounds, key=lambda row: row["ratio"])[1]
        ratios = [row["ratio"] for row in rounds]
        yield {"model": name, "precision": precision, "batch": batch, **middle,
               "least": min(ratios), "most": max(ratios)}  # fmt: skip


def timed(name: str, precision: str, batch: int, scale: Scale) -> Row:
    """One turn of both: runs that wait for each other, and on a GPU runs that do not."""
    from torch.utils.benchmark import Timer

    dtype = torch.bfloat16 if precision == "bf16-true" else torch.float32
    network = NETWORKS[name]().eval().to(scale.device, dtype)
    images = torch.rand(batch, *SHAPES[name], device=scale.device, dtype=dtype)
    with torch.inference_mode(), products_in("fp32"):
        timer = Timer("network(images)", globals={"network": network, "images": images})
        timer.timeit(10)
        queued = timer.blocked_autorange(min_run_time=0.2).median
        single = median(timer.timeit(1).median for _ in range(max(10, round(0.2 / queued))))
    del network
    release(scale.device)
    result = cnnstat.latency(
        f"{SPECS}:{name}", inputs=[(batch, *SHAPES[name])], precision=precision,
        device=scale.device, seconds=0.6,
    )  # fmt: skip
    row = result.rows[0]
    found = row.latency
    own = found.back_to_back or found.quartiles
    return {
        "timer": queued, "queued": own.median, "ratio": own.median / queued,
        "single": single, "latency": found.quartiles.median,
        "single_ratio": found.quartiles.median / single,
        "p99": found.p99, "rate": found.examples_per_second, "runs": found.runs,
        "precise": found.precision, "memory": row.memory_bytes, "predicted": row.predicted_bytes,
        "bound": row.bound_seconds,
    }  # fmt: skip


PARTS: dict[str, Callable[[Scale], Iterator[Row]]] = {
    "memory": memory,
    "throughput": throughput,
    "roofline": roofline,
    "peaks": peaks,
    "layers": layers,
    "compile": compiled,
    "fitting": fitting,
    "commands": commands,
    "timm": timm_protocol,
    "latency": latency,
    "tensors": tensors,
}
