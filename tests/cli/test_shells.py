"""Completion in real shells: TAB is pressed, and the line that the shell then has is read."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

import cnnstat

NET = """
from torch import nn

open("was_run", "w")

class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.blocks = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU())

    def forward(self, x):
        return self.blocks(self.stem(x))
"""

# As the program that pip installs; a line that is run prints its words only.
PROGRAM = """#!{python}
import os, sys
if "_CNNSTAT_COMPLETE" not in os.environ:
    print("<cnnstat " + " ".join(sys.argv[1:]) + ">")
    sys.exit()
sys.path.insert(0, "{source}")
from cnnstat.cli.main import main
main()
"""

STARTS = {
    "bash": ["bash", "--norc", "--noprofile", "-i"],
    "zsh": ["zsh", "-f", "-i"],
    "fish": ["fish", "--no-config", "-i"],
}
SETUP = {
    "bash": "source done.bash; bind 'set enable-bracketed-paste off'; PS1='$ '",
    "zsh": "autoload -U compinit; compinit -u -D; source done.zsh; PS1='$ '",
    "fish": "source done.fish",
}
# (typed before TAB, the line after it)
LINES = [
    ("cnnstat shapes nin-mn", "cnnstat shapes nin-mnist"),
    ("cnnstat shapes torchvision:vit_b_1", "cnnstat shapes torchvision:vit_b_16"),
    ("cnnstat shapes my_model.py:En", "cnnstat shapes my_model.py:Encoder"),
    ("cnnstat shapes my_mo", "cnnstat shapes my_model.py:Encoder"),
    ("cnnstat explain my_model.py:Encoder st", "cnnstat explain my_model.py:Encoder stem"),
    ("cnnstat roofline nin --device rtx-40", "cnnstat roofline nin --device rtx-4090"),
    ("cnnstat shapes nin --columns recep", "cnnstat shapes nin --columns receptive-field"),
    ("cnnstat bench lenet --data fash", "cnnstat bench lenet --data fashion-mnist"),
    ("cnnstat shapes nin --format markd", "cnnstat shapes nin --format markdown"),
    ("cnnstat list transf", "cnnstat list transformers:"),
    ("cnnstat memory nin --device cp", "cnnstat memory nin --device cpu"),
    ("cnnstat memory nin --device rtx-40", "cnnstat memory nin --device rtx-4090"),
    ("cnnstat latency lenet --preci", "cnnstat latency lenet --precision"),
    ("cnnstat bench lenet --log tens", "cnnstat bench lenet --log tensorboard"),
    ("cnnstat bench lenet --schedule cos", "cnnstat bench lenet --schedule cosine"),
    ("cnnstat bench lenet --label-s", "cnnstat bench lenet --label-smoothing"),
    ("cnnstat bench lenet --proto", "cnnstat bench lenet --protocol"),
    ("cnnstat shapes nin --sort recep", "cnnstat shapes nin --sort receptive-field"),
    ("cnnstat roofline nin --sort inten", "cnnstat roofline nin --sort intensity"),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder, with the program and the completion of each shell."""
    (tmp_path / "my_model.py").write_text(NET)
    program = tmp_path / "bin" / "cnnstat"
    program.parent.mkdir()
    source = Path(cnnstat.__file__).parent.parent
    program.write_text(PROGRAM.format(python=sys.executable, source=source))
    program.chmod(0o755)
    environment = {
        **os.environ, "PATH": f"{program.parent}:{os.environ['PATH']}", "TERM": "dumb",
        "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_DATA_HOME": str(tmp_path / "data"),
    }  # fmt: skip
    for shell in STARTS:
        script = _script(shell, environment)
        (tmp_path / f"done.{shell}").write_text(script)
    monkeypatch.setattr(os, "environ", environment)
    return tmp_path


def _script(shell: str, environment: dict[str, str]) -> str:
    """What `cnnstat --show-completion` prints for a shell."""
    code = (
        "import os; os.environ['_CNNSTAT_COMPLETE'] = 'source_' + os.sys.argv.pop()\n"
        "import sys; sys.argv[0] = 'cnnstat'; from cnnstat.cli.main import main; main()"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, shell], env=environment, text=True, capture_output=True,
        check=False,
    )  # fmt: skip
    assert "_CNNSTAT_COMPLETE" in process.stdout, process.stderr
    return process.stdout


class Terminal:
    """A shell in a terminal of its own."""

    def __init__(self, shell: str, folder: Path) -> None:
        self.child, self.screen = pty.fork()
        if not self.child:
            os.chdir(folder)
            os.execvpe(STARTS[shell][0], STARTS[shell], os.environ)
        self.type(f"{SETUP[shell]}\n")
        self.read_until("ready-42", "echo ready-$((40+2))\n" if shell != "fish"
                        else "echo ready-(math 40+2)\n")  # fmt: skip

    def type(self, text: str) -> None:
        os.write(self.screen, text.encode())

    def read_until(self, pattern: str, typed: str = "", seconds: float = 20) -> str:
        self.type(typed)
        shown, end = "", time.monotonic() + seconds
        while not re.search(pattern, shown):
            if time.monotonic() > end:
                return shown
            if select.select([self.screen], [], [], 0.1)[0]:
                shown += os.read(self.screen, 65536).decode(errors="replace")
        return shown

    def completed(self, typed: str, number: int) -> str:
        """The line after TAB, as the shell runs it: `echo` in front of it prints its words."""
        self.type(f"{typed}\t")
        time.sleep(0.05)
        mark = f"line-{number}-end"
        shown = self.read_until(rf"<.*{mark}>", f" {mark}\n")
        found = re.findall(rf"<(.*?) ?{mark}>", shown)
        return found[-1].strip() if found else shown

    def close(self) -> None:
        os.close(self.screen)
        os.kill(self.child, 9)
        os.waitpid(self.child, 0)


@pytest.mark.parametrize("shell", STARTS)
def test_tab(shell: str, folder: Path) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    terminal = Terminal(shell, folder)
    try:
        wrong = {}
        for number, (typed, line) in enumerate(LINES):
            found = terminal.completed(typed, number)
            if found != line:
                wrong[typed] = found
        assert wrong == {}
    finally:
        terminal.close()
    assert not (folder / "was_run").exists()


def test_it_takes_a_third_of_a_second(folder: Path) -> None:
    """Without torch; as much as Python's start and typer's, measured as the fastest of three."""
    environment = {
        **os.environ, "_CNNSTAT_COMPLETE": "complete_fish",
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        "_TYPER_COMPLETE_ARGS": "cnnstat explain my_model.py:Encoder st",
    }  # fmt: skip
    code = (
        "import sys, time; start = time.process_time(); sys.argv = ['cnnstat']\n"
        "import atexit; from cnnstat.cli.main import main\n"
        "atexit.register(lambda: print(time.process_time() - start, 'torch' in sys.modules, "
        "file=sys.stderr))\nmain()"
    )
    times = []
    for _ in range(3):
        process = subprocess.run(
            [sys.executable, "-c", code], env=environment, text=True, capture_output=True,
            cwd=folder, check=False,
        )  # fmt: skip
        assert process.stdout.strip() == "stem"
        seconds, has_torch = process.stderr.split()
        assert has_torch == "False"
        times.append(float(seconds))
    assert min(times) < 0.3


def test_rules_without_importing_them() -> None:
    from cnnstat.cli.completion import complete_rules
    from cnnstat.linting.rules import RULES

    found = dict(complete_rules(""))
    assert {code: rule.name for code, rule in RULES.items() if code != "CN001"} == found
    assert complete_rules("CN301,CN20")[0] == ("CN301,CN201", RULES["CN201"].name)
