"""transformers' models: figures by hand, what is refused, and that nothing is downloaded."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import cnnstat
from cnnstat.cli.main import run
from cnnstat.models.transformers import configuration, importing

importing.import_transformers()
import transformers  # noqa: E402  with torchvision's operators declared first

LLAMA_3_1_405B = {
    "num_hidden_layers": 126, "hidden_size": 16384, "intermediate_size": 53248,
    "num_attention_heads": 128, "num_key_value_heads": 8, "vocab_size": 128256,
}  # fmt: skip
LLAMA_3_8B = LLAMA_3_1_405B | {
    "num_hidden_layers": 32, "hidden_size": 4096, "intermediate_size": 14336,
    "num_attention_heads": 32,
}  # fmt: skip


def llama_macs(layers: int, d: int, inner: int, n: int, keys: int = 8 * 128) -> int:
    """On n tokens, with heads 128 wide and keys and values for 8 of them."""
    per_token = d * d * 2 + 2 * d * keys + 3 * d * inner  # q, o; k, v; gate, up, down
    attention = 2 * n * n * d  # every head, nothing off for the causal mask
    return layers * (n * per_token + attention) + n * d * 128256


def encoder_layer(n: int, d: int, inner: int) -> int:
    return n * (4 * d * d + 2 * d * inner) + 2 * n * n * d


def whisper_tiny(n: int = 448, d: int = 384) -> int:
    convolutions = 3000 * 3 * 80 * d + 1500 * 3 * d * d
    cross = n * 2 * d * d + 1500 * 2 * d * d + 2 * n * 1500 * d  # q, o; k, v; attention
    layers = encoder_layer(1500, d, 4 * d) + encoder_layer(n, d, 4 * d) + cross
    return convolutions + 4 * layers + n * d * 51865


def t5_small(n: int = 512, d: int = 512) -> int:
    cross = n * 4 * d * d + 2 * n * n * d
    return 6 * (2 * encoder_layer(n, d, 2048) + cross) + n * d * 32128


CASES: list[tuple[str, dict[str, Any], int, int]] = [
    ("llama", LLAMA_3_1_405B, 405_853_388_800, llama_macs(126, 16384, 53248, 2048)),
    ("llama", LLAMA_3_8B, 8_030_261_248, llama_macs(32, 4096, 14336, 2048)),
    # lm_head shares the embedding's weight
    ("gpt2", {}, 124_439_808, 12 * encoder_layer(1024, 768, 3072) + 1024 * 768 * 50257),
    ("bert", {}, 109_514_298,  # one dense layer before the output embedding
     12 * encoder_layer(512, 768, 3072) + 512 * (768 * 768 + 768 * 30522)),
    ("bert:BertModel", {}, 109_482_240,  # the pooler reads the first token
     12 * encoder_layer(512, 768, 3072) + 768 * 768),
    ("vit", {"num_labels": 1000}, 86_567_656,  # 196 patches of 16×16, and the class token
     196 * 768 * 3 * 16 * 16 + 12 * encoder_layer(197, 768, 3072) + 768 * 1000),
    ("t5", {}, 60_506_624, t5_small()),
    ("whisper", {"d_model": 384}, 37_760_640, whisper_tiny()),
    ("clip", {}, 151_277_313,
     49 * 768 * 3 * 32 * 32 + 12 * encoder_layer(50, 768, 3072) + 768 * 512
     + 12 * encoder_layer(77, 512, 2048) + 512 * 512 + 512),  # both towers, and one similarity
    # Mixtral 8×7B: 8 experts, 2 for a token, and a router
    ("mixtral", {}, 46_702_792_704,
     32 * (2048 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 4096 * 8 + 2 * 3 * 4096 * 14336)
           + 2 * 2048**2 * 4096) + 2048 * 4096 * 32000),
]  # fmt: skip


@pytest.mark.parametrize(("name", "arguments", "params", "macs"), CASES)
def test_by_hand(name: str, arguments: dict[str, Any], params: int, macs: int) -> None:
    analysis = cnnstat.analyze(f"transformers:{name}", arguments=arguments)
    assert analysis.totals.params == params
    assert analysis.totals.macs == macs
    assert analysis.totals.exact
    assert (analysis.model.source, analysis.lane) == ("transformers", "meta")


SMALL = {"num_hidden_layers": 2, "hidden_size": 64, "intermediate_size": 96,
         "num_attention_heads": 4, "vocab_size": 99}  # fmt: skip
SMALL_T5 = {"num_layers": 2, "d_model": 64, "d_kv": 16, "num_heads": 4, "d_ff": 96,
            "vocab_size": 99}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("llama", SMALL | {"num_key_value_heads": 2}),
        ("gpt2", {"n_layer": 2, "n_embd": 64, "n_head": 4, "vocab_size": 99}),
        ("bert", SMALL),
        ("mistral", SMALL | {"num_key_value_heads": 2, "head_dim": 16, "sliding_window": 8}),
        ("mixtral", SMALL | {"num_key_value_heads": 2, "num_local_experts": 4}),
        ("t5", SMALL_T5),
    ],
)
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_as_on_real_tokens(
    name: str, arguments: dict[str, Any], attention: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is answered in place of values leads to the work and masks of a run that has them."""
    chosen = {**arguments, "attn_implementation": attention}
    seen: list[tuple[bool, Any]] = []
    original = torch.nn.functional.scaled_dot_product_attention

    def noted(*args: Any, attn_mask: Any = None, is_causal: bool = False, **kwargs: Any) -> Any:
        seen.append((attn_mask is None, is_causal, *kwargs))
        return original(*args, attn_mask=attn_mask, is_causal=is_causal, **kwargs)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", noted)
    ids = {"input_ids": (2, 24)} | ({"decoder_input_ids": (2, 16)} if name == "t5" else {})
    inputs = {key: f"{batch},{n}:int64" for key, (batch, n) in ids.items()}
    analysis = cnnstat.analyze(f"transformers:{name}", arguments=chosen, **inputs)
    without_values, seen = seen, []

    configuration = transformers.AutoConfig.for_model(name, **chosen, use_cache=False)
    cls = getattr(transformers, analysis.model.class_name)
    model = cls._from_config(configuration).eval()
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        model(**{key: torch.randint(1, 99, shape) for key, shape in ids.items()})
    assert without_values == seen
    assert analysis.totals.params == sum(p.numel() for p in model.parameters())
    if attention == "eager" and name != "mixtral":  # the fused kernels count as nothing there
        assert analysis.totals.macs * 2 == counted.get_total_flops()


def written(folder: Path, **fields: Any) -> Path:
    file = folder / "config.json"
    file.write_text(json.dumps(fields), encoding="utf-8")
    return file


def test_a_file_and_its_folder(tmp_path: Path) -> None:
    tagger = {"model_type": "bert", "architectures": ["BertForTokenClassification"]}
    file = written(tmp_path, **SMALL, **tagger, dtype="bfloat16", use_cache=True)
    by_file = cnnstat.analyze(f"transformers:{file}")
    by_folder = cnnstat.analyze(f"transformers:{tmp_path}")
    assert by_file.model.class_name == by_folder.model.class_name == "BertForTokenClassification"
    assert by_file.totals == by_folder.totals
    assert by_file.totals.param_bytes == 2 * by_file.totals.params  # bfloat16
    other = cnnstat.analyze(f"transformers:{file}:BertModel")
    assert other.model.class_name == "BertModel"


def test_arguments_take_the_place_of_fields(tmp_path: Path) -> None:
    nested = {"model_type": "llava", "text_config": SMALL | {"model_type": "llama"},
              "vision_config": SMALL | {"model_type": "clip_vision_model"}}  # fmt: skip
    file = written(tmp_path, **nested)
    two = cnnstat.analyze(f"transformers:{file}")
    one = cnnstat.analyze(f"transformers:{file}", arguments={"text_config.num_hidden_layers": 1})
    same = cnnstat.analyze(
        f"transformers:{file}", arguments={"text_config": {"num_hidden_layers": 1}}
    )
    layer = 4 * 64 * 64 + 3 * 64 * 96 + 2 * 64  # attention; gate, up, down; two norms
    assert two.totals.params - one.totals.params == layer
    assert one.totals == same.totals


def test_gpt2_by_its_own_names_and_the_usual_ones() -> None:
    own = cnnstat.analyze("transformers:gpt2", arguments={"n_layer": 1})
    usual = cnnstat.analyze("transformers:gpt2", arguments={"num_hidden_layers": 1})
    assert own.totals == usual.totals


@pytest.mark.parametrize(
    ("spec", "inputs"),
    [
        ("gpt2", ["input_ids=1×1024"]),
        ("roberta", ["input_ids=1×512"]),  # two of its 514 positions are for padding
        ("llama", ["input_ids=1×2048"]),
        ("t5", ["input_ids=1×512", "decoder_input_ids=1×512"]),
        ("vit", ["pixel_values=1×3×224×224"]),
        ("whisper", ["input_features=1×80×3000", "decoder_input_ids=1×448"]),
        ("wav2vec2", ["input_values=1×16000"]),
        ("audio-spectrogram-transformer", ["input_values=1×1024×128"]),
        ("videomae", ["pixel_values=1×16×3×224×224"]),
        ("clip", ["input_ids=1×77", "pixel_values=1×3×224×224"]),
        ("resnet", ["pixel_values=1×3×224×224"]),
    ],
)
def test_default_inputs(spec: str, inputs: list[str]) -> None:
    few = {} if spec in ("resnet", "clip", "t5", "whisper") else {"num_hidden_layers": 1}
    analysis = cnnstat.analyze(f"transformers:{spec}", arguments=few)
    shown = [f"{i.name}={'×'.join(map(str, i.shape))}" for i in analysis.inputs]
    assert sorted(shown) == sorted(inputs)


def test_given_inputs_are_completed() -> None:
    by_position = cnnstat.analyze("transformers:t5", "3,20:int64", arguments=SMALL_T5)
    assert [(i.name, i.shape) for i in by_position.inputs] == [
        (None, (3, 20)), ("decoder_input_ids", (3, 512))
    ]  # fmt: skip


def test_keys_and_values_are_kept_only_if_asked_for() -> None:
    plain = cnnstat.analyze("transformers:llama", arguments=SMALL)
    keeping = cnnstat.analyze("transformers:llama", arguments=SMALL | {"use_cache": True})
    assert plain.totals.macs == keeping.totals.macs
    assert plain.totals.peak_bytes < keeping.totals.peak_bytes


def test_autocast_by_the_name_of_the_device() -> None:
    class Net(torch.nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            with torch.autocast(x.device.type, enabled=torch.is_autocast_enabled(x.device.type)):
                return super().forward(x)

    analysis = cnnstat.analyze(Net(4, 5), (2, 4))
    assert (analysis.lane, analysis.totals.macs) == ("meta", 2 * 4 * 5)


def test_where_values_are_needed_it_is_run_for_real() -> None:
    one = SMALL | {"num_hidden_layers": 1, "attention_window": [8]}
    analysis = cnnstat.analyze("transformers:longformer", "1,16:int64", arguments=one)
    assert analysis.lane == "cpu"
    assert analysis.model.class_name == "LongformerForMaskedLM"


def test_nothing_is_downloaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a download was tried")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    cnnstat.analyze("transformers:bert", arguments=SMALL)
    cnnstat.analyze(f"transformers:{written(tmp_path, model_type='resnet', depths=[1, 1, 1, 1])}")


@pytest.mark.parametrize(
    ("line", "status", "says"),
    [
        ("transformers:lama", 2, ["no model type 'lama'", "did you mean llama"]),
        ("transformers:", 2, ["no model type ''"]),
        ("transformers:meta-llama/Llama-3.1-8B", 2, ["nothing is downloaded", "config.json"]),
        ("transformers:none.json", 2, ["there is no file none.json"]),
        ("transformers:bert:BertForNothing", 2, ["no class 'BertForNothing'", "did you mean"]),
        ("transformers:bert:LlamaModel", 2, ["bert has no class 'LlamaModel'"]),
        ("transformers:bert --arg hiden_size=64", 2, ["no field 'hiden_size'", "hidden_size"]),
        ("transformers:bert --arg hidden_size=100", 1, ["cannot be built", "multiple"]),
        ("transformers:bert --arg hidden_size=6.5", 1, ["hidden_size=6.5", "hidden_size"]),
        ("transformers:bert --arg hidden_size.a=1", 2, ["hidden_size of BertConfig is no"]),
        ("transformers:bert --input input_ids=1,8", 2, ["token ids", "input_ids=1,8:int64"]),
        ("transformers:bert --input 1,8", 2, ["token ids", "input_ids=1,8:int64"]),
        ("transformers:seggpt", 2, ["needs an input", "prompt_masks=SIZES", "pixel_values=1,3,"]),
        ("transformers:sam_mask_decoder", 2, ["no model for 'sam_mask_decoder' alone"]),
    ],
)
def test_refusals(capsys: Any, line: str, status: int, says: list[str]) -> None:
    assert run(["shapes", *line.split()]) == status
    printed = capsys.readouterr()
    assert printed.out == ""
    for text in says:
        assert text in printed.err


@pytest.mark.parametrize("arguments", [{}, {"vocab_size": 50}])
def test_endless_tables_are_refused_before_they_are_built(
    arguments: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"model_type": "bert", "num_labels": 2**31 - 1}))
    built: list[Any] = []
    monkeypatch.setattr(configuration, "_built", lambda *args: built.append(args))
    with pytest.raises(cnnstat.ModelError, match=r"num_labels is 2147483647"):
        cnnstat.analyze(f"transformers:{file}", arguments=arguments)
    assert built == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "is no JSON"),
        ("[1]", "it holds a list"),
        ("{}", "it has no model_type"),
        ('{"model_type": "lama"}', "did you mean llama"),
        ('{"model_type": "x", "auto_map": {"AutoModel": "x.Net"}}', "code of its own: x.Net"),
    ],
)
def test_files_that_are_no_configuration(tmp_path: Path, content: str, says: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(content)
    with pytest.raises(cnnstat.ModelError) as error:
        cnnstat.analyze(f"transformers:{file}")
    assert says in str(error.value)


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "transformers"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "transformers", None)  # as if it were not installed
    assert run(["shapes", "transformers:bert"]) == 1
    assert "pip install 'cnnstat[transformers]'" in capsys.readouterr().err


QUICKLY = """
import json, sys
from cnnstat.api import analyze
from cnnstat import ModelError
from cnnstat.fast_meta import stand_ins

specs, fail = json.loads(sys.argv[1]), sys.argv[2] == "fail"
tries = []

def every():
    tries.append(stand_ins.may_import_fast("transformers"))
    results = [analyze(f"transformers:{name}", arguments=chosen) for name, chosen in specs]
    if fail and len(tries) == 1:
        raise stand_ins.Missing("a stand-in was used")
    return results

results = stand_ins.with_fast_imports(every, in_doubt=ModelError)
held = [
    name for name, module in sys.modules.items()
    if not name.startswith(("transformers", "cnnstat"))
    and any(isinstance(v, (stand_ins._StandIn, stand_ins._StandInClass))
            for v in list(vars(module).values()))
]
from transformers import LlamaForCausalLM  # noqa: whether the list of classes is there
print(json.dumps({
    "results": [(r.totals.params, r.totals.macs, r.totals.other_ops, r.totals.peak_bytes,
                 len(r.layers)) for r in results],
    "used": stand_ins.was_used_for("transformers"), "tries": len(tries), "held": held,
}))
"""


@pytest.mark.parametrize("fails", [False, True])
def test_the_quick_import_changes_nothing(fails: bool) -> None:
    specs = [["llama", SMALL], ["bert", SMALL], ["vit", {"num_hidden_layers": 1}],
             ["t5", SMALL_T5], ["mixtral", SMALL | {"num_key_value_heads": 2}]]  # fmt: skip
    script = QUICKLY if fails else QUICKLY.replace("from transformers import Llama", "# ")
    arguments = [json.dumps(specs), "fail" if fails else "work"]
    ran = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    seen = json.loads(ran.stdout)
    plain = [cnnstat.analyze(f"transformers:{name}", arguments=chosen).totals
             for name, chosen in specs]  # fmt: skip
    assert [row[:4] for row in seen["results"]] == [
        [t.params, t.macs, t.other_ops, t.peak_bytes] for t in plain
    ]
    assert seen["used"] is not fails  # after a failure all is done again, the plain way
    assert seen["tries"] == 1 + fails
    assert seen["held"] == []  # no other module took a stand-in
