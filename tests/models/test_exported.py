"""Programs of torch.export: the table of the graph is that of the model it was made from."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import cnnstat
from cnnstat.analysis.results import Analysis
from cnnstat.cli.main import run
from cnnstat.models.exported.functions import function_of

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


class Block(nn.Module):
    """A residual block that calls one activation twice, with a function between."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.relu(x + self.relu(self.norm(self.conv(x))))


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3, stride=2, bias=False)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.pool = nn.AdaptiveAvgPool2d(2)
        self.drop = nn.Dropout(0.3)
        self.head = nn.Linear(16, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(self.drop(torch.flatten(self.pool(x), 1)))


class Text(nn.Module):
    """Shared weights, a sequence of free length, a dict as input, a part without gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 8)
        self.mix = nn.Linear(8, 8)
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 50, bias=False)
        self.head.weight = self.embed.weight
        self.register_buffer("positions", torch.arange(64), persistent=False)
        self.unused = nn.Linear(3, 3)

    def forward(self, ids: torch.Tensor, extra: dict[str, torch.Tensor]) -> dict[str, Any]:
        x = self.mix(self.embed(ids))
        with torch.no_grad():
            scale = self.positions[: x.shape[1]].float()[:, None] + 1
        x = self.norm(x * scale + extra["bias"])
        x, _ = self.attend(x, x, x, need_weights=False)
        return {"logits": self.head(x), "length": ids.shape[1]}


Export = Callable[..., str]


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Export:
    monkeypatch.chdir(tmp_path)

    def save(model: nn.Module, args: tuple[Any, ...], core: bool = False, **how: Any) -> str:
        program = torch.export.export(model, args, **how)
        torch.export.save(program.run_decompositions() if core else program, "model.pt2")
        return "model.pt2"

    return save


def rows(analysis: Analysis) -> list[tuple[Any, ...]]:
    return [
        (x.path, x.call, x.depth, x.type, x.config, x.role, x.outputs[:1], x.params, x.macs,
         x.other_ops, x.receptive_field, x.shared_with)
        for x in analysis.layers
    ]  # fmt: skip


def test_same_table_as_the_model(export: Export) -> None:
    model = Classifier().eval()
    image = torch.zeros(1, 3, 21, 21)
    eager = cnnstat.analyze(model, image)
    graph = cnnstat.analyze(export(model, (image,)))
    assert rows(graph) == rows(eager)
    assert graph.totals == eager.totals  # memory, depth and receptive field among them
    assert (graph.model.class_name, graph.model.source) == ("Classifier", "torch.export")
    # stem 4·3·9, two blocks of 4·4·9 + 4 and a norm of 8, head 16·10 + 10
    assert graph.totals.params == 108 + 2 * (148 + 8) + 170


def test_core_operators_count_the_same(export: Export) -> None:
    model, image = Classifier().eval(), torch.zeros(2, 3, 21, 21)
    eager = cnnstat.analyze(model, image)
    graph = cnnstat.analyze(export(model, (image,), core=True))
    assert graph.totals.exact
    for figure in ("params", "trainable_params", "buffers", "macs", "other_ops", "depth",
                   "receptive_field"):  # fmt: skip
        assert getattr(graph.totals, figure) == getattr(eager.totals, figure), figure
    by_path = {x.path: x for x in graph.layers}
    assert by_path["blocks.0.conv"].type == "Conv2d"
    assert by_path["blocks.1.relu"].call == 1  # the second call is the last one under that path


TEXT = (torch.zeros(2, 5, dtype=torch.int64), {"bias": torch.zeros(8)})
FREE = {
    "ids": {0: torch.export.Dim("batch", max=16), 1: torch.export.Dim("length", max=64)},
    "extra": {"bias": None},
}


def test_shared_weights_nested_inputs_and_free_sizes(export: Export) -> None:
    model = Text().eval()
    eager = cnnstat.analyze(model, *TEXT)
    spec = export(model, TEXT, dynamic_shapes=FREE)
    graph = cnnstat.analyze(spec)  # at the sizes that it was exported with
    assert [i.shape for i in graph.inputs] == [(2, 5), (8,)]
    for figure in ("params", "buffers", "macs", "activation_bytes"):
        assert getattr(graph.totals, figure) == getattr(eager.totals, figure), figure
    by_path = {x.path: x for x in graph.layers}
    assert by_path["head"].shared_with == "embed"
    assert (by_path["attend"].config, by_path["norm"].config) == ("8", "8")
    assert graph.notes == ("unused was never used: its 12 parameters are in the total "
                           "and in no row",)  # fmt: skip
    longer = cnnstat.analyze(spec, (3, 9))
    assert longer.layers[0].outputs == ((3, 9, 50),)
    assert longer.totals.macs == cnnstat.analyze(model, torch.zeros(3, 9, dtype=torch.int64),
                                                 TEXT[1]).totals.macs  # fmt: skip


def test_recurrent_layers_unroll_as_they_do(export: Export) -> None:
    model, sequence = nn.LSTM(8, 6, 2, bidirectional=True).eval(), torch.zeros(5, 2, 8)
    graph = cnnstat.analyze(export(model, (sequence,)))
    assert rows(graph) == rows(cnnstat.analyze(model, sequence))
    assert graph.layers[0].config == "8→6 ×2 both ways"
    assert graph.totals.depth == 2  # layers, not time steps


def test_compare_makes_the_same_variants(export: Export) -> None:
    model, image = Classifier().eval(), torch.zeros(1, 3, 21, 21)
    spec = export(model, (image,))
    ours, theirs = cnnstat.compare(spec, model, input=(1, 3, 21, 21)).classifiers
    assert ours == theirs
    assert ours is not None
    assert ours.head is not None
    assert len(ours.growth) == 3


def test_the_mode_is_part_of_the_graph(export: Export) -> None:
    spec = export(Classifier().train(), (torch.zeros(2, 3, 21, 21),))
    assert cnnstat.analyze(spec).mode == "train"


def test_autocast_is_followed(export: Export) -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.autocast("cpu", torch.bfloat16):
                return self.linear(x)

    analysis = cnnstat.analyze(export(Mixed().eval(), (torch.zeros(2, 4),)))
    assert [(x.path, x.macs) for x in analysis.layers] == [("", 0), ("linear", 2 * 4 * 3)]


def test_no_pickle_is_read_and_no_weight(export: Export) -> None:
    spec = export(Classifier().eval(), (torch.zeros(1, 3, 21, 21),))
    before = cnnstat.analyze(spec)
    kept = ("/models/model.json", "_config.json")
    with zipfile.ZipFile(spec) as whole, zipfile.ZipFile("bare.pt2", "w") as bare:
        for name in whole.namelist():
            bare.writestr(name, whole.read(name) if name.endswith(kept) else b"no such content")
    assert cnnstat.analyze("bare.pt2").totals == before.totals


def altered(spec: str, old: str, new: str) -> None:
    """The same archive with another text in its program."""
    with zipfile.ZipFile(spec) as whole:
        content = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(spec, "w") as archive:
        for name, data in content.items():
            is_program = name.endswith("models/model.json")
            archive.writestr(name, data.replace(old.encode(), new.encode()) if is_program else data)


RELU = "torch.ops.aten.relu_.default"
ALTERED = [  # (text in the program, what stands there instead, what is said)
    ('"major": 8', '"major": 9', ["version 9.", "version 8 is read here", "torch.export.save"]),
    ('"nodes"', '"nods"', ["does not fit the schema", "nodes"]),
    ("{", "[", ["does not fit the schema"]),
    (RELU, "torch.ops.mylib.op.default", ["holds the operator mylib::op", "import the package"]),
    (RELU, "os.system", ["holds the operator os.system"]),
    (RELU, "torch.ops.higher_order.cond", ["higher_order.cond", "without a graph"]),
    ("as_ints", "as_custom_obj", ["an argument of the kind 'custom_obj'"]),
    ("stem", "__class__", ["does not fit the schema", "'__class__' already exists"]),
    (RELU, "torch.ops.aten.from_file.default", ["aten.from_file.default, which no model needs"]),
    (RELU, "torch.ops.debugprims.load_tensor.default", ["load_tensor", "no model needs"]),
    ('"as_int": 4', '"as_int": -4', ["does not fit the schema", "-4"]),
    ('"as_int": 4', f'"as_int": {2**62}', ["does not fit the schema", "verflow"]),
]


@pytest.mark.parametrize(("old", "new", "says"), ALTERED, ids=[new for _, new, _ in ALTERED])
def test_programs_that_cannot_be_read(
    export: Export, capsys, old: str, new: str, says: list[str]
) -> None:
    altered(export(Classifier().eval(), (torch.zeros(1, 3, 21, 21),)), old, new)
    assert run(["shapes", "model.pt2"]) == 1
    said = capsys.readouterr().err
    for text in ["error: model.pt2", *says]:
        assert text in said
    assert "fault of cnnstat" not in said


REFUSED = [  # (options, status, what is said)
    ("--input 1,3,21", 1, ["input 1×3×21 has 3 dimensions", "model.pt2 takes 1×3×21×21 as x"]),
    ("--input 1,4,21,21", 1, ["dimension 2 is fixed at 3", "--input 1,3,21,21"]),
    ("--input 1,3,21,21:int64", 1, ["the input x is float32, not int64"]),
    ("--input 1,3,21,21 --input 1", 2, ["takes 1 input, 2 were given", "x: 1×3×21×21"]),
    ("--input image=1,3,21,21", 2, ["no input 'image'", "it takes x"]),
    ("--arg a=1", 2, ["is a model already"]),
    ("--mode train", 2, ["was exported in eval mode"]),
]


@pytest.mark.parametrize(("options", "status", "says"), REFUSED, ids=[r[0] for r in REFUSED])
def test_refused_options(
    export: Export, capsys, options: str, status: int, says: list[str]
) -> None:
    export(Classifier().eval(), (torch.zeros(1, 3, 21, 21),))
    assert run(["shapes", "model.pt2", *options.split()]) == status
    said = capsys.readouterr().err
    for text in says:
        assert text in said


def test_a_power_of_sizes_ends() -> None:
    power = function_of("_operator.pow")
    assert power(7, 2) == 49
    with pytest.raises(OverflowError):
        power(9**9, 9**9)
    with pytest.raises(OverflowError):
        function_of("_operator.lshift")(1, 10**9)


class Names(nn.Module):
    """Its layers have the names of what a shell keeps to itself."""

    def __init__(self) -> None:
        super().__init__()
        self._segment = nn.Sequential(nn.Linear(3, 4))
        self._root = nn.Linear(4, 5)
        self._constants = nn.Linear(5, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._constants(self._root(self._segment(x)))


def test_layers_may_have_any_name(export: Export) -> None:
    analysis = cnnstat.analyze(export(Names(), (torch.zeros(2, 3),)))
    assert [x.path for x in analysis.layers] == [
        "", "_segment", "_segment.0", "_root", "_constants",
    ]  # fmt: skip
    assert analysis.totals.macs == 2 * (3 * 4 + 4 * 5 + 5 * 6)


def test_free_sizes_have_bounds(export: Export, capsys) -> None:
    export(Text().eval(), TEXT, dynamic_shapes=FREE)
    assert run(["shapes", "model.pt2", "--input", "2,99"]) == 1
    assert "may be 1 to 64" in capsys.readouterr().err


def torchscript() -> None:
    torch.jit.script(nn.Linear(3, 3)).save("model.pt")  # type: ignore[no-untyped-call]


def member(content: bytes, encrypted: bool = False) -> Callable[[Path], object]:
    """An archive with one program, which is `content`."""

    def make(path: Path) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("m/models/model.json", content)
            archive.writestr("m/data/weights/model_weights_config.json", '{"config": {}}')
        data = bytearray(path.read_bytes())
        if encrypted:  # a bit in the header of each member, and in its entry of the directory
            for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
                at = data.find(mark)
                while at >= 0:
                    data[at + offset] |= 1
                    at = data.find(mark, at + 1)
        path.write_bytes(data)

    return make


def without_an_end(path: Path) -> None:
    member(b"{}")(path)
    path.write_bytes(path.read_bytes()[:-30])


FILES: list[tuple[str, Callable[[Path], object], list[str]]] = [
    ("no.pt2", lambda path: None, ["there is no file no.pt2"]),
    ("folder.pt2", lambda path: path.mkdir(), ["is a directory"]),
    ("bytes.pt2", lambda path: path.write_bytes(bytes(range(256))), ["no torch.export archive"]),
    ("other.pt2", lambda path: zipfile.ZipFile(path, "w").close(), ["it holds no program"]),
    ("encrypted.pt2", member(b"{}", encrypted=True), ["no torch.export archive", "encrypted"]),
    ("cut.pt2", without_an_end, ["no torch.export archive"]),
    ("deep.pt2", member(b"[" * 50_000), ["does not fit the schema", "RecursionError"]),
    ("bomb.pt2", member(b"[" + b"[]," * 2**23 + b"0]"), ["m/models/model.json unpacks from",
                                                          "to 24.0 MiB"]),
    ("w.pth", lambda path: torch.save({"a": torch.zeros(1)}, path),
     ["is a pickled checkpoint", "runs code", "my_model.py:Net", "torch.export.save"]),
    ("w.ckpt", lambda path: path.write_bytes(b"\x80\x02"), ["is a pickled checkpoint"]),
    ("model.pt", lambda path: torchscript(), ["is a TorchScript archive"]),
    ("w.safetensors", lambda path: path.write_bytes(b""), ["weights without the architecture"]),
    ("w.gguf", lambda path: path.write_bytes(b""), ["weights without the architecture"]),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("name", "make", "says"), FILES, ids=[f[0] for f in FILES])
def test_files_that_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, name: str,
    make: Callable[[Path], object], says: list[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    make(Path(name))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a pickle was loaded")

    monkeypatch.setattr("pickle.load", refuse)
    monkeypatch.setattr("torch.load", refuse)
    assert run(["shapes", name]) == (2 if name in ("no.pt2", "folder.pt2") else 1)
    said = capsys.readouterr().err
    for text in ["error: ", *says]:
        assert text in said
    assert "fault of cnnstat" not in said
