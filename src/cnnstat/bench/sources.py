"""The objects behind the names of a job: modules, data and losses of the user's Python code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from msgspec import structs
from torch import nn

from ..choices import LOSSES
from ..errors import NotFound, UsageError, nearest
from ..models.python_import import import_place
from ..tracing.structure.modules import class_name
from ..tracing.user_code.compilation import inside_wrappers
from .datasets import Data, data_kinds, user_data
from .results import Protocol
from .user_data import Stream


@dataclass
class Sources:
    """Objects of the caller, by the names that the job has for them.

    What is not among them is a spec, which is loaded.
    """

    models: Mapping[str, Any] = field(default_factory=dict)
    data: Any = None
    test_data: Any = None
    loss: Any = None
    batch_size: int | None = None
    workers: int | None = None
    """The chosen ones; None if they were not chosen."""
    _loaded: Data | None = None

    def model(self, name: str) -> Any:
        """The object or the spec of a model."""
        return self.models.get(name, name)

    def user_data(self, protocol: Protocol) -> Data | None:
        """The user's data, loaded once; None for data of cnnstat.

        Raises:
            UsageError, ModelError: as `datasets.user_data`.
        """
        if self.data is None and not names_user_code(protocol.data):
            if protocol.test_data:
                raise UsageError(
                    f"--test-data is for data of yours: {protocol.data} has its own",
                    hint="--data my_data.py:train --test-data my_data.py:test",
                )
            return None
        if self._loaded is None:
            train = object_named(protocol.data) if self.data is None else self.data
            test = self.test_data
            if test is None and protocol.test_data:
                test = object_named(protocol.test_data)
            loaded = user_data(train, test, protocol)
            fixed = isinstance(loaded.train, Stream) and not loaded.train.is_resizable
            if fixed and self.batch_size is not None:
                raise UsageError(
                    f"--batch-size {self.batch_size}: {protocol.data} makes batches itself",
                    hint="a Dataset, of which cnnstat makes the batches",
                )
            if isinstance(loaded.train, Stream) and self.workers:
                raise UsageError(
                    f"--workers {self.workers} has no effect: {protocol.data} makes its batches "
                    "itself",
                    hint="num_workers of the DataLoader, or a Dataset",
                )
            self._loaded = loaded
        return self._loaded

    def with_batch_size(self, protocol: Protocol) -> Protocol:
        """The protocol with the batch size of data that makes its own batches."""
        data = self.user_data(protocol)
        if data is None or not isinstance(data.train, Stream):
            return protocol
        return structs.replace(protocol, batch_size=data.train.batch_size or protocol.batch_size)

    def loss_function(self, protocol: Protocol) -> Callable[[Any, Any], Any] | None:
        """The user's loss: of the output of the model and the targets; None for cross-entropy.

        Raises:
            UsageError: it cannot be called.
        """
        if not protocol.loss:
            return None
        loss = object_named(protocol.loss) if self.loss is None else self.loss
        if isinstance(loss, type):
            loss = loss()
        if not callable(loss):
            raise UsageError(f"--loss {protocol.loss} is a {type(loss).__name__}, no function")
        return deepcopy(loss) if isinstance(loss, nn.Module) else loss


def names_of(models: Sequence[Any]) -> dict[str, Any]:
    """Models by name: specs as they are, objects by their class, numbered where it occurs again."""
    counts: Counter[str] = Counter()
    found: dict[str, Any] = {}
    for model in models:
        name = model if isinstance(model, str) else name_of(model)
        counts[name] += 1
        if counts[name] > 1 and isinstance(model, str):
            raise UsageError(f"{model} is named twice: its steps could not be told apart")
        found[name if counts[name] == 1 else f"{name} ({counts[name]})"] = model
    return found


def name_of(value: Any) -> str:
    """The name of an object of the user: of a function or class its own, else that of its class."""
    if isinstance(value, nn.Module):
        return class_name(inside_wrappers(value))
    if isinstance(value, tuple | list):
        return "tensors"
    return str(getattr(value, "__name__", type(value).__name__))


def loss_place(name: str) -> str | None:
    """The place of a loss that is named: `mse`, `MSELoss`, `my_losses.py:loss`.

    Raises:
        UsageError: it is neither a name that is known nor a place.
    """
    word = name.removeprefix("torch.").removeprefix("nn.")
    key = word.lower().replace("_", "-")
    by_class = {place.partition(":")[2].lower(): place for place in LOSSES.values() if place}
    if key in LOSSES:
        return LOSSES[key]
    if key in by_class:
        return by_class[key]
    if ":" in name or name.endswith(".py"):
        return name
    if isinstance(getattr(nn, word, None), type) and word.endswith("Loss"):
        return None if word == "CrossEntropyLoss" else f"torch.nn:{word}"
    raise UsageError(
        f"unknown loss {name!r}", *filter(None, [nearest(name, LOSSES)]),
        f"known: {', '.join(LOSSES)}, and those of torch.nn", hint="--loss torch.nn:MSELoss",
    )  # fmt: skip


def names_user_code(text: str) -> bool:
    """Whether `--data` names Python code: `my_data.py:train`, `package.module:train`."""
    kind, colon, _ = text.partition(":")
    return text.endswith(".py") or (bool(colon) and kind not in data_kinds())


def object_named(spec: str) -> Any:
    """The object that `FILE.py:NAME` or `package.module:NAME` names.

    Raises:
        NotFound: there is no such file, module or name.
        ModelError: it cannot be imported.
    """
    place, _, name = spec.rpartition(":") if ":" in spec else (spec, "", "")
    try:
        module = import_place(place, name)
    except NotFound as error:
        kinds = [f"{kind}:" if kind == "folder" else kind for kind in data_kinds()]
        error.details = (*error.details, *filter(None, [nearest(f"{place}:", kinds)]))
        raise
    known = [n for n, value in vars(module).items() if _is_defined_in(module, n, value)]
    if not name:
        raise UsageError(
            f"{spec} names a file, not what is in it",
            *([f"it has {', '.join(known)}"] if known else []),
            hint=f"{spec}:{known[0] if known else 'NAME'}",
        )
    if not hasattr(module, name):
        raise NotFound(f"{place} has no {name!r}", *filter(None, [nearest(name, known)]))
    return getattr(module, name)


def _is_defined_in(module: Any, name: str, value: Any) -> bool:
    """Whether it is a function, a class or a container of this module itself."""
    if name.startswith("_") or isinstance(value, str):
        return False
    is_code = callable(value) and getattr(value, "__module__", "") == module.__name__
    return is_code or (hasattr(value, "__getitem__") and not isinstance(value, type))
