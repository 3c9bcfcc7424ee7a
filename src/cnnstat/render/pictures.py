"""What a picture shows; `figures` draws it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bars:
    """A picture of figures that a table of the same report states: one bar per group and series."""

    key: str
    title: str
    series: tuple[str, ...]
    groups: tuple[tuple[str, tuple[int | None, ...]], ...]


@dataclass(frozen=True, slots=True)
class Areas:
    """A picture of bytes over time, one area per series on top of the others.

    A point is its place in time with a value of each series; `marks` are names of stretches and
    where each begins.
    """

    key: str
    title: str
    series: tuple[str, ...]
    points: tuple[tuple[int, tuple[int, ...]], ...]
    marks: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Dot:
    """`rate` FLOP/s at an `intensity` in FLOP/byte, taking a `share` of the time."""

    name: str
    intensity: float
    rate: float
    share: float
    group: str


@dataclass(frozen=True, slots=True)
class Roof:
    """A picture of what a table of the same report states: layers under the roof of a device."""

    key: str
    title: str
    caption: str
    peak_flops: float
    bandwidth: float
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """`points` are x and y."""

    name: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    x_title: str
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """A picture of curves whose values a table of the same report states."""

    key: str
    title: str
    panels: tuple[Panel, ...]


Picture = Bars | Areas | Roof | Curves
