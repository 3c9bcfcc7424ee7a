"""`--batch-size auto`: the largest batch that fits, found in another process.

A batch that does not fit may kill the process or leave the device in a bad state. Therefore a child
process tries them and prints each size that fits.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import torch
from msgspec import structs

from ..errors import ModelError, UsageError
from ..inputs import parse_input
from ..tracing.run.lanes import available_bytes
from ..tracing.training_step.step_parts import gradient_buckets
from .fabric import device_kind, is_distributed, launched
from .machine import is_out_of_memory, process_memory, release
from .prediction import largest_predicted
from .results import Job, Step
from .schedule import Limit
from .session import Session
from .trainable import TrainableModel, trainable_model

_SHARE = 0.5  # of the free memory on a CPU
_STEPS = 2  # the first allocates the optimizer's state
_LEAST = 2  # batch norm cannot train on one
_OF_TORCHRUN = {
    "RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE",
    "GROUP_WORLD_SIZE", "ROLE_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
}  # fmt: skip
_PRECISION = 8  # the result is too small by at most this fraction of itself, 1/8


def largest_batch(job: Job, processes: tuple[int, int]) -> int:
    """The largest batch size at which two steps of every model of the job fit into memory.

    It is at most the number of examples of a process. On a CPU, the processes of a machine share
    half of its free memory.

    Args:
        processes: their number in total and on this machine.

    Raises:
        UsageError: memory cannot be limited here.
        ModelError: no size fits, or the models cannot be trained.
    """
    if (
        device_kind(job.protocol.device, job.protocol.precision) == "cpu"
        and not Path("/proc/self/statm").exists()
    ):
        raise UsageError(
            "--batch-size auto needs Linux on a CPU: elsewhere memory cannot be limited",
            hint="--batch-size 128",
        )
    count, here = processes
    arguments = f"{count}, {here}, {is_distributed()}"
    program = f"from cnnstat.bench.largest_batch import probe; probe({arguments})"
    child = subprocess.run(
        [sys.executable, "-c", program], input=msgspec.json.encode(job), capture_output=True,
        env=_without_torchrun(os.environ),
    )  # fmt: skip
    sizes = [int(line) for line in child.stdout.split()]
    if not sizes:
        errors = child.stderr.decode(errors="replace").strip().splitlines()
        raise ModelError("no batch size fits", *errors[-1:])
    return sizes[-1]


def _without_torchrun(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without torchrun's variables."""
    return {
        name: value for name, value in environment.items()
        if name not in _OF_TORCHRUN and not name.startswith("TORCHELASTIC_")
    }  # fmt: skip


def probe(processes: int, here: int, ddp: bool) -> None:
    """Run in the child process: read a job, print the sizes that fit, the largest last."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    with launched(job.protocol) as fabric:
        room = _room(fabric.device, here)
        if fabric.device.type == "cpu":
            _limit_memory(room)
        models = [
            trainable_model(
                spec, [parse_input(text) for text in job.inputs], job.arguments, job.protocol
            )
            for spec in job.models
        ]
        most = min(len(each.data.train) for each in models) // processes
        if job.protocol.data == "synthetic":
            most = sys.maxsize
        first = min(_expected(job, each, fabric.device, room) for each in models)
        for size in fitting_sizes(lambda size: _fits(job, size, fabric, ddp), most, first):
            sys.stdout.write(f"{size}\n")
            sys.stdout.flush()


def fitting_sizes(fits: Callable[[int], bool], most: int, first: int = _LEAST) -> Iterator[int]:
    """Find the largest size that fits: double from `first`, then bisect; yield those that fit."""
    largest, too_large = 0, None
    size = min(first, most)
    while size <= most:
        if fits(size):
            largest = size
            yield size
        else:
            too_large = size
        if too_large is None:
            if largest == most:
                return
            size = min(2 * largest, most)
        elif too_large - largest <= max(1, largest // _PRECISION):
            return
        else:
            size = (largest + too_large) // 2


def _room(device: torch.device, here: int) -> int:
    """The memory in bytes that each process of this machine may use."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return int(_SHARE * available_bytes() / here)


def _expected(job: Job, trainable: TrainableModel, device: torch.device, room: int) -> int:
    """The batch size that is predicted to fit; the smallest without a prediction."""
    protocol = structs.replace(job.protocol, batch_size=_LEAST)
    return max(_LEAST, largest_predicted(trainable, protocol, device, room) or _LEAST)


def _fits(job: Job, size: int, fabric: Any, ddp: bool) -> bool:
    """Whether the steps of all models fit; with `ddp`, next to the buckets of their gradients."""
    protocol = structs.replace(job.protocol, batch_size=size, steps=_STEPS, epochs=None,
                               minutes=None)  # fmt: skip
    inputs = [parse_input(text) for text in job.inputs]
    for spec in job.models:
        trainable = trainable_model(spec, inputs, job.arguments, protocol)
        try:
            _run_steps(Session(trainable, protocol, Limit(steps=_STEPS), fabric), ddp)
        except Exception as error:  # out of memory has many types; others are raised
            if not is_out_of_memory(error):
                raise
            return False
        finally:
            release(fabric.device)
    return True


def _run_steps(session: Session, ddp: bool) -> None:
    trained = [p for p in session.plain.parameters() if p.requires_grad and ddp]
    buckets = [torch.empty_like(b, device=trained[0].device) for b in gradient_buckets(trained)]
    for count, record in enumerate(session.records(), start=1):
        if not isinstance(record, Step) or count == _STEPS:
            break
    buckets.clear()  # their memory is in use until here


def _limit_memory(room: int) -> None:
    """Limit the address space, so that allocations fail before the machine runs out of memory."""
    import resource

    allowed = (process_memory("VmSize") or 0) + room
    resource.setrlimit(resource.RLIMIT_AS, (allowed, resource.getrlimit(resource.RLIMIT_AS)[1]))
