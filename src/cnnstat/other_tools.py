"""Calls as other tools take them: torchinfo's `input_size`, thop's `inputs`, options of a display.

Only a keyword that the model's own `forward` does not name is read so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

from .errors import UsageError
from .escaping import described
from .inputs import DTYPES, InputSpec

_INPUTS = ("input_size", "input_shape", "input_data", "inputs", "input")
"""Of torchinfo, torchsummary, ptflops; torchinfo; thop and fvcore."""
_COLUMNS = {
    "input_size": "input", "output_size": "output", "num_params": "params",
    "params_percent": "params-share", "kernel_size": "kernel", "groups": "type",
    "mult_adds": "macs", "trainable": "type",
}  # fmt: skip
_NOT_NEEDED = {
    "device": "the model is run without data, on no device",
    "verbose": "nothing is printed; the result shows itself, and .show() prints it",
    "col_width": "a column is as wide as its texts",
    "row_settings": "the rows show paths and types",
    "cache_forward_pass": "a result is computed once, and can be saved",
    "batch_dim": "the batch is the first size of an input",
    "print_per_layer_stat": ".show() prints the layers",
    "custom_ops": "costs of your own are registered: cnnstat.register_module",
    "report_missing": "the result has them: .totals.uncounted",
    "as_strings": "figures are numbers, and .show() prints them",
}
ARGUMENTS = {
    **dict.fromkeys(("x", "x_train", "train_data", "dataset", "loader", "dataloader",
                     "train_loader", "train_dataloaders", "train_dataset"), "data"),
    **dict.fromkeys(("x_test", "validation_data", "val_data", "val_loader", "test_loader",
                     "val_dataloaders", "eval_dataset", "validation_split"), "test_data"),
    **dict.fromkeys(("learning_rate", "eta"), "lr"), "max_epochs": "epochs", "max_steps": "steps",
    "num_workers": "workers", "criterion": "loss", "loss_fn": "loss", "logger": "log",
    "accelerator": "device", "accumulate_grad_batches": "accumulate", "scheduler": "schedule",
    "gradient_accumulation_steps": "accumulate", "world_size": "fsdp", "strategy": "fsdp",
    "devices": "fsdp", "dtype": "precision", "train": "training", "gpu": "device",
    "batch": "batch_size", "bs": "batch_size", "kwargs": "arguments", "args": "arguments",
}  # fmt: skip
"""Arguments of Keras, Lightning and others, as those of public functions here."""


def understood(
    model: Any, inputs: Sequence[Any], named: Mapping[str, Any], call: str
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The inputs in the words of cnnstat.

    `call` is the call to suggest, with `{}` for the inputs.

    Raises:
        UsageError: a keyword is another tool's and has no meaning here; the error says what to do.
    """
    parameters = _parameters_of(model)
    foreign = {name: value for name, value in named.items() if name not in parameters}
    rest = {name: value for name, value in named.items() if name in parameters or name not in _ALL}
    for name, value in foreign.items():
        _refuse_options(name, value, call)
    chosen = [name for name in _INPUTS if foreign.get(name) is not None]
    dtypes = foreign.get("dtypes")
    if dtypes is not None and not (chosen and chosen[0].endswith(("size", "shape"))):
        raise _refusal("dtypes", "a tensor has its own; a shape may have one: '1,128:int64'", call)
    if len(chosen) > 1 or (chosen and inputs):
        both = [*chosen, "a positional input"][:2]
        raise UsageError(f"{' and '.join(both)} both describe the inputs", hint=call.format("…"))
    if chosen and isinstance(foreign[chosen[0]], Mapping):  # of torchinfo: inputs by name
        rest = {**rest, **foreign[chosen[0]]}
    elif chosen:
        inputs = _positional(chosen[0], foreign[chosen[0]], dtypes)
    elif len(inputs) > 2 and all(type(value) is int for value in inputs):
        inputs = (tuple(inputs),)  # analyze(net, 1, 3, 32, 32)
    return tuple(inputs), rest


def _parameters_of(model: Any) -> tuple[str, ...]:
    try:
        return tuple(signature(model.forward).parameters)
    except (AttributeError, TypeError, ValueError):  # a spec, or code that is not Python
        return ()


def _refuse_options(name: str, value: Any, call: str) -> None:
    function = call.partition("(")[0]
    if name == "depth":
        raise UsageError(
            f"{function} computes all levels", "a depth is one of what is shown",
            hint=f"{call.format('…')}.show(depth={described(value)})",
        )  # fmt: skip
    if name == "col_names":
        names = value if isinstance(value, list | tuple) else ()
        columns = dict.fromkeys(_COLUMNS[name] for name in names if name in _COLUMNS)
        raise UsageError(
            f"{function} computes all columns", "col_names choose what is shown",
            hint=f'{call.format("…")}.show(columns="{",".join(columns) or "output,params"}")',
        )  # fmt: skip
    if name in _NOT_NEEDED:
        raise _refusal(name, _NOT_NEEDED[name], call)


def _refusal(name: str, reason: str, call: str) -> UsageError:
    function = call.partition("(")[0]
    return UsageError(f"{function} takes no {name}: {reason}", hint=f"leave out {name}=")


_ALL = {*_INPUTS, *_NOT_NEEDED, "depth", "col_names", "dtypes"}


def _positional(name: str, value: Any, dtypes: Any) -> tuple[Any, ...]:
    """The inputs that a keyword describes: one shape or tensor, or a list of several."""
    is_list = isinstance(value, list | tuple)
    is_shape = is_list and all(type(size) is int or size is None for size in value)
    if not is_list or is_shape:
        several: tuple[Any, ...] = (value,)
    else:
        several = tuple(value)
    if dtypes is None:
        return several
    names = [_dtype_name(d) for d in (dtypes if isinstance(dtypes, list | tuple) else [dtypes])]
    if len(names) != len(several) or not all(n in DTYPES for n in names):
        raise UsageError(f"dtypes are one for each of {len(several)} inputs: {described(dtypes)}")
    pairs = zip(several, names, strict=True)
    return tuple(InputSpec(tuple(shape), dtype) for shape, dtype in pairs)


def _dtype_name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")
