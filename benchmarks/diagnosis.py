"""How often the first suggestion is the argument that was broken.

Working networks are written to files, one integer argument of one is broken, and the diagnosis is
asked. Networks: drawn from a seed (`drawn`), and the architectures of the zoo written out in the
style of torchvision (`benchmarks/networks/`). An argument is broken by adding or subtracting a
little, doubling, halving, or exchanging it for another size of the file. What still runs to its
end is no error of shape and is drawn again.

    python benchmarks/diagnosis.py [--count 400] [--seed 0] [--misses]
"""

from __future__ import annotations

import argparse
import ast
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Network:
    """A file that works: `source` defines `Net` and `example_input`."""

    name: str
    source: str


@dataclass(frozen=True)
class Broken:
    network: Network
    source: str
    line: int
    column: int
    was: int
    now: int
    argument: str


def networks(seed: int, count: int) -> list[Network]:
    written = [Network(path.stem, path.read_text()) for path in
               sorted((HERE / "networks").glob("*.py"))]  # fmt: skip
    chosen = random.Random(seed)
    return [*written * 6, *(Network(f"drawn {i}", draw(chosen)) for i in range(count))]


# Networks drawn from a seed

_HEAD = "from torch import nn\nimport torch\n\nexample_input = {shape}\n\n\n"


def draw(chosen: random.Random) -> str:
    """The source of a network of one of the kinds that people write."""
    kind = chosen.choice((_plain, _plain, _normed, _residual, _perceptron, _branches, _sequence))
    return kind(chosen)


def _plain(chosen: random.Random) -> str:
    """Convolutions and poolings, flattened into linear layers, as in LeNet and VGG."""
    side, channels = chosen.choice(((28, 1), (32, 3), (64, 3), (96, 3), (224, 3)))
    width = chosen.choice((6, 8, 16, 20, 32, 64))
    kernel = chosen.choice((3, 3, 3, 5))
    padding = chosen.choice((0, kernel // 2, kernel // 2))
    size, given, layers = side, channels, []
    while size >= 12 and len(layers) < 5:
        pad = f", padding={padding}" if padding else ""
        layers.append(f"nn.Conv2d({given}, {width}, {kernel}{pad}), nn.ReLU(), nn.MaxPool2d(2),")
        size = (size + 2 * padding - kernel + 1) // 2
        given, width = width, chosen.choice((width, 2 * width))
    hidden = chosen.choice((64, 84, 100, 120, 128, 256, 512))
    classes = chosen.choice((10, 10, 100))
    flat = chosen.choice((f"{given} * {size} * {size}", str(given * size * size)))
    body = "\n".join(f"            {layer}" for layer in layers)
    return (
        _HEAD.format(shape=(1, channels, side, side))
        + f"""class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
{body}
        )
        self.fc1 = nn.Linear({flat}, {hidden})
        self.fc2 = nn.Linear({hidden}, {classes})

    def forward(self, x):
        x = self.features(x)
        x = x.view(x.size(0), -1)
        return self.fc2(torch.relu(self.fc1(x)))
"""
    )


def _normed(chosen: random.Random) -> str:
    """Convolution, batch norm, activation, each written out; a pooled head."""
    width = chosen.choice((16, 24, 32, 64))
    given, lines, calls = 3, [], []
    for number in range(1, chosen.randint(3, 5)):
        stride = f", stride={chosen.choice((1, 2))}" if chosen.random() < 0.6 else ""
        lines += [
            f"self.conv{number} = nn.Conv2d({given}, {width}, kernel_size=3{stride}, padding=1)",
            f"self.norm{number} = nn.BatchNorm2d({width})",
        ]
        calls.append(f"x = self.norm{number}(self.conv{number}(x)).relu()")
        given, width = width, chosen.choice((width, 2 * width))
    body = "\n".join(f"        {line}" for line in lines)
    steps = "\n".join(f"        {call}" for call in calls)
    side = chosen.choice((32, 64, 128))
    return (
        _HEAD.format(shape=(1, 3, side, side))
        + f"""class Net(nn.Module):
    def __init__(self):
        super().__init__()
{body}
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear({given}, 10)

    def forward(self, x):
{steps}
        return self.fc(self.pool(x).flatten(1))
"""
    )


def _residual(chosen: random.Random) -> str:
    """Blocks of a class of their own, called with their widths, as in ResNet."""
    width = chosen.choice((16, 32, 64))
    blocks, given = [], width
    for _ in range(chosen.randint(2, 4)):
        made = chosen.choice((given, 2 * given))
        blocks.append(f"Block({given}, {made}, {1 if made == given else 2})")
        given = made
    side = chosen.choice((32, 64))
    return (
        _HEAD.format(shape=(1, 3, side, side))
        + f"""class Block(nn.Module):
    def __init__(self, in_channels, out_channels, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.shortcut = nn.Sequential()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class Net(nn.Module):
    def __init__(self, num_classes=10):
        super().__init__()
        self.stem = nn.Conv2d(3, {width}, 3, padding=1)
        self.norm = nn.BatchNorm2d({width})
        self.stages = nn.Sequential({", ".join(blocks)})
        self.pool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear({given}, num_classes)

    def forward(self, x):
        x = self.stages(self.norm(self.stem(x)))
        return self.fc(torch.flatten(self.pool(x), 1))
"""
    )


def _perceptron(chosen: random.Random) -> str:
    """Linear layers with norms between."""
    widths = [784, *sorted(chosen.sample((64, 100, 128, 200, 256, 300, 512), 3), reverse=True)]
    lines = []
    for given, made in pairwise(widths):
        norm = chosen.choice((f"nn.BatchNorm1d({made}), ", f"nn.LayerNorm({made}), ", ""))
        lines.append(f"nn.Linear({given}, {made}), {norm}nn.ReLU(),")
    body = "\n".join(f"            {line}" for line in lines)
    return (
        _HEAD.format(shape=(2, 784))
        + f"""class Net(nn.Sequential):
    def __init__(self):
        super().__init__(
{body}
            nn.Linear({widths[-1]}, 10),
        )
"""
    )


def _branches(chosen: random.Random) -> str:
    """Inception blocks: branches of different kernels, concatenated."""
    a, b, c = (chosen.choice((8, 16, 24, 32)) for _ in range(3))
    stem = chosen.choice((16, 32, 64))
    joined = a + b + c
    return (
        _HEAD.format(shape=(1, 3, 64, 64))
        + f"""class Branches(nn.Module):
    def __init__(self, in_channels):
        super().__init__()
        self.one = nn.Conv2d(in_channels, {a}, kernel_size=1)
        self.three = nn.Sequential(
            nn.Conv2d(in_channels, {b}, kernel_size=1), nn.ReLU(),
            nn.Conv2d({b}, {b}, kernel_size=3, padding=1),
        )
        self.five = nn.Sequential(
            nn.Conv2d(in_channels, {c}, kernel_size=1), nn.ReLU(),
            nn.Conv2d({c}, {c}, kernel_size=5, padding=2),
        )

    def forward(self, x):
        return torch.cat([self.one(x), self.three(x), self.five(x)], dim=1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, {stem}, kernel_size=7, stride=2, padding=3)
        self.pool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.mixed1 = Branches({stem})
        self.mixed2 = Branches({joined})
        self.fc = nn.Linear({joined}, 10)

    def forward(self, x):
        x = self.pool(self.stem(x))
        x = self.mixed2(self.mixed1(x))
        return self.fc(x.mean(dim=(2, 3)))
"""
    )


def _sequence(chosen: random.Random) -> str:
    """An embedding, then a recurrent layer or attention."""
    width = chosen.choice((64, 100, 128, 256))
    hidden = chosen.choice((64, 128, 256))
    kind = chosen.choice(("LSTM", "GRU"))
    return (
        "from torch import nn\n\nexample_input = '2,20:int64'\n\n\n"
        f"""class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(5000, {width})
        self.norm = nn.LayerNorm({width})
        self.encoder = nn.{kind}({width}, {hidden}, batch_first=True)
        self.fc = nn.Linear({hidden}, 10)

    def forward(self, tokens):
        x = self.norm(self.embedding(tokens))
        states, _ = self.encoder(x)
        return self.fc(states[:, -1])
"""
    )


# Breaking one

_ARGUMENTS = ("Conv", "Linear", "Norm", "Pool", "Embedding", "LSTM", "GRU", "Attention", "Block",
              "Branches", "block", "make", "conv", "stage", "layer")  # fmt: skip


def arguments_of(source: str) -> list[tuple[ast.Constant, str]]:
    """The integer literals that are arguments of layers and blocks, or stand inside one."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        if not any(part in name for part in _ARGUMENTS):
            continue
        places = [(str(i), argument) for i, argument in enumerate(node.args)]
        places += [(keyword.arg or "", keyword.value) for keyword in node.keywords]
        for place, argument in places:
            if isinstance(argument, ast.Constant | ast.BinOp | ast.Tuple | ast.List):
                found += [
                    (constant, f"{name}[{place}]")
                    for constant in ast.walk(argument)
                    if isinstance(constant, ast.Constant) and type(constant.value) is int
                    and not _in_a_call(argument, constant)
                ]  # fmt: skip
    return found


def _in_a_call(outer: ast.AST, inner: ast.AST) -> bool:
    """Whether a call stands between: its arguments are found there."""
    return any(inner in ast.walk(node) for node in ast.walk(outer) if isinstance(node, ast.Call))


def break_one(network: Network, chosen: random.Random) -> Broken:
    constant, argument = chosen.choice(arguments_of(network.source))
    was = int(constant.value)  # type: ignore[arg-type]
    sizes = [int(c.value) for c, _ in arguments_of(network.source)]  # type: ignore[arg-type]
    now = was
    while now == was or now < 0:
        way = chosen.choice(("near", "near", "double", "half", "other"))
        if way == "near":
            now = was + chosen.choice((-2, -1, 1, 2))
        else:
            now = {"double": 2 * was, "half": was // 2, "other": chosen.choice(sizes)}[way]
    lines = network.source.split("\n")
    line = lines[constant.lineno - 1]
    lines[constant.lineno - 1] = (
        line[: constant.col_offset] + str(now) + line[constant.end_col_offset :]
    )
    return Broken(
        network, "\n".join(lines), constant.lineno, constant.col_offset, was, now, argument
    )


# Asking


def verdict(broken: Broken, folder: Path, number: int) -> tuple[str, str]:
    """What came of it, and what the first suggestion was."""
    import cnnstat

    file = folder / f"net{number}.py"
    file.write_text(broken.source)
    try:
        cnnstat.analyze(f"{file}:Net")
    except cnnstat.ShapeError as error:
        diagnosis = error.diagnosis
    except cnnstat.CnnstatError as error:
        return "undiagnosed", str(error).splitlines()[0]
    else:
        return "runs", ""
    fault = diagnosis.errors[0]
    if not fault.fixes:
        return "no fix", ""
    first = [fix.edit for fix in fault.fixes[:1]] if len(diagnosis.errors) == 1 else []
    if any(restores(broken, fix) for fix in fault.fixes[: len(first)]):
        return "first", fault.fixes[0].edit
    rank = next((i for i, fix in enumerate(fault.fixes) if restores(broken, fix)), None)
    shown = f"{fault.fixes[0].edit} instead of {fault.fixes[0].instead_of}"
    if len(diagnosis.errors) > 1:
        return "several", shown
    return ("later" if rank is not None else "absent"), shown


def restores(broken: Broken, fix: object) -> bool:
    """Whether a fix puts back the value of the argument that was broken."""
    edit, instead, source = fix.edit, fix.instead_of, fix.source  # type: ignore[attr-defined]
    if source is None or int(source.rpartition(":")[2]) != broken.line:
        return False
    good = broken.network.source.split("\n")[broken.line - 1]
    bad = broken.source.split("\n")[broken.line - 1]
    if bad.replace(instead, edit, 1) == good:
        return True
    return _values(bad.replace(instead, edit, 1)) == _values(good)


def _values(line: str) -> str:
    """The line with its arithmetic done: 32 * 5 * 5 is 800."""

    class Folded(ast.NodeTransformer):
        def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
            try:
                return ast.Constant(eval(ast.unparse(node), {"__builtins__": {}}))
            except Exception:
                return node

    try:
        return ast.unparse(Folded().visit(ast.parse(line.strip().rstrip(","))))
    except SyntaxError:
        return line.strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=300, help="broken networks")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--misses", action="store_true", help="print each that is not first")
    given = parser.parse_args()
    results, seconds = asked(given.count, given.seed, given.misses)
    total = sum(results.values())
    for name, count in results.most_common():
        print(f"{name:12} {count:5} {count / total:7.1%}")
    middle = sorted(seconds)[len(seconds) // 2]
    print(f"median {middle:.2f} s, longest {max(seconds):.2f} s of CPU a diagnosis")


def asked(count: int, seed: int, misses: bool = False) -> tuple[Counter[str], list[float]]:
    chosen = random.Random(seed + 1)
    known = networks(seed, 60)
    results: Counter[str] = Counter()
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        number = 0
        while sum(results.values()) < count:
            broken = break_one(chosen.choice(known), chosen)
            begun = time.process_time()
            what, shown = verdict(broken, Path(folder), number)
            number += 1
            if what == "runs":
                continue
            seconds.append(time.process_time() - begun)
            results[what] += 1
            if misses and what != "first":
                place = f"{broken.network.name}:{broken.line} {broken.argument}"
                change = f"{broken.was} → {broken.now}"
                print(f"{what}: {place} {change}; shown {shown}", file=sys.stderr)
    return results, seconds


if __name__ == "__main__":
    main()
