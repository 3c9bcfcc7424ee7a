"""A notebook that a real kernel runs: what it displays, the live plot of a training, errors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("ipykernel", reason="ipykernel is not installed")
nbclient = pytest.importorskip("nbclient")

v4 = pytest.importorskip("nbformat.v4")

SETUP = """
import cnnstat
from torch import nn
%load_ext cnnstat
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(9, 3)
    def forward(self, x):
        return self.linear(x)
"""
CELLS = {
    "result": "cnnstat.analyze(Net(), (2, 9))",
    "magic": "%cnnstat lenet",
    "training": "run = cnnstat.measure('lenet', data='synthetic', epochs=2, batch_size=512)",
    "mistake": "cnnstat.memory(Net(), (2, 9), batch_size='8')",
    "shapes": "cnnstat.analyze(Net(), (2, 8))",
}


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    notebook = v4.new_notebook(cells=[v4.new_code_cell(s) for s in (SETUP, *CELLS.values())])
    folder = tmp_path_factory.mktemp("notebook")
    source = Path(__file__).parent.parent / "src"
    paths = os.pathsep.join([str(source), os.environ.get("PYTHONPATH", "")])
    client = nbclient.NotebookClient(
        notebook, timeout=120, allow_errors=True, kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )  # fmt: skip
    client.execute(env={**os.environ, "PYTHONPATH": paths})
    assert not notebook.cells[0].outputs
    return {name: cell.outputs for name, cell in zip(CELLS, notebook.cells[1:], strict=True)}


@pytest.mark.parametrize("name", ["result", "magic"])
def test_results_are_html_and_text(outputs: dict[str, Any], name: str) -> None:
    (output,) = outputs[name]
    assert '<div class="cnnstat">' in output.data["text/html"]
    assert "Params" in output.data["text/plain"]


def test_the_plot_of_a_training_is_one_output_that_is_redrawn(outputs: dict[str, Any]) -> None:
    (output,) = outputs["training"]
    assert output.output_type == "display_data"
    assert output.data["text/html"].count("<svg") == 1


def test_errors_name_the_cell_and_the_argument(outputs: dict[str, Any]) -> None:
    (mistake,) = outputs["mistake"]
    text = "\n".join(mistake.traceback)
    assert text.startswith("In[5], line 1: cnnstat.memory(")
    assert text.endswith("batch_size is a whole number or None, not '8'\n  try: batch_size=8")
    (shapes,) = outputs["shapes"]
    assert "--> In[1]:9:16" in "\n".join(shapes.traceback)
