"""What the code of a model sets, keeps and raises ends with the analysis."""

from __future__ import annotations

import functools
import importlib
import logging
import os
import random
import signal
import sys
import warnings
import wave
from contextlib import nullcontext
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import cnnstat
from cnnstat.errors import ModelError, UsageError
from cnnstat.models.construction import construct
from cnnstat.tracing.process.isolation import isolated
from tests.networks import Function, With


def process():
    """Everything that the models below change."""
    return {
        "default dtype": torch.get_default_dtype(),
        "default device": torch.get_default_device(),
        "deterministic": torch.get_deterministic_debug_mode(),
        "anomaly": (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        "gradients": (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        "autocast": (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")),
        "precision": torch.get_float32_matmul_precision(),
        "threads": torch.get_num_threads(),
        "cudnn": (torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic),
        "attention": torch.backends.cuda.math_sdp_enabled(),
        "modes": (torch._C._len_torch_function_stack(), torch._C._len_torch_dispatch_stack()),
        "hooks": len(torch.nn.modules.module._global_forward_hooks),
        "printing": dict(vars(torch._tensor_str.PRINT_OPTS)),
        "random": (torch.get_rng_state().tolist(), random.getstate()),
        "warnings": list(warnings.filters),
        "path": (list(sys.path), list(sys.argv), os.getcwd(), dict(os.environ)),
        "streams": (sys.stdout, sys.stderr),
        "recursion": sys.getrecursionlimit(),
        "signals": (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)),
        "logging": logging.root.manager.disable,
        "len": len,
        "C++": torch._C._set_grad_enabled,
        "wave": sys.modules.get("wave"),
    }


SET = {
    "default dtype": lambda: torch.set_default_dtype(torch.float64),
    "default device": lambda: torch.set_default_device("cpu"),
    "deterministic": lambda: torch.use_deterministic_algorithms(True),
    "anomaly": lambda: torch.autograd.set_detect_anomaly(True),
    "gradients": lambda: torch.set_grad_enabled(not torch.is_grad_enabled()),
    "inference mode": lambda: torch.inference_mode().__enter__(),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16).__enter__(),
    "precision": lambda: torch.set_float32_matmul_precision("medium"),
    "threads": lambda: torch.set_num_threads(torch.get_num_threads() + 1),
    "cudnn": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "attention": lambda: torch.backends.cuda.enable_math_sdp(False),
    "a mode": lambda: TorchDispatchMode().__enter__(),
    "hooks": lambda: nn.modules.module.register_module_forward_hook(lambda *args: None),
    "printing": lambda: torch.set_printoptions(precision=2),
    "torch's seed": lambda: torch.manual_seed(3),
    "Python's seed": lambda: random.seed(3),
    "warnings": lambda: warnings.simplefilter("error"),
    "path": lambda: sys.path.clear(),
    "arguments": lambda: sys.argv.append("--more"),
    "folder": lambda: os.chdir("/"),
    "environment": lambda: os.environ.update(CNNSTAT_TEST="1", HOME="/"),
    "stderr": lambda: setattr(sys, "stderr", None),
    "recursion": lambda: sys.setrecursionlimit(200),
    "signals": lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    "logging": lambda: logging.disable(),
    "builtins": lambda: setattr(__import__("builtins"), "len", None),
    "a function of C++": lambda: setattr(torch._C, "_set_grad_enabled", None),
    "a module": lambda: sys.modules.pop(wave.__name__),
}


FATAL = {"builtins", "a mode", "a function of C++"}  # nothing runs after it


@pytest.mark.parametrize("fails", [False, True], ids=["succeeds", "fails"])
@pytest.mark.parametrize("name", SET)
def test_the_process_is_as_it_was(name, fails):
    def forward(x):
        SET[name]()
        if fails:
            raise ValueError(name)
        return F.relu(x)

    before = process()
    with nullcontext() if not fails and name not in FATAL else pytest.raises(ModelError):
        cnnstat.analyze(Function(forward), (2, 3))
    after = process()
    assert [key for key in before if before[key] != after[key]] == []


@pytest.mark.parametrize("name", [n for n in SET if n not in FATAL])
def test_what_a_file_sets_holds_for_its_own_analysis_alone(name, tmp_path, monkeypatch):
    file = tmp_path / "sets.py"
    file.write_text(
        "from torch import nn\nfrom tests.tracing.test_isolation import SET\n"
        f"SET[{name!r}]()\nclass Net(nn.Linear):\n    def __init__(self): super().__init__(3, 4)\n"
    )
    before = process()
    assert cnnstat.analyze(f"{file}:Net").totals.macs == 3 * 4
    after = process()
    assert [key for key in before if before[key] != after[key]] == []


class Shallow(nn.Linear):
    def train(self, mode=True):
        sys.setrecursionlimit(50)  # less than cnnstat itself needs


def test_a_lower_limit_of_recursion_ends_no_analysis():
    limit = sys.getrecursionlimit()
    assert cnnstat.analyze(Shallow(3, 4), (1, 3)).totals.macs == 3 * 4
    assert sys.getrecursionlimit() == limit


DOUBLE = """
import torch
from torch import nn
torch.set_default_dtype(torch.float64)
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 5)
    def forward(self, x):
        return self.layer(x) + torch.ones(5)
class Single(Net):
    def __init__(self):
        super().__init__()
        self.float()
    def forward(self, x):
        return self.layer(x)
"""


def test_the_default_dtype_of_a_file_is_that_of_its_inputs(tmp_path):
    (tmp_path / "double.py").write_text(DOUBLE)
    spec = f"{tmp_path / 'double.py'}:Net"
    analysis = cnnstat.analyze(spec, (2, 4))
    assert analysis.inputs[0].dtype == "float64"
    assert analysis.totals.param_bytes == 8 * (4 * 5 + 5)
    assert cnnstat.analyze(spec, (2, 4), lane="cpu").inputs[0].dtype == "float64"
    assert cnnstat.formulas(spec, "N,4").inputs[0].dtype == "float64"
    assert cnnstat.memory(spec, (2, 4)).inputs[0].dtype == "float64"
    assert cnnstat.analyze(spec.replace("Net", "Single"), (2, 4)).inputs[0].dtype == "float32"


def test_the_default_dtype_of_the_caller(monkeypatch):
    torch.set_default_dtype(torch.float64)
    try:
        analysis = cnnstat.analyze("lenet")
        assert torch.get_default_dtype() is torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    plain = cnnstat.analyze("lenet")
    assert analysis.totals.macs == plain.totals.macs
    assert analysis.totals.param_bytes == 2 * plain.totals.param_bytes


# Caches of tensors outside of the model


class OnClass(nn.Linear):
    cache = None
    by_size: ClassVar[dict] = {}
    calls = 0

    def forward(self, x):
        type(self).calls += 1
        if OnClass.cache is None:
            OnClass.cache = x.new_ones(4)
        if 4 not in self.by_size:
            self.by_size[4] = [x.new_zeros(4)]
        return super().forward(x) * OnClass.cache + self.by_size[4][0]


_table: dict = {}
_is_ready = False
_scale = None


class InGlobals(nn.Linear):
    def forward(self, x):
        global _is_ready, _scale
        _table.setdefault("bias", x.new_zeros(4))
        if not _is_ready:
            _scale, _is_ready = x.new_ones(4), True
        return super().forward(x) * _scale + _table["bias"]


_seen: list = []


@functools.lru_cache
def positions(size):
    return _seen[-1].new_ones(size)


class InLruCache(nn.Linear):
    def forward(self, x):
        _seen.append(x)
        return super().forward(x) * positions(4)


def with_default(x, cache={}):  # noqa: B006
    return x * cache.setdefault("scale", x.new_ones(4))


class InDefault(nn.Linear):
    def forward(self, x):
        return with_default(super().forward(x))


def _closure():
    kept, scale = [], None

    def scaled(x):
        nonlocal scale
        if not kept:
            kept.append(x.new_zeros(4))
            scale = x.new_ones(4)
        return x * scale + kept[0]

    return scaled


_scaled = _closure()


class InClosure(nn.Linear):
    def forward(self, x):
        return _scaled(super().forward(x))


class OnFunction(nn.Linear):
    def forward(self, x):
        if not hasattr(with_default, "scale"):
            with_default.scale = x.new_ones(4)
        return super().forward(x) * with_default.scale


class Registry:
    def __init__(self):
        self.tables = {}


_registry = Registry()


class InObject(nn.Linear):
    def forward(self, x):
        return super().forward(x) * _registry.tables.setdefault(4, x.new_ones(4))


class InConstructor(nn.Linear):
    scale = None

    def __init__(self, *sizes):
        super().__init__(*sizes)
        if InConstructor.scale is None:
            InConstructor.scale = torch.ones(4)

    def forward(self, x):
        return super().forward(x) * InConstructor.scale


CACHING = [
    OnClass,
    InGlobals,
    InLruCache,
    InDefault,
    InClosure,
    OnFunction,
    InObject,
    InConstructor,
]


@pytest.mark.parametrize("cls", CACHING)
def test_no_tensor_without_data_is_left_to_a_real_run(cls):
    name = f"{__name__}:{cls.__name__}"
    options = {"arguments": {"in_features": 4, "out_features": 4}}
    if cls is InConstructor:
        options = {}
        name = f"{__name__}:build"
    cnnstat.analyze(name, (2, 4), **options)
    cnnstat.memory(name, (2, 4), **options)
    model = cls(4, 4)
    cnnstat.analyze(model, (2, 4))
    cnnstat.memory(model, (2, 4))
    assert OnClass.calls == 0
    result = model(torch.ones(2, 4))
    assert result.device.type == "cpu"
    assert result.isfinite().all()
    OnClass.calls, OnClass.cache = 0, None


def build():
    return InConstructor(4, 4)


def test_a_class_that_its_forward_replaces_is_as_it_was():
    class Net(nn.Linear):
        def forward(self, x):
            type(self).forward = lambda self, x: x
            return super().forward(x)

    before = Net.forward
    assert cnnstat.analyze(Net(4, 5), (2, 4)).totals.macs == 2 * 4 * 5
    assert Net.forward is before


def test_what_is_kept_with_data_is_left_alone():
    counts = {"calls": 0}

    def forward(x):
        counts["calls"] += 1
        return F.relu(x)

    cnnstat.analyze(Function(forward), (2, 4))
    assert counts["calls"] == 1


def test_features_that_a_hook_collects_are_dropped():
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU())
    features = [torch.zeros(1)]
    net[0].register_forward_hook(lambda module, inputs, output: features.append(output))
    cnnstat.analyze(net, (2, 4))
    assert len(features) == 1
    net(torch.ones(2, 4))
    assert features[1].device.type == "cpu"


def test_slots():
    class Net(nn.Linear):
        __slots__ = ("_empty", "scale")

        def __init__(self):
            super().__init__(4, 5)
            self.scale = 2

        def forward(self, x):
            return super().forward(x) * self.scale

    assert cnnstat.analyze(Net(), (2, 4)).totals.macs == 2 * 4 * 5


GROUPS = """
from torch import distributed, nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        distributed.init_process_group(store=distributed.HashStore(), rank=0, world_size=1)
        self.layer = nn.Linear(4, 5)
        self.count = int(distributed.get_world_size() * self.layer.weight.sum().item() ** 0)

    def forward(self, x):
        return self.layer(x)
"""


def test_a_constructor_that_runs_twice_may_initialise_a_process_group(tmp_path):
    (tmp_path / "net.py").write_text(GROUPS)
    for lane in ("meta", "cpu"):
        analysis = cnnstat.analyze(f"{tmp_path}/net.py:Net", (2, 4), lane=lane)
        assert analysis.totals.macs == 2 * 4 * 5
        assert not torch.distributed.is_initialized()


def test_code_that_empties_the_path_of_modules():
    @isolated()
    def analyse():
        sys.path.clear()
        importlib.import_module("not_to_be_found")

    with pytest.raises(ModelError, match=r"removes entries of sys\.path"):
        analyse()
    assert sys.path


# Exceptions


class Unprintable(Exception):
    def __str__(self):
        raise SystemExit(0)

    __repr__ = __str__


RAISED = {
    "exit": (SystemExit, 0), "bye": (SystemExit, "bye"), "generator": (GeneratorExit,),
    "base": (BaseException, "b"), "stop": (StopIteration,), "memory": (MemoryError,),
    "deep": (RecursionError, "deep"), "unprintable": (Unprintable,),
    "long": (Exception, "x" * 10**6), "key": (KeyError, "k"),
}  # fmt: skip


def raising(kind, *args):
    raise kind(*args)


@pytest.mark.parametrize("name", RAISED)
def test_whatever_a_forward_raises(name):
    error, *args = RAISED[name]
    for call in (cnnstat.analyze, cnnstat.memory):
        model = With(lambda self, x: raising(error, *args), layer=nn.Linear(3, 4))
        with pytest.raises(ModelError) as raised:
            call(model, (2, 3))
        text = str(raised.value)
        assert error.__name__ in text
        assert "test_isolation.py" in text  # the place
        assert len(text) < 2000


class Constructor(nn.Module):
    def __init__(self, name):
        super().__init__()
        raising(*RAISED[name])


@pytest.mark.parametrize("name", RAISED)
def test_whatever_a_constructor_raises(name):
    with pytest.raises(ModelError) as raised:
        cnnstat.analyze(f"{__name__}:Constructor", (2, 3), arguments={"name": name})
    text = str(raised.value)
    assert RAISED[name][0].__name__ in text
    assert "test_isolation.py" in text
    assert len(text) < 2000


def test_a_keyboard_interrupt_passes_through():
    model = Function(lambda x: raising(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        cnnstat.analyze(model, (2, 3))


def _replacing_an_interrupt(x=None):
    try:
        raise KeyboardInterrupt
    finally:
        raise ValueError("cannot close the file")


def test_a_keyboard_interrupt_that_code_replaces():
    with pytest.raises(KeyboardInterrupt):
        cnnstat.analyze(Function(_replacing_an_interrupt), (2, 3))
    with pytest.raises(KeyboardInterrupt):
        construct(_replacing_an_interrupt, {})


def _overriding(**methods):
    return type("Net", (nn.Linear,), methods)(3, 4)


@pytest.mark.parametrize("name", ["train", "__call__"])
def test_whatever_an_override_raises(name):
    model = _overriding(**{name: lambda self, *args, **kwargs: raising(SystemExit, 0)})
    with pytest.raises(ModelError, match=r"test_isolation.py:\d+(.|\n)*raise kind"):
        cnnstat.analyze(model, (2, 3))


@pytest.mark.parametrize("name", ["modules", "parameters"])
def test_an_override_that_is_not_called_raises_nothing(name):
    model = _overriding(**{name: lambda self, *args, **kwargs: raising(SystemExit, 0)})
    assert cnnstat.analyze(model, (2, 3)).totals.macs == 2 * 3 * 4


def test_an_attribute_that_cannot_be_copied_is_shared():
    class Obstinate:
        def __deepcopy__(self, memo):
            raise SystemExit(0)

    model = nn.Linear(3, 4)
    model.owner = Obstinate()
    assert cnnstat.analyze(model, (2, 3)).totals.macs == 2 * 3 * 4


class Uninitialized(nn.Module):
    def __init__(self):
        self.size = 3


@pytest.mark.parametrize("model", [Uninitialized(), f"{__name__}:Uninitialized"])
def test_no_call_of_the_constructor_of_module(model):
    with pytest.raises(ModelError) as raised:
        cnnstat.analyze(model, (2, 3))
    assert "Uninitialized does not call super().__init__()" in str(raised.value)
    assert "test_isolation.py" in str(raised.value)


def test_a_module_that_contains_itself():
    model = nn.Sequential(nn.Linear(3, 4), nn.Sequential())
    model[1].parent = model
    with pytest.raises(ModelError, match=r"contains itself, as 1\.parent"):
        cnnstat.analyze(model, (2, 3))


def test_lists_that_contain_themselves():
    given = [torch.ones(2, 3)]
    given.append(given)
    with pytest.raises(UsageError, match="contains itself"):
        cnnstat.analyze(nn.Linear(3, 4), given)

    def forward(self, x):
        results = {"y": self.layer(x)}
        results["all"] = [results]
        return results

    assert cnnstat.analyze(With(forward, layer=nn.Linear(3, 4)), (2, 3)).totals.macs == 24
