"""Formatters for counts, bytes, times and ratios, and the parser for the same text."""

from __future__ import annotations

import re
from decimal import Decimal
from math import inf

_DECIMAL = ("", "K", "M", "G", "T", "P", "E")
_BINARY = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_QUANTITY = re.compile(r"\s*([0-9][0-9_,]*(?:\.[0-9]+)?(?:e\+[0-9]{1,4})?)\s*([A-Za-z]*)\s*")
_FACTORS: dict[str, int] = {prefix.lower(): 1000**power for power, prefix in enumerate(_DECIMAL)}
_FACTORS |= {unit.lower(): 1024**power for power, unit in enumerate(_BINARY)}
_FACTORS |= {f"{prefix}b".lower(): 1000**power for power, prefix in enumerate(_DECIMAL)}


def format_exact(number: int) -> str:
    """1992166 → `1,992,166`."""
    return f"{number:,}" if abs(number) < _LARGEST else _scientific(number)


def format_difference(number: int) -> str:
    """1000 → `+1,000`, -1000 → `−1,000`."""
    exact = format_exact(number)
    return f"{'' if number < 0 else '+'}{exact}".replace("-", "−")


def format_count(number: int) -> str:
    """1992166 → `1.99 M`: three significant digits, decimal prefixes."""
    return _scaled(number, 1000, _DECIMAL)


def format_total(number: int) -> str:
    """1992166 → `1,992,166 (1.99 M)`; below a million the digits suffice."""
    exact = format_exact(number)
    return (
        exact if number < 1_000_000 or number >= _LARGEST else f"{exact} ({format_count(number)})"
    )


def format_in(number: int, prefix: str) -> str:
    """1992166 in `M` → `1.99 M`: two decimals, and 0 only if it is exact."""
    if number >= _LARGEST:
        return _scientific(number)
    scaled = number / 1000 ** _DECIMAL.index(prefix)
    digits = "<0.01" if 0 < scaled < 0.005 else f"{scaled:,.2f}"
    return f"{digits} {prefix}"


def format_bytes(number: int) -> str:
    """7968664 → `7.60 MiB`: three significant digits, binary prefixes."""
    return _scaled(number, 1024, _BINARY)


def format_share(share: float) -> str:
    """0.9361 → `93.6 %`; rounding never gives 0 % or 100 % unless it is exact."""
    percent = 100 * share
    if 0 < percent < 0.05:
        return "<0.1 %"
    if 99.95 <= percent < 100:
        return ">99.9 %"
    return f"{percent:.1f} %"


def format_seconds(seconds: float) -> str:
    """0.000637 → `637 µs`: three significant digits."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= 0.9995 * size:
            return f"{_three_digits(seconds / size)} {unit}"
    return f"{_three_digits(seconds * 1e9)} ns" if seconds else "0 s"


def format_rate(per_second: float, unit: str) -> str:
    """3.35e12 of `B` → `3.35 TB/s`: three significant digits, decimal prefixes."""
    number, _, prefix = format_count(round(per_second)).partition(" ")
    return f"{number} {prefix}{unit}/s"


def format_ratio(ratio: float) -> str:
    """29.26 → `29.3×`, 0.0342 → `0.034×`: no exponent, and 0 only if it is exact."""
    if ratio == inf:
        return ">1e+308×"
    if 0 < ratio < 0.0005:
        return "<0.001×"
    return f"{_three_digits(ratio)}×" if ratio >= 0.1 or ratio == 0 else f"{ratio:.3f}×"


def quotient(a: float, b: float) -> float:
    """a / b, infinite beyond the largest float."""
    try:
        return a / b
    except OverflowError:
        return inf


def parse_quantity(text: str) -> int:
    """Parse the formatters' output and similar text: `2.5M`, `600 K`, `1.5 GiB`, `1,000`.

    Raises:
        ValueError: the text is not a number with an optional prefix.
    """
    match = _QUANTITY.fullmatch(text)
    if match is None or match[2].lower() not in _FACTORS:
        raise ValueError(f"{text!r} is no quantity: expected e.g. 2.5M, 600K or 1.5 GiB")
    return round(Decimal(re.sub("[_,]", "", match[1])) * _FACTORS[match[2].lower()])


def _scaled(number: int, base: int, units: tuple[str, ...]) -> str:
    if abs(number) >= _LARGEST:
        return f"{_scientific(number)} {units[0]}".rstrip()
    power = 0
    scaled = float(number)
    # The prefix is chosen for the rounded number: 999,999 is 1.00 M, not 1000 K.
    while float(_three_digits(scaled)) >= base and power < len(units) - 1:
        scaled /= base
        power += 1
    digits = str(number) if power == 0 else _three_digits(scaled)
    return f"{digits} {units[power]}".rstrip()


_LARGEST = 10**60
"""No prefix is of use from here on, and from 10³⁰⁸ a float has no such number."""


def _scientific(number: int) -> str:
    return f"{Decimal(number):.2e}"


def _three_digits(number: float) -> str:
    if abs(number) >= 99.95:
        return f"{number:.0f}"
    return f"{number:.1f}" if abs(number) >= 9.995 else f"{number:.2f}"
