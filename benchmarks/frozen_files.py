"""The files that `freeze.py` runs cnnstat on, folder by folder: copied, exported, written."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
BROKEN = HERE.parent / "examples" / "broken"
DRAWN = 48
"""How many of the broken networks that `diagnosis.py` draws are diagnosed."""


def lay_out(name: str, folder: Path) -> None:
    """Create the folder `name` inside `folder`, with the files that cases in it run on."""
    FOLDERS[name](folder / name)


def _copy(source: Path) -> Callable[[Path], None]:
    def copy(folder: Path) -> None:
        shutil.copytree(source, folder, ignore=shutil.ignore_patterns("__pycache__"))

    return copy


def write_drawn(folder: Path) -> None:
    """Broken networks, the same at each call."""
    import diagnosis

    folder.mkdir()
    chosen = random.Random(1)
    known = diagnosis.networks(0, 60)
    for number in range(DRAWN):
        broken = diagnosis.break_one(chosen.choice(known), chosen)
        (folder / f"net{number:02}.py").write_text(broken.source)


def write_exported(folder: Path) -> None:
    """Programs of torch.export: core operators, a free batch, training mode."""
    import torch
    from torch import nn

    sys.path[:0] = [str(HERE / "operators"), str(HERE / "networks")]
    import convolutions
    import products
    import resnet

    folder.mkdir()
    batch = {0: torch.export.Dim("batch", min=2, max=64)}

    def save(name: str, model: nn.Module, *shape: int, free: bool = False) -> None:
        sizes = (batch,) if free else None
        program = torch.export.export(model, (torch.zeros(shape),), dynamic_shapes=sizes)
        core = program.run_decompositions() if name.startswith("core") else program
        torch.export.save(core, folder / f"{name}.pt2")

    save("resnet", resnet.Net().eval(), 1, *resnet.example_input[1:])
    save("core-transposed", convolutions.Transposed2d().eval(), 2, 8, 7, 9)
    save("block", products.Block().eval(), 4, 16, 24, free=True)
    save("training", convolutions.Conv3d(), 2, 3, 8, 16, 16)


def write_onnx(folder: Path) -> None:
    """Graphs of the operators that exporters write: an image's, a sequence's, and the rest."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder.mkdir()
    node = helper.make_node

    def weights(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array(np.zeros(shape, np.float32), name)

    def numbers(name: str, *values: float) -> onnx.TensorProto:
        kind = np.float32 if any(isinstance(v, float) for v in values) else np.int64
        return numpy_helper.from_array(np.array(values, kind), name)

    def save(name: str, nodes: list, kind: int, shape: list, stored: list) -> None:
        given = [helper.make_tensor_value_info("x", kind, shape)]
        results = [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)]
        graph = helper.make_graph(nodes, name, given, results, stored)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
        onnx.save(model, folder / f"{name}.onnx")

    image = [
        node("Conv", ["x", "w1", "b1"], ["a"], pads=[1, 0, 2, 1], strides=[2, 2]),
        node("BatchNormalization", ["a", "s", "s", "s", "s"], ["b"]),
        node("Relu", ["b"], ["c"]),
        node("MaxPool", ["c"], ["d"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1),
        node("Conv", ["d", "w2"], ["e"], group=8, auto_pad="SAME_UPPER"),
        node("Clip", ["e", "low", "high"], ["f"]),
        node("ConvTranspose", ["f", "w3"], ["g"], strides=[2, 2], output_padding=[1, 1]),
        node("AveragePool", ["g"], ["h"], kernel_shape=[2, 2], strides=[2, 2],
             pads=[0, 0, 1, 1], count_include_pad=1),
        node("Concat", ["h", "h"], ["i"], axis=1),
        node("GlobalAveragePool", ["i"], ["j"]),
        node("Flatten", ["j"], ["k"]),
        node("Gemm", ["k", "w4", "b4"], ["y"], transB=1),
    ]  # fmt: skip
    stored = [weights("w1", 8, 3, 5, 5), weights("b1", 8), weights("s", 8),
              weights("w2", 8, 1, 3, 3), numbers("low", 0.0), numbers("high", 6.0),
              weights("w3", 8, 4, 3, 3), weights("w4", 10, 8), weights("b4", 10)]  # fmt: skip
    save("image", image, TensorProto.FLOAT, ["N", 3, 33, 30], stored)

    sequence = [
        node("Gather", ["table", "x"], ["a"]),
        node("MatMul", ["a", "w1"], ["b"]),
        node("Add", ["b", "b1"], ["c"]),
        node("Split", ["c"], ["q", "k", "v"], axis=-1, num_outputs=3),
        node("Einsum", ["q", "k"], ["d"], equation="bid,bjd->bij"),
        node("Softmax", ["d"], ["e"], axis=-1),
        node("MatMul", ["e", "v"], ["f"]),
        node("LayerNormalization", ["f", "g1", "g1"], ["g"]),
        node("Transpose", ["g"], ["h"], perm=[1, 0, 2]),
        node("LSTM", ["h", "w2", "r2", "b2"], ["i"], hidden_size=6, direction="bidirectional"),
        node("Transpose", ["i"], ["j"], perm=[2, 0, 1, 3]),
        node("Reshape", ["j", "shape"], ["l"]),
        node("Gelu", ["l"], ["m"]),
        node("ReduceMean", ["m", "axis"], ["y"], keepdims=0),
    ]  # fmt: skip
    stored = [weights("table", 40, 8), weights("w1", 8, 24), weights("b1", 24), weights("g1", 8),
              weights("w2", 2, 24, 8), weights("r2", 2, 24, 6), weights("b2", 2, 48),
              numbers("shape", 2, 12, 12), numbers("axis", 1)]  # fmt: skip
    save("sequence", sequence, TensorProto.INT64, [2, 12], stored)

    others = [
        node("Pad", ["x", "pads"], ["a"], mode="reflect"),
        node("Conv", ["a", "w1"], ["b"], dilations=[2, 2]),
        node("DepthToSpace", ["b"], ["c"], blocksize=2),
        node("Resize", ["c", "", "scales"], ["d"], mode="linear"),
        node("InstanceNormalization", ["d", "s", "s"], ["e"]),
        node("HardSwish", ["e"], ["f"]),
        node("Slice", ["f", "starts", "ends", "axes", "steps"], ["g"]),
        node("LRN", ["g"], ["h"], size=3),
        node("Sigmoid", ["h"], ["i"]),
        node("Mul", ["h", "i"], ["j"]),
        node("ReduceMax", ["j", "last"], ["k"]),
        node("TopK", ["k", "one"], ["l", "places"], axis=1),
        node("Cast", ["places"], ["m"], to=TensorProto.FLOAT),
        node("Unknown", ["l", "m"], ["y"], domain="example.org"),
    ]  # fmt: skip
    stored = [numbers("pads", 0, 0, 1, 1, 0, 0, 1, 1), weights("w1", 8, 4, 3, 3),
              numbers("scales", 1.0, 1.0, 2.0, 2.0), weights("s", 2), numbers("starts", 1),
              numbers("ends", 100), numbers("axes", 2), numbers("steps", 2), numbers("last", -1),
              numbers("one", 1)]  # fmt: skip
    save("others", others, TensorProto.FLOAT, [1, 4, 12, 12], stored)


def write_saved(folder: Path) -> None:
    """Analyses that were saved."""
    folder.mkdir()
    for model in ("nin", "lenet", "residual-mnist"):
        command = [sys.executable, "-m", "cnnstat", "shapes", model, "--output", f"{model}.json"]
        subprocess.run(command, cwd=folder, check=True)
    (folder / "newer.json").write_text('{"schema_version": 999, "kind": "analysis"}\n')
    (folder / "torn.json").write_text((folder / "lenet.json").read_text()[:500])


def write_project(folder: Path) -> None:
    """A project that gives names to its models."""
    folder.mkdir()
    (folder / "pyproject.toml").write_text("""[tool.cnnstat]
import = ["registered"]

[tool.cnnstat.models]
mynet = "my_model.py:Net"
wide = {spec = "my_model.py:Net", input = "1,3,32,32", arguments = {width = 64}, summary = "wide"}
""")
    (folder / "my_model.py").write_text("""from torch import nn


class Net(nn.Sequential):
    def __init__(self, width=8):
        super().__init__(nn.Conv2d(3, width, 3), nn.ReLU(), nn.Flatten(), nn.LazyLinear(10))


class Printing(nn.Linear):
    def __init__(self):
        print("built")
        super().__init__(4, 2)


def build(classes=3):
    return nn.Sequential(nn.Linear(4, classes))


net = build()
number = 3
""")
    (folder / "registered.py").write_text("""import cnnstat
from torch import nn


@cnnstat.register("small", input=(1, 4), summary="registered in code")
def small(classes=2):
    return nn.Linear(4, classes)
""")


def write_empty(folder: Path) -> None:
    folder.mkdir()


FOLDERS: dict[str, Callable[[Path], None]] = {
    "empty": write_empty,
    "operators": _copy(HERE / "operators"),
    "networks": _copy(HERE / "networks"),
    "configs": _copy(HERE / "configs"),
    "broken": _copy(BROKEN),
    "drawn": write_drawn,
    "exported": write_exported,
    "onnx": write_onnx,
    "saved": write_saved,
    "project": write_project,
}
