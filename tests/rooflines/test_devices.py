"""The table of devices, their names, given peaks, and the measurement of this machine."""

import importlib.util
import json
import re
from pathlib import Path

import jsonschema
import pytest
import torch

import cnnstat
from cnnstat.choices import precisions_of
from cnnstat.cli.main import run
from cnnstat.errors import UsageError
from cnnstat.render import render
from cnnstat.render.json import schema
from cnnstat.rooflines import measuring
from cnnstat.rooflines.gpus import DEVICES, SHORT, device_named, device_of_peaks
from cnnstat.rooflines.results import Device, Devices, Measured


@pytest.mark.parametrize("device", DEVICES, ids=lambda device: device.name)
def test_peaks_are_consistent(device) -> None:
    peaks = device.peak_flops
    assert set(peaks) <= set(precisions_of("roofline"))
    in_order = [peaks[p] for p in ("fp64", "fp32", "tf32", "fp16") if p in peaks]
    assert in_order == sorted(in_order)
    if "bf16" in peaks:
        assert peaks["bf16"] == peaks["fp16"]
    if "tf32" in peaks:  # half the rate of fp16, on AMD and NVIDIA alike
        assert peaks["fp16"] / peaks["tf32"] == pytest.approx(2, rel=0.02)
    assert 1 <= peaks["fp32"] / device.bandwidth <= 120
    assert device.source
    assert device.driver_names


def test_figures_by_hand() -> None:
    # streaming multiprocessors · FLOP per clock and one of them · boost clock in Hz
    figures = {
        ("a100-sxm-80gb", "fp32"): 108 * 64 * 2 * 1.41e9,
        ("a100-sxm-80gb", "bf16"): 108 * 4 * 256 * 2 * 1.41e9,
        ("v100-sxm", "fp32"): 80 * 64 * 2 * 1.53e9,
        ("v100-sxm", "fp16"): 80 * 8 * 64 * 2 * 1.53e9,
        ("t4", "fp32"): 40 * 64 * 2 * 1.59e9,
        ("t4", "fp16"): 40 * 8 * 64 * 2 * 1.59e9,
        ("rtx-3090", "fp32"): 82 * 128 * 2 * 1.695e9,
        ("rtx-3090", "bf16"): 82 * 4 * 64 * 2 * 1.695e9,
        ("rtx-4090", "fp32"): 128 * 128 * 2 * 2.52e9,
        ("rtx-4090", "bf16"): 128 * 4 * 64 * 2 * 2.52e9,
        ("l40s", "fp32"): 142 * 128 * 2 * 2.52e9,
        ("h100-sxm", "fp32"): 132 * 128 * 2 * 1.98e9,
        ("h100-sxm", "bf16"): 132 * 4 * 512 * 2 * 1.83e9,
        ("mi300x", "fp16"): 304 * 2048 * 2.1e9,
    }
    for (name, precision), figure in figures.items():
        assert device_named(name).peak_flops[precision] == pytest.approx(figure, rel=0.015), name
    # bus width in bytes · transfers per second of a pin
    bandwidths = {
        "t4": 256 / 8 * 10e9, "rtx-3090": 384 / 8 * 19.5e9, "rtx-4090": 384 / 8 * 21e9,
        "l40s": 384 / 8 * 18e9, "l4": 192 / 8 * 12.5e9, "a10": 384 / 8 * 12.5e9,
        "v100-sxm": 4096 / 8 * 1.752e9, "a100-sxm-40gb": 5120 / 8 * 2.43e9,
    }  # fmt: skip
    for name, figure in bandwidths.items():
        assert device_named(name).bandwidth == pytest.approx(figure, rel=0.005), name


LIGHTNING = {
    "h100-sxm": "h100 sxm", "h100-pcie": "h100 pcie", "a100-sxm-80gb": "a100", "l4": "l4",
    "v100-sxm": "v100 sxm", "v100-pcie": "v100 pcie", "t4": "t4", "a10": "a10g",
}  # fmt: skip


@pytest.mark.skipif(importlib.util.find_spec("lightning_fabric") is None, reason="extra bench")
@pytest.mark.parametrize(("ours", "theirs"), LIGHTNING.items())
def test_figures_agree_with_lightning(ours, theirs) -> None:
    """Of its table the rows that are dense and accumulate in fp32."""
    from lightning_fabric.utilities.throughput import _CUDA_FLOPS

    keys = {"fp32": torch.float32, "tf32": "tfloat32", "bf16": torch.bfloat16,
            "fp16": torch.float16}  # fmt: skip
    peaks = device_named(ours).peak_flops
    for precision, key in keys.items():
        stated = _CUDA_FLOPS[theirs].get(key)
        assert peaks.get(precision) == (stated and pytest.approx(stated, rel=0.002)), precision


def test_names_lead_to_one_device() -> None:
    meant = {(name.lower(), d.name) for d in DEVICES for name in (d.name, *d.driver_names)}
    meant |= set(SHORT.items())
    assert len(meant) == len(dict(meant))
    assert device_named("h100") is device_named("H100-SXM")
    assert device_named("NVIDIA H100 80GB HBM3").name == "h100-sxm"
    assert device_named("NVIDIA A100-SXM4-40GB").name == "a100-sxm-40gb"
    assert device_named("Tesla T4").name == "t4"


SPELLINGS = [
    ("rtx3090", "rtx-3090"),
    ("RTX 4090", "rtx-4090"),
    ("geforce rtx 3090", "rtx-3090"),
    ("A100", "a100-sxm-80gb"),
    ("A100-80GB", "a100-sxm-80gb"),
    ("a100 40 GB", "a100-sxm-40gb"),
    ("A100 PCIe 40GB", "a100-pcie-40gb"),
    ("h100_pcie", "h100-pcie"),
    ("nvidia h100", "h100-sxm"),
    ("H100 SXM5", "h100-sxm"),
    ("V100-32GB", "v100-sxm"),
    ("MI300X", "mi300x"),
]


@pytest.mark.parametrize(("typed", "name"), SPELLINGS)
def test_spellings(typed: str, name: str) -> None:
    assert device_named(typed).name == name


@pytest.mark.parametrize("typed", ["80gb", "sxm", "rtx", "100", "gtx1080", "nvidia", "rtx3080"])
def test_what_names_no_device_or_several(typed: str) -> None:
    with pytest.raises(UsageError, match="unknown device"):
        device_named(typed)


def test_unknown_names_get_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown device 'h10': did you mean .*h100-sxm"):
        device_named("h10")
    with pytest.raises(UsageError, match=r"unknown device 'zzz'\n  known: b200,"):
        device_named("zzz")


def test_peaks_can_be_given() -> None:
    device = device_of_peaks("fp32=1.2T, bf16=2T,bandwidth=40GB,memory=16GiB")
    assert device.peak_flops == {"fp32": 1_200_000_000_000, "bf16": 2_000_000_000_000}
    assert (device.bandwidth, device.memory_bytes) == (40_000_000_000, 16 * 2**30)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fp32=1T", "bandwidth and the FLOP/s of one precision are needed"),
        ("bandwidth=40G", "bandwidth and the FLOP/s of one precision are needed"),
        ("fp8=1T,bandwidth=40G", "'fp8=1T' is none of fp64=, fp32="),
        ("fp32,bandwidth=40G", "'fp32' is none of"),
        ("fp32=quick,bandwidth=40G", "fp32: 'quick' is no quantity"),
        ("fp32=0,bandwidth=40G", "a peak is more than 0"),
        ("fp32=1T,fp32=2T,bandwidth=40G", "fp32 is given twice"),
        ("", "'' is none of"),
    ],
)
def test_malformed_peaks_are_refused(text, words) -> None:
    with pytest.raises(UsageError, match=words):
        device_of_peaks(text)


def test_list_shows_every_device_and_its_source(capsys) -> None:
    assert run(["devices"]) == 0
    out = capsys.readouterr().out
    for device in DEVICES:
        assert re.search(rf"^{device.name} .*\d", out, re.MULTILINE)
        assert "".join(device.source.split()) in "".join(out.split())  # its lines are folded
    assert re.search(r"^h100-sxm +66\.9 +494\.7 +989\.4 +989\.4 +66\.9 +3\.35 TB/s", out, re.M)
    document = json.loads(render(cnnstat.list_devices(), "json").text)
    jsonschema.validate(document, schema())
    assert document["kind"] == "devices"
    shown, note, _ = out.partition("note: other devices")
    assert note
    assert repr(cnnstat.list_devices()).startswith(shown + note)  # which names the option


@pytest.fixture
def quick(monkeypatch) -> None:
    """Sizes with which the measurement takes a moment."""
    monkeypatch.setattr(measuring, "_SIZES", {"cpu": (64, 128)})
    monkeypatch.setattr(measuring, "_ARRAY_BYTES", {"cpu": 2**20})
    monkeypatch.setattr(measuring, "_SECONDS", {"cpu": 0.01})


def test_this_machine_is_measured_and_taken_as_a_device(quick, tmp_path: Path, capsys) -> None:
    file = tmp_path / "here.json"
    assert run(["devices", "--measure", "--on", "cpu", "--output", str(file)]) == 0
    document = json.loads(file.read_text())
    jsonschema.validate(document, schema())
    (device,) = document["devices"]
    assert set(device["peak_flops"]) == {"fp64", "fp32", "bf16", "fp16"}
    assert set(device["measured"]["matmul_size"].values()) <= {64, 128}
    assert device["measured"]["threads"] == torch.get_num_threads()
    assert device["bandwidth"] > 0
    assert all(spread >= 0 for spread in device["measured"]["peak_flops_spread"].values())
    step = cnnstat.roofline("lenet", device=file)
    assert step.peak_flops == device["peak_flops"]["fp32"]
    assert run(["roofline", "lenet", "--device", str(file)]) == 0
    assert device["title"] in capsys.readouterr().out


def test_rate_is_work_over_the_time_of_a_repeat(monkeypatch) -> None:
    """Two for warm-up, then repeats of 2, 4 and 5 seconds by a clock that is ours."""
    times = iter([0, 9, 10, 19, 20, 22, 30, 34, 40, 45])
    monkeypatch.setattr(measuring, "_LEAST_REPEATS", 3)
    monkeypatch.setattr(measuring, "_SECONDS", {"cpu": 11})
    calls = []
    rate = measuring._Timer("cpu", lambda: next(times)).rate(20, lambda: calls.append(1))
    assert len(calls) == 5
    assert rate.median == 5  # of 10, 5 and 4 per second
    # quartiles of three values lie at the first and the last: (10 - 4) / 5
    assert rate.spread == pytest.approx(6 / 5)


def test_a_spread_is_told_where_it_is_large() -> None:
    def shown(spread: float) -> str:
        measured = Measured("2", 1, {"fp32": spread}, 0.01, {"fp32": 64}, "copy", 2**20)
        device = Device(name="here", title="here", processor="cpu", peak_flops={"fp32": 1000},
                        bandwidth=100, memory_bytes=None, source="", measured=measured)  # fmt: skip
        return render(Devices(devices=(device,)), "table").text

    assert "come out too low" in shown(0.3)
    assert "come out too low" not in shown(0.05)


def test_measured_report(quick, capsys) -> None:
    assert run(["devices", "--measure", "--on", "cpu"]) == 0
    out = capsys.readouterr().out
    assert re.search(r"^fp32 +[\d.]+ [MGT]FLOP/s +[\d.]+ % +(64×64|128×128) matrix product$", out,
                     re.MULTILINE)  # fmt: skip
    assert re.search(r"^memory +[\d.]+ [MGT]B/s +[\d.]+ % +(copy|triad), arrays of 1\.00 MiB$", out,
                     re.MULTILINE)  # fmt: skip


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no file"),
        ("{", "is no JSON"),
        ('{"kind": "analysis"}', "its kind is 'analysis'"),
        ("[]", "it has no kind"),
        ('{"kind": "devices", "schema_version": 99}', "was written by a newer cnnstat"),
        ('{"kind": "devices"}', "does not fit the schema"),
        ('{"kind": "devices", "devices": []}', "has 0 devices, not one"),
    ],
)
def test_files_without_a_device(content, message, tmp_path: Path, capsys) -> None:
    file = tmp_path / "device.json"
    if content is not None:
        file.write_text(content)
    assert run(["roofline", "nin", "--device", str(file)]) == (2 if content is None else 1)
    assert message in capsys.readouterr().err


def test_what_cannot_be_measured(capsys) -> None:
    with pytest.raises(UsageError, match="cannot measure 'tpu' here"):
        cnnstat.measure_device("tpu")
    assert run(["devices", "--on", "cpu"]) == 2
    assert "add --measure" in capsys.readouterr().err


class _Properties:
    name = "NVIDIA H100 80GB HBM3"
    total_memory = 2**28


def test_auto_is_the_gpu_of_this_machine(monkeypatch, capsys) -> None:
    net = torch.nn.Linear(8, 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="torch sees no GPU here"):
        cnnstat.roofline(net, (2, 8), device="auto")
    on_cpu = cnnstat.memory(net, (2, 8), device="auto")
    assert (on_cpu.device, on_cpu.fit) == ("cpu", None)
    assert run(["roofline", "lenet", "--device", "auto"]) == 2
    assert "--device device.json" in capsys.readouterr().err

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: _Properties)
    assert cnnstat.roofline(net, (2, 8), device="auto").device.name == "h100-sxm"
    memory = cnnstat.memory(net, (2, 8), device="auto")
    assert (memory.device, memory.fit.device_memory_bytes) == ("cuda", 2**28)
    assert memory.fit.device_title == "NVIDIA H100 80GB HBM3"
    chosen = cnnstat.memory(net, (2, 8), device="auto", device_memory="128MiB")
    assert (chosen.device, chosen.fit.device_memory_bytes) == ("cuda", 2**27)
    monkeypatch.setattr(_Properties, "name", "NVIDIA Imaginary 9000")
    with pytest.raises(UsageError, match="unknown device 'NVIDIA Imaginary 9000'"):
        cnnstat.roofline(net, (2, 8), device="auto")
