"""What `freeze.py` freezes: the models, and the commands that are run on each, as tables.

A case is one command line of cnnstat, or the explanations of all rows of a model. Its path says
where its output is kept: `GROUP/MODEL/CASE`, without dots.
"""

from __future__ import annotations

import re
import runpy
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

HERE = Path(__file__).parent
ROWS = 60
"""At most about so many rows of a model are explained, evenly spaced."""

Kind = Literal["command", "process", "terminal", "files", "rows", "object"]


@dataclass(frozen=True)
class Model:
    """A spec, and what a command line says beside it. `folder` is one of `frozen_files.FOLDERS`."""

    name: str
    spec: str
    inputs: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    folder: str = "empty"

    @property
    def words(self) -> list[str]:
        inputs = (word for text in self.inputs for word in ("--input", text))
        return [self.spec, *inputs, *(w for text in self.arguments for w in ("--arg", text))]


@dataclass(frozen=True)
class Case:
    """One output. `words` is the command line.

    A "process" is started afresh, as users do; "terminal" writes to one of 80 columns; of "files"
    what the command writes into its folder is frozen too. For "rows", `model` is explained row by
    row; for "object" it is built and given to the public functions.
    """

    path: str
    words: tuple[str, ...]
    folder: str = "empty"
    kind: Kind = "command"
    model: Model | None = None
    rows: int = ROWS

    @property
    def line(self) -> str:
        return shlex.join(["cnnstat", *self.words])

    @property
    def suffix(self) -> str:
        form = re.search(r"--format (\w+)", self.line)
        is_text = form is None or self.kind not in ("command", "process")
        return ".txt" if is_text else f".{SUFFIXES.get(form[1], 'txt')}"


SUFFIXES = {"json": "json", "markdown": "md", "html": "html", "latex": "tex", "csv": "csv",
            "svg": "svg"}  # fmt: skip

# The commands, by the names of their cases. The model comes after the first word, and JSON is
# written unless another format is named.

SHAPES = {
    "shapes": "shapes",
    "shapes-training": "shapes --training",
    "shapes-train": "shapes --mode train",
}
MEMORY = {
    "memory-inference": "memory --inference",
    "memory-sgd": "memory",
    "memory-adamw": "memory --optimizer adamw --batch-size 8",
    "memory-bf16": "memory --precision bf16 --optimizer momentum",
}
ROOFLINE = {
    "roofline": "roofline --device h100",
    "roofline-training": "roofline --device a100 --precision bf16 --training --optimizer adamw",
}
ALL = SHAPES | MEMORY | ROOFLINE
OPERATORS = SHAPES | ROOFLINE | {
    "shapes-fake": "shapes --lane fake",
    "shapes-cpu": "shapes --lane cpu",
    "memory-inference": "memory --inference",
    "memory-adamw": "memory --optimizer adamw",
    "memory-cpu": "memory --device cpu --precision bf16",
    "table": "shapes --ops all --format table --columns "
             "+role,input,kernel,padding,receptive-field,stride,other-ops,activation",
}  # fmt: skip
GRAPH = {
    "shapes": "shapes",
    "shapes-train": "shapes --mode train",
    "memory-inference": "memory --inference",
    "roofline": "roofline --device h100",
    "table": "shapes --format table",
}
BROKEN = {
    "shapes": "shapes",
    "shapes-table": "shapes --format table",
    "shapes-training": "shapes --training",
}

# The models.

TORCHVISION = (
    "resnet50 mobilenet_v3_large vit_b_16 swin_t densenet121 googlenet inception_v3 "
    "regnet_y_400mf efficientnet_b0 deeplabv3_resnet50 fasterrcnn_resnet50_fpn raft_small "
    "mc3_18 shufflenet_v2_x0_5 quantized_mobilenet_v2"
)
TIMM = (
    "convnext_atto vit_tiny_patch16_224 swin_tiny_patch4_window7_224 mixer_s32_224 regnety_002 "
    "coatnet_nano_rw_224 efficientformer_l1 levit_128s resnetv2_50 botnet26t_256 pvt_v2_b0 "
    "edgenext_xx_small xcit_nano_12_p16_224 volo_d1_224"
)
SMALL = ("num_hidden_layers=2", "hidden_size=64", "intermediate_size=96", "num_attention_heads=4",
         "vocab_size=99")  # fmt: skip
TRANSFORMERS = {
    "gpt2": ("n_layer=2", "n_embd=64", "n_head=4", "vocab_size=99", "n_positions=64",
             "bos_token_id=0", "eos_token_id=0"),
    "bert": (*SMALL, "max_position_embeddings=64"),
    "llama": (*SMALL, "num_key_value_heads=2", "max_position_embeddings=64"),
    "mixtral": (*SMALL, "num_key_value_heads=2", "num_local_experts=4",
                "max_position_embeddings=64"),
    "t5": ("num_layers=2", "d_model=64", "d_kv=16", "num_heads=4", "d_ff=96", "vocab_size=99"),
    "vit": ("num_hidden_layers=2", "hidden_size=64", "intermediate_size=96",
            "num_attention_heads=4"),
}  # fmt: skip
GRAPHS = {
    "exported": ["resnet.pt2", "core-transposed.pt2", "block.pt2", "training.pt2"],
    "onnx": ["image.onnx", "sequence.onnx", "others.onnx"],
}
IN_PAIRS = {"levit_128s": 224, "inception_v3": 299, "deeplabv3_resnet50": 224}
"""Models that cannot be trained on a batch of one, and the sides of their images."""

FEW_ROWS = {"raft_small": 16, "fasterrcnn_resnet50_fpn": 24}

LETTERS = {
    "lenet": "N,1,H,W", "nin": "N,C,H,W", "alexnet": "N,C,H,W", "vgg11-bn": "N,3,H,W",
    "googlenet": "N,3,H,W", "resnet18": "N,C,H,W", "densenet121": "1,3,H,W",
    "nin-cifar10": "N,3,H,H", "inception-mnist": "N,1,H,W", "residual-mnist": "N,1,H,28",
    "torchvision:resnet50": "N,3,H,W", "torchvision:mobilenet_v3_small": "N,3,H,W",
    "torchvision:swin_t": "N,3,H,W", "torchvision:vit_b_16": "N,3,224,224",
    "timm:convnext_atto": "1,3,H,W",
}  # fmt: skip
SCALED = (
    "nin", "lenet --fit", "alexnet --over H,W=224,256,300", "resnet18 nin --over N=1:64:*2",
    "residual-mnist --over num_classes=10,100,1000", "torchvision:mobilenet_v3_small --over H,W",
    "vgg11 --over C=1,3,4",
)  # fmt: skip
VERIFIED = (
    "lenet", "nin", "alexnet", "vgg11-bn", "googlenet", "resnet18", "densenet121",
    "residual-mnist --mode train", "torchvision:vit_b_16", "torchvision:mobilenet_v3_large",
    "torchvision:googlenet", "timm:convnext_atto",
)  # fmt: skip
VERIFIED_OPERATORS = (
    "convolutions-Conv2d", "convolutions-Transposed2d", "pools-Ceil2d", "products-Products",
    "products-Heads", "products-Einsum", "sequences-LSTM", "sequences-GRU", "norms-Groups",
    "elementwise-Activations", "resampling-Upsampled", "structure-Shared",
)  # fmt: skip
AS_OBJECTS = ("products", "structure")  # the files whose networks are built and given to functions
COMPARED = (
    "nin alexnet", "alexnet nin lenet --input 1,1,224,224", "vgg11 vgg11-bn", "resnet18 resnet34",
    "googlenet densenet121 --training", "nin nin-mnist nin-stride3", "lenet lenet",
    "residual-mnist inception-mnist --input 64,1,28,28", "torchvision:resnet50 resnet50",
    "torchvision:vit_b_16 timm:convnext_atto", "lenet vgg11",
)  # fmt: skip
SHARDED = ("lenet", "resnet18", "torchvision:vit_b_16", "timm:swin_tiny_patch4_window7_224")

FORMATS = ("table", "markdown", "html", "latex", "csv", "svg")
FORMATTED = {
    "shapes": "shapes nin", "shapes-training": "shapes residual-mnist --training --depth 2",
    "compare": "compare nin alexnet", "explain": "explain alexnet conv2",
    "explain-block": "explain nin block1", "memory": "memory nin --batch-size 128",
    "roofline": "roofline nin --device h100 --batch-size 16", "verify": "verify lenet",
    "scale": "scale nin --over H,W=224,300", "letters": "shapes lenet --input N,1,H,W",
    "list": "list", "devices": "devices",
}  # fmt: skip

OPTIMIZERS = "sgd momentum nesterov adam adamw rmsprop adagrad adadelta adamax nadam radam"
PRECISIONS = "fp32 tf32 bf16 fp16 fp64"
OPTIONS = (
    "shapes nin --depth 1", "shapes nin --sort params --top 3", "shapes nin --top 4",
    "shapes nin --sort macs --ops none", "shapes residual-mnist --ops all --depth 9",
    "shapes nin --columns type,output,macs-share", "shapes nin --columns +activation,role",
    "shapes nin --object 100", "shapes nin --object 300", "shapes nin --strict",
    "shapes nin --lane cpu --format json", "shapes nin --lane fake --format json",
    "shapes lenet --input 3x1x28x28 --arg num_classes=7 --format json", "shapes nin --depth 0",
    "explain nin block1.conv1", "explain alexnet linear6", "explain googlenet inception3a",
    "explain residual-mnist residual1.relu#2", "explain nin conv1", "explain nin block9",
    "memory nin --device-memory 24GiB", "memory alexnet --device-memory 100MiB --format json",
    "memory nin --checkpoint block*", "memory resnet18 --ddp --format json",
    "memory lenet --accumulate 4", "memory lenet --mode eval --format json",
    "memory lenet --precision fp16 --format json", "memory lenet --precision bf16-true",
    "memory lenet --precision fp16-true", "memory nin --device cpu --format json",
    "memory nin --inference --batch-size 7 --top 2", "memory nin --precision bf16 --fsdp 4",
    "memory vgg11 --fsdp 3 --fsdp-unit features.*", "memory lenet --inference --ddp",
    *(f"memory lenet --format json --optimizer {name}" for name in OPTIMIZERS.split()),
    *(f"roofline lenet --device h100 --training --optimizer {name}" for name in OPTIMIZERS.split()),
    *(f"roofline lenet --device h100 --precision {name}" for name in PRECISIONS.split()),
    "roofline nin --device h100 --sort time --top 3", "roofline nin --device h100 --sort intensity",
    "roofline nin --device-peaks fp32=1.2T,bandwidth=40G", "roofline nin --device t4 --depth 1",
    "roofline nin --device h100 --ops all", "roofline nin --device h100 --batch-size 64 --strict",
    "compare nin alexnet --depth 3", "compare nin alexnet --columns +role --strict",
    "scale nin", "scale lenet nin --over N", "list --filter resnet*", "list --filter nothing",
    "list torchvision: --filter resnet*", "list timm: --filter convnext_*o",
    "list transformers: --filter ll*", "list --format json",
)  # fmt: skip
HELP = ("", "list", "shapes", "compare", "explain", "scale", "memory", "roofline", "devices",
        "bench", "verify")  # fmt: skip
REFUSED = (
    "", "shapes", "shapes nim", "shapes nin --input 1,1", "shapes nin --input a.b",
    "shapes nin --input 1,1,0,4", "shapes nin --input 1,1,20,20", "shapes nin --arg width",
    "shapes nin --arg width=3", "shapes nin --arg num_classes=ten", "shapes nin --columns nothing",
    "shapes nin --sort colour", "shapes nin --format pdf", "shapes nin --output report.pdf",
    "shapes nin --output nowhere/report.html", "shapes nin --lane gpu", "shapes nin --mode test",
    "shapes nin --depth -1", "shapes nin --input N,1,H,W --training", "shapes weights.pth",
    "shapes missing.py:Net", "shapes missing.json", "shapes missing.onnx", "shapes missing.pt2",
    "shapes nothing:Net", "shapes json:loads", "shapes torchvision:resnet", "shapes timm:resnet5",
    "shapes transformers:lama", "shapes transformers:bert:LlamaModel", "compare nin",
    "compare nin alexnet --input N,1,H,W", "explain nin", "explain nin nothing",
    "explain nin conv1", "memory nin --optimizer lion", "memory nin --ddp --fsdp 2",
    "memory nin --device-memory much", "memory nin --checkpoint nothing*",
    "memory nin --inference --accumulate 2", "roofline nin", "roofline nin --device abacus",
    "roofline nin --device h100 --optimizer adam", "roofline nin --device h100 --sort colour",
    "roofline nin --device-peaks fp32=fast", "scale nin --over", "scale nin --over Q",
    "scale nin --over H=9:1", "scale nin --over width=1,2", "verify missing.json",
    "devices --on cpu", "bench", "bench nim", "bench lenet --data nowhere",
    "bench lenet --precision fp8", "bench --resume nothing", "learn nin", "--unknown", "--version",
)  # fmt: skip

PROCESSES = (
    "shapes nin --format json", "compare nin alexnet --format json", "explain nin block1.conv1",
    "memory lenet --format json", "roofline lenet --device h100 --training --format json",
    "scale lenet --format json", "shapes lenet --input N,1,H,W --format json",
    "shapes resnet18 --training --format json", "shapes torchvision:squeezenet1_1 --format json",
    "shapes timm:resnet18 --format json", "memory lenet --fsdp 2 --format json",
    f"shapes transformers:bert {' '.join(f'--arg {a}' for a in SMALL)} --format json",
    "list", "devices", "shapes nim", "--version", "--help", "shapes nin --input 1,1,20,20",
)  # fmt: skip
TERMINALS = (
    "shapes nin", "shapes residual-mnist --columns +role,input,kernel,stride",
    "compare nin alexnet", "explain alexnet conv2", "memory nin",
    "roofline nin --device h100", "scale nin", "list", "verify lenet",
    "shapes lenet --input N,1,H,W", "shapes nin --input 1,1,20,20",
)  # fmt: skip
FILES = (
    "shapes nin --output report.html", "compare nin alexnet --output report.md",
    "memory lenet --output report.md", "memory lenet --output step.svg",
    "roofline nin --device h100 --output report.html", "roofline nin --device h100 --output r.svg",
    "scale nin --output report.md", "shapes lenet --output report.csv",
    "explain alexnet conv1 --output report.tex", "shapes lenet --output report.json",
)  # fmt: skip
IN_FOLDERS = {
    "saved": (
        "shapes nin.json", "shapes nin.json --sort params --top 3", "explain nin.json block1.conv1",
        "explain residual-mnist.json residual1 --format json", "compare nin.json alexnet",
        "explain lenet.json linear1 --format json", "compare nin.json lenet.json",
        "memory nin.json", "roofline nin.json --device h100", "verify nin.json", "scale nin.json",
        "shapes nin.json --training", "shapes newer.json", "shapes torn.json",
        "shapes nin.json --format json",
    ),
    "project": (
        "list", "list --format json", "shapes wide", "shapes mynet --input 2,3,8,8", "shapes small",
        "shapes small --arg classes=5 --format json", "compare wide small", "shapes mynet",
        "shapes my_model.py:build --arg classes=4 --input 2,4",
        "shapes my_model.py:net --input 2,4", "shapes my_model.py:number",
        "shapes my_model.py:nett", "shapes my_model.py", "shapes my_model:Net --input 1,3,9,9",
        "shapes my_model.py:Printing --input 1,4",
        "scale my_model.py:Net --over width=8:32:*2 --input 1,3,16,16", "explain wide 3",
    ),
    "onnx": ("compare image.onnx image.onnx", "shapes image.onnx --input 4,3,33,30 --format json",
             "shapes image.onnx --input N,3,H,W", "scale image.onnx", "verify image.onnx",
             "shapes image.onnx --arg a=1"),
    "exported": ("compare resnet.pt2 resnet18", "shapes block.pt2 --input 7,16,24 --format json",
                 "shapes block.pt2 --input N,16,24", "scale resnet.pt2", "verify resnet.pt2",
                 "shapes resnet.pt2 --input 2,3,224,224", "memory training.pt2 --format json"),
    "configs": ("shapes transformers:gpt2.json --arg n_layer=1 --format json",
                "shapes transformers:llama-3-8b.json --depth 2",
                "roofline transformers:llama-3.1-405b.json --device h100 --depth 1"),
}  # fmt: skip

SAMPLE = (
    "zoo/nin/*", "zoo/residual-mnist/*", "operators/*2d/*", "operators/products-*/shapes*",
    "operators/*/rows", "broken/[a-k]*/shapes", "misfits/*/shapes", "compare/nin-alexnet/*",
    "formats/*/table", "letters/lenet/*", "options/memory/*", "object/structure-*/*",
)  # fmt: skip
"""The cases of `--sample`."""


def all_cases() -> list[Case]:
    cases = [*_on_models(), *_on_lines()]
    paths = [case.path for case in cases]
    assert len(set(paths)) == len(paths), "two cases have one path"
    assert not any("." in path for path in paths), "the path of a case has no dots"
    return cases


def _on_models() -> Iterator[Case]:
    """Every command of a table on every model of a group."""
    import cnnstat

    for listed in cnnstat.list_models().models:
        yield from _of("zoo", Model(listed.name, listed.name), ALL)
    for name in TORCHVISION.split():
        rows = FEW_ROWS.get(name, ROWS)
        yield from _of("torchvision", _of_library("torchvision", name), ALL, rows)
    for name in TIMM.split():
        yield from _of("timm", _of_library("timm", name), ALL)
    for name, arguments in TRANSFORMERS.items():
        yield from _of("transformers", Model(name, f"transformers:{name}", (), arguments), ALL)
    for file in sorted((HERE / "networks").glob("*.py")):
        model = Model(file.stem, f"{file.name}:Net", folder="networks")
        yield from _of("networks", model, ALL)
        yield from _letters(model, ("N,3,H,W",))
    for group, files in GRAPHS.items():
        for file in files:
            model = Model(file.partition(".")[0], file, folder=group)
            yield from _of(group, model, GRAPH)
    yield from _on_operators()
    yield from _on_broken()


def _of_library(library: str, name: str) -> Model:
    side = IN_PAIRS.get(name)
    return Model(name, f"{library}:{name}", () if side is None else (f"2,3,{side},{side}",))


def _on_operators() -> Iterator[Case]:
    for file in sorted((HERE / "operators").glob("*.py")):
        is_broken = file.stem == "misfits"
        for name, inputs, letters in _networks(file):
            short = name if is_broken else f"{file.stem}-{name}"
            model = Model(short, f"{file.name}:{name}", inputs, folder="operators")
            if is_broken:
                yield from _commands("misfits", model, BROKEN)
                continue
            yield from _of("operators", model, OPERATORS, rows=1000)
            if letters:
                yield from _letters(model, letters)
            if file.stem in AS_OBJECTS:
                words = ("analyze", *model.words)
                yield Case(f"object/{short}/object", words, "operators", "object", model)
            if short in VERIFIED_OPERATORS:
                yield from _commands("verify", model, {"verify": "verify"})


def _on_broken() -> Iterator[Case]:
    import frozen_files

    for file in sorted(frozen_files.BROKEN.glob("*.py")):
        model = Model(file.stem, f"{file.name}:Net", folder="broken")
        yield from _commands("broken", model, BROKEN)
    for number in range(frozen_files.DRAWN):
        model = Model(f"net{number:02}", f"net{number:02}.py:Net", folder="drawn")
        yield from _commands("drawn", model, {"shapes": "shapes"})


def _networks(file: Path) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """The classes of a file that have an `input`: name, inputs, and inputs with letters."""
    for name, value in runpy.run_path(str(file)).items():
        if isinstance(value, type) and "input" in vars(value):
            yield name, _tuple(value.input), _tuple(getattr(value, "letters", ()))


def _tuple(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value


def _of(group: str, model: Model, commands: dict[str, str], rows: int = ROWS) -> Iterator[Case]:
    """The commands on a model, and the explanations of its rows."""
    yield from _commands(group, model, commands)
    words = ("explain", *model.words, "…")
    yield Case(f"{group}/{model.name}/rows", words, model.folder, "rows", model, rows)


def _commands(group: str, model: Model, commands: dict[str, str]) -> Iterator[Case]:
    for name, text in commands.items():
        first, *rest = text.split()
        form = [] if "--format" in rest else ["--format", "json"]
        words = (first, *model.words, *rest, *form)
        yield Case(f"{group}/{model.name}/{name}", words, model.folder)


def _letters(model: Model, letters: tuple[str, ...]) -> Iterator[Case]:
    model = Model(model.name, model.spec, letters, model.arguments, model.folder)
    yield from _commands("letters", model, {"shapes": "shapes"})
    if model.folder == "operators":
        yield from _commands("letters", model, {"table": "shapes --format table"})


def _on_lines() -> Iterator[Case]:
    """Every line of a table by itself."""
    for spec, sizes in LETTERS.items():
        yield from _letters(Model(_word(spec), spec), (sizes,))
    for spec in SHARDED:
        commands = {"fsdp-2": "memory --fsdp 2 --optimizer adam"}
        yield from _commands("sharded", Model(_word(spec), spec), commands)
    for what, texts in {"scale": SCALED, "verify": VERIFIED, "compare": COMPARED}.items():
        for text in texts:
            yield _case(f"{what}/{_word(text)}/{what}", f"{what} {text} --format json")
    for name, text in FORMATTED.items():
        for form in FORMATS:
            yield _case(f"formats/{name}/{form}", f"{text} --format {form}")
    yield from _group("options", OPTIONS)
    yield from _group("help", [f"{name} --help" for name in HELP])
    yield from _group("refused", REFUSED)
    yield from _group("process", PROCESSES, kind="process")
    yield from _group("terminal", TERMINALS, kind="terminal")
    yield from _group("files", FILES, kind="files")
    for folder, texts in IN_FOLDERS.items():
        yield from _group(folder, texts, folder)


def _group(
    group: str, texts: Iterable[str], folder: str = "empty", kind: Kind = "command"
) -> Iterator[Case]:
    for text in texts:
        first, _, rest = text.partition(" ")
        yield _case(f"{group}/{_word(first)}/{_word(rest)}", text, folder, kind)


def _case(path: str, text: str, folder: str = "empty", kind: Kind = "command") -> Case:
    return Case(path, tuple(shlex.split(text)), folder, kind)


def _word(text: str) -> str:
    """The text as the name of a file: letters, digits and - stay."""
    return re.sub(r"[^\w*=+]+", "-", text).strip("-").replace("*", "x")[:80] or "plain"
