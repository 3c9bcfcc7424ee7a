"""Models that do not run: what is said of them, and that the edits that are suggested work."""

from __future__ import annotations

import gc
import json
import shlex
import sys
import textwrap
from pathlib import Path

import jsonschema
import pytest
import torch
from torch import nn

import cnnstat
from cnnstat.cli.main import run
from cnnstat.diagnosis import edits
from cnnstat.diagnosis.changes import Change, Proposal, Situation
from cnnstat.diagnosis.edits import proposals_for
from cnnstat.diagnosis.literals import (
    Literal,
    Span,
    TrackedInt,
    applied,
    evaluated,
    literals_in,
    plain,
    solved,
    tracked,
)
from cnnstat.diagnosis.replaced_layers import constructor_arguments
from cnnstat.diagnosis.replay import fits
from cnnstat.diagnosis.search import Search
from cnnstat.diagnosis.source_subject import subject_of
from cnnstat.diagnosis.source_text import (
    Replacement,
    names_for,
    piece,
    replaced,
    with_tracked_numbers,
)
from cnnstat.diagnosis.weights import Features, Prior
from cnnstat.diagnosis.wording import _constructor
from cnnstat.inputs import InputSpec
from cnnstat.models.load import load
from cnnstat.render import render
from cnnstat.render.json import schema

BROKEN = Path(__file__).parent.parent.parent / "examples" / "broken"

# (file, where it fails, the first suggestion, what the model then returns)
CASES = [
    ("linear_features", "fc1", "nn.Linear(512, 120)", (1, 10)),
    ("conv_channels", "features.2.0", "block(64, 128)", (1, 10)),
    ("norm_features", "norm1", "nn.BatchNorm2d(64)", (1, 10)),
    ("residual", "stages.0.add", "nn.Conv2d(in_channels, out_channels, 1, stride=stride)",
     (1, 10)),
    ("inception", "incep1.cat", "nn.Conv2d(16, 24, kernel_size=5, padding=2)", (1, 10)),
    ("stack", "stack", "nn.Conv2d(3, 16, 3, padding=1)", (1, 10)),
    ("kernel_too_large", "4", "nn.Conv2d(64, 128, 3)", (1, 10)),
    ("pooled_to_nothing", "14", "--input 1,1,32,32", (1, 10)),
    ("view_product", "view", "x.view(-1, 2880)", (1, 10)),
    ("attention_width", "attention",
     "nn.MultiheadAttention(128, num_heads=4, batch_first=True)", (1, 10)),
    ("attention_heads", "", "nn.MultiheadAttention(128, num_heads=8, batch_first=True)", (1, 10)),
    ("conv_groups", "", "nn.Conv2d(48, 96, 3, padding=1, groups=24)", (1, 10)),
    ("matmul", "matmul", "nn.Linear(128, 64)", (1, 10)),
    ("embedding_dtype", "embedding", "--input 1,128:int64", (1, 2)),
    ("missing_batch", "1", "--input 1,3,32,32", (1, 10)),
    ("channels_last", "0", "--input 8,3,64,48", (8, 10)),
    ("assertion", "patches", "--input 1,3,32,32", (1, 10)),
    ("forward_arguments", "", "--input 1,16 --input 1,16", (1, 1)),
]  # fmt: skip


def diagnosis_of(spec, *inputs, **options):
    with pytest.raises(cnnstat.ShapeError) as caught:
        cnnstat.analyze(spec, *inputs, **options)
    assert caught.value.diagnosis is not None
    return caught.value.diagnosis


@pytest.mark.parametrize(("name", "path", "edit", "output"), CASES, ids=[c[0] for c in CASES])
def test_the_layer_and_the_first_suggestion(name, path, edit, output):
    (fault,) = diagnosis_of(f"{BROKEN / name}.py:Net").errors
    assert fault.path == path
    assert fault.fixes[0].edit == edit
    assert all(fix.verified for fix in fault.fixes)
    assert fault.fixes[0].output == (output,)


@pytest.mark.parametrize("file", sorted(BROKEN.glob("*.py")), ids=lambda file: file.stem)
def test_every_suggestion_works_when_it_is_made(file: Path, tmp_path: Path):
    """Made by hand, in a copy of the file: in text, as a reader would."""
    try:
        cnnstat.analyze(f"{file}:Net")
    except cnnstat.ShapeError as error:
        faults = error.diagnosis.errors if error.diagnosis else ()
    except cnnstat.ModelError:
        return  # it cannot be imported: nothing to edit is found by running it
    else:
        return
    assert faults
    *others, last = faults
    for number, fix in enumerate(last.fixes):
        text, inputs = file.read_text(), []
        for each in (*(fault.fixes[0] for fault in others), fix):
            if each.source is None:
                inputs = inputs_in(each.edit)
            else:
                text = made(text, each)
        copy = tmp_path / f"{file.stem}{number}.py"
        copy.write_text(text)
        assert cnnstat.analyze(f"{copy}:Net", *inputs).layers[0].outputs == fix.output


def inputs_in(edit: str) -> list[str]:
    """`--input 1,16:int64 --input 1,16` → what is given as inputs."""
    return [text for text in shlex.split(edit) if text != "--input"]


def made(text: str, fix) -> str:
    lines = text.split("\n")
    number = int(fix.source.rpartition(":")[2]) - 1
    assert fix.instead_of in lines[number]
    lines[number] = lines[number].replace(fix.instead_of, fix.edit, 1)
    return "\n".join(lines)


def test_one_run_tells_of_all_errors():
    first, second = diagnosis_of(f"{BROKEN / 'two_errors.py'}:Net").errors
    assert (first.path, first.source) == ("conv2", "examples/broken/two_errors.py:13")
    assert (second.path, second.source) == ("fc1", "examples/broken/two_errors.py:16")
    assert second.explanation[1].startswith("4096 = 64 × 8 × 8, from pool (MaxPool2d 2×2)")


def test_the_record_is_as_the_schema_says(capsys):
    assert run(["shapes", f"{BROKEN / 'linear_features.py'}:Net", "--format", "json"]) == 1
    record = json.loads(capsys.readouterr().out)
    jsonschema.validate(record, schema())
    assert record["kind"] == "diagnosis"
    (fault,) = record["errors"]
    assert fault["source"] == "examples/broken/linear_features.py:14"
    assert fault["called_from"] == "examples/broken/linear_features.py:21"
    assert (fault["got"], fault["expected"]) == ("1×512", "800 features")
    # up to the failure: three calls of modules twice, the view, and the layer without an output
    assert record["layers"][-1]["path"] == "fc1"
    assert record["layers"][-1]["outputs"] == []


@pytest.mark.parametrize("format", ["table", "markdown", "csv", "latex", "html"])
def test_every_format_shows_the_layers(format, capsys):
    assert run(["shapes", f"{BROKEN / 'norm_features.py'}:Net", "--format", format]) == 1
    out, err = capsys.readouterr()
    assert "BatchNorm2d" in out
    assert err.startswith("\nerror: shapes don't fit at norm1 (BatchNorm2d 32)\n")
    assert ("fix: " in out) == (format in ("markdown", "latex", "html"))


def test_csv_of_a_model_of_which_nothing_ran_is_the_header(tmp_path, capsys):
    """One layer at most was called, or none: the file does not parse."""
    for text in ("class Net(", "raise ValueError('no')"):
        (tmp_path / "net.py").write_text(text)
        assert run(["shapes", f"{tmp_path}/net.py:Net", "--input", "1,3", "--format", "csv"]) == 1
        out, err = capsys.readouterr()
        assert out.startswith("layer,depth,type,")
        assert out.count("\n") == 1
        assert "fault of cnnstat" not in err


def test_a_diagnosis_shows_itself():
    diagnosis = diagnosis_of(f"{BROKEN / 'norm_features.py'}:Net")
    assert repr(diagnosis) == render(diagnosis, "table").text.rstrip("\n")
    assert "fix: nn.BatchNorm2d(64)" in repr(diagnosis)


class Lenet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 6, 5)
        self.pool = nn.MaxPool2d(2)
        self.fc = nn.Linear(6 * 12 * 11, 10)

    def forward(self, x):
        return self.fc(self.pool(self.conv(x)).flatten(1))


class LastStep(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


def test_one_step_of_a_sequence_has_the_features_of_the_layer_that_made_it():
    with pytest.raises(cnnstat.ShapeError) as caught:
        cnnstat.analyze(LastStep(), (2, 5, 8))
    assert "16 features come from lstm (LSTM 8→16)" in str(caught.value)
    edits = [fix.edit for fix in caught.value.diagnosis.errors[0].fixes]
    assert edits == ["net.head = nn.Linear(16, 3)", "net.lstm = nn.LSTM(8, 12, batch_first=True)"]


class TwoWays(nn.Module):
    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(3, 4, 3, padding=1)
        self.other = nn.Conv2d(3, 4, 1)
        self.out = nn.Conv2d(8, 2, 1)

    def forward(self, x):
        return self.out(torch.cat([self.one(x).relu(), self.other(x).relu()], 1))


def test_a_batch_axis_that_is_missing_since_the_first_layer():
    """A convolution takes a map without one, and the join then joins rows instead of channels."""
    with pytest.raises(cnnstat.ShapeError) as caught:
        cnnstat.analyze(TwoWays(), (3, 6, 6))
    (error,) = caught.value.diagnosis.errors
    assert error.path == "out"
    assert error.fixes[0].edit == "--input 1,3,6,6"
    assert "4 channels come from cat()" in str(caught.value)


@pytest.mark.parametrize(
    "layer",
    [nn.RNN(3, 4, 2, nonlinearity="relu"), nn.LSTM(3, 4, bias=False, proj_size=2),
     nn.GRU(3, 4, bidirectional=True), nn.Conv2d(4, 6, 3, padding=1, groups=2, bias=False)],
    ids=repr,
)  # fmt: skip
def test_a_layer_is_made_again_from_its_attributes(layer):
    assert repr(type(layer)(**constructor_arguments(layer))) == repr(layer)


def test_a_live_model_is_told_which_layer_to_exchange():
    net = Lenet()
    before = dict(net.fc.__dict__)
    (fault,) = diagnosis_of(net, (1, 1, 28, 28)).errors  # 28 − 4 = 24, pooled 12: 6 · 12 · 12 = 864
    assert fault.fixes[0].edit == "net.fc = nn.Linear(864, 10)"
    assert fault.fixes[0].instead_of == "nn.Linear(792, 10)"
    assert net.fc.__dict__ == before
    net.fc = nn.Linear(864, 10)
    assert cnnstat.analyze(net, (1, 1, 28, 28)).layers[0].outputs == ((1, 10),)


@pytest.mark.parametrize(
    ("layer", "text"),
    [(nn.Conv2d(3, 8, 3), "nn.Conv2d(3, 8, 3)"),
     (nn.Conv2d(3, 8, 3, stride=3), "nn.Conv2d(3, 8, 3, stride=3)"),
     (nn.Conv2d(3, 8, 1), "nn.Conv2d(3, 8, 1)"),
     (nn.MaxPool2d(2), "nn.MaxPool2d(2)"), (nn.MaxPool2d(3, 3), "nn.MaxPool2d(3)"),
     (nn.AvgPool2d(3, 2), "nn.AvgPool2d(3, stride=2)")],
    ids=repr,
)  # fmt: skip
def test_a_stride_equal_to_the_kernel_is_left_out_of_pools_alone(layer, text):
    assert _constructor(type(layer), constructor_arguments(layer)) == text


class Strided(nn.Module):
    """Its last layer takes what a stride of 3 leaves of 9."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.fc = nn.Linear(8 * 3 * 3, 2)

    def forward(self, x):
        return self.fc(self.conv(x).flatten(1))


def test_no_fix_is_what_it_replaces():
    (fault,) = diagnosis_of(Strided(), (1, 3, 9, 9)).errors
    edits = [fix.edit for fix in fault.fixes]
    assert "net.conv = nn.Conv2d(3, 8, 3, stride=3)" in edits
    for fix in fault.fixes:
        assert fix.edit.partition(" = ")[2] != fix.instead_of


ROUNDED = """
    from torch import nn

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.pool = nn.MaxPool2d(4, 3, ceil_mode=True)
            self.fc = nn.Linear(16, 2)

        def forward(self, x):
            return self.fc(self.pool(x).flatten(1))

    example_input = (1, 1, 20, 20)
"""


def test_a_pool_that_rounds_up_is_replayed_as_torch_runs_it(tmp_path):
    """The kernel may be larger than the input: ⌈(n − 4) / 3⌉ + 1, one window for n = 2."""
    file = tmp_path / "rounded.py"
    file.write_text(textwrap.dedent(ROUNDED))
    loaded = load(f"{file}:Net")
    failure = subject_of(loaded, "eval").run(watched=True).failure
    assert failure is not None
    value = failure.trace.inputs[0].tensor.value
    for side in (1, 2, 3, 4, 11, 12, 13, 14):
        runs = subject_of(loaded, "eval").run(Change(inputs=(InputSpec((1, 1, side, side)),)))
        assert fits(failure, {}, {value: (1, 1, side, side)}) is (runs.failure is None), side
    one = {"fc": {**failure.trace.modules["fc"].settings, "in_features": 1}}
    assert fits(failure, one, {value: (1, 1, 2, 2)}) is True


def test_sizes_are_followed_through_activations_in_place():
    """They return their own operand, behind which is the layer that chose the size."""
    convolution = nn.Conv2d(3, 4, 3, padding=1)
    flattened = nn.Sequential(convolution, nn.ReLU(True), nn.Flatten(), nn.Linear(100, 10))
    (fault,) = diagnosis_of(flattened, (1, 3, 8, 8)).errors
    assert fault.explanation[1].startswith("256 = 4 × 8 × 8, from 0 (Conv2d 3→4 3×3) flattened")
    (fault,) = diagnosis_of(
        nn.Sequential(convolution, nn.ReLU(True), nn.Conv2d(6, 4, 3)), (1, 3, 8, 8)
    ).errors
    assert fault.explanation[1].startswith("4 channels come from 0 (Conv2d 3→4 3×3)")


@pytest.mark.parametrize("mode", ["nearest", "bilinear"])
def test_upsampling_chooses_no_channels(mode):
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Upsample(scale_factor=2, mode=mode),
                        nn.Conv2d(4, 8, 3))  # fmt: skip
    (fault,) = diagnosis_of(net, (1, 3, 8, 8)).errors
    assert fault.explanation[1].startswith("8 channels come from 0 (Conv2d 3→8 3×3)")


def test_a_built_in_network_is_told_which_input_it_takes():
    (fault,) = diagnosis_of("nin", (1, 1, 20, 20)).errors
    assert fault.fixes[0].edit == "--input 1,1,67,67"  # one pixel less fails
    cnnstat.analyze("nin", (1, 1, 67, 67))
    with pytest.raises(cnnstat.ShapeError):
        cnnstat.analyze("nin", (1, 1, 66, 66))


@pytest.mark.parametrize(("layer", "typed", "edit"), [
    (nn.Conv2d(3, 8, 3), (32,), "--input 1,3,32,32"),
    (nn.Conv2d(3, 8, 3), (32, 48), "--input 1,3,32,48"),
    (nn.Conv1d(4, 8, 3), (100,), "--input 1,4,100"),
    (nn.Conv3d(2, 8, 3), (16,), "--input 1,2,16,16,16"),
])  # fmt: skip
def test_the_sides_of_an_image_alone(layer, typed, edit):
    (fault,) = diagnosis_of(nn.Sequential(layer, nn.ReLU()), typed).errors
    assert fault.fixes[0].edit.removeprefix("--input ") == edit.removeprefix("--input ")


# Sources of several files

PACKAGE = {
    "shapely_blocks/__init__.py": "",
    "shapely_blocks/layers.py": """
        from torch import nn

        def head(features):
            print("building the head")
            return nn.Sequential(nn.Flatten(), nn.Linear(features, 10))
    """,
    "shapely_blocks/nets.py": """
        from torch import nn
        from .layers import head

        example_input = (1, 3, 8, 8)

        def build(width=4):
            return nn.Sequential(nn.Conv2d(3, width, 3), head(100))
    """,
}


@pytest.fixture
def package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in PACKAGE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(textwrap.dedent(text))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("shapely_blocks")]:
        del sys.modules[name]


def test_a_package_is_edited_where_the_number_stands(package, capsys):
    (fault,) = diagnosis_of("shapely_blocks.nets:build").errors
    # 4 channels of 6×6
    assert (fault.fixes[0].edit, fault.fixes[0].instead_of) == ("head(144)", "head(100)")
    assert fault.fixes[0].source == "shapely_blocks/nets.py:8"
    assert fault.source == "shapely_blocks/layers.py:6"
    # it was built many times, and told of once: when the user's own module was imported
    assert capsys.readouterr().out == "building the head\n"


def test_imported_modules_are_those_that_were(package):
    diagnosis_of("shapely_blocks.nets:build")
    before = {n: m for n, m in sys.modules.items() if n.startswith("shapely_blocks")}
    diagnosis_of("shapely_blocks.nets:build")
    assert {n: m for n, m in sys.modules.items() if n.startswith("shapely_blocks")} == before
    assert all(sys.modules[name] is module for name, module in before.items())
    assert not any(type(f).__name__ == "_Finder" for f in sys.meta_path)


def test_an_argument_is_a_literal_too(package):
    diagnosis = diagnosis_of("shapely_blocks.nets:build", arguments={"width": 5})
    edits = [fix.edit for fix in diagnosis.errors[0].fixes]
    assert edits[0] == "head(180)"  # 5 · 6 · 6


def test_a_model_that_fails_for_reasons_of_its_own_is_left_at_that():
    class Net(nn.Module):
        def forward(self, x):
            raise RuntimeError("call setup() first")

    with pytest.raises(cnnstat.ModelError, match="the model fails") as caught:
        cnnstat.analyze(Net(), (1, 4))
    assert not isinstance(caught.value, cnnstat.ShapeError)


# Tracked numbers

A, B = (Literal(Span("f.py", 1, i, 1, i + 1), value) for i, value in enumerate((32, 5)))
EXPRESSIONS = [
    (lambda a, b: a * b * b, 800, 2),  # 32 · 5 · 5
    (lambda a, b: a + b, 37, 2),
    (lambda a, b: 2 * a, 64, 1),
    (lambda a, b: a // 4 - b, 3, 2),
    (lambda a, b: -b + 6, 1, 1),
    (lambda a, b: a**2, 1024, 1),
    (lambda a, b: sum([a, b, a]), 69, 2),
    (lambda a, b: applied(int, a * 0.75), 24, 1),
    (lambda a, b: divmod(a, 5)[0] if False else a % b, 2, 2),
]


@pytest.mark.parametrize(("function", "value", "literals"), EXPRESSIONS)
def test_arithmetic_keeps_the_origin(function, value, literals):
    result = function(tracked(32, A), tracked(5, B))
    assert result == value
    assert isinstance(result, TrackedInt)
    assert evaluated(result.origin, {}) == value
    assert len(set(literals_in(result.origin))) == literals
    assert plain(result) == value
    assert type(plain(result)) is int


SOLUTIONS = [
    (lambda a, b: a * b * b, A, 400, 16),  # 16 · 5 · 5
    (lambda a, b: a * b * b, A, 512, None),  # 512 / 25
    (lambda a, b: a + b, B, 64, 32),
    (lambda a, b: a // 2, A, 32, 64),
    (lambda a, b: a - b, B, 40, -8),
]


@pytest.mark.parametrize(("function", "literal", "wanted", "value"), SOLUTIONS)
def test_a_literal_is_solved_for(function, literal, wanted, value):
    origin = function(tracked(32, A), tracked(5, B)).origin
    assert solved(origin, literal, wanted) == value


def test_equal_literals_are_solved_for_together():
    sides = [Literal(Span("f.py", 1, i, 1, i + 1), 5) for i in (4, 8)]
    origin = (tracked(32, A) * tracked(5, sides[0]) * tracked(5, sides[1])).origin
    assert solved(origin, sides[0], 512, sides[1:]) == 4  # 32 · 4 · 4
    assert solved(origin, sides[0], 512) is None  # 32 · 3.2 · 5
    assert solved(origin, sides[0], 500, sides[1:]) is None


@pytest.mark.parametrize(
    ("pool", "edit"),
    [
        ("2", "nn.Linear(width * 4 * 4, 10)"),
        ("(1, 4)", "nn.Linear(width * 8 * 2, 10)"),  # the sides differ: 8×8 pooled to 8×2
    ],
)
def test_a_map_in_the_arguments_of_a_layer_is_changed_as_one(pool, edit, tmp_path):
    file = tmp_path / "net.py"
    file.write_text(
        "from torch import nn\n"
        "def net(width=32):\n"
        "    convs = nn.Conv2d(1, width, 5), nn.MaxPool2d(2), nn.Conv2d(width, width, 5)\n"
        "    head = nn.Linear(width * 5 * 5, 10)\n"
        f"    return nn.Sequential(*convs, nn.MaxPool2d({pool}), nn.Flatten(), head)\n"
    )
    error, *others = diagnosis_of(f"{file}:net", (1, 1, 28, 28)).errors
    assert not others
    assert error.fixes[0].edit == edit
    assert error.fixes[0].instead_of == "nn.Linear(width * 5 * 5, 10)"


def test_a_program_with_tracked_numbers_does_what_it_did():
    text = """
def f(x: int = 3, *, y=2):
    match x:
        case 3:
            z = [1, 2, 3][0:2]
        case _:
            z = []
    return x * y + len(z) + int(7 / 2), f"{x:>4}", -1, 1.5, True, None, 10**2
"""
    plainly: dict[str, object] = {}
    exec(text, plainly)
    literals: list[Literal] = []
    program = compile(with_tracked_numbers(text, "f.py", literals), "f.py", "exec")
    names = names_for(literals)
    exec(program, names)
    assert names["f"]() == plainly["f"]()
    assert {piece(text, literal.span) for literal in literals} == {
        "3", "2", "1", "0", "7", "1.5", "10",
    }  # fmt: skip


def test_replacements_count_bytes_and_lines_as_the_parser_does():
    text = 'é = "ü×"; a = 32 * 5\r\nb = 3\x0c + 4\nc = 5'
    literals: list[Literal] = []
    with_tracked_numbers(text, "f.py", literals)
    spans = {literal.value: literal.span for literal in literals}
    made = replaced(text, [Replacement(spans[n], f"<{n}>") for n in (32, 4, 5)])
    assert made in (
        'é = "ü×"; a = <32> * 5\r\nb = 3\x0c + <4>\nc = <5>',
        'é = "ü×"; a = <32> * <5>\r\nb = 3\x0c + <4>\nc = 5',
    )


# The sizes that a search expects are those of a run


@pytest.mark.parametrize("file", sorted(BROKEN.glob("*.py")), ids=lambda file: file.stem)
def test_what_is_said_to_fit_gets_further(file: Path):
    try:
        loaded = load(f"{file}:Net")
    except cnnstat.ModelError:
        return
    subject = subject_of(loaded, "eval")
    seen = subject.run(watched=True)
    if seen.failure is None or seen.failure.op is None:
        return
    for proposal in proposals_for(Situation(seen.failure, "source"))[:12]:
        if proposal.fits:
            after = subject.run(proposal.change).failure
            assert after is None or after.progress > seen.failure.progress, proposal


def test_what_does_not_fit_is_known():
    loaded = load(f"{BROKEN / 'linear_features.py'}:Net")
    failure = subject_of(loaded, "eval").run(watched=True).failure
    assert failure is not None
    for side in range(20, 60):
        runs = subject_of(loaded, "eval").run(Change(inputs=(InputSpec((1, 1, side, side)),)))
        value = failure.trace.inputs[0].tensor.value
        assert fits(failure, {}, {value: (1, 1, side, side)}) is (runs.failure is None), side


def test_a_kind_of_edit_is_a_function_and_a_row(monkeypatch, tmp_path):
    """One that inserts a call: nothing else knows of it, and its fix is traced and shown."""

    def inserted_flatten(situation):
        ((file, text),) = situation.texts.items()
        line = next(n for n, code in enumerate(text.splitlines(), 1) if "return" in code)
        column = text.splitlines()[line - 1].index("self.conv(x)") + len("self.conv(x)")
        place = Span(file, line, column, line, column)
        change = Change(replacements=(Replacement(place, ".flatten(1)"),))
        yield Proposal(change, Features(prior=Prior.FLATTENED_SIDES))

    net = tmp_path / "net.py"
    net.write_text(
        "from torch import nn\n\nexample_input = (1, 3, 8, 8)\n\n\nclass Net(nn.Module):\n"
        "    def __init__(self):\n        super().__init__()\n"
        "        self.conv = nn.Conv2d(3, 4, 3)\n        self.fc = nn.Linear(144, 10)\n\n"
        "    def forward(self, x):\n        return self.fc(self.conv(x))\n"
    )
    monkeypatch.setattr(edits, "OF_SOURCE", (inserted_flatten,))
    (fault,) = diagnosis_of(f"{net}:Net").errors
    (fix,) = [fix for fix in fault.fixes if "flatten" in fix.edit]
    assert (fix.edit, fix.instead_of) == ("self.conv(x).flatten(1)", "self.conv(x)")
    assert fix.output == ((1, 10),)


# Files that do not get as far, and models that run and should not


def test_all_misspelt_names_are_told_at_once(monkeypatch, capsys):
    monkeypatch.chdir(BROKEN)
    assert run(["shapes", "nin_misspelt.py:Net"]) == 1
    told = capsys.readouterr().err
    assert "--> nin_misspelt.py:10:9\n" in told
    assert "10 | nn.Conv2D(in_channels" in told
    assert "\n   | ^^^^^^^^^\n" in told  # below nn.Conv2D
    assert "✓ traced to the end, output 1×10" in told  # with all four names replaced
    for line, name, meant in [
        (10, "Conv2D", "Conv2d"), (11, "ReLu", "ReLU"), (13, "Relu", "ReLU"),
        (23, "MaxPool2D", "MaxPool2d"),
    ]:  # fmt: skip
        assert f"line {line}: nn.{name} — did you mean {meant}?\n" in told


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("net = nn.Sequential(nn.ReLU() nn.Flatten())", "behind net = nn.Sequential(nn.ReLU()"),
        ("widths = [8 16]", "at line 2, behind widths = [8"),
        ("net = nn.Sequentail()", "did you mean Sequential"),
        ("width = 8\nnet = nn.Linear(widht, 4)", "did you mean width"),
        ("from torch.nn import Conv2D", "did you mean Conv2d?"),
        ("net = nn.Linear(8, 4", "'(' was never closed"),
    ],
)  # fmt: skip
def test_what_was_meant(text, says, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(f"from torch import nn\n{text}\n")
    assert run(["shapes", "mine.py:net", "--input", "1,8"]) == 1
    told = capsys.readouterr().err
    assert says in told
    assert "mine.py:" in told
    assert str(tmp_path) not in told


class Mixed(nn.Module):
    def __init__(self, *sizes):
        super().__init__()
        self.sizes = sizes

    def forward(self, x):
        return x.reshape(*self.sizes)


class TimeFirst(nn.Module):
    def forward(self, x):
        return x.transpose(0, 1)


# (model, input, whether its batch is mixed into other axes)
BATCHES = [
    (Mixed(-1, 400), (25, 16, 4, 4), True),  # 25 · 256 / 400 = 16 rows; 26 · 256 is no multiple
    (Mixed(-1, 128), (3, 256), True),  # two rows for each image
    (Mixed(-1, 128), (1, 256), True),  # and for one image too
    (Mixed(-1, 256), (25, 16, 4, 4), False),
    (nn.Flatten(0), (3, 4), False),  # as the tokens of all sequences, before a loss
    (TimeFirst(), (3, 7, 4), False),  # the batch is the second axis
    (nn.Identity(), (3, 4), False),
]


@pytest.mark.parametrize(("model", "shape", "mixes"), BATCHES)
def test_a_batch_that_is_mixed_is_told(model, shape, mixes):
    notes = cnnstat.analyze(nn.Sequential(model), shape).notes
    assert any(note.startswith("warning: ") for note in notes) is mixes


def test_the_rows_that_a_batch_became():
    (note,) = cnnstat.analyze(f"{BROKEN / 'batch_mixed.py'}:Net").notes
    assert "25×16×4×4 becomes 16×400: rows of several examples" in note


class Detached(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 4)
        self.second = nn.Linear(4, 2)

    def forward(self, x):
        return self.second(self.first(x).detach())


def test_parameters_that_no_gradient_reaches_are_told():
    notes = cnnstat.analyze(f"{BROKEN / 'no_gradient.py'}:Net").notes
    assert "norm was never used: its 32 parameters are in the total and in no row" in notes
    # 16 · 16 weights and 16 biases
    assert (
        "warning: CN106: gate does not reach the output: its 272 parameters get no gradient"
    ) in notes
    assert cnnstat.analyze(Detached(), (1, 4)).notes == ()
    (note,) = cnnstat.analyze(Detached(), (1, 4), mode="train").notes
    assert note == (
        "warning: CN106: first does not reach the output: detach ends the gradient of its 20 "
        "parameters"
    )


def test_what_is_changed_in_place_through_a_view_is_not_called_lost():
    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x):
            y = x * 1
            y[:, :4] = self.linear(x[:, :4])
            return y

    assert cnnstat.analyze(InPlace(), (1, 8)).notes == ()


def test_what_a_network_sees_of_an_object(capsys):
    assert run(["shapes", "nin", "--object", "200", "--depth", "0"]) == 0
    assert "sees 195 pixels, the object has 200" in capsys.readouterr().out
    assert run(["shapes", "nin", "--object", "195", "--depth", "0"]) == 0
    assert "pixels" not in capsys.readouterr().out


def test_the_first_suggestion_is_mostly_what_was_broken():
    """A fixed small sample of `benchmarks/diagnosis.py`, whose figures are in docs/diagnosis.md."""
    sys.path.insert(0, str(BROKEN.parent.parent / "benchmarks"))
    try:
        import diagnosis as benchmark
    finally:
        sys.path.pop(0)
    results, _ = benchmark.asked(40, seed=3)
    assert results["first"] >= 34
    assert results["undiagnosed"] == 0


def test_a_missing_flatten_is_explained_by_what_the_user_sees():
    model = nn.Sequential(nn.Conv2d(3, 16, 3), nn.MaxPool2d(2), nn.Linear(16 * 13 * 13, 10))
    with pytest.raises(cnnstat.ShapeError) as caught:
        cnnstat.analyze(model, (4, 3, 28, 28))
    got, origin, *_ = caught.value.diagnosis.errors[0].explanation
    assert got.startswith("input is 4×16×13×13 (N, C, H, W), the layer takes 2704 features")
    assert origin.endswith("flattened, an example has 16 × 13 × 13 = 2704")


def test_a_layer_whose_size_is_replaced_by_a_layer_is_diagnosed():
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8))
    net[0].in_channels = nn.Conv2d(1, 8, 3)  # meant to replace net[0]
    (fault,) = diagnosis_of(net, (1, 1, 8, 8)).errors
    assert (fault.path, fault.config) == ("0", "")
    assert fault.fixes[0].edit == "--input 1,3,8,8"


def test_a_layer_that_runs_with_a_replaced_size_is_shown():
    net = nn.Sequential(nn.GroupNorm(2, 8))
    net[0].num_channels = torch.ones(1)
    (layer,) = [r for r in cnnstat.analyze(net, (1, 8, 4, 4)).layers if r.path == "0"]
    assert (layer.config, layer.outputs) == ("", ((1, 8, 4, 4),))


def test_no_collection_takes_the_time_of_a_search(monkeypatch):
    """Of a large heap it takes longer than a search may, which then ended without a fix."""
    collected, during = [], []
    search = Search._errors

    def counted(*arguments):
        before = len(collected)
        found = search(*arguments)
        during.append(len(collected) - before)
        return found

    def collects(phase, info):
        collected.append(phase)

    monkeypatch.setattr(Search, "_errors", counted)
    before = gc.get_threshold()
    gc.callbacks.append(collects)
    gc.set_threshold(10)
    try:
        with pytest.raises(cnnstat.ShapeError):
            cnnstat.analyze(str(BROKEN / "linear_features.py"))
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(collects)
    assert collected
    assert set(during) == {0}
