"""The size of a device's memory, as it is given."""

from __future__ import annotations

from ..errors import UsageError
from ..units import parse_quantity


def limit_bytes(device_memory: int | str | None) -> int | None:
    """Bytes, of bytes or a text as "24GiB".

    Raises:
        UsageError: the text is no quantity.
    """
    if not isinstance(device_memory, str):
        return device_memory
    try:
        return parse_quantity(device_memory)
    except ValueError as error:
        raise UsageError(f"--device-memory: {error}", hint="--device-memory 24GiB") from error
