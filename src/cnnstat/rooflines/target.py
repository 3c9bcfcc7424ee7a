"""The arguments of `roofline`, checked before torch is imported: device, precision, optimizer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..choices import OPTIMIZERS, OptimizerName, RooflinePrecision, check_choice, precisions_of
from ..errors import CnnstatError, UsageError
from ..results import read_result
from .gpus import device_named, device_of_peaks, peak_of
from .results import Device, Devices, Work


@dataclass(frozen=True)
class Target:
    """The device and precision of a roofline; a training step has an optimizer."""

    device: Device
    precision: RooflinePrecision
    optimizer: OptimizerName | None = None

    @classmethod
    def of(
        cls,
        device: Device,
        precision: RooflinePrecision,
        training: bool,
        optimizer: OptimizerName | None,
    ) -> Target:
        """Check the arguments of a caller; the optimizer of a training step is SGD by default.

        Raises:
            UsageError: a name is unknown, or the device has no peak at the precision.
        """
        check_choice("precision", precision, precisions_of("roofline"))
        check_choice("optimizer", optimizer, (None, *OPTIMIZERS))
        if optimizer is not None and not training:
            raise UsageError("an optimizer belongs to a training step", hint="add --training")
        peak_of(device, precision)
        return cls(device, precision, (optimizer or "sgd") if training else None)

    def work(self, macs: int, moved: int) -> Work:
        """The work of an operator, whose time is the longer of its arithmetic and its traffic."""
        arithmetic = 2 * macs / peak_of(self.device, self.precision)
        traffic = moved / self.device.bandwidth
        if arithmetic > traffic:
            return Work(macs, moved, arithmetic, 0.0)
        return Work(macs, moved, 0.0, traffic)


class Gpu(NamedTuple):
    """The first GPU that torch sees: its name, as its driver reports it, and bytes of memory."""

    name: str
    memory: int


def gpu_here() -> Gpu | None:
    """The GPU of this machine; None without one."""
    import torch  # only here: other devices are found without it

    if not torch.cuda.is_available():
        return None
    found = torch.cuda.get_device_properties(0)
    return Gpu(str(found.name), int(found.total_memory))


def is_auto(device: str | Path | Device | None) -> bool:
    """Whether `--device` asks for the device of this machine."""
    return isinstance(device, str) and device.strip().lower() == "auto"


def _device_here() -> Device:
    gpu = gpu_here()
    if gpu is None:
        raise UsageError(
            "--device auto: torch sees no GPU here, and the peaks of processors are not known",
            "cnnstat devices --measure measures them",
            hint=f"{_HINT}, then --device device.json",
        )
    return device_named(gpu.name, hint=f"{_HINT}, then --device device.json")


_HINT = "cnnstat devices --measure --output device.json"


def find_device(device: str | Path | Device | None, peaks: str | None = None) -> Device:
    """The device with a name or in a file, or one with the specified peak throughput.

    Raises:
        UsageError: neither or both are specified, or the device is not found.
    """
    if (device is None) == (peaks is None):
        raise UsageError(
            "roofline needs a device" if device is None else "a device or its peaks, not both",
            hint="--device h100 (cnnstat devices lists them), or --device-peaks "
            "fp32=1.2T,bandwidth=40G",
        )
    if peaks is not None:
        return device_of_peaks(peaks)
    if isinstance(device, Device):
        return device
    if is_auto(device):
        return _device_here()
    return read_device(str(device)) if str(device).endswith(".json") else device_named(str(device))


def read_device(path: str) -> Device:
    """Read a device from the output of `cnnstat devices --measure --output FILE.json`.

    Raises:
        NotFound: there is no such file.
        CnnstatError: it has not one device, or was written by a newer cnnstat.
    """
    content: Devices = read_result(path, "devices", CnnstatError, "device", _HINT)
    devices = content.devices
    if len(devices) != 1:
        raise CnnstatError(f"{path} has {len(devices)} devices, not one", hint=_HINT)
    device = devices[0]
    if not device.bandwidth > 0 or not all(peak > 0 for peak in device.peak_flops.values()):
        raise CnnstatError(f"{path}: a peak is more than 0")
    return device
