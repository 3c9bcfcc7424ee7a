"""`%load_ext cnnstat` in a real IPython shell, and how errors and results show themselves there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("IPython", reason="IPython is not installed")

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

SETUP = """
import torch
from torch import nn
net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10))
x = torch.zeros(1, 3, 8, 8)
size = (1, 3, 8, 8)
class Broken(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.linear = nn.Linear(7, 3)
    def forward(self, x):
        return self.linear(self.conv(x))
"""


@pytest.fixture(scope="module")
def shell() -> Iterator[Any]:
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "cnnstat")
    assert shell.run_cell(SETUP).success
    yield shell
    InteractiveShell.clear_instance()


@pytest.fixture
def cell(shell: Any) -> Callable[[str], Any]:
    """Run a cell; the outputs have what it displays."""

    def run(source: str) -> Any:
        with capture_output() as captured:
            captured.success = shell.run_cell(source).success
        captured.text = captured.stdout + captured.stderr
        captured.html = "".join(out.data.get("text/html", "") for out in captured.outputs)
        return captured

    return run


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("net (1,3,8,8)", "Sequential on 1×3×8×8"),
        ("net (1, 3, 8, 8) --depth 1", "Linear 288→10"),
        ("net [1,3,8,8]", "Sequential on 1×3×8×8"),
        ("net 1,3,8,8 --columns output,macs", ">1×8×6×6</td>"),
        ("net x", "Sequential on 1×3×8×8"),
        ("net size", "Sequential on 1×3×8×8"),
        ("shapes net --input x", "Sequential on 1×3×8×8"),
        ("net.0 x", "Conv2d on 1×3×8×8"),
        ("shapes lenet", "lenet on 1×1×28×28"),
        ("explain net 0 -i x", "Receptive field"),
        ("compare net net.0 -i 1,3,8,8", "By role"),
        ("lint net x", "Sequential"),
        ("memory net x", "Sequential"),
    ],
)
def test_a_command_displays_its_result(cell: Callable[[str], Any], line: str, shown: str) -> None:
    done = cell(f"%cnnstat {line}")
    assert done.success, done.text
    assert re.search(re.escape(shown), done.html)
    assert done.html.count('<div class="cnnstat">') == 1
    assert "Traceback" not in done.text


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Broken x", "error: shapes don't fit at linear (Linear 7→3)"),
        ("net (1,3,9,9)", "input is 1×392, the layer takes 288 features"),
        ("net 'x", "error: %cnnstat net 'x: No closing quotation"),
        ("net x --depht 2", "--depht"),
        ("bench net", "Sequential needs an input"),
        ("shapes resnet50x", "unknown model 'resnet50x'"),
        ("net x --output run.xyz", "run.xyz"),
    ],
)
def test_errors_have_no_traceback(cell: Callable[[str], Any], line: str, message: str) -> None:
    done = cell(f"%cnnstat {line}")
    assert not done.success, "the cells below are not run"
    assert message in done.text
    assert "Traceback" not in done.text
    assert re.search(r"cnnstat: exit status [12]\n", done.text)


def test_other_outputs_are_those_of_the_command_line(
    cell: Callable[[str], Any], tmp_path: Path
) -> None:
    assert "Usage" in cell("%cnnstat").stdout
    assert cell("%cnnstat --version").stdout.startswith("cnnstat ")
    done = cell(f"%cnnstat net x --output {tmp_path / 'run.json'}")
    assert done.success, done.text
    assert (tmp_path / "run.json").exists()
    assert cell("%cnnstat net x --format csv").stdout.startswith("layer,")


def test_errors_of_functions_show_the_lines_that_called(cell: Callable[[str], Any]) -> None:
    done = cell("import cnnstat\ndef f():\n    return cnnstat.analyze(Broken(), x)\nf()")
    assert not done.success
    lines = done.text.splitlines()
    assert lines[:2] == [
        "In[1], line 4: f()",
        "In[1], line 3: return cnnstat.analyze(Broken(), x)",
    ]
    assert "error: shapes don't fit at linear (Linear 7→3)" in lines
    assert "Traceback" not in done.text


def test_results_are_displayed(cell: Callable[[str], Any]) -> None:
    assert "<table" in cell("display(cnnstat.analyze(net, x))").html
    done = cell("cnnstat.analyze(net, x).show(top=1)")
    assert done.html.count('<tr data-depth="0">') == 1
    assert done.stdout == ""
    assert "takes no dpeth" in cell("cnnstat.analyze(net, x).show(dpeth=1)").text
