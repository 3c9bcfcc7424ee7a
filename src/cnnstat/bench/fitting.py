"""`--batch-size auto`: the largest batch that fits, tried in another process.

What does not fit may end a process or leave a device in disorder; so that process tries, says each
size that did, and its end is no harm.
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
from ..tracing.lanes import available_bytes
from ..tracing.step_parts import gradient_buckets
from .building import Subject, subject
from .memory import is_out_of_memory, release, resident
from .placing import device_kind, is_distributed, placed
from .prediction import largest_predicted
from .results import Job, Step
from .schedule import Limit
from .session import Session

_SHARE = 0.5  # of the memory that a CPU has left
_STEPS = 2  # the optimizer makes its state in the first
_LEAST = 2  # batch norm cannot learn from one
_OF_TORCHRUN = {
    "RANK", "LOCAL_RANK", "GROUP_RANK", "ROLE_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE",
    "GROUP_WORLD_SIZE", "ROLE_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
}  # fmt: skip
_PRECISE = 8  # the answer is at most this part of itself too small


def largest_batch(job: Job, processes: tuple[int, int]) -> int:
    """The largest batch size at which every model of the job takes two steps, up to the number of
    examples of one of the `processes`: all, and those of this machine. On a CPU, in half of the
    memory that is left, which the processes of the machine share.

    Raises:
        UsageError: it cannot be tried here.
        ModelError: not one example fits, or the models cannot be trained.
    """
    if device_kind(job.protocol) == "cpu" and not Path("/proc/self/statm").exists():
        raise UsageError(
            "--batch-size auto needs Linux on a CPU: elsewhere memory cannot be limited",
            hint="--batch-size 128",
        )
    count, here = processes
    arguments = f"{count}, {here}, {is_distributed()}"
    program = f"from cnnstat.bench.fitting import probe; probe({arguments})"
    child = subprocess.run(
        [sys.executable, "-c", program], input=msgspec.json.encode(job), capture_output=True,
        env=_alone(os.environ),
    )  # fmt: skip
    sizes = [int(line) for line in child.stdout.split()]
    if not sizes:
        said = child.stderr.decode(errors="replace").strip().splitlines()
        raise ModelError("no batch size fits", *said[-1:])
    return sizes[-1]


def _alone(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what makes a process one of torchrun's."""
    return {
        name: value for name, value in environment.items()
        if name not in _OF_TORCHRUN and not name.startswith("TORCHELASTIC_")
    }  # fmt: skip


def probe(processes: int, here: int, ddp: bool) -> None:
    """In the other process: read a job, print the sizes that fit, the largest last."""
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    with placed(job.protocol) as fabric:
        room = _room(fabric.device, here)
        if fabric.device.type == "cpu":
            _limit_memory(room)
        made = [
            subject(spec, [parse_input(text) for text in job.inputs], job.arguments, job.protocol)
            for spec in job.models
        ]
        most = min(len(each.data.train) for each in made) // processes
        if job.protocol.data == "synthetic":
            most = sys.maxsize
        first = min(_expected(job, each, fabric.device, room) for each in made)
        for size in fitting_sizes(lambda size: _fits(job, size, fabric, ddp), most, first):
            sys.stdout.write(f"{size}\n")
            sys.stdout.flush()


def fitting_sizes(fits: Callable[[int], bool], most: int, first: int = _LEAST) -> Iterator[int]:
    """Ever larger sizes that fit: doubled from the `first` until one does not, then halfway
    between."""
    good, bad = 0, None
    size = min(first, most)
    while size <= most:
        if fits(size):
            good = size
            yield size
        else:
            bad = size
        if bad is None:
            if good == most:
                return
            size = min(2 * good, most)
        elif bad - good <= max(1, good // _PRECISE):
            return
        else:
            size = (good + bad) // 2


def _room(device: torch.device, here: int) -> int:
    """The memory that one of the processes of this machine may take, in bytes."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return int(_SHARE * available_bytes() / here)


def _expected(job: Job, made: Subject, device: torch.device, room: int) -> int:
    """The batch that is predicted to fit; the least where nothing is predicted."""
    protocol = structs.replace(job.protocol, batch_size=_LEAST)
    return max(_LEAST, largest_predicted(made, protocol, device, room) or _LEAST)


def _fits(job: Job, size: int, fabric: Any, ddp: bool) -> bool:
    """Whether all models take their steps; with `ddp` beside the buckets of their gradients."""
    protocol = structs.replace(job.protocol, batch_size=size, steps=_STEPS, epochs=None,
                               minutes=None)  # fmt: skip
    inputs = [parse_input(text) for text in job.inputs]
    for spec in job.models:
        made = subject(spec, inputs, job.arguments, protocol)
        try:
            _take_steps(Session(made, protocol, Limit(steps=_STEPS), fabric), ddp)
        except Exception as error:  # short memory has many names; the others go on
            if not is_out_of_memory(error):
                raise
            return False
        finally:
            release(fabric.device)
    return True


def _take_steps(session: Session, ddp: bool) -> None:
    trained = [p for p in session.plain.parameters() if p.requires_grad and ddp]
    buckets = [torch.empty_like(b, device=trained[0].device) for b in gradient_buckets(trained)]
    for count, record in enumerate(session.records(), start=1):
        if not isinstance(record, Step) or count == _STEPS:
            break
    buckets.clear()  # held until here


def _limit_memory(room: int) -> None:
    """Let allocations fail before the machine runs short."""
    import resource

    allowed = (resident("VmSize") or 0) + room
    resource.setrlimit(resource.RLIMIT_AS, (allowed, resource.getrlimit(resource.RLIMIT_AS)[1]))
