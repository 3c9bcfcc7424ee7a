"""Every public function and method, called with values of the wrong kind for each argument."""

from __future__ import annotations

import inspect
import itertools
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import cnnstat
from cnnstat.cli.main import run
from cnnstat.public_calls import _PUBLIC
from tests.kinds import result


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.linear = nn.Linear(4, 10)

    def forward(self, x: Tensor, scale: float = 1.0) -> Tensor:
        return self.linear(self.conv(x).mean((2, 3))) * scale


class Registered(nn.Module):
    """Its rule is replaced again and again."""


IMAGE = (1, 3, 8, 8)
NET = Net()
WRONG: dict[str, Any] = {
    "None": None, "3": 3, "-1": -1, "0": 0, "1.5": 1.5, "nan": math.nan, "True": True,
    "'foo'": "foo", "''": "", "'8'": "8", "null byte": "a\0b", "bytes": b"foo", "[]": [],
    "[None]": [None], "{}": {}, "{3: 4}": {3: 4}, "{'foo': 3}": {"foo": 3}, "object": object(),
    "class": Net, "module": NET, "function": lambda: None, "array": np.zeros((2, 2)),
    "tensor": torch.zeros(2, 2), "optimizer": torch.optim.SGD(NET.parameters(), lr=0.1),
    "10**30": 10**30, "set": {1, 2}, "numpy": np.int64(2), "slice": slice(3), "tuple": (1, 2),
}  # fmt: skip

CALLS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "analyze": ((NET, IMAGE), {}),
    "parameters": ((NET,), {}),
    "explain": ((NET, "conv", IMAGE), {}),
    "verify": ((NET, IMAGE), {}),
    "lint": ((NET, IMAGE), {}),
    "compare": ((NET, nn.Conv2d(3, 4, 3)), {"input": IMAGE}),
    "formulas": ((NET, "1,3,8,W"), {}),
    "scale": (("lenet",), {"over": "N=1"}),
    "memory": ((NET, IMAGE), {}),
    "roofline": ((NET, IMAGE), {"device": "h100"}),
    "list_devices": ((), {}),
    "measure": ((NET,), {"data": "synthetic", "steps": 1, "batch_size": 2, "input": "3,8,8"}),
    "latency": ((NET,), {"inputs": [IMAGE], "seconds": 0.01}),
    "resume": (("no-such-folder",), {}),
    "list_models": ((), {}),
    "read_analysis": (("no-such-file.json",), {}),
    "register": (("a-name",), {}),
    "register_operator": (("testlib::operator",), {"macs": 1}),
    "register_module": ((Registered,), {"macs": 1}),
}
"""A call of each function, in which one argument after the other is replaced."""
SLOW = {("measure_device", "clock"), ("measure_device", "device")}


def cases() -> Iterator[tuple[str, str]]:
    assert callable(cnnstat.analyze)  # imports all of them
    for name, public in _PUBLIC.items():
        for argument in public.known:
            if (name, argument) not in SLOW:
                yield name, argument
        if "inputs" in public.signature.parameters and "inputs" not in public.known:
            yield name, "*inputs"
            yield name, "**named_inputs"
        if "models" in public.signature.parameters:
            yield name, "*models"


def called(name: str, argument: str, value: Any) -> Any:
    """Call a function with one argument replaced."""
    positional, named = CALLS[name]
    if argument == "*inputs":
        return getattr(cnnstat, name)(*positional[: 2 if name == "explain" else 1], value, **named)
    if argument == "*models":
        return getattr(cnnstat, name)(value, **named)
    if argument == "**named_inputs":
        return getattr(cnnstat, name)(*positional, **named, foo=value)
    parameters = inspect.signature(getattr(cnnstat, name)).parameters
    places = [p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    if argument not in places[: len(positional)]:
        return getattr(cnnstat, name)(*positional, **{**named, argument: value})
    place = places.index(argument)
    return getattr(cnnstat, name)(*positional[:place], value, *positional[place + 1 :], **named)


SLOW_CALLS = {
    ("latency", "compile", "True"), ("latency", "layers", "True"), ("measure", "compile", "True"),
    *(("latency", "seconds", label) for label in ("3", "1.5", "10**30", "numpy")),
}  # fmt: skip
RUNS = ("*inputs", "inputs", "input")  # a diagnosis of each value: of one function all, else some


@pytest.mark.parametrize(("name", "argument"), list(cases()))
def test_wrong_values(
    name: str, argument: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either the value has a meaning, or an error of cnnstat says what to type."""
    monkeypatch.chdir(tmp_path)
    step = 2 if name in ("measure", "latency") else 1  # those that are accepted are trained
    step = (3 if name == "analyze" else 9) if argument in RUNS else step
    for label, value in list(WRONG.items())[::step]:
        if (name, argument, label) in SLOW_CALLS or (argument, label) == ("watch", "module"):
            continue
        try:
            called(name, argument, value)
        except cnnstat.CnnstatError as error:
            text = str(error)
            in_python = re.sub("cnnstat .*, on the command line", "", text)
            assert not re.search("(?<!-)--[a-z]", in_python), f"{label}: an option: {text}"
            assert " object at 0x" not in text, f"{label}: {text}"


METHODS = ("save", "show", "to_latex", "to_markdown", "to_pandas", "to_json", "to_dict")
OPTIONS = ("depth", "columns", "sort", "top", "ops", "units", "totals", "caption", "label", "path")


@pytest.mark.parametrize("kind", ["analysis", "comparison", "memory", "roofline", "formulas"])
def test_wrong_options_of_methods(kind: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    for name, option in itertools.product(METHODS, OPTIONS):
        for value in list(WRONG.values())[:: 1 if kind == "analysis" else 4]:
            positional = ("layers.json",) if name == "save" and option != "path" else ()
            try:
                getattr(result(kind), name)(*positional, **{option: value})
            except cnnstat.CnnstatError as error:
                message = str(error)
                if not any(
                    word in message
                    for word in (option, "column", "sort key", "extension", ".save(")
                ):
                    pytest.fail(f"{name}({option}={value!r}): {message}")


def test_names_of_arguments_are_checked_by_every_kind() -> None:
    for kind in ("analysis", "comparison", "formulas", "roofline"):
        for name in ("to_markdown", "to_pandas", "to_html"):
            with pytest.raises(cnnstat.UsageError, match="unknown sort key 'foo'"):
                getattr(result(kind), name)(sort="foo")


FROZEN = Net().requires_grad_(False)
CALLS_OF_USERS: list[tuple[Any, str]] = [
    (lambda: cnnstat.lint(NET, IMAGE, fix=True), "lint() has no argument fix"),
    (lambda: cnnstat.memory(NET, IMAGE, fsdp_unit="x"), "did you mean fsdp_units?"),
    (lambda: cnnstat.memory("nin", fsdp_unit="x"), "did you mean fsdp_units?"),
    (lambda: cnnstat.analyze(NET, IMAGE, batch_size=8), "analyze(model, (8, 3, 224, 224))"),
    (lambda: cnnstat.analyze(NET, IMAGE, sacle=2), "did you mean scale?"),
    (lambda: cnnstat.analyze(NET, IMAGE, columns="macs"), '.show(columns="output,params,macs")'),
    (lambda: cnnstat.compare(NET, NET, IMAGE), "compare(model, other, input=(1, 3, 8, 8))"),
    (lambda: cnnstat.compare(NET, NET, inputs=IMAGE), "did you mean input?"),
    (lambda: cnnstat.latency(NET, IMAGE), "latency(model, inputs=[(1, 3, 8, 8)])"),
    (lambda: cnnstat.latency(NET, input=IMAGE), "did you mean inputs?"),
    (lambda: cnnstat.parameters(NET, IMAGE), "parameters() takes model by position"),
    (lambda: cnnstat.analyze(), "missing a required argument: 'model'"),
    (lambda: cnnstat.analyze(NET, "N,3,8,8"), 'cnnstat.formulas(model, "N,3,8,8")'),
    (lambda: cnnstat.analyze(NET, None), "cnnstat.analyze(model, (1, 3, 224, 224))"),
    (lambda: cnnstat.analyze(NET, "N"), "forward gets 'N' as it is; a shape is (1, 3, 224, 224)"),
    (lambda: cnnstat.memory("lenet", fsdp=1), "try: fsdp=8"),
    (lambda: cnnstat.memory("lenet", ddp=True, inference=True), "try: leave out ddp or inference"),
    (lambda: cnnstat.roofline("lenet"), 'try: device="h100" (cnnstat.list_devices() lists them)'),
    (lambda: cnnstat.measure("lenet", lr=-1.0), "lr=-1 is not positive and finite\n  try: lr=0.1"),
    (lambda: cnnstat.latency("lenet", batch_size=0), "batch_size=0 is less than 1"),
    (lambda: cnnstat.measure_device("tpu"), "known: cpu"),
    (lambda: cnnstat.scale("lenet", over={"H": [28], "W": [28]}), "over varies one thing"),
    (lambda: cnnstat.analyze(NET, (None, 3, 8, 8)), "analyze(model, (1, 3, 8, 8))"),
    (lambda: cnnstat.analyze(NET, (-1, 3, 8, 8)), "analyze(model, (1, 3, 8, 8))"),
    (lambda: cnnstat.analyze(NET, input_shape=(None, 3, 8, 8)), "analyze(model, (1, 3, 8, 8))"),
    (lambda: dict(cnnstat.analyze(NET, IMAGE)), "try: .totals.macs, .totals.params"),
    (lambda: cnnstat.compare({"a": NET, "b": NET}), "cnnstat.compare(*models.values())"),
    (lambda: cnnstat.measure(NET, TensorDataset(torch.zeros(2))), "(model, data=dataset)"),
    (lambda: cnnstat.measure(NET, DataLoader([1])), "a DataLoader is data"),
    (lambda: cnnstat.measure(NET, x_train=1), "did you mean data?"),
    (lambda: cnnstat.measure(NET, max_epochs=1), "did you mean epochs?"),
    (lambda: cnnstat.memory(NET, IMAGE, accumulate_grad_batches=4), "try: accumulate=4"),
    (lambda: cnnstat.memory(NET, IMAGE, device_memory=24), 'try: device_memory="24GiB"'),
    (lambda: cnnstat.measure("lenet", loss="l2"), "did you mean l1?"),
    (lambda: cnnstat.measure(FROZEN, data="synthetic", steps=1, input=IMAGE), "4 are frozen"),
    (lambda: cnnstat.list_models("resnet"), 'cnnstat.list_models(search="resnet")'),
    (lambda: cnnstat.analyze(NET, cnnstat.InputSpec(3)), "a tuple of whole numbers, not 3"),
    (lambda: cnnstat.analyze(NET, cnnstat.InputSpec((1, "3"))), "tuple of whole numbers, not"),
    (lambda: cnnstat.analyze(NET, cnnstat.InputSpec(IMAGE, "float33")), "not 'float33'"),
    (lambda: cnnstat.lint(NET, IMAGE, loss=nn.MSELoss()), 'try: loss="cross-entropy"'),
    (lambda: result("analysis").show(2), "try: result.show(depth=2)"),
    (lambda: result("analysis").save(None), 'try: path="run.json"'),
]


@pytest.mark.parametrize(("call", "message"), CALLS_OF_USERS)
def test_what_an_error_says_to_type(call: Any, message: str) -> None:
    with pytest.raises(cnnstat.CnnstatError) as caught:
        call()
    assert message in str(caught.value)


def test_words_of_other_tools() -> None:
    size = {"data": "synthetic", "steps": 1, "batch_size": 2}
    trained = cnnstat.measure(NET, input=(3, 8, 8), optimizer="Adam", precision="32-true", **size)
    assert (trained.protocol.optimizer, trained.protocol.precision) == ("adam", "fp32")
    assert cnnstat.measure("lenet", loss="nn.CrossEntropyLoss", **size).protocol.loss is None
    data = (torch.rand(8, 3), torch.rand(8, 1))
    for loss in ("mse", "MSELoss", "torch.nn.MSELoss"):
        found = cnnstat.measure(nn.Linear(3, 1), data=data, loss=loss, epochs=1)
        assert found.protocol.loss == "torch.nn:MSELoss"
    by_name = cnnstat.memory(NET, IMAGE, precision="bf16-mixed", device=torch.device("cpu"))
    assert (
        by_name.peak_bytes == cnnstat.memory(NET, IMAGE, precision="bf16", device="cpu").peak_bytes
    )


@pytest.mark.parametrize(
    "name", ["analyse", "count_parameters", "plot_model", "fit", "load", "ModelSummary", "anlyze"]
)
def test_functions_that_other_tools_have(name: str) -> None:
    with pytest.raises(AttributeError, match=r"; try: cnnstat\.\w+"):
        getattr(cnnstat, name)


def test_names_that_forward_has_are_inputs() -> None:
    assert cnnstat.analyze(NET, IMAGE, scale=2.0).totals.macs

    class Open(Net):
        def forward(self, x: Tensor, **fsdp: Any) -> Tensor:
            return super().forward(x)

    assert cnnstat.memory(Open(), IMAGE, fsdp_unit="x").peak_bytes


def test_the_command_line_names_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["memory", "lenet", "--fsdp", "8", "--precision", "fp16"]) == 2
    assert "try: --precision bf16" in capsys.readouterr().err


@pytest.mark.parametrize(
    "inputs",
    [
        [[IMAGE]], [(torch.zeros(IMAGE),)], [[torch.zeros(IMAGE)]], [{"x": IMAGE}],
        [{"x": torch.zeros(IMAGE)}], [np.zeros(IMAGE)], [np.zeros(IMAGE, np.float32)],
        [(np.int64(1), 3, 8, 8)],
    ],
)  # fmt: skip
def test_inputs_of_one_meaning(inputs: list[Any]) -> None:
    analysis = cnnstat.analyze(NET, *inputs)
    assert analysis.inputs[0].shape == IMAGE
    assert analysis.totals == cnnstat.analyze(NET, IMAGE).totals


def test_a_list_that_forward_takes_stays_one() -> None:
    class OfList(nn.Module):
        def forward(self, images: list[Tensor]) -> Tensor:
            return torch.stack([image.flatten() for image in images])

    assert cnnstat.analyze(OfList(), [torch.zeros(2, 3)]).layers[0].outputs == ((1, 6),)


def test_integers_of_an_array_are_indices() -> None:
    found = cnnstat.analyze(nn.Embedding(5, 3), np.array([[1, 2]]))
    assert (found.inputs[0].dtype, found.layers[0].outputs) == ("int64", ((1, 2, 3),))


def test_results_are_compared(tmp_path: Path) -> None:
    ours, other = cnnstat.analyze(NET, IMAGE), cnnstat.analyze(nn.Conv2d(3, 4, 3), IMAGE)
    ours.save(tmp_path / "ours.json")
    found = cnnstat.compare(ours, other)
    assert found.names == ("Net", "Conv2d")
    assert cnnstat.compare(tmp_path / "ours.json", other).totals == found.totals
    assert cnnstat.compare([ours, nn.Conv2d(3, 4, 3)]).totals == found.totals
    with pytest.raises(cnnstat.ModelError, match="Net was made on 1,3,8,8"):
        cnnstat.compare(ours, other, input=(1, 3, 9, 9))
