"""torch without its rules in Python: they come when they are wanted, and results stay the same."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import torch

import cnnstat
from cnnstat.analysis.results import Analysis
from cnnstat.fast_meta import torch_import
from cnnstat.fast_meta.kernels.mode import DECOMPOSED_IN_PYTHON, IN_CPP

POSTPONED = """
import json, sys
from cnnstat.fast_meta.torch_import import import_rules, is_postponed, rules_postponed
with rules_postponed():
    import torch
left = is_postponed()
"""


def fresh(code: str, *arguments: str, cwd: Path | None = None) -> str:
    command = [sys.executable, "-c", POSTPONED + code, *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=cwd)
    return ran.stdout


ODD = """
import torch
from torch import nn

def convolved(x):  # which torch has no rule for but that in Python
    return nn.functional.conv1d(x, torch.empty(1, 1, 3, device="meta"))

outside = convolved(torch.empty(1, 1, 8, device="meta")) if {outside} else None

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)
        self.table = torch.erfinv(torch.zeros(8)) if {building} else None

    def forward(self, x):
        x = self.fc(x)
        return torch.erfinv(x) if {running} else x

example_input = (2, 8)
"""


def test_what_is_left_out_is_what_takes_long() -> None:
    assert json.loads(fresh("print(json.dumps([left, 'torch._decomp' in sys.modules]))")) == [
        True, False
    ]  # fmt: skip


ANALYSE = """
from cnnstat.api import analyze
from cnnstat.errors import ModelError
from cnnstat.fast_meta.stand_ins import with_fast_imports
import msgspec
training = sys.argv[2] == "True"
result = with_fast_imports(lambda: analyze(sys.argv[1], training=training), in_doubt=ModelError)
print(json.dumps([is_postponed(), msgspec.json.encode(result).decode()]))
"""


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("spec", ["nin", "densenet121", "torchvision:efficientnet_b0"])
def test_results_without_the_rules(spec: str, training: bool) -> None:
    left, text = json.loads(fresh(ANALYSE, spec, str(training)))
    assert left  # nothing of it was needed
    assert msgspec.json.decode(text, type=Analysis) == cnnstat.analyze(spec, training=training)


@pytest.mark.parametrize("at", ["outside", "building", "running"])
def test_an_operator_that_only_torch_has_a_rule_for(tmp_path: Path, at: str) -> None:
    where = {"outside": False, "building": False, "running": False} | {at: True}
    (tmp_path / "odd.py").write_text(ODD.format(**where))
    left, text = json.loads(fresh(ANALYSE, "odd.py:Net", "False", cwd=tmp_path))
    assert not left
    totals = msgspec.json.decode(text, type=Analysis).totals
    assert totals.macs == 2 * 8 * 8


@pytest.mark.parametrize(
    "wanted",
    ["torch._meta_registrations.meta_conv", "import torch._dynamo", "import sympy",
     "import_rules()", "torch.compile(torch.nn.ReLU(), backend='eager')(torch.ones(1))"],
)  # fmt: skip
def test_it_is_there_for_whoever_wants_it(wanted: str) -> None:
    registered = "'aten/convolution/Meta' in torch.library._impls"
    before = f"left = [left, {registered}]"
    code = f"{before}\n{wanted}\nprint(json.dumps([left, is_postponed(), {registered}]))"
    assert json.loads(fresh(code)) == [[True, False], False, True]


def test_symbolic_sizes_after_a_run_without_the_rules() -> None:
    code = """
from cnnstat.api import analyze, formulas
analyze("lenet")
left = is_postponed()
found = formulas("lenet", input="N,1,28,28")
print(json.dumps([left, found.notes, found.totals.params]))
"""
    assert json.loads(fresh(code)) == [True, [], 61_706]


def test_generators_are_made_before_and_after() -> None:
    code = """
def drawn():
    return torch.rand(3, generator=torch.Generator().manual_seed(1)).tolist()
first = drawn()
left = is_postponed()
import_rules()
print(json.dumps([left, first == drawn(), isinstance(torch.Generator(), torch.Generator)]))
"""
    assert json.loads(fresh(code)) == [True, True, True]


def test_what_is_postponed_binds_nothing_else_in_torchs_c() -> None:
    """Calls of setters in C++ at the top of a module that is imported later."""
    code = "first = {*sys.modules}\nimport_rules()\nprint(json.dumps([*{*sys.modules} - first]))"
    later = json.loads(fresh(code))
    assert "torch._prims.rng_prims" in later
    calls = []
    for name in later:
        file = sys.modules[name].__file__ if name in sys.modules else None
        if file is None or not file.endswith(".py"):
            continue
        for node in ast.parse(Path(file).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                calls.append(ast.unparse(node.value.func))
    assert [call for call in calls if "_C." in call] == ["torch._C._set_generator_metaclass"]


def test_a_model_that_is_executed_gives_what_it_gives() -> None:
    code = ANALYSE.replace("training=training", "lane='cpu'")
    left, text = json.loads(fresh(code, "lenet", "False"))
    assert left
    assert msgspec.json.decode(text, type=Analysis) == cnnstat.analyze("lenet", lane="cpu")


def test_a_module_that_was_postponed_is_the_module() -> None:
    names = "sorted(n for n in dir(torch._meta_registrations) if not n.startswith('__'))"
    seen = json.loads(fresh(f"import_rules()\nprint(json.dumps({names}))"))
    assert seen == [n for n in sorted(dir(torch._meta_registrations)) if not n.startswith("__")]


def test_operators_that_need_no_rule_in_python() -> None:
    """torch registers none for them: `IN_CPP`, and all that are views."""
    registered = {key for key in torch.library._impls if key.endswith("/Meta")}
    assert len(registered) > 1000
    for name in IN_CPP:
        assert torch._C._dispatch_has_kernel(name)
        assert f"aten/{name.removeprefix('aten::')}/Meta" not in registered, name
    views = 0
    for full in torch._C._dispatch_get_all_op_names():
        if not full.startswith("aten::"):
            continue
        name, _, overload = full.removeprefix("aten::").partition(".")
        operator = getattr(getattr(torch.ops.aten, name), overload or "default", None)
        if operator is not None and operator.is_view:
            views += 1
            assert f"aten/{full.removeprefix('aten::')}/Meta" not in registered, full
    assert views > 50


def test_operators_that_are_taken_apart_in_python() -> None:
    key = torch._C.DispatchKey.CompositeImplicitAutograd
    found = set()
    for full in torch._C._dispatch_get_all_op_names():
        name, _, overload = full.removeprefix("aten::").partition(".")
        operator = getattr(getattr(torch.ops.aten, name, None), overload or "default", None)
        if not full.startswith("aten::") or key not in getattr(operator, "py_kernels", ()):
            continue
        if torch._C._dispatch_has_kernel_for_dispatch_key(full, key.name):
            found.add(full)
    assert found == DECOMPOSED_IN_PYTHON


def test_another_version_is_imported_as_it_is() -> None:
    untried = "import cnnstat.fast_meta.torch_import as t\nt._TESTED = ('9.',)\n"
    code = POSTPONED.replace("with rules", f"{untried}with rules")
    code += "print(json.dumps([left, 'torch._decomp' in sys.modules]))"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout) == [False, True]


def test_the_version_is_read_without_importing_torch() -> None:
    assert torch_import._version() == str(torch.__version__)


def test_the_command_line_leaves_it_out(tmp_path: Path) -> None:
    code = """
import sys
from cnnstat.cli.main import run
assert run(["shapes", "nin"]) == 0
from cnnstat.fast_meta.torch_import import is_postponed
assert is_postponed()
"""
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
