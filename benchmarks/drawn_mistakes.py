"""Structural mistakes, drawn into working networks: what people forget or write otherwise.

A kind is a list of ways, each a pattern and its replacement in the source; one match of one way is
replaced. What still runs in plain PyTorch is drawn again.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

from drawn_architectures import ARCHITECTURES, FLATTENED
from fix_verdicts import Mistake, Program, executed

Way = tuple[str, str]

_FLATTENED = f"x = ({'|'.join(map(re.escape, FLATTENED))})\n"

KINDS: dict[str, list[Way]] = {
    "no flatten": [
        (f"\n +{_FLATTENED}", "\n"),
        (r"\n +nn\.Flatten\(\),", ""),
        (r"self\.pool\(x\)\.flatten\(1\)", "self.pool(x)"),
    ],
    "no permute": [
        (r"(\w\(x)(\.permute\(0, 2, 1\)|\.transpose\(1, 2\))", r"\1"),
        (r"(self\.depthwise\(x\))\.permute\(0, 2, 3, 1\)", r"\1"),
        (r"y\.permute\(0, 3, 1, 2\)", "y"),
        (r"\.flatten\(2\)\.transpose\(1, 2\)", ".flatten(2)"),
    ],
    "no unsqueeze": [(r"\.unsqueeze\(1\)", "")],
    "no view of a map": [(r"\n +x = x\.view\(-1, \d+, 7, 7\)", "")],
    "tuple": [
        (r"out, _ = self\.rnn", "out = self.rnn"),
        (r"y, _ = self\.attention", "y = self.attention"),
    ],
    "rank of a norm": [
        (r"BatchNorm2d", "BatchNorm1d"), (r"BatchNorm1d", "BatchNorm2d"),
    ],
    "no output_padding": [(r", output_padding=1", "")],
    "no batch_first": [(r",\s+batch_first=True", "")],
    "no kdim": [(r", kdim=\d+, vdim=\d+", "")],
    "fixed batch": [
        (r"x\.size\(0\), self\.units", "32, self.units"),
        (r"x\.view\(x\.size\(0\), -1\)", "x.view(32, -1)"),
    ],
    "state without its axis": [(r"torch\.zeros\(1, x\.size\(0\)", "torch.zeros(x.size(0)")],
    "no return": [(r"(class (?!Net)\w+\(nn\.Module\):(?:\n.*?)+?\n +)return ", r"\1x = ")],
    "features of another map": [
        (r"(nn\.Linear\(\d+ \* )\d+ \* \d+(, )", r"\g<1>4 * 4\2"),
        (r"nn\.Linear\(\d+ \* \d+ \* \d+(, )", r"nn.Linear(1000\1"),
        (r"nn\.Linear\(\d+ \* \d+(, classes)", r"nn.Linear(600\1"),
    ],
    "name for an expression": [
        (r"in_features=hidden_units \* \d+ \* \d+", "in_features=hidden_units"),
        (r"\(2 \* units(?=, classes)", "(units"),
        (r"nn\.Linear\(noise, width \* 7 \* 7\)", "nn.Linear(noise, width)"),
    ],
    "two places": [(r"(\d+)( \* \d+ \* \d+, 100\)(?:.*\n)+.*-1, )\1( \*)", r"16\g<2>16\3")],
    "no projection": [(r"y \+ self\.shortcut\(x\)", "y + x")],
    "no interpolate": [(r"F\.interpolate\(self\.up2\(z\), size=b\.shape\[2:\]\)", "self.up2(z)")],
    "view on strides": [(r"\.transpose\(1, 2\)\.reshape\(", ".transpose(1, 2).view(")],
    "dtype": [(r"scale\.float\(\)", "scale")],
    "table too short": [
        (r"max_len=\d+", "max_len=16"), (r"image_size=\d+", "image_size=64"),
    ],
    "attribute misspelt": [
        (r"(def forward(?:.*\n)+?.*self\.)(conv|fc|norm|pool|bn|up|down)(\d?)(?=\()", r"\1\2_\3"),
        (r"(def forward(?:.*\n)+?.*self\.)(embed|attention|encoder|shortcut)(?=\()", r"\1\2s"),
    ],
    "keyword misspelt": [
        (r"kernel_size=", "kernal_size="), (r"padding=", "pading="), (r"stride=", "strides="),
        (r"out_features=", "out_feature="), (r"bias=False", "biases=False"),
        (r"batch_first=", "batchfirst="),
    ],
    "no super().__init__()": [(r"\n +super\(\).__init__\(\)(?=\n)", "")],
    "no self": [
        (r"def forward\(self, ", "def forward("), (r"(\n +)self\.(pool|norm|fc) = ", r"\1\2 = "),
        (r"(def forward(?:.*\n)+?.*\W)self\.(?=(fc|pool|norm)\()", r"\1"),
    ],
    "list or ModuleList called": [
        (r"nn\.Sequential\((Block\(\w+\), Block\(\w+\))\)", r"nn.ModuleList([\1])"),
        (r"nn\.Sequential\(\*layers\)", "nn.ModuleList(layers)"),
        (r"nn\.Sequential\(\*layers\)", "nn.Sequential(layers)"),
        (r"nn\.Sequential\(\*layers\)", "layers"),
    ],
    "cat without a list": [(r"torch\.cat\(\[(\w+(?:, \w+)+)\]", r"torch.cat(\1")],
    "module of a tensor": [(r"F\.relu\(", "nn.ReLU("), (r"torch\.relu\(", "nn.ReLU(")],
    "trailing comma": [(r"(\n +[a-z] = self\.\w+\([a-z]\))(?=\n)", r"\1,")],
    "size[0]": [(r"x\.size\(0\)", "x.size[0]")],
    "float for an integer": [(r"width // 2", "width / 2"), (r"dim // 4", "dim / 4")],
}  # fmt: skip


def mistakes(seed: int, count: int) -> Iterator[Mistake]:
    """`count` of each kind, if there are as many that differ."""
    for kind, ways in KINDS.items():
        chosen = random.Random(f"{seed} {kind}")
        found: set[str] = set()
        for _ in range(200 * count):
            if len(found) == count:
                break
            source = chosen.choice(ARCHITECTURES)(chosen)
            broken = _broken(source, ways, chosen)
            if broken is None or broken in found:
                continue
            if executed(Program(broken, "Net")).outputs is None:
                found.add(broken)
                name = f"{re.sub(r'[^a-z0-9]+', '_', kind)}_{len(found)}"
                yield Mistake(name, kind, Program(broken, "Net"), _accepted(kind, source, broken))


def _broken(source: str, ways: list[Way], chosen: random.Random) -> str | None:
    """With one match of one of the ways replaced; None if there is none."""
    matches = [(m, new) for old, new in ways for m in re.finditer(old, source)]
    if not matches:
        return None
    match, new = chosen.choice(matches)
    return source[: match.start()] + match.expand(new) + source[match.end() :]


def _accepted(kind: str, source: str, broken: str) -> tuple[Program, ...]:
    """The network as it was, and what is as good."""
    sources = [source]
    if kind == "no projection":
        sources += [
            re.sub(r"(self\.shortcut = ).*", rf"\1{layer}", source)
            for layer in ("nn.Conv2d(inp, out, 1, stride)",
                          "nn.Conv2d(inp, out, 1, stride, bias=False)",
                          "nn.Sequential(nn.Conv2d(inp, out, 1, stride, bias=False), "
                          "nn.BatchNorm2d(out))")
        ]  # fmt: skip
    if kind == "no interpolate":
        pad = "F.pad(self.up2(z), (0, 1, 0, 1))"
        sources.append(re.sub(r"F\.interpolate\(self\.up2.*", pad, source))
    inputs = []
    if kind == "table too short":  # or an input that fits
        length = re.search(r"example_input = '\d+,(\d+)", broken)
        if length is not None:
            sources.append(re.sub(r"max_len=\d+", f"max_len={length[1]}", broken))
        long = re.sub(r"(example_input = '\d+,)\d+", r"\g<1>16", broken)
        inputs = [Program(broken, "Net", _input_of(re.sub(r"48, 48|32, 32", "64, 64", long)))]
    return tuple(Program(text, "Net") for text in dict.fromkeys(sources)) + tuple(inputs)


def _input_of(source: str) -> str:
    """`--input` for the example of a file."""
    example = re.search(r"example_input = [('](.*)[)']", source)
    assert example is not None
    return f"--input {example[1].replace(' ', '')}"
