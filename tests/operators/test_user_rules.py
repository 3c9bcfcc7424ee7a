"""Rules of the user for operators and modules of their own, and formulas registered with torch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import flop_registry, register_flop_formula

import cnnstat
from cnnstat.cli.main import run
from cnnstat.errors import ModelError, UsageError
from cnnstat.operators import user_rules
from cnnstat.operators.registry import DEFINITIONS
from cnnstat.tracing.user_code import user_rules as module_rules

SIZE, ROWS = 6, 4


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """Without the rules of the other tests."""
    kept = dict(DEFINITIONS), dict(user_rules._rules), dict(module_rules._modules)
    formulas = dict(flop_registry)
    yield
    for table, before in zip(
        (DEFINITIONS, user_rules._rules, module_rules._modules, flop_registry),
        (*kept, formulas), strict=True,
    ):  # fmt: skip
        table.clear()
        table.update(before)


@torch.library.custom_op("own_rules::mix", mutates_args=())
def mix(x: Tensor, weight: Tensor, times: int = 1) -> Tensor:
    """Repeated products, which torch cannot run without data: it has no fake kernel."""
    for _ in range(times):
        x = x @ weight
    return x


@torch.library.custom_op("own_rules::known_shape", mutates_args=())
def known_shape(x: Tensor, weight: Tensor) -> Tensor:
    return x @ weight


@known_shape.register_fake
def _(x: Tensor, weight: Tensor) -> Tensor:
    return x.new_empty(x.shape[0], weight.shape[1])


class Net(nn.Module):
    def __init__(self, operator: Any = mix) -> None:
        super().__init__()
        self.first = nn.Linear(SIZE, SIZE)
        self.weight = nn.Parameter(torch.zeros(SIZE, SIZE))
        self.operator = operator

    def forward(self, x: Tensor) -> Any:
        return self.operator(self.first(x), self.weight)


FIRST = ROWS * SIZE * SIZE


def test_an_operator_without_a_rule_is_named() -> None:
    found = cnnstat.analyze(Net(), (ROWS, SIZE))
    assert found.totals.uncounted == {"own_rules.mix": 1}
    assert (found.lane, found.totals.macs) == ("cpu", FIRST)


def test_a_rule_counts_an_operator_and_runs_it_without_data() -> None:
    cnnstat.register_operator(
        "own_rules::mix",
        macs=lambda x, weight, times=1: times * x.numel * weight.shape[1],
        other_ops=3,
        shape=lambda x, weight, times=1: (x.shape[0], weight.shape[1]),
    )
    found = cnnstat.analyze(Net(), (ROWS, SIZE))
    assert (found.lane, found.totals.macs, found.totals.exact) == ("meta", 2 * FIRST, True)
    assert found.totals.other_ops == ROWS * SIZE + 3
    assert found.layers[0].outputs == ((ROWS, SIZE),)
    letters = cnnstat.formulas(Net(), f"N,{SIZE}")
    assert str(letters.totals.macs) == f"{2 * SIZE * SIZE}*N"


def test_a_decorated_function_counts_macs() -> None:
    @cnnstat.register_operator("own_rules::known_shape")
    def macs(x: Any, weight: Any, *, out: Any) -> int:
        return int(out.numel * x.shape[-1])

    found = cnnstat.analyze(Net(known_shape), (ROWS, SIZE))
    assert (found.lane, found.totals.macs, found.totals.exact) == ("meta", 2 * FIRST, True)
    assert macs.__name__ == "macs"


def test_a_formula_registered_with_torch_is_honoured() -> None:
    @register_flop_formula(torch.ops.own_rules.known_shape)
    def flops(x: Any, weight: Any, out_shape: Any = None, **rest: Any) -> int:
        return int(2 * x[0] * x[1] * weight[1])

    found = cnnstat.analyze(Net(known_shape), (ROWS, SIZE))
    assert (found.totals.macs, found.totals.exact) == (2 * FIRST, True)
    assert any("registered with torch" in note for note in found.notes)
    # a rule of cnnstat comes first
    cnnstat.register_operator("own_rules::known_shape", macs=7)
    again = cnnstat.analyze(Net(known_shape), (ROWS, SIZE))
    assert (again.totals.macs, again.notes) == (FIRST + 7, ())


class Layer(nn.Module):
    """A layer whose code does not say what its kernel does."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width
        self.weight = nn.Parameter(torch.zeros(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.weight).relu() + x


class Special(Layer):
    pass


def test_a_rule_counts_a_module_in_place_of_its_operators() -> None:
    net = nn.Sequential(nn.Linear(SIZE, SIZE), Special(SIZE))
    cnnstat.register_module(Layer, macs=lambda layer, x: 10 * x.numel() * layer.width)
    found = cnnstat.analyze(net, (ROWS, SIZE))
    own = 10 * FIRST
    assert (found.totals.macs, found.totals.other_ops) == (FIRST + own, ROWS * SIZE)
    rows = {row.path: row for row in found.layers}
    assert (rows["1"].macs, rows["1"].params) == (own, SIZE * SIZE)
    assert list(rows) == ["", "0", "1"]  # no rows for what is inside
    assert found.totals.depth == 2
    trained = cnnstat.analyze(net, (ROWS, SIZE), training=True)
    assert trained.totals.macs == found.totals.macs
    assert cnnstat.memory(net, (ROWS, SIZE)).peak_bytes > 0


def test_a_module_that_is_not_run() -> None:
    class Kernel(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ImportError("a CUDA extension")

    cnnstat.register_module(Kernel, macs=100, shape=lambda layer, x: [(1, 2), (3,)])
    found = cnnstat.analyze(Kernel(), (ROWS, SIZE))
    assert (found.lane, found.totals.macs) == ("meta", 100)
    assert found.layers[0].outputs == ((1, 2), (3,))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"name": "mix", "macs": 1}, "'mix' is no name of an operator"),
        ({"name": "own_rules::mix.default", "macs": 1}, "without an overload"),
        ({"name": "aten::mm", "macs": 1}, "aten::mm is counted by cnnstat already"),
        ({"name": "own_rules::mix", "macs": -1}, "macs is -1"),
        ({"name": "own_rules::mix", "macs": "x"}, "macs is 'x'"),
        ({"name": "own_rules::mix", "macs": 1, "other_ops": 1.5}, "other_ops is 1.5"),
    ],
)
def test_what_cannot_be_registered(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        cnnstat.register_operator(**arguments)
    assert says in str(caught.value)
    assert f"{Path(__file__).name}:" in str(caught.value)


def test_what_is_no_module() -> None:
    for wrong in (int, "Layer", nn.Linear(1, 1)):
        with pytest.raises(UsageError, match="is no class of modules"):
            cnnstat.register_module(wrong, macs=1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        (lambda x: 1, "TypeError"),
        (lambda *args: 1.5, "macs is 1.5, expected a whole number"),
        (lambda *args: -3, "macs is -3"),
        (lambda *args: True, "macs is True"),
    ],
)
def test_a_rule_that_fails(rule: Any, says: str) -> None:
    cnnstat.register_operator("own_rules::known_shape", macs=rule)
    with pytest.raises(ModelError) as caught:
        cnnstat.analyze(Net(known_shape), (ROWS, SIZE))
    assert says in str(caught.value)
    assert "the rule for own_rules::known_shape" in str(caught.value)


RULES = """
import cnnstat, torch
from net import Layer
cnnstat.register_module(Layer, macs=1000)
"""
NET = """
import torch
from torch import nn
class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Linear(6, 6)
    def forward(self, x):
        return self.inner(x)
class Net(nn.Sequential):
    def __init__(self):
        super().__init__(nn.Linear(6, 6), Layer())
"""
COMMANDS = [
    ["shapes", "net.py:Net", "--input", "4,6"],
    ["compare", "net.py:Net", "net.py:Net", "--input", "4,6"],
    ["explain", "net.py:Net", "1", "--input", "4,6"],
    ["memory", "net.py:Net", "--input", "4,6"],
    ["roofline", "net.py:Net", "--input", "4,6", "--device", "h100"],
    ["scale", "net.py:Net", "--input", "N,6", "--over", "N=2,4"],
    ["verify", "net.py:Net", "--input", "4,6"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=[command[0] for command in COMMANDS])
def test_every_command_knows_the_rules_of_the_project(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("net.py").write_text(NET)
    Path("my_rules.py").write_text(RULES)
    Path("pyproject.toml").write_text('[tool.cnnstat]\nimport = ["my_rules"]\n')
    for name in ("net", "my_rules"):
        monkeypatch.delitem(__import__("sys").modules, name, raising=False)
    assert run([*command, "--format", "json"]) in (0, 3), capsys.readouterr().err
    shown = capsys.readouterr().out
    if command[0] not in ("memory", "roofline"):
        assert str(4 * 36 + 1000) in shown or '"macs": 1000' in shown
