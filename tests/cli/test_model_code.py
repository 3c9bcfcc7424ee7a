"""What the code of a model prints and raises, on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from cnnstat.cli.main import run

PRINTING = """
import ctypes, os, sys
from torch import nn
print("imported")
class Net(nn.Linear):
    def __init__(self):
        super().__init__(3, 4)
        print("built")
    def forward(self, x):
        os.write(1, b"by descriptor\\n")
        ctypes.CDLL(None).printf(b"by C\\n")
        sys.__stdout__.flush()
        return super().forward(x)
class Closing(nn.Linear):
    def __init__(self):
        super().__init__(3, 4)
    def forward(self, x):
        os.close(1)
        return super().forward(x)
"""


@pytest.mark.parametrize("name", ["Net", "Closing"])
def test_output_of_a_model_is_no_part_of_the_result(tmp_path: Path, capfd, name: str) -> None:
    (tmp_path / "printing.py").write_text(PRINTING)
    assert (
        run(["shapes", f"{tmp_path / 'printing.py'}:{name}", "--input", "2,3", "-f", "json"]) == 0
    )
    assert json.loads(capfd.readouterr().out)["totals"]["macs"] == 2 * 3 * 4


RAISING = """
import sys
from torch import nn
class Net(nn.Module):
    def forward(self, x):
        raise ERROR
"""


@pytest.mark.parametrize(
    "error", ["SystemExit(0)", "KeyboardInterrupt", "GeneratorExit", "StopIteration"]
)
def test_no_model_ends_the_command(tmp_path: Path, capsys, error: str) -> None:
    (tmp_path / "raising.py").write_text(RAISING.replace("ERROR", error))
    assert run(["shapes", f"{tmp_path / 'raising.py'}:Net", "--input", "2,3"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert f"raise {error}" in printed.err
    assert "Traceback" not in printed.err


def test_messages_of_torch_name_the_type_of_the_user(tmp_path: Path, capsys) -> None:
    (tmp_path / "half.py").write_text(
        "from torch import nn\nclass Net(nn.Sequential):\n"
        "    def __init__(self, width=16):\n        super().__init__(nn.Conv2d(3, width / 2, 3))\n"
    )
    assert run(["shapes", f"{tmp_path / 'half.py'}:Net", "--input", "1,3,8,8"]) == 1
    printed = capsys.readouterr().err
    assert "float" in printed
    assert "Tracked" not in printed


INTERRUPTED = """
import os, signal, sys
from importlib.abc import MetaPathFinder

class Finder(MetaPathFinder):
    # Ctrl-C at the import of a module
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                if not {swallowed}:  # as the C code of torch does, which imports numpy
                    raise

sys.meta_path.insert(0, Finder())
sys.argv = ["cnnstat", "shapes", "lenet"]
from cnnstat.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("module", "swallowed", "statuses"),
    [
        ("typer", False, (-2,)),  # the signal itself, which a shell reports as 130
        ("torch.nn", False, (130,)),
        ("torch.nn", True, (130,)),
        ("cnnstat.tracing", False, (130,)),
    ],
)
def test_ctrl_c_during_the_imports(module: str, swallowed: bool, statuses: tuple[int, ...]) -> None:
    code = INTERRUPTED.format(module=module, swallowed=swallowed)
    process = subprocess.run([sys.executable, "-c", code], text=True, capture_output=True)
    assert process.returncode in statuses
    assert (process.stdout, process.stderr) == ("", "")
