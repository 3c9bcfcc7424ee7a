"""What `peer_speed.py` runs: the models, and how each counter is asked about one.

The code is text because every run is a process of its own, with nothing in it but what a user of
that counter would type.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

CONFIGS = Path(__file__).parent / "configs"


@dataclass(frozen=True)
class Model:
    """A model as cnnstat names it, and the Python that makes the same for the others.

    `aim`: how many times faster than the fastest of the others cnnstat is meant to be; `most`: in
    how many CPU seconds and MiB, where that is an aim of its own.
    """

    spec: str
    input: tuple[int, ...]
    aim: int
    library: str
    build: str
    dtype: str = "float32"
    keyword: str = ""
    most: tuple[float, int] | None = None

    @property
    def options(self) -> list[str]:
        """The input as `cnnstat shapes` takes it."""
        sizes = ",".join(map(str, self.input))
        keyed = f"{self.keyword}={sizes}:{self.dtype}" if self.keyword else sizes
        return ["--input", keyed]


def _torchvision(name: str, side: int, aim: int) -> Model:
    build = f"torchvision.models.{name}(weights=None)"
    return Model(f"torchvision:{name}", (1, 3, side, side), aim, "import torchvision", build)


def _timm(name: str, side: int, aim: int) -> Model:
    build = f"timm.create_model({name!r}, pretrained=False)"
    return Model(f"timm:{name}", (1, 3, side, side), aim, "import timm", build)


def _transformers(file: str, length: int, aim: int, most: tuple[float, int] | None = None) -> Model:
    path = str(CONFIGS / file)
    library = "from transformers import AutoConfig, AutoModelForCausalLM"
    build = f"AutoModelForCausalLM.from_config(AutoConfig.from_pretrained({path!r}))"
    spec = f"transformers:{path}"
    return Model(spec, (1, length), aim, library, build, "int64", "input_ids", most)


# Each at the smallest size that its published weights were tested at. GPT-2 has 1024 positions.
MODELS = {
    "alexnet": _torchvision("alexnet", 224, 3),
    "vgg16": _torchvision("vgg16", 224, 3),
    "resnet50": _torchvision("resnet50", 224, 3),
    "resnet152": _torchvision("resnet152", 224, 3),
    "densenet201": _torchvision("densenet201", 224, 3),
    "efficientnet_v2_l": _torchvision("efficientnet_v2_l", 480, 3),
    "convnext_large": _torchvision("convnext_large", 224, 3),
    "swin_v2_b": _torchvision("swin_v2_b", 256, 3),
    "vit_h_14": _torchvision("vit_h_14", 224, 10),
    "regnet_y_128gf": _torchvision("regnet_y_128gf", 224, 10),
    "vit_giant_patch14_224": _timm("vit_giant_patch14_224", 224, 10),
    "gpt2": _transformers("gpt2.json", 1024, 3),
    "llama-3-8b": _transformers("llama-3-8b.json", 2048, 10),
    "llama-3.1-405b": _transformers("llama-3.1-405b.json", 2048, 10, (3, 1024)),
}


@dataclass(frozen=True)
class Counter:
    """A counter, and the code that sets `params` and `macs` for `model` on the input `x`."""

    package: str
    load: str
    count: str
    device: str = "cpu"


_TORCHINFO = """\
found = torchinfo.summary(model, input_data=x, device=x.device, verbose=0)
params, macs = found.total_params, found.total_mult_adds"""
_FLOP_COUNTER_MODE = """\
with torch.no_grad(), FlopCounterMode(display=False) as counter:
    model(x)
params, macs = sum(p.numel() for p in model.parameters()), counter.get_total_flops() // 2"""
_FLOP_COUNTER_IMPORT = "from torch.utils.flop_counter import FlopCounterMode"

OURS = Counter("cnnstat", "from cnnstat import analyze", """\
totals = analyze(model, x).totals
params, macs = totals.params, totals.macs""", "meta")  # fmt: skip

PEERS = {
    "torchinfo": Counter("torchinfo", "import torchinfo", _TORCHINFO),
    "torchinfo on meta": Counter("torchinfo", "import torchinfo", _TORCHINFO, "meta"),
    "fvcore": Counter("fvcore", "from fvcore.nn import FlopCountAnalysis, parameter_count", """\
if hasattr(model, "config"):
    model.config.use_cache = False
macs = FlopCountAnalysis(model, x).unsupported_ops_warnings(False).total()
params = parameter_count(model)[""]"""),
    "thop": Counter("thop", "import thop", """\
macs, params = thop.profile(model, inputs=(x,), verbose=False)"""),
    "ptflops": Counter("ptflops", "from ptflops import get_model_complexity_info", """\
macs, params = get_model_complexity_info(model, tuple(x.shape[1:]), as_strings=False,
    print_per_layer_stat=False, input_constructor=lambda _: x)"""),
    "calflops": Counter("calflops", "from calflops import calculate_flops", """\
_, macs, params = calculate_flops(model=model, args=[x], print_results=False,
    output_as_string=False)"""),
    "torchprofile": Counter("torchprofile", "from torchprofile import profile_macs", """\
macs, params = profile_macs(model, x), sum(p.numel() for p in model.parameters())"""),
    "torchscan": Counter("torchscan", "import torchscan", """\
totals = torchscan.crawl_module(model, args=(x,))["totals"]
params, macs = totals["parameters"]["known_value"], totals["macs"]["known_value"]"""),
    "FlopCounterMode": Counter("torch", _FLOP_COUNTER_IMPORT, _FLOP_COUNTER_MODE),
    "FlopCounterMode on meta": Counter("torch", _FLOP_COUNTER_IMPORT, _FLOP_COUNTER_MODE, "meta"),
}  # fmt: skip

_CHILD = """\
import json, resource, sys
{before}
import torch
{library}
{load}
def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
try:
    with torch.device({device!r}):
        model = {build}.eval()
except NotImplementedError:  # its constructor reads values back, which plain torch has on a CPU
    model = {build}.eval().to({device!r})
with torch.device({device!r}):
    x = torch.zeros({shape}, dtype=torch.{dtype})
began = cpu_seconds()
{count}
seconds = cpu_seconds() - began
print()
print(json.dumps(dict(params=params and int(params), macs=macs and int(macs), seconds=seconds)))
"""


def count_program(model: Model, counter: Counter, before: str = "") -> str:
    """Python that builds the model, counts it, and prints the answer as a last line of JSON.

    `seconds` are the CPU seconds from the built model to the answer. `before` runs first.
    """
    return _CHILD.format(
        before=before, library=model.library, load=counter.load, device=counter.device,
        build=model.build, shape=model.input, dtype=model.dtype, count=counter.count,
    )  # fmt: skip


def import_program(model: Model, counter: Counter, before: str = "") -> str:
    """Python that imports what `count_program` would."""
    return "\n".join((before, "import torch", model.library, counter.load))
