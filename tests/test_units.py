"""The formatters of counts, bytes, shares and ratios, and the parser that reads them back."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cnnstat.units import (
    format_bytes,
    format_count,
    format_difference,
    format_exact,
    format_in,
    format_rate,
    format_ratio,
    format_seconds,
    format_share,
    format_total,
    parse_quantity,
    quotient,
)

K, M, G, T = 1000, 1000**2, 1000**3, 1000**4
KI, MI, GI = 1024, 1024**2, 1024**3
LARGEST = 10**20


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (1000, "1.00 K"),
        (1234, "1.23 K"),
        (9_994, "9.99 K"),
        (9_996, "10.0 K"),  # three digits, not "10.00"
        (99_949, "99.9 K"),
        (99_951, "100 K"),
        (999_499, "999 K"),
        (999_500, "1.00 M"),  # the digits decide the prefix: never "1000 K"
        (999_999, "1.00 M"),
        (1_000_000, "1.00 M"),
        (1_992_166, "1.99 M"),
        (999_999_999, "1.00 G"),
        (405 * G, "405 G"),
        (2 * T, "2.00 T"),
        (10**60, "1.00e+60"),  # beyond all prefixes, and below beyond what a float has
        (123 * 10**400, "1.23e+402"),
        (10**4000, "1.00e+4000"),
    ],
)
def test_count(number: int, text: str) -> None:
    assert format_count(number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.00 KiB"),
        (1536, "1.50 KiB"),
        (1023 * KI + 600, "1.00 MiB"),  # 1023.6 KiB would read as 1024 KiB
        (1_992_166 * 4, "7.60 MiB"),
        (MI - 1, "1.00 MiB"),
        (GI, "1.00 GiB"),
    ],
)
def test_bytes(number: int, text: str) -> None:
    assert format_bytes(number) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.0, "0.0 %"),
        (0.0004, "<0.1 %"),  # not 0, so it does not read as 0
        (0.001, "0.1 %"),
        (0.9361, "93.6 %"),
        (0.9996, ">99.9 %"),  # not all
        (1.0, "100.0 %"),
    ],
)
def test_share(share: float, text: str) -> None:
    assert format_share(share) == text


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (29.264, "29.3×"),
        (1.0, "1.00×"),
        (0.0342, "0.034×"),
        (0.0001, "<0.001×"),  # no exponent, and no 0 that is none
        (0.0, "0.00×"),
        (1234.5, "1234×"),
    ],
)
def test_ratio(ratio: float, text: str) -> None:
    assert format_ratio(ratio) == text


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2.5M", 2_500_000),
        ("600 K", 600_000),
        ("600k", 600_000),
        ("1.5 GiB", 3 * GI // 2),
        ("1 KB", 1000),
        ("1 KiB", 1024),
        ("12 B", 12),
        ("1,992,166", 1_992_166),
        ("1_000", 1000),
        ("  7 ", 7),
    ],
)
def test_parse(text: str, number: int) -> None:
    assert parse_quantity(text) == number


@pytest.mark.parametrize("text", ["", "M", "-1", "2.5 X", "1.2.3", ".5", "1e6", "five", "1 K 2"])
def test_parse_refuses(text: str) -> None:
    with pytest.raises(ValueError, match=r"no quantity: expected e\.g\. 2\.5M"):
        parse_quantity(text)


@given(st.integers(0, LARGEST))
@example(2**53 + 1)  # the first number that a float cannot hold
def test_exact_reads_back(number: int) -> None:
    assert parse_quantity(format_exact(number)) == number


@given(st.integers(0, LARGEST))
@example(999_999)
def test_count_reads_back(number: int) -> None:
    text = format_count(number)
    assert _close(parse_quantity(text), number)
    assert len([c for c in text if c.isdigit()]) <= 3
    assert "1000" not in text


@given(st.integers(0, LARGEST))
@example(MI - 1)
def test_bytes_read_back(number: int) -> None:
    assert _close(parse_quantity(format_bytes(number)), number)


def _close(read: int, number: int) -> bool:
    """Within the three digits shown: half of the last is at most 1/200 of the number."""
    return abs(read - number) <= number / 200


@given(st.floats(1e-9, 1.0))
def test_share_that_is_some_never_reads_as_none(share: float) -> None:
    assert format_share(share) not in ("0.0 %", "0 %")


@given(st.floats(1e-9, 1e9))
def test_ratio_has_no_exponent_and_is_no_zero(ratio: float) -> None:
    text = format_ratio(ratio)
    assert "e" not in text
    assert float(text.strip("<×")) > 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (38.2e-9, "38.2 ns"),
        (999.6e-9, "1.00 µs"),  # the digits decide the unit: never "1000 ns"
        (637e-6, "637 µs"),
        (1.6617e-3, "1.66 ms"),
        (0.9994, "999 ms"),
        (0.99951, "1.00 s"),
        (4.36, "4.36 s"),
        (5432.1, "5432 s"),
    ],
)
def test_seconds(seconds: float, text: str) -> None:
    assert format_seconds(seconds) == text


@pytest.mark.parametrize(
    ("rate", "unit", "text"),
    [(989.4 * T, "FLOP", "989 TFLOP/s"), (3.35 * T, "B", "3.35 TB/s"), (500, "B", "500 B/s")],
)
def test_rate(rate: float, unit: str, text: str) -> None:
    assert format_rate(rate, unit) == text


def test_numbers_beyond_floats_have_a_text() -> None:
    number = 15 * 10**5000
    assert format_exact(number) == format_total(number) == format_in(number, "M") == "1.50e+5001"
    assert format_bytes(number) == "1.50e+5001 B"
    assert format_difference(number) == "+1.50e+5001"
    assert format_difference(-number) == "−1.50e+5001"
    assert parse_quantity(format_count(number)) == parse_quantity(format_bytes(number)) == number
    assert format_ratio(quotient(number, 2)) == ">1e+308×"
    assert quotient(7, 2) == 3.5


def test_an_exponent_of_any_length_is_no_quantity() -> None:
    assert parse_quantity("2.00e+60") == 2 * 10**60
    assert parse_quantity("2 E") == 2 * 10**18
    with pytest.raises(ValueError, match="no quantity"):
        parse_quantity("1e+999999999")
