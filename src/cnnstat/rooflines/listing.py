"""The devices that have names, as a result."""

from __future__ import annotations

from .devices import DEVICES, SHORT
from .results import Devices

_NOTES = (
    '2 FLOP for a multiply and an add; dense: figures that are printed "with sparsity" are halved; '
    "fp32 is without tensor cores, the others accumulate in fp32 (fp64 in fp64)",
    "shorter names: " + ", ".join(f"{short} = {name}" for short, name in SHORT.items()),
    "other devices: --device-peaks, or cnnstat devices --measure on them",
)


def named_devices() -> Devices:
    return Devices(devices=DEVICES, notes=_NOTES)
