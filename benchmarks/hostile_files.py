"""Saved analyses, exported programs and configurations that are damaged, absurd or malicious."""

from __future__ import annotations

import io
import json
import os
import random
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any

from hostile_cases import NUMBERS, TEXTS, VALUES, Case, damaged, json_of, mutated

FORMATS = ("table", "table", "json", "markdown", "csv", "latex", "html")


# Saved analyses


def analysis_case(rng: random.Random) -> Case:
    value = json.loads(_analyses()[rng.randrange(len(_analyses()))])
    for _ in range(rng.choice((1, 1, 2, 4, 10))):
        if rng.random() < 0.6:
            _change_within_schema(rng, value)
        else:
            value = mutated(rng, value)
    content = json_of(rng, value)
    if rng.random() < 0.1:
        content = damaged(rng, content)
    if rng.random() < 0.03:
        content = rng.choice((b"", b"[" * 200_000, b'{"a":' * 100_000, b"\xff\xfe", b"1" * 100_000,
                              b'{"kind": "analysis"}',
                              _analyses()[0].decode().encode("utf-16")))  # fmt: skip
    form = ["--format", rng.choice((*FORMATS, "svg"))]
    command = rng.choice((
        ["shapes", "a.json", *form], ["shapes", "a.json", *form], ["shapes", "a.json", "--top",
        "3"],
        ["shapes", "a.json", "--sort", "macs", "--depth", "9"], ["shapes", "a.json", "--object",
        "9"],
        ["compare", "a.json", "b.json", *form], ["compare", "b.json", "a.json", "a.json"],
        ["shapes", "a.json", *form, "--object", "9"], ["compare", "a.json", "a.json", *form],
        ["explain", "a.json", "conv1"], ["explain", "a.json", "linear1"],
        ["explain", "a.json", "pool1"], ["explain", "a.json", "net.0"],
        ["explain", "a.json", rng.choice(("conv", "0", "receptive_field", "peak", "fc", ""))],
        ["roofline", "a.json", "--device", "h100"], ["memory", "a.json"], ["verify", "a.json"],
        ["shapes", "a.json", "--columns", "padding,kernel,stride,receptive-field,config"],
        ["scale", "a.json", "--over", "N"], ["bench", "a.json"],
    ))  # fmt: skip
    return Case(command, {"a.json": content, "b.json": _analyses()[0]})


def _change_within_schema(rng: random.Random, value: Any) -> None:
    """A change that a schema allows: rows reordered, counts and shapes that contradict others."""
    layers = value.get("layers") if isinstance(value, dict) else None
    rows = [row for row in layers if isinstance(row, dict)] if isinstance(layers, list) else []
    if not rows:
        return
    row, change = rng.choice(rows), rng.randrange(9)
    if change == 0:
        rng.shuffle(layers)
    elif change == 1:
        layers.insert(rng.randrange(len(layers)), rng.choice(layers))
    elif change == 2:
        del layers[rng.randrange(len(layers))]
    elif change == 3:
        row["depth"] = rng.choice((0, 1, 2, 3, 1000))
    elif change == 4:
        key = rng.choice(("params", "macs", "other_ops", "activation_bytes", "call"))
        row[key] = rng.choice((*NUMBERS, 10**25, 10**400))
    elif change == 5:
        key = rng.choice(("inputs", "outputs"))
        row[key] = rng.choice(([], [[]], [[0]], [[1]], [[1, 2, 3]], [[1] * 30], [[2**62] * 4]))
    elif change == 6:
        window = row.get("window")
        if isinstance(window, dict):
            key = rng.choice(("kernel", "stride", "padding", "dilation"))
            window[key] = rng.choice(([], [0, 0], [-1, 1], [1], [2**62, 2**62], [1, 1, 1]))
    elif change == 7:
        key = rng.choice(("path", "type", "config", "shared_with", "receptive_field_reason"))
        row[key] = rng.choice(TEXTS)
    elif isinstance(value.get("totals"), dict):
        value["totals"][rng.choice(("params", "macs", "peak_bytes", "depth"))] = rng.choice(NUMBERS)
        value["inputs"] = rng.choice((value.get("inputs"), []))
        value["by_role"] = rng.choice((value.get("by_role"), {}))


@cache
def _analyses() -> tuple[bytes, ...]:
    """Analyses of two small networks, one of them trained."""
    from cnnstat.cli.main import run

    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, *options in (["lenet"], ["nin", "--training"]):
            file = Path(folder, f"{name}.json")
            with redirect_stdout(io.StringIO()):
                run(["shapes", name, *options, "--output", str(file)])
            found.append(file.read_bytes())
    return tuple(found)


# Programs of torch.export


def exported_case(rng: random.Random) -> Case:
    members = dict(rng.choice(_programs()))
    program = next(name for name in members if "/models/" in name and name.endswith(".json"))
    if rng.random() < 0.7:
        _change_program(rng, members, program)
    if rng.random() < 0.1:
        config = next(name for name in members if name.endswith("_weights_config.json"))
        members[config] = _changed(rng, members[config])
    content = _zipped(rng, members) if rng.random() < 0.99 else bomb(200)
    if rng.random() < 0.3:
        content = _change_archive(rng, content)
    command = ["shapes", "m.pt2", "--format", rng.choice(FORMATS)]
    if rng.random() < 0.2:
        command += ["--input", rng.choice(("1,3,8,8", "2,5:int64", "7", "x=3,3,8,8"))]
    return Case(command, {"m.pt2": content})


def _change_program(rng: random.Random, members: dict[str, bytes], program: str) -> None:
    if rng.random() < 0.05:
        members[program] = rng.choice((b"[" * 50_000, b'{"a":' * 50_000, b"", b"null", b"1e999"))
        return
    value = json.loads(members[program])
    graph = value["graph_module"]["graph"]
    for _ in range(rng.choice((1, 1, 2, 5))):
        change = rng.randrange(8)
        if change == 0 and graph.get("nodes"):
            node = rng.choice(graph["nodes"])
            if isinstance(node, dict):
                node["target"] = rng.choice((
                    "torch.ops.aten.add.Tensor", "torch.ops.aten.zeros.default", "os.system",
                    "builtins.eval", "torch.ops.higher_order.cond",
                    "torch.ops.aten.__class__.__call__",
                    "torch.ops.load_library.x.y", "torch.ops.aten.fill_.Scalar", "_operator.pow",
                    "torch.ops.aten.empty.memory_format", "torch.ops.aten.lstm.input", *TEXTS,
                ))  # fmt: skip
        elif change == 1 and graph.get("tensor_values"):
            meta = rng.choice(list(graph["tensor_values"].values()))
            if isinstance(meta, dict) and meta.get("sizes"):
                key = rng.choice(("sizes", "strides"))
                meta[key][rng.randrange(len(meta[key]))] = {"as_int": rng.choice(NUMBERS)}
        elif change == 2:
            text = json.dumps(value)
            for old in rng.sample(("stem", "conv", "blocks", "head", "relu"), 2):
                text = text.replace(old, rng.choice((
                    "__class__", "forward", "_modules", "training", "__init__", "a.b", "..",
                    "_root",
                    "\\u001b[31mred", "_segment", "named_parameters", "\\n", "\\ud800", "x" * 5000,
                )))  # fmt: skip
            value = json.loads(text)
            graph = value["graph_module"]["graph"]
        else:
            mutated(rng, value)
            graph = value.get("graph_module", {})
            graph = graph.get("graph", {}) if isinstance(graph, dict) else {}
            if not isinstance(graph, dict):
                break
    members[program] = json_of(rng, value)


def _changed(rng: random.Random, content: bytes) -> bytes:
    return json_of(rng, mutated(rng, json.loads(content)))


def _zipped(rng: random.Random, members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    kind = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w", kind) as archive:
        warnings.simplefilter("ignore")
        for name, content in members.items():
            if rng.random() < 0.01:
                continue
            archive.writestr(name, content)
            if rng.random() < 0.01:
                archive.writestr(rng.choice((name, "../" + name, *TEXTS[1:20])) or "x", content)
    return out.getvalue()


def _change_archive(rng: random.Random, content: bytes) -> bytes:
    """Change fields of the zip itself: sizes, flags, methods, offsets, the end of its directory."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 2, 4))):
        change = rng.randrange(7)
        entries = _positions(data, b"PK\x01\x02")
        if change == 0:
            return damaged(rng, bytes(data))
        if change == 1:
            return bytes(data[: rng.randrange(len(data) + 1)])
        if change == 2 and data.rfind(b"PK\x05\x06") >= 0:  # the end of the directory
            at = data.rfind(b"PK\x05\x06") + rng.randrange(4, 22)
            if at < len(data):
                data[at] = rng.randrange(256)
        elif not entries:
            break
        elif change == 3:  # encrypted
            _flag(data, rng.choice(entries) + 8)
            for at in _positions(data, b"PK\x03\x04"):
                _flag(data, at + 6)
        elif change == 4:
            at = rng.choice(entries)
            struct.pack_into("<H", data, at + 10, rng.choice((1, 8, 12, 14, 93, 99)))
        else:  # sizes and the offset of the member
            at = rng.choice(entries) + rng.choice((20, 24, 42))
            struct.pack_into("<I", data, at, rng.choice((0, 1, 2**31, 2**32 - 1, 10**9)))
    return bytes(data)


def _positions(data: bytearray, mark: bytes) -> list[int]:
    found, at = [], data.find(mark)
    while at >= 0 and at + 46 <= len(data):
        found.append(at)
        at = data.find(mark, at + 1)
    return found


def _flag(data: bytearray, at: int) -> None:
    data[at] |= 1


@cache
def _programs() -> tuple[dict[str, bytes], ...]:
    """The members of three archives, as torch.export writes them."""
    import torch
    from torch import nn

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU())
            self.conv = nn.Conv2d(4, 4, 3)
            self.head = nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            x = self.conv(self.stem(x)).relu()
            return self.head(x.mean((2, 3)))

    class Text(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(9, 4)
            self.blocks = nn.ModuleList([nn.LSTM(4, 4, batch_first=True)])

        def forward(self, ids: Any) -> Any:
            with torch.no_grad():
                x = self.embed(ids)
            return torch.stack([self.blocks[0](x)[0], x]).split(1)

    batch = torch.export.Dim("batch")
    made = []
    with warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore")
        for model, x, sizes in ((Net(), torch.zeros(2, 3, 8, 8), {0: batch}),
                                (Text(), torch.zeros(2, 5, dtype=torch.int64), None)):  # fmt: skip
            file = os.path.join(folder, "m.pt2")
            dynamic = (sizes,) if sizes else None
            torch.export.save(torch.export.export(model.eval(), (x,), dynamic_shapes=dynamic), file)
            with zipfile.ZipFile(file) as archive:
                made.append({name: archive.read(name) for name in archive.namelist()})
    return tuple(made)


@cache
def bomb(mebibytes: int) -> bytes:
    """An archive whose program is a list of empty lists, small when packed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/models/model.json", b"[" + b"[],[],[]," * (mebibytes << 17) + b"0]")
    return out.getvalue()


# Configurations of transformers


def config_case(rng: random.Random) -> Case:
    fields: dict[str, Any] = dict(rng.choice(_CONFIGS))
    for _ in range(rng.choice((1, 1, 2, 4))):
        key = rng.choice([*fields, *_FIELDS])
        if rng.random() < 0.15:
            fields.pop(key, None)
        elif rng.random() < 0.05:
            fields[rng.choice(TEXTS)] = rng.choice(VALUES)
        else:
            fields[key] = rng.choice((*VALUES, *TEXTS))
    content = json_of(rng, fields)
    if rng.random() < 0.1:
        content = rng.choice((damaged(rng, content), b"[" * 100_000, b"null", b"[]", b""))
    command = ["shapes", "transformers:config.json", "--format", rng.choice(FORMATS)]
    if rng.random() < 0.3:
        command += ["--arg", rng.choice(("num_hidden_layers=1000000000", "hidden_size='x'",
                                         "num_hidden_layers=-1", "x=1",
                                         "vocab_size=None"))]  # fmt: skip
    return Case(command, {"config.json": content}, seconds=30)  # the first imports transformers


_CONFIGS: tuple[dict[str, Any], ...] = (
    {"model_type": "llama", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
     "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 100},
    {"model_type": "bert", "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
     "num_attention_heads": 4, "vocab_size": 100, "architectures": ["BertModel"]},
    {"model_type": "vit", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
     "image_size": 32, "patch_size": 16, "intermediate_size": 128},
)  # fmt: skip
_FIELDS = ("architectures", "torch_dtype", "dtype", "max_position_embeddings", "rope_scaling",
           "rope_parameters", "hidden_act", "num_labels", "auto_map", "quantization_config",
           "attn_implementation", "text_config", "id2label", "head_dim", "layer_types",
           "pad_token_id", "is_encoder_decoder", "transformers_version")  # fmt: skip

Maker = Callable[[random.Random], Case]
