"""Batches of the user's data: their inputs and targets, and what goes wrong in making them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import default_collate

from ..errors import NOT_OF_THE_MODEL, ModelError, UsageError, format_exception, message_of
from ..inputs import format_shape
from ..tracing.places import raising_line
from ..tracing.process.global_state import preserve_rng_state
from ..tracing.structure.containers import map_inputs, output_tensors
from .user_data import Examples, UserSplit, is_array

_TARGETS = ("labels", "label", "targets", "target", "y")


class Arguments(NamedTuple):
    """The inputs of a model that takes several, or by name."""

    positional: tuple[Any, ...]
    named: dict[str, Any]


def call(model: Callable[..., Any], inputs: Any) -> Any:
    """The output of a model for the inputs of a batch."""
    if type(inputs) is Arguments:
        return model(*inputs.positional, **inputs.named)
    return model(inputs)


class UserBatch(NamedTuple):
    """A batch: the inputs, a tensor or `Arguments`, the targets, and the number of examples."""

    inputs: Any
    targets: Any
    examples: int

    def on(self, device: torch.device) -> UserBatch:
        """The batch on a device."""

        def placed(tensor: Any) -> Tensor:
            moved: Tensor = tensor.to(device)
            return moved

        inputs = self.inputs
        if type(inputs) is Arguments:
            inputs = Arguments(*(map_inputs(part, placed) for part in inputs))
        else:
            inputs = map_inputs(inputs, placed)
        return UserBatch(inputs, map_inputs(self.targets, placed), self.examples)

    @property
    def device(self) -> torch.device | None:
        """The device of the first tensor that is not on the CPU; None if all are."""
        devices = [tensor.device for tensor in output_tensors((self.inputs, self.targets))]
        return next((each for each in devices if each.type != "cpu"), None)


def batch_of(value: Any, name: str) -> UserBatch:
    """A batch as the user's code returned it.

    Raises:
        ModelError: it is not inputs and targets.
    """
    value = _with_tensors(value)
    if isinstance(value, Mapping):
        key = next((key for key in _TARGETS if key in value), None)
        others = {name: item for name, item in value.items() if name != key}
        if key is None or not others:
            raise ModelError(
                f"a batch of {name} has {', '.join(map(str, value)) or 'nothing'}",
                f"expected are inputs and one of {', '.join(_TARGETS)}",
            )
        single = len(others) == 1
        inputs = next(iter(others.values())) if single else Arguments((), others)
        targets = value[key]
    elif isinstance(value, tuple | list) and len(value) > 1:
        *several, targets = value
        inputs = several[0] if len(several) == 1 else Arguments(tuple(several), {})
    else:
        raise ModelError(
            f"a batch of {name} is a {type(value).__name__}", "expected is (inputs, targets)"
        )
    count = _count(targets) or _count(inputs)
    if not count:
        raise ModelError(f"a batch of {name} has no dimension of examples")
    return UserBatch(inputs, targets, count)


def _with_tensors(value: Any) -> Any:
    """Arrays as tensors, and floats of any precision as float32, which all weights are."""
    if is_array(value):
        value = torch.as_tensor(value)
    if isinstance(value, Tensor):
        return value.float() if value.is_floating_point() else value
    if hasattr(value, "_fields"):
        return type(value)(*map(_with_tensors, value))
    if isinstance(value, tuple | list):
        return type(value)(map(_with_tensors, value))
    if isinstance(value, Mapping):
        return {key: _with_tensors(item) for key, item in value.items()}
    return value


def _count(value: Any) -> int:
    """The first size of the first tensor; 0 without one."""
    if isinstance(value, Tensor):
        return value.shape[0] if value.ndim else 0
    items = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, Mapping | tuple | list):
        return next((found for item in items if (found := _count(item))), 0)
    return 0


@dataclass(frozen=True)
class Unreadable:
    """An example, or a batch, that cannot be read. A worker returns it instead of raising.

    An exception of a worker would arrive as the text of its traceback.
    """

    what: str
    reason: str
    is_on_gpu: bool = False

    def error(self) -> ModelError:
        return ModelError(f"{self.what} cannot be read", self.reason)


class Guarded:
    """A Dataset whose examples are `Unreadable` where reading them fails."""

    def __init__(
        self, dataset: Any, name_of: Callable[[int], str], is_user_code: bool = True
    ) -> None:
        self.dataset = dataset
        self.name_of = name_of
        self.is_user_code = is_user_code

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        try:
            return self.dataset[index]
        except Exception as error:  # the user's code, or a damaged file
            place = raising_line(error) if self.is_user_code else []
            reason = format_exception(error)
            text = "\n  ".join([*place, reason])
            return Unreadable(self.name_of(index), text, is_on_gpu(error))


def collate(examples: list[Any]) -> Any:
    """A batch of examples, or why there is none."""
    failed = next((example for example in examples if isinstance(example, Unreadable)), None)
    if failed is not None:
        return failed
    try:
        return default_collate(examples)
    except Exception as error:  # examples of different shapes or types
        reason = _uneven(examples) or _pictures(examples) or message_of(error).splitlines()[0]
        return Unreadable("a batch", reason)


def _uneven(examples: list[Any]) -> str | None:
    """That the inputs of two examples have different shapes."""
    inputs = [example[0] for example in examples if isinstance(example, tuple | list)]
    shapes = {format_shape(value.shape): None for value in inputs if isinstance(value, Tensor)}
    if len(shapes) < 2:
        return None
    first, second, *_ = shapes
    return f"its examples have different shapes, {first} and {second}: resize or pad them"


def _pictures(examples: list[Any]) -> str | None:
    """That an example is a picture of Pillow, as datasets without a transform have them."""
    parts = [part for each in examples if isinstance(each, tuple | list) for part in each]
    if not any(type(part).__module__.partition(".")[0] == "PIL" for part in parts):
        return None
    return (
        "its examples are pictures of Pillow, no tensors: the Dataset needs a transform, "
        "torchvision.transforms.ToTensor()"
    )


def next_of(iterator: Iterator[Any], name: str) -> Any:
    """The next batch as the user's code returns it.

    Raises:
        StopIteration: the epoch has ended.
        ModelError: the user's code fails.
    """
    try:
        value = next(iterator)
    except StopIteration:
        raise
    except NOT_OF_THE_MODEL:
        raise
    except Exception as error:  # the user's code may raise anything
        if is_on_gpu(error):
            raise gpu_in_workers(name, "DataLoader(…, num_workers=0)") from error
        raise ModelError(f"{name} fails", *raising_line(error), _last_line(error)) from error
    if isinstance(value, Unreadable):
        if value.is_on_gpu:
            raise gpu_in_workers(name, "--workers 0")
        raise value.error()
    return value


_IN_A_WORKER = "Cannot re-initialize CUDA in forked subprocess"  # of torch


def gpu_in_workers(name: str, option: str) -> UsageError:
    """The error of data on a GPU that worker processes are to read."""
    return UsageError(
        f"{name} has tensors on a GPU, which worker processes cannot read",
        "each process has a GPU context of its own; tensors on the GPU need no workers",
        hint=option,
    )


def is_on_gpu(error: Exception) -> bool:
    """Whether it is torch's error of a worker process that uses the GPU."""
    return _IN_A_WORKER in str(error)


def _last_line(error: Exception) -> str:
    """The text of an exception; of one in a worker, without its traceback."""
    lines = message_of(error).splitlines()
    if lines and "DataLoader worker process" in lines[0]:
        return lines[-1].strip()
    return format_exception(error)


def sample_of(split: UserSplit) -> UserBatch:
    """Two examples, in the structure of a batch.

    Raises:
        ModelError: there are none, or they are not inputs and targets.
    """
    with preserve_rng_state():
        if isinstance(split, Examples):
            guarded = Guarded(split.dataset, lambda index: f"example {index} of {split.name}")
            batch = collate([guarded[index] for index in range(min(2, len(split)))])
            batch = next_of(iter([batch]), split.name)
        else:
            try:
                batch = next_of(iter(split.batches()), split.name)
            except StopIteration:
                raise ModelError(f"{split.name} has no batch") from None
    found = batch_of(batch, split.name)
    inputs, targets = (_first_two(part, found.examples) for part in found[:2])
    return UserBatch(inputs, targets, min(2, found.examples))


def _first_two(value: Any, count: int) -> Any:
    if isinstance(value, Tensor):
        return value[:2] if value.ndim and value.shape[0] == count else value
    if isinstance(value, Arguments):
        return Arguments(_first_two(value.positional, count), _first_two(value.named, count))
    if hasattr(value, "_fields"):
        return type(value)(*(_first_two(item, count) for item in value))
    if isinstance(value, tuple | list):
        return type(value)(_first_two(item, count) for item in value)
    if isinstance(value, Mapping):
        return {key: _first_two(item, count) for key, item in value.items()}
    return value
