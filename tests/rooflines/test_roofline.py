"""The roofline: bytes of an operator, time of a layer, the step, and how it is shown.

The device of most tests does 1,000 FLOP/s and moves 100 bytes/s: its ridge is 10 FLOP/byte.
"""

import csv
import io
import json
from xml.etree import ElementTree

import jsonschema
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import cnnstat
from cnnstat.cli.main import run
from cnnstat.errors import UsageError
from cnnstat.models.load import load
from cnnstat.render import Options, render, report_of
from cnnstat.render.blocks import Facts, Roof
from cnnstat.render.json import schema
from cnnstat.rooflines.results import Work
from cnnstat.rooflines.traffic import Traffic
from cnnstat.trace.records import Op, TensorSpec

PEAKS = "fp64=500,fp32=1000,tf32=2000,bf16=4000,fp16=4000,bandwidth=100"


class Multiply(nn.Module):
    def forward(self, x):
        return x * x


class AddExpanded(nn.Module):
    def forward(self, x):
        return x + x[:1, :1].expand(x.shape)


class Join(nn.Module):
    def forward(self, x):
        return torch.cat([x, x + 1])


class Clear(nn.Module):
    def forward(self, x):
        return torch.empty_like(x).fill_(1.0)


@pytest.mark.parametrize(
    ("net", "shape", "macs", "read", "written"),
    [
        (nn.Linear(4, 3), "2,4", 2 * 4 * 3, 2 * 4 + 4 * 3 + 3, 2 * 3),
        (nn.Linear(4, 3, bias=False), "2,4", 2 * 4 * 3, 2 * 4 + 4 * 3, 2 * 3),
        (nn.Conv2d(2, 3, 3, padding=1), "1,2,5,5", 25 * 3 * 2 * 9, 2 * 25 + 3 * 2 * 9 + 3, 3 * 25),
        (nn.Conv2d(4, 4, 3, groups=4), "1,4,5,5", 9 * 4 * 9, 4 * 25 + 4 * 9 + 4, 4 * 9),
        (nn.ReLU(), "2,6", 0, 12, 12),
        (nn.ReLU(inplace=True), "2,6", 0, 12, 12),
        (nn.BatchNorm2d(4), "1,4,3,3", 0, 36 + 4 * 4, 36),  # weight, bias, mean, variance
        (nn.Flatten(), "2,3,4", 0, 0, 0),  # a view
        (nn.Dropout(), "2,3", 0, 0, 0),  # in eval mode nothing runs
        (Multiply(), "2,6", 0, 12, 12),  # one tensor, read once
        (AddExpanded(), "2,6", 0, 12 + 1, 12),  # an expanded tensor is one element in memory
        (Join(), "2,6", 0, 12 + (12 + 12), 12 + 24),  # the sum, then both
        (Clear(), "2,6", 0, 0, 12),  # what is made is not written, what is overwritten not read
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_work_of_a_layer(net, shape, macs, read, written) -> None:
    result = cnnstat.roofline(net, shape, device_peaks=PEAKS)
    moved = 4 * (read + written)
    assert (result.forward.macs, result.forward.bytes) == (macs, moved)
    assert (result.flops, result.bytes) == (2 * macs, moved)
    half = cnnstat.roofline(net, shape, device_peaks=PEAKS, precision="bf16")
    assert half.bytes == moved / 2


def test_integers_keep_their_size_and_a_table_is_not_read_whole() -> None:
    pooled = cnnstat.roofline(nn.MaxPool2d(2), "1,1,4,4", device_peaks=PEAKS)
    assert pooled.bytes == 4 * 16 + 4 * 4 + 8 * 4  # with the indices, which are int64
    half = cnnstat.roofline(nn.MaxPool2d(2), "1,1,4,4", device_peaks=PEAKS, precision="fp16")
    assert half.bytes == 2 * 16 + 2 * 4 + 8 * 4
    table = cnnstat.roofline(nn.Embedding(100, 8), "1,5:int64", device_peaks=PEAKS)
    assert table.bytes == 8 * 5 + 4 * 5 * 8 + 4 * 5 * 8  # indices, rows read, rows written
    small = cnnstat.roofline(nn.Embedding(2, 8), "1,5:int64", device_peaks=PEAKS)
    assert small.bytes == 8 * 5 + 4 * 2 * 8 + 4 * 5 * 8


class Attend(nn.Module):
    def forward(self, q, k, v):
        return nn.functional.scaled_dot_product_attention(q, k, v)


def test_attention_is_one_kernel_that_keeps_its_scores() -> None:
    shapes = ["1,2,16,8", "1,2,32,8", "1,2,32,4"]  # q, k, v; the output is 1,2,16,4
    step = cnnstat.roofline(Attend(), *shapes, device_peaks=PEAKS)
    assert step.forward.macs == 2 * 16 * 32 * (8 + 4)
    assert step.forward.bytes == 4 * 2 * (16 * 8 + 32 * 8 + 32 * 4 + 16 * 4)
    assert step.seconds == pytest.approx(step.forward.bytes / 100)  # not over its five operators
    assert step.batch_size == 1


@pytest.mark.parametrize("net", [nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.1))])
def test_dropout_while_training_is_one_kernel_with_a_mask_of_bytes(net) -> None:
    step = cnnstat.roofline(net, "2,6", device_peaks=PEAKS, mode="train")
    assert step.bytes == 12 * (4 + 4 + 1)
    both = nn.Sequential(nn.Linear(6, 6, bias=False), net)
    step = cnnstat.roofline(both, "2,6", device_peaks=PEAKS, training=True)
    assert step.layers[2].total.bytes == 2 * 12 * (4 + 4 + 1)


def test_what_is_put_into_a_cache_is_not_the_cache() -> None:
    class Cache(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("kept", torch.zeros(1000, 4))

        def forward(self, rows, x):
            return self.kept.index_copy_(0, rows, x)

    step = cnnstat.roofline(Cache(), "3:int64", "3,4", device_peaks=PEAKS)
    assert step.bytes == 8 * 3 + 4 * 12 + 4 * 12


def test_images_in_a_list_are_no_batch() -> None:
    class Detect(nn.Module):
        def forward(self, images):
            return torch.stack([image.mean() for image in images])

    step = cnnstat.roofline(Detect(), [cnnstat.InputSpec((3, 8, 8))] * 2, device="t4")
    assert step.batch_size is None
    assert step.examples_per_second is None
    assert facts_of(step)["Examples per second"] == "–"


def test_the_longer_of_arithmetic_and_traffic_is_the_time() -> None:
    # 1 image, 25 positions, 54 weights: 1,350 MACs; 50 + 57 + 75 elements
    conv = cnnstat.roofline(nn.Conv2d(2, 3, 3, padding=1), "1,2,5,5", device_peaks=PEAKS)
    assert conv.layers[0].bound == "bandwidth"
    assert conv.seconds == pytest.approx(728 / 100)  # more than 2,700 / 1,000
    assert conv.ridge == 10
    assert conv.layers[0].intensity == pytest.approx(2700 / 728)
    fast = "fp32=1000,bandwidth=1K"
    conv = cnnstat.roofline(nn.Conv2d(2, 3, 3, padding=1), "1,2,5,5", device_peaks=fast)
    assert conv.layers[0].bound == "arithmetic"
    assert conv.seconds == pytest.approx(2700 / 1000)
    assert conv.mfu(conv.seconds) == pytest.approx(1)
    assert conv.mfu(2 * conv.seconds) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("precision", "peak"),
    [("fp64", 500), ("fp32", 1000), ("tf32", 2000), ("bf16", 4000), ("fp16", 4000)],
)
def test_precision_chooses_the_peak_and_the_size_of_elements(precision, peak) -> None:
    result = cnnstat.roofline(nn.Linear(4, 3), "2,4", device_peaks=PEAKS, precision=precision)
    itemsize = {"fp64": 8, "bf16": 2, "fp16": 2}.get(precision, 4)
    assert (result.peak_flops, result.bytes) == (peak, itemsize * (8 + 12 + 3 + 6))


def test_a_step_is_the_sum_of_its_operators_not_the_roof_of_its_sums() -> None:
    # the linear layer is bound by arithmetic, the ReLU by bandwidth: the times add up
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU())
    result = cnnstat.roofline(net, "64,64", device_peaks="fp32=1000,bandwidth=1000")
    linear, relu = 2 * 64**3 / 1000, 4 * 2 * 64 * 64 / 1000
    assert [layer.seconds for layer in result.layers[1:]] == pytest.approx([linear, relu])
    assert result.seconds == pytest.approx(linear + relu)
    assert result.forward.arithmetic_seconds == pytest.approx(linear)
    assert result.forward.bandwidth_seconds == pytest.approx(relu)
    assert result.seconds > max(result.flops / 1000, result.bytes / 1000)


NETS = ["nin", "resnet18", "googlenet", "densenet121"]


@pytest.mark.parametrize("model", NETS)
@pytest.mark.parametrize("training", [False, True])
def test_layers_sum_up_to_the_step(model, training) -> None:
    result = cnnstat.roofline(model, device="h100", precision="bf16", training=training)
    own = Work()
    for layer in result.layers:
        own += layer.forward + (layer.backward or Work())
    assert own.macs == result.layers[0].total.macs == result.flops // 2
    update = result.update or Work()
    assert own.bytes + update.bytes == result.bytes
    assert own.seconds + update.seconds == pytest.approx(result.seconds)
    top = [layer for layer in result.layers if layer.depth == 1]
    root = result.layers[0]
    rest = root.forward + (root.backward or Work())  # what its forward does itself
    assert sum(layer.total.macs for layer in top) + rest.macs == root.total.macs
    assert sum(layer.total.bytes for layer in top) + rest.bytes == root.total.bytes
    macs = cnnstat.analyze(model, training=training).totals
    assert result.flops == 2 * (macs.training_macs if training else macs.macs)


class RealTraffic(TorchDispatchMode):
    """Adds up the bytes of the tensors into and out of every operator of a real run."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        results = func(*args, **(kwargs or {}))
        if func.is_view or func is torch.ops.aten.detach.default:
            return results
        inputs = {id(t): t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        outputs = [t for t in tree_leaves(results) if isinstance(t, Tensor)]
        self.bytes += sum(t.nbytes for t in (*inputs.values(), *outputs))
        return results


@pytest.mark.parametrize("model", ["lenet", "alexnet", "nin", "resnet18", "vgg11", "googlenet"])
def test_bytes_are_those_of_a_real_run(model) -> None:
    loaded = load(model, (), {}, {})
    assert loaded.builders.with_data is not None
    net, shape = loaded.builders.with_data().eval(), (2, *loaded.inputs[0].shape[1:])
    x = torch.rand(shape)
    with torch.no_grad(), RealTraffic() as real:
        net(x)
    assert cnnstat.roofline(model, device="t4", batch_size=2).bytes == real.bytes


def test_backward_bytes_are_those_of_a_real_backward_pass() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                        nn.Linear(8 * 49, 10))  # fmt: skip
    result = net(torch.rand(2, 3, 16, 16))
    gradient = torch.ones_like(result)
    with RealTraffic() as real:
        result.backward(gradient)
    ours = cnnstat.roofline(net, "2,3,16,16", device="t4", training=True).backward
    # the first convolution wants no gradient of its input: its weight is not read
    assert ours.bytes == real.bytes - 4 * 8 * 3 * 3 * 3


@pytest.mark.parametrize(
    ("optimizer", "accesses"),
    # reads p, g and writes p; momentum reads and writes m; Adam two such
    [(None, 3), ("sgd", 3), ("momentum", 5), ("adam", 7), ("adamw", 7)],
)
@pytest.mark.parametrize(("precision", "itemsize"), [("fp32", 4), ("bf16", 4), ("fp64", 8)])
def test_update_moves_parameters_gradients_and_state(
    optimizer, accesses, precision, itemsize
) -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))  # 15 + 8 parameters
    net[0].requires_grad_(False)
    step = cnnstat.roofline(
        net, "2,4", device_peaks=PEAKS, precision=precision, training=True, optimizer=optimizer
    )
    assert step.update.bytes == accesses * itemsize * 8
    assert step.update.seconds == pytest.approx(step.update.bytes / 100)
    assert step.seconds == pytest.approx(
        step.forward.seconds + step.backward.seconds + step.update.seconds
    )


def test_inference_has_no_backward_pass_and_no_update() -> None:
    step = cnnstat.roofline("lenet", device="h100")
    assert (step.training, step.backward, step.update, step.optimizer) == (False, None, None, None)
    assert step.mode == "eval"
    assert cnnstat.roofline("lenet", device="h100", training=True).mode == "train"


def test_batch_size_scales_what_depends_on_the_batch() -> None:
    net = nn.Linear(4, 3)
    one, eight = (cnnstat.roofline(net, "1,4", device_peaks=PEAKS, batch_size=n) for n in (1, 8))
    assert (one.batch_size, eight.batch_size) == (1, 8)
    assert eight.inputs[0].shape == (8, 4)
    assert eight.flops == 8 * one.flops
    assert eight.bytes == 4 * (8 * 4 + 4 * 3 + 3 + 8 * 3)  # the weights are read once
    assert eight.examples_per_second == pytest.approx(8 / eight.seconds)


def test_batch_size_keeps_names_and_dtypes() -> None:
    class Net(nn.Module):
        def forward(self, ids, scale):
            return ids * scale

    step = cnnstat.roofline(Net(), "ids=2,5:int64", "scale=2,5", device="t4", batch_size=3)
    assert {(i.name, i.shape, i.dtype) for i in step.inputs} == {
        ("ids", (3, 5), "int64"),
        ("scale", (3, 5), "float32"),
    }
    step = cnnstat.roofline(Net(), "ids=2,5", "scale=1,5", device="t4", batch_size=3)
    assert [i.shape for i in step.inputs] == [(3, 5), (1, 5)]  # of another first size: it stays


def test_operators_without_a_rule_make_the_arithmetic_a_lower_bound() -> None:
    class Net(nn.Module):
        def forward(self, x):
            return torch.linalg.matrix_exp(x)

    step = cnnstat.roofline(Net(), "2,3,3", device="t4")
    assert step.uncounted == {"aten.linalg_matrix_exp": 1}
    assert step.bytes == 4 * (18 + 18)
    text = repr(step)
    assert "the arithmetic of aten.linalg_matrix_exp (1×) is not known" in text
    assert "FLOPs (2 × MACs)" in text
    assert not step.layers[0].exact


def facts_of(step) -> dict[str, str]:
    (facts,) = (block for block in report_of(step).blocks if isinstance(block, Facts))
    return {name: cell.text for name, cell in facts.items}


def test_report_tells_the_step() -> None:
    step = cnnstat.roofline(nn.Linear(4, 3), "2,4", device_peaks=PEAKS, training=True)
    facts = facts_of(step)
    # forward 29 elements; dw of dy and x: 6 + 8 + 12; db of dy: 6 + 3; update 3 · 15
    assert (step.forward.bytes, step.backward.bytes, step.update.bytes) == (116, 4 * 35, 4 * 45)
    assert facts["Step time"] == "at least 4.36 s"
    assert facts["Examples per second"] == "at most 0.46"
    assert facts["Forward pass"] == "at least 1.16 s"
    assert facts["Update (SGD)"] == "at least 1.80 s"
    assert facts["Time bound by bandwidth"] == "100.0 %"
    assert facts["Peak arithmetic"] == "1.00 KFLOP/s"


def test_rows_are_sorted_by_what_is_asked_for() -> None:
    step = cnnstat.roofline("nin", device="h100", precision="bf16", batch_size=128)

    def first(**options) -> str:
        return report_of(step, Options(**options)).blocks[0].rows[0].cells[0].text

    assert first(top=1) == first(sort="time") == "block2.conv1"
    assert first(sort="bytes") == "pool1"
    assert first(sort="intensity") == "block2.conv1"
    assert len(report_of(step, Options(top=3)).blocks[0].rows) == 3
    with pytest.raises(UsageError, match="unknown sort key 'params'"):
        report_of(step, Options(sort="params"))


def test_picture_has_the_layers_with_arithmetic_under_the_roof() -> None:
    step = cnnstat.roofline("nin", device="h100", precision="bf16", batch_size=128)
    (roof,) = (block for block in report_of(step).blocks if isinstance(block, Roof))
    assert len(roof.dots) == 12  # its convolutions
    for dot in roof.dots:
        assert dot.rate <= min(roof.peak_flops, dot.intensity * roof.bandwidth) * (1 + 1e-9)
    document = render(step, "svg").text
    drawn = ElementTree.fromstring(document)
    assert drawn.tag.endswith("svg")
    assert "block2.conv1" in document
    assert "989 TFLOP/s" in document


def test_every_format_has_the_layers() -> None:
    step = cnnstat.roofline("lenet", device="h100", training=True)
    document = json.loads(render(step, "json").text)
    jsonschema.validate(document, schema())
    assert (document["kind"], document["device"]["name"]) == ("roofline", "h100-sxm")
    assert document["seconds"] == step.seconds
    assert len(document["layers"]) == len(step.layers)
    rows = list(csv.DictReader(io.StringIO(render(step, "csv").text)))
    conv = next(layer for layer in step.layers if layer.role == "conv")
    row = next(row for row in rows if row["layer"] == conv.path)
    assert (int(row["macs"]), int(row["bytes"])) == (conv.total.macs, conv.total.bytes)
    assert float(row["seconds"]) == conv.seconds
    assert sum(int(row["bytes"]) for row in rows) == step.layers[0].total.bytes
    for form in ("table", "markdown", "latex", "html"):
        assert "bandwidth" in render(step, form).text


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["nin"], 2, "roofline needs a device\n  try: --device h100"),
        (["nin", "--device", "h10"], 2, "unknown device 'h10': did you mean"),
        (["nin", "--device", "t4", "--precision", "bf16"], 2, "no bf16 peak is known of NVIDIA T4"),
        (["nin", "--device", "t4", "--optimizer", "adam"], 2, "belongs to a training step"),
        (["nin", "--device", "t4", "--sort", "tim"], 2, "did you mean time?"),
        (["nin", "--device", "t4", "--device-peaks", PEAKS], 2, "not both"),
        (["nin", "--device-peaks", "fp32=1T"], 2, "bandwidth and the FLOP/s"),
        (["nin", "--device-peaks", "fp32=1T,bandwidth=fast"], 2, "bandwidth: 'fast' is no"),
        (["run.json", "--device", "t4"], 2, "has no operators"),
        (["lenet", "--device", "t4", "--input", "1,1,9,9"], 1, "shapes don't fit"),
    ],
)
def test_what_cannot_be_asked(arguments, status, message, capsys) -> None:
    assert run(["roofline", *arguments]) == status
    out, err = capsys.readouterr()
    assert message in err
    assert out == "" or message == "shapes don't fit"  # the layers up to there


def test_command_line_writes_the_picture(tmp_path, capsys) -> None:
    file = tmp_path / "roof.svg"
    arguments = ["roofline", "nin", "--device", "a100", "--precision", "tf32", "-b", "64"]
    assert run([*arguments, "--output", str(file)]) == 0
    assert ElementTree.parse(file).getroot().tag.endswith("svg")
    assert run(["devices", "--output", str(tmp_path / "nin.svg")]) == 2  # it has none
    capsys.readouterr()
    assert run([*arguments, "--training", "--top", "2"]) == 0
    assert len(capsys.readouterr().out.split("\n\n")[1].splitlines()) == 3


def _spec(value: int, *shape: int) -> TensorSpec:
    return TensorSpec(value, shape, "float32", 4)


_X, _INDEX, _PART, _OUT = _spec(0, 10, 4), _spec(1, 3), _spec(2, 3, 4), _spec(3, 3, 4)
TRAFFIC = [
    ("aten.view", (_X, (4, 10)), _X, 0),
    ("aten._assert_async", (_X,), _OUT, 0),
    ("aten.empty_like", (_X,), _spec(4, 10, 4), 0),
    ("aten.clone", (_X,), _spec(4, 10, 4), 4 * (40 + 40)),
    ("aten.fill_", (_X, 1.0), _X, 4 * 40),  # what was there is not read
    ("aten.copy_", (_X, _spec(5, 10, 4)), _X, 4 * (40 + 40)),
    ("aten.add_", (_X, _spec(5, 10, 4)), _X, 4 * (40 + 40 + 40)),
    ("aten.embedding", (_X, _INDEX), _OUT, 4 * (12 + 3 + 12)),  # of the table, three rows
    ("aten.index_put_", (_X, (_INDEX,), _PART), _X, 4 * (3 + 12 + 12)),
    ("aten.index_copy_", (_X, 0, _INDEX, _PART), _X, 4 * (3 + 12 + 12)),
    ("aten.index_put", (_X, (_INDEX,), _PART), _spec(4, 10, 4), 4 * (40 + 3 + 12 + 40)),
]


@pytest.mark.parametrize(("name", "args", "out", "moved"), TRAFFIC, ids=[row[0] for row in TRAFFIC])
def test_bytes_follow_from_traits(name, args, out, moved) -> None:
    op = Op(name, "default", args, {}, (out,), 0, 0)
    assert Traffic("fp32").of(op) == moved


def test_a_cache_that_is_written_in_place_is_counted() -> None:
    class Cache(nn.Module):
        def forward(self, x):
            return torch.zeros(10, 4).index_copy_(0, torch.arange(3), x)

    totals = cnnstat.analyze(Cache(), "3,4").totals
    assert (totals.uncounted, totals.other_ops) == ({}, 0)
