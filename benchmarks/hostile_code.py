"""Command lines, pyproject.toml, user code and environments that nobody wrote a test for."""

from __future__ import annotations

import random

from hostile_cases import NUMBERS, TEXTS, Case, damaged

FORMATS = ("table", "json", "markdown", "csv", "latex", "html")
NET = b"""
from torch import nn

class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3)
        self.fc = nn.Linear(width, 2)

    def forward(self, x):
        return self.fc(self.conv(x).mean((2, 3)))
"""
FILES = {"net.py": NET}
SPEC = "net.py:Net"
SIZES = ("1,3,8,8", "1x3x8x8", "N,3,H,W", "1,3,8", "1,3,0,8", "-1,3,8,8", "1,3,8,8:int64", "1,,8",
         "x=1,3,8,8", "1=1", "1,3,999999999,999999999", "9" * 30, "1,3,8,8:x", "", "=", ":", "x",
         "1.5",
         "1,3,8,8,", "[1,3]", "(1,3,8,8)", "1e3,3", "A1,B2,C3,D4", "N", "1,3,8,8:bool",
         "\u0661,3,8,8",
         "1,3,18446744073709551616,1", "y=1,3,8,8", "self=1,3,8,8", "1,3,2,2", "1,3,H,H",
         "1" + ",1" * 300, "1,3,1000000,1000000")  # fmt: skip


# Command lines


def command_case(rng: random.Random) -> Case:
    name = rng.choice(tuple(_OPTIONS))
    words = [name]
    for _ in range({"list": 0, "devices": 0, "compare": 2}.get(name, 1)):
        words.append(_spec(rng))
    if name == "explain":
        words.append(rng.choice(("conv", "fc", "peak", "receptive_field", "", *TEXTS[:40])))
    for option in rng.sample(_OPTIONS[name], min(len(_OPTIONS[name]), rng.choice((0, 1, 2, 3)))):
        words += [option] if option in _FLAGS else [option, _value(rng, option)]
    if rng.random() < 0.05:
        words.insert(
            rng.randrange(len(words)), rng.choice(("--x", "--help", "-h", "--", "--version"))
        )
    words = [word.replace("\0", "") for word in words]  # no command line can contain one
    return Case(words, FILES, {"loop.py": "loop.py", "loop.json": "loop.json"})


def _spec(rng: random.Random) -> str:
    if rng.random() < 0.55:
        return SPEC
    if rng.random() < 0.3:
        return rng.choice(("lenet", "nin", "net.py", "net:Net"))
    text = rng.choice(TEXTS)
    return rng.choice((
        text, f"{text}.py:Net", f"net.py:{text}", f"{text}.onnx", f"{text}.json", f"{text}.pt2",
        f"torchvision:{text}", f"transformers:{text}", f"{text}:{text}", "loop.py:Net", "loop.json",
        ".", "/", "net.py:Net:Net", "net.py:", ":Net", "/dev/null", "/dev/null.json", "os:system",
        "os.path:join", "net:Net", "x" * 300 + ".py:Net", "x" * 300 + ".json", "/dev/full",
        "net.pyc",
        "sys:exit", "/proc/self/mem", "~/x.py:Net", "https://example.com/x.onnx", "net.pt",
        "*.onnx",
    ))  # fmt: skip


def _value(rng: random.Random, option: str) -> str:
    if rng.random() < 0.15:
        return rng.choice((*TEXTS, *map(str, NUMBERS)))
    return rng.choice(_VALUES[option])


_COMMON = ("--input", "--arg", "--format", "--output", "--mode", "--lane", "--training", "--strict")
_OPTIONS = {
    "shapes": (*_COMMON, "--depth", "--columns", "--sort", "--top", "--ops", "--object"),
    "compare": (*_COMMON, "--depth", "--columns"),
    "explain": ("--input", "--arg", "--format", "--output", "--mode", "--of"),
    "scale": ("--input", "--arg", "--format", "--over", "--fit", "--strict"),
    "memory": ("--input", "--arg", "--format", "--batch-size", "--optimizer", "--precision"),
    "roofline": ("--input", "--arg", "--format", "--device", "--training", "--batch-size"),
    "list": ("--format", "--output"),
    "devices": ("--format", "--output"),
}
_FLAGS = ("--training", "--strict", "--fit")
_VALUES = {
    "--input": SIZES,
    "--arg": ("width=8", "width=0", "width=-1", "width='x'", "width=None", "width=1e99", "x=1",
    "=", "a",
              "width=" + "(" * 300, "width=" + "[" * 100_000, "width=9**9**9", "width=10**9", "1=1",
              "width=1000000000000", "a.b=1", "width=__import__('os')", "width=\u0661", "class=1"),
    "--format": (*FORMATS, "svg", "pdf", ""),
    "--output": ("o.json", "o.html", "o.svg", "o.x", ".", "a/b.json", "/dev/full", "/dev/null", "o",
                 "x" * 300 + ".json", "net.py/o.json", "loop.json", "\n.json", "/proc/x.json",
                 ".html",
                 "/o.json/", "o.tex", "o.csv", "o.md"),
    "--mode": ("eval", "train", "x", ""),
    "--lane": ("meta", "fake", "auto", "x", "cuda"),
    "--depth": ("0", "1", "-1", "99999999999999999999", "x"),
    "--columns": ("macs", "x", "+kernel", ",,,", "macs,macs", "+", "-macs", "*", "macs," * 1000),
    "--sort": ("macs", "params", "x", "", "-macs", "layer", "kernel", "receptive-field"),
    "--top": ("1", "0", "-1", "99999999999999999999", "x"),
    "--ops": ("auto", "all", "none", "x"),
    "--object": ("1", "0", "99999999999999999999", "x"),
    "--of": ("macs", "params", "x"),
    "--over": ("N", "H=1:10**9:1", "N=1:1000000000:1", "width=1,2", "width=1:9:2", "width=0:10:0",
               "N=", "=1", "H=3:1", "N=1:2:3:4", "x=1", "width=1:1000000000", "N=1,2,3", "H,W",
               "N=-5:5", "width=" + ",".join(map(str, range(1, 3000))), "N=1e9", "N=1:2:0"),
    "--fit": ("1",),
    "--batch-size": ("1", "auto", "0", "-1", "x", "99999999999999999999"),
    "--optimizer": ("sgd", "adam", "x"),
    "--precision": ("fp32", "bf16", "x"),
    "--device": ("h100", "x", "a100", "cpu", "t4", "H100"),
}  # fmt: skip


# [tool.cnnstat] in pyproject.toml


def pyproject_case(rng: random.Random) -> Case:
    text = rng.choice(_TABLES)
    if rng.random() < 0.5:
        text = text.replace("VALUE", rng.choice(_TOML_VALUES))
    text = text.replace("VALUE", '"net.py:Net"').replace("TEXT", _toml(rng.choice(TEXTS)))
    content = text.encode()
    if rng.random() < 0.2:
        content = damaged(rng, content)
    command = rng.choice((["list"], ["shapes", "mine"], ["shapes", "mine"], ["shapes", "other"],
    ["shapes", "lenet"],
                          ["list", "--format", rng.choice(FORMATS)], ["compare", "mine", "other"],
                          ["explain", "mine", "conv"], ["shapes", "mine", "--input", "1,3,8,8"],
                          ["shapes", "missing"], ["--help"]))  # fmt: skip
    return Case(command, {**FILES, "pyproject.toml": content, "effects.py": EFFECTS})


def _toml(text: str) -> str:
    import json

    return json.dumps(text.replace("\x7f", "")).replace("\\/", "/")


EFFECTS = b"import cnnstat\n@cnnstat.register('made')\ndef make():\n    raise SystemExit(0)\n"
_TOML_VALUES = (
    "1", "-1.5", "true", "[]", "{}", '""', "[1, 2]", '{spec = 1}', 
    '{spec = "net.py:Net", input = 3}',
    '{spec = "net.py:Net", input = "1,3,8,8", arguments = {width = "x"}}', '{spec = ""}',
    "1979-05-27",
    '{spec = "net.py:Net", input = [1, 3, 8, 8], arguments = {width = 10000000000}}', "nan",
    "'''x'''",
    '{spec = "net.py:Net", input = ["1,3,8,8", "x=1"]}', '{spec = "net.py:Net", summary = 1}',
    '"mine"',
    '{spec = "net.py:Net", nothing = 1}', "[" * 500 + "]" * 500, "[" * 20_000, '"other"',
    '{input = "1"}',
    "{" + "a = {" * 300 + "}" * 301, '"lenet"', '"x.onnx"', "9" * 5000, '"mine:mine"', "inf",
    "07:32:00",
    '{spec = "net.py:Net", input = "N,3,H,W"}', '{spec = "net.py:Net", arguments = {"a b" = 1}}',
)  # fmt: skip
_TABLES = (
    "[tool.cnnstat.models]\nmine = VALUE\n", "[tool.cnnstat.models]\nmine = TEXT\n",
    "[tool.cnnstat.models]\nmine = {spec = 'net.py:Net', summary = TEXT}\n",
    "[tool.cnnstat.models]\nTEXT = VALUE\nmine = VALUE\n", "[tool.cnnstat]\nmodels = VALUE\n",
    "[tool.cnnstat]\nimport = VALUE\n", '[tool.cnnstat]\nimport = ["effects"]\n',
    "[tool.cnnstat]\nimport = [TEXT]\n", "[tool.cnnstat]\nTEXT = VALUE\n",
    "[tool]\ncnnstat = VALUE\n",
    "tool = VALUE # cnnstat\n", "[tool.cnnstat.models]\nmine = 'other'\nother = 'mine'\n",
    "[tool.cnnstat.models]\nmine = 'mine'\n", "[tool.cnnstat.models]\nlenet = VALUE\n",
    "[tool.cnnstat.models]\nmine = {spec = 'net.py:Net', input = TEXT}\n",
    "[tool.cnnstat.models]\nmine = {spec = 'net.py:Net', arguments = {width = VALUE}}\n",
    "[tool.cnnstat.models]\nmine = {spec = 'net.py:Net', arguments = {TEXT = 1}}\n",
    "[" + "tool." * 3000 + "cnnstat]\n", "[tool.cnnstat.models]\n" + "a.b = 1\n" * 2,
    "[tool.cnnstat.models]\n" + "".join(f"m{i} = 'net.py:Net'\n" for i in range(3000)),
)  # fmt: skip


# User code that raises


def code_case(rng: random.Random) -> Case:
    alone = rng.random() < 0.03
    raised = rng.choice(_DESTRUCTIVE if alone else _RAISED)
    text = rng.choice(_PLACES).replace("RAISE", raised).replace("NAME", repr(rng.choice(TEXTS)))
    command = rng.choice((
        ["shapes", "bad.py:Net", "--input", "1,3,8,8"], ["shapes", "bad.py:Net"],
        ["shapes", "bad.py:Net", "--input", "1,3,8,8", "--format", rng.choice(FORMATS)],
        ["compare", "bad.py:Net", "lenet", "--input", "1,3,8,8"],
        ["explain", "bad.py:Net", "conv", "--input", "1,3,8,8"],
        ["memory", "bad.py:Net", "--input", "1,3,8,8"], ["shapes", "bad.py"],
    ))  # fmt: skip
    content = _HEAD + text.encode("utf-8", "surrogatepass")
    return Case(command, {"bad.py": content}, environment={} if alone else None)


_HEAD = b"# -*- coding: utf-8 -*-\nimport sys, os, warnings\nimport torch\nfrom torch import nn\n"
_RAISED = (
    *(f"raise {name}" for name in (
        "ValueError('x')", "KeyError('k')", "SystemExit", "SystemExit(0)", "SystemExit('bye')",
        "KeyboardInterrupt", "GeneratorExit", "BaseException('b')", "StopIteration", "MemoryError",
        "RecursionError", "OSError(28, 'full')", "BrokenPipeError", 
        "UnicodeDecodeError('utf8', b'x', 0, 1, 'r')",
        "AssertionError", "NotImplementedError", "ImportError('x')", "AttributeError('x')",
        "Warning('w')",
        "Exception('x' * 1000000)", "Exception('\\x1b[7mred')", "Exception('a\\nb\\nerror: c')",
        "Exception('\\ud800')", "Exception('\\u202e')", "ExceptionGroup('g', [ValueError('x')])",
        "type('X', (Exception,), {'__str__': lambda s: 1 / 0})()", "TypeError",
        "Exception(object())",
        "type('X', (BaseException,), {'__repr__': lambda s: 1 / 0})()",
        "RuntimeError('shape mismatch')",
        "type('\\x1b[7m', (Exception,), {})('x')", "torch.cuda.OutOfMemoryError('CUDA')",
    )),
    "sys.exit()", "1 / 0", "assert False", "exec('x = (')", "import nothing_such", "return None",
    "def f(): f()\n    f()", "int('9' * 5000)", 
    "torch.manual_seed(1)",
    "torch.set_default_dtype(torch.float64)", "torch.set_grad_enabled(False)", "pass",
)  # fmt: skip
_DESTRUCTIVE = (
    "os.close(1)", "sys.stdout.close()", 
    "sys.stdout = None", "os.chdir('/')", "sys.path.clear()",
    "sys.setrecursionlimit(50)",
)  # fmt: skip
_NET = """
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        INIT
    def forward(self, x):
        FORWARD
        return self.conv(x)
"""


def _net(init: str = "", forward: str = "", method: str = "") -> str:
    text = _NET.replace("INIT", init).replace("FORWARD", forward)
    return f"{text}    def {method}:\n        RAISE\n" if method else text


_PLACES = (
    "def f():\n    RAISE\nf()\n" + _net(),
    _net(init="RAISE"), _net(forward="RAISE"), _net(method="extra_repr(self)"),
    _net(method="__repr__(self)"), _net(method="__getattr__(self, name)"),
    _net(method="train(self, mode=True)"), _net(method="__setattr__(self, name, value)"),
    _net(method="parameters(self, recurse=True)"), _net(method="named_modules(self, *a, **k)"),
    _net(method="__call__(self, *a)"), _net(method="__class_getitem__(cls, x)"),
    _net(method="apply(self, f)"), _net(method="__deepcopy__(self, memo)"),
    _net("self.add_module(NAME.replace('.', ''), nn.Linear(8, 8))",
         "x = list(self.children())[-1](x)"),
    _net("self.conv.__class__ = type(NAME, (nn.Conv2d,), {})"),
    _net("self.conv.extra_repr = lambda: NAME"),
    _net("self.register_parameter(NAME.replace('.', ''), nn.Parameter(torch.ones(1)))"),
    _net("self.me = [self]", "raise ValueError(NAME)"), _net("self.add_module('me', self)"),
    "def Net():\n    RAISE\n", "class Net:\n    def __init__(self):\n        RAISE\n",
    "class Meta(type):\n    def __call__(cls):\n        RAISE\n"
    "class Net(nn.Module, metaclass=Meta): pass\n",
    "Net = NAME\n", "Net = lambda: NAME\n", "def __getattr__(name):\n    RAISE\n", "\0",
    "\tx\n  y\n", "x = (\n", "import " + "a." * 2000 + "a\n", "\ufeffimport os\n",
    "x = " + "(" * 500 + ")" * 500 + "\n", "example_input = NAME\n" + _net(),
    "def example_input():\n    RAISE\n" + _net(),
)  # fmt: skip


# The environment


def environment_case(rng: random.Random) -> Case:
    ascii_only = {"PYTHONIOENCODING": "ascii", "LC_ALL": "C"}
    unnamed = "caf\udce9.py"
    files: dict[str, bytes] = {**FILES, unnamed: NET, "n\nm.py": NET, "\x1b[7m.py": NET}
    shapes = ["shapes", SPEC, "--input", "1,3,8,8"]
    return rng.choice((
        Case([*shapes, "--format", rng.choice(FORMATS)], files, environment=ascii_only),
        Case(["--help"], files, environment={}, stdout="/dev/full"),
        Case([rng.choice(("shapes", "list", "explain")), "--help"], {}, environment={},
        stdout="/dev/full"),
        Case(shapes, files, environment={}, stdout="/dev/full"),
        Case(["list"], files, environment={}, stdout="/dev/full"),
        Case(["--version"], files, environment={}, stdout="/dev/full"),
        Case(["shapes", f"{unnamed}:Net", "--input", "1,3,8,8", "--format", rng.choice(FORMATS)],
        files,
             environment=rng.choice(({}, ascii_only))),
        Case(["shapes", f"missing{unnamed}:Net"], files, environment=rng.choice(({}, ascii_only))),
        Case([*shapes, "--output", "caf\udce9.json"], files, environment={}),
        Case(["shapes", "n\nm.py:Net", "--input", "1,3,8,8"], files, environment={}),
        Case(["shapes", "\x1b[7m.py:Net", "--input", "1,3,8,8"], files, environment={}),
        Case(shapes, files, environment={"COLUMNS": rng.choice("012345")}),
        Case(["list"], files, environment={"COLUMNS": rng.choice("12345"), "FORCE_COLOR": "1"}),
        Case(["--help"], files, environment={"COLUMNS": rng.choice("012345")}),
        Case([*shapes, "--output", "x" * 252 + ".json"], files, environment={}),
        Case(["shapes", "loop.py:Net"], files, {"loop.py": "loop.py"}, environment={}),
        Case([*shapes, "--output", "loop.json"], files, {"loop.json": "loop.json"}, environment={}),
        Case(["list"], files, environment={"HOME": "/nonexistent", "XDG_CACHE_HOME": "\x1b"}),
        Case(["list"], {"x": b""}, {"pyproject.toml": "pyproject.toml"}, environment={}),
        Case(["--help"], {"pyproject.toml": b"[tool.cnnstat]\nx = " + b"[" * 20_000},
        environment={}),
    ))  # fmt: skip
