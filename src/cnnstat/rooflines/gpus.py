"""Peak throughput of GPUs from their vendors' documents, and lookup by name.

Figures are dense. Datasheets print tensor-core figures "with sparsity", twice the rate of a dense
product, so they are halved here. Where a document has figures for accumulation in fp16 and in fp32,
the table has those for fp32, which PyTorch uses. `fp32` is without tensor cores. TFLOPS are 10¹²,
bandwidths decimal, memory sizes binary, as devices report them. CPUs are not in the table: their
peak depends on the clock under load, and `cnnstat devices --measure` measures it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..choices import PRECISIONS, RooflinePrecision, precisions_of
from ..errors import UsageError, closest
from ..units import parse_quantity
from .results import Device, Devices

_T = 10**12
_GB = 10**9
_GIB = 2**30


def _gpu(
    name: str, title: str, tflops: dict[RooflinePrecision, float], gb_per_second: int, memory: int,
    source: str, *driver_names: str,
) -> Device:  # fmt: skip
    return Device(
        name=name, title=title, processor="gpu",
        peak_flops={precision: round(value * _T) for precision, value in tflops.items()},
        bandwidth=gb_per_second * _GB, memory_bytes=memory * _GIB, source=source,
        driver_names=driver_names,
    )  # fmt: skip


_A100: dict[RooflinePrecision, float] = {
    "fp64": 19.5, "fp32": 19.5, "tf32": 156, "bf16": 312, "fp16": 312,
}  # fmt: skip
_A100_SHEET = "NVIDIA A100 datasheet (nvidia-1758950-r4), specifications, left of the bar"
_V100_SHEET = "NVIDIA V100 datasheet (us-1165301-r5), specifications"
_HOPPER = "NVIDIA H100 Tensor Core GPU Architecture whitepaper, table 2, dense figures"
_GA102 = "NVIDIA Ampere GA102 GPU Architecture whitepaper v2, appendix A, FP32 accumulate, dense"

DEVICES: tuple[Device, ...] = (
    _gpu("b200", "NVIDIA B200, 1000 W",
         {"fp64": 37, "fp32": 75, "tf32": 1125, "bf16": 2250, "fp16": 2250}, 8000, 180,
         "NVIDIA HGX B200 specifications, an eighth of eight GPUs, sparse figures halved; memory "
         "of the DGX B200 datasheet", "NVIDIA B200"),
    _gpu("h200-sxm", "NVIDIA H200 SXM",
         {"fp64": 66.9, "fp32": 66.9, "tf32": 494.7, "bf16": 989.4, "fp16": 989.4}, 4800, 141,
         f"{_HOPPER}; memory of the H200 datasheet (3002446), whose sparse figures are twice these",
         "NVIDIA H200"),
    _gpu("h100-sxm", "NVIDIA H100 SXM5 80 GB",
         {"fp64": 66.9, "fp32": 66.9, "tf32": 494.7, "bf16": 989.4, "fp16": 989.4}, 3350, 80,
         f"{_HOPPER}; memory of the H100 datasheet, specifications", "NVIDIA H100 80GB HBM3"),
    _gpu("h100-pcie", "NVIDIA H100 PCIe 80 GB",
         {"fp64": 51.2, "fp32": 51.2, "tf32": 378, "bf16": 756, "fp16": 756}, 2000, 80,
         f"{_HOPPER}; memory of the H100 PCIe datasheet, specifications", "NVIDIA H100 PCIe"),
    _gpu("a100-sxm-80gb", "NVIDIA A100 SXM4 80 GB", _A100, 2039, 80, _A100_SHEET,
         "NVIDIA A100-SXM4-80GB"),
    _gpu("a100-sxm-40gb", "NVIDIA A100 SXM4 40 GB", _A100, 1555, 40,
         "NVIDIA A100 Tensor Core GPU Architecture whitepaper, performance and memory tables",
         "NVIDIA A100-SXM4-40GB", "A100-SXM4-40GB"),
    _gpu("a100-pcie-80gb", "NVIDIA A100 PCIe 80 GB", _A100, 1935, 80, _A100_SHEET,
         "NVIDIA A100 80GB PCIe"),
    _gpu("a100-pcie-40gb", "NVIDIA A100 PCIe 40 GB", _A100, 1555, 40,
         "NVIDIA A100 40GB PCIe product brief (PB-10137-001), specifications",
         "NVIDIA A100-PCIE-40GB", "A100-PCIE-40GB"),
    _gpu("l40s", "NVIDIA L40S", {"fp32": 91.6, "tf32": 183, "bf16": 362.05, "fp16": 362.05}, 864,
         48, "NVIDIA L40S datasheet, specifications, left of the bar", "NVIDIA L40S"),
    _gpu("l4", "NVIDIA L4", {"fp32": 30.3, "tf32": 60, "bf16": 121, "fp16": 121}, 300, 24,
         "NVIDIA L4 datasheet, specifications, sparse figures halved", "NVIDIA L4"),
    _gpu("a10", "NVIDIA A10", {"fp32": 31.2, "tf32": 62.5, "bf16": 125, "fp16": 125}, 600, 24,
         "NVIDIA A10 datasheet, specifications, left of the bar", "NVIDIA A10"),
    _gpu("t4", "NVIDIA T4", {"fp32": 8.1, "fp16": 65}, 320, 16,
         "NVIDIA T4 datasheet (951643), specifications; bandwidth of the product brief "
         "(PB-09256-001), the datasheet says 300 GB/s", "Tesla T4"),
    _gpu("v100-sxm", "NVIDIA V100 SXM2 32 GB", {"fp64": 7.8, "fp32": 15.7, "fp16": 125}, 900, 32,
         _V100_SHEET, "Tesla V100-SXM2-32GB", "Tesla V100-SXM2-16GB"),
    _gpu("v100-pcie", "NVIDIA V100 PCIe 32 GB", {"fp64": 7, "fp32": 14, "fp16": 112}, 900, 32,
         _V100_SHEET, "Tesla V100-PCIE-32GB", "Tesla V100-PCIE-16GB"),
    _gpu("rtx-4090", "NVIDIA GeForce RTX 4090",
         {"fp32": 82.6, "tf32": 82.6, "bf16": 165.2, "fp16": 165.2}, 1008, 24,
         "NVIDIA Ada GPU Architecture whitepaper v2, appendix A, FP32 accumulate, dense",
         "NVIDIA GeForce RTX 4090"),
    _gpu("rtx-3090", "NVIDIA GeForce RTX 3090",
         {"fp32": 35.6, "tf32": 35.6, "bf16": 71, "fp16": 71}, 936, 24, _GA102,
         "NVIDIA GeForce RTX 3090"),
    _gpu("mi300x", "AMD Instinct MI300X",
         {"fp64": 163.4, "fp32": 163.4, "tf32": 653.7, "bf16": 1307.4, "fp16": 1307.4}, 5300, 192,
         "AMD Instinct MI300X data sheet, peak performance, matrix", "AMD Instinct MI300X"),
)  # fmt: skip

SHORT = {"h100": "h100-sxm", "h200": "h200-sxm", "a100": "a100-sxm-80gb", "v100": "v100-sxm"}
"""Names without form factor or memory size: the fastest variant."""


_PEAKS_HINT = "--device-peaks fp32=1.2T,bandwidth=40G, or cnnstat devices --measure on it"


def device_named(name: str, kinds: Sequence[str] = (), hint: str = _PEAKS_HINT) -> Device:
    """The device with a name, or with the name its driver reports: `NVIDIA H100 80GB HBM3`.

    Capitals, spaces and hyphens do not matter; without a form factor it is the fastest variant.
    `kinds` are other values of the caller's option, and `hint` is for devices that are unknown.

    Raises:
        UsageError: the name is unknown.
    """
    by_name = {device.name: device for device in DEVICES}
    by_name |= {driver.lower(): d for d in DEVICES for driver in d.driver_names}
    word = name.strip().lower()
    word = SHORT.get(word, word)
    if word in by_name:
        return by_name[word]
    parts = _parts_of(name)
    same = [d for d in DEVICES if parts and parts <= _parts_of(d.name) | _parts_of(d.title)]
    if len({re.split("-(?:sxm|pcie)", device.name)[0] for device in same}) == 1:
        return same[0]
    names = [*kinds, *(device.name for device in DEVICES)]
    close = [] if word in _ANY_DEVICE or len(word) < 2 else closest(word, names)
    raise UsageError(
        f"unknown device {name!r}" + (f": did you mean {', '.join(close)}?" if close else ""),
        f"known: {', '.join(names)}", hint=hint,
    )  # fmt: skip


_ANY_DEVICE = ("cuda", "gpu", "nvidia", "auto", "cpu", "mps")


def _parts_of(name: str) -> set[str]:
    """The words of a name, as `RTX 3090`, `rtx3090` and `GeForce RTX-3090` all have them."""
    text = re.sub(r"nvidia|geforce|tesla|amd|instinct|hbm\d\w*", " ", name.lower())
    text = re.sub(r"(\d+)\s*(gb|gib)\b", r"\1gb", re.sub(r"(rtx|gtx)(?=\d)", r"\1 ", text))
    words = set(re.findall(r"[a-z0-9]+", text))
    return {re.sub(r"^(sxm)\d*$", r"\1", word) for word in words}


def device_of_peaks(text: str) -> Device:
    """Read `--device-peaks fp32=1.2T,bf16=2.4T,bandwidth=40G[,memory=16GiB]`.

    Raises:
        UsageError: a part is not NAME=QUANTITY, or the bandwidth or all FLOP/s are missing.
    """
    rates: dict[str, int] = {}
    for part in text.split(","):
        name, equals, quantity = part.partition("=")
        name = name.strip().lower()
        if not equals or name not in _PEAK_NAMES:
            raise _malformed(text, f"{part.strip()!r} is none of {'=, '.join(_PEAK_NAMES)}=")
        if name in rates:
            raise _malformed(text, f"{name} is given twice")
        try:
            rates[name] = parse_quantity(quantity)
        except ValueError as error:
            raise _malformed(text, f"{name}: {error}") from error
        if rates[name] <= 0:
            raise _malformed(text, f"{name} is {quantity}: a peak is more than 0")
    bandwidth, memory = rates.pop("bandwidth", None), rates.pop("memory", None)
    if bandwidth is None or not rates:
        raise _malformed(text, "bandwidth and the FLOP/s of one precision are needed")
    return Device(
        name="given", title="the given peaks", processor="other",
        peak_flops={p: rates[p] for p in _PRECISION_NAMES if p in rates},
        bandwidth=bandwidth, memory_bytes=memory, source="--device-peaks",
    )  # fmt: skip


# the widest first
_PRECISION_NAMES = sorted(precisions_of("roofline"), key=lambda name: -PRECISIONS[name].itemsize)
_PEAK_NAMES = (*_PRECISION_NAMES, "bandwidth", "memory")


def _malformed(text: str, reason: str) -> UsageError:
    return UsageError(
        f"--device-peaks {text}: {reason}", hint="--device-peaks fp32=1.2T,bandwidth=40G"
    )


def peak_of(device: Device, precision: RooflinePrecision) -> int:
    """The peak throughput of a device at a precision, in FLOP/s.

    Raises:
        UsageError: the device has none.
    """
    peaks = device.peak_flops
    if precision not in peaks:
        raise UsageError(
            f"no {precision} peak is known of {device.title}", f"known: {', '.join(peaks)}",
            hint=f"--precision {next(iter(peaks))}, or --device-peaks",
        )  # fmt: skip
    return peaks[precision]


_NOTES = (
    '2 FLOP for a multiply and an add; dense: figures that are printed "with sparsity" are halved; '
    "fp32 is without tensor cores, the others accumulate in fp32 (fp64 in fp64)",
    "shorter names: " + ", ".join(f"{short} = {name}" for short, name in SHORT.items()),
    "other devices: --device-peaks, or cnnstat devices --measure on them",
)


def named_devices() -> Devices:
    return Devices(devices=DEVICES, notes=_NOTES)
