"""Receptive fields, taken apart and joined: dimensions split, merged and combined, unions."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

from .reach import (
    DIFFERENT_STRIDES,
    ENTIRE_FIELD,
    IN_A_ROW,
    Dim,
    Factor,
    Field,
    Pixels,
    Reach,
    distance,
    unknown_field,
)

if TYPE_CHECKING:
    from ..trace.records import TensorSpec


def features(size: int) -> Dim:
    """A dimension along which no position runs."""
    return (Factor(size),)


def merged(factors: Iterable[Factor]) -> Dim:
    """The factors without those of size 1, neighbours that are one axis in steps joined."""
    result: list[Factor] = []
    for factor in factors:
        if type(factor.size) is int and factor.size == 1:
            continue
        last = result[-1] if result else None
        if last and last.axis == factor.axis and last.jump == factor.jump * factor.size:
            result[-1] = Factor(last.size * factor.size, factor.axis, factor.jump)
        else:
            result.append(factor)
    return tuple(result) or features(1)


def split(factor: Factor, outer: int) -> tuple[Factor, Factor]:
    """Two factors, the first one of size `outer`."""
    inner = factor.size // outer
    return Factor(outer, factor.axis, factor.jump * inner), factor._replace(size=inner)


def grouped(x: Field, sizes: Sequence[int]) -> Field | None:
    """The field of a view with other sizes: factors are split and merged in their order."""
    factors = [factor for dim in x.dims for factor in merged(dim) if factor.size != 1]
    dims: list[Dim] = []
    for size in sizes:
        group: list[Factor] = []
        while size != 1:
            if not factors:
                return None
            first, *factors = factors
            if size % first.size == 0:
                group.append(first)
                size //= first.size
            elif first.size % size == 0:
                outer, inner = split(first, size)
                group.append(outer)
                factors.insert(0, inner)
                size = 1
            else:
                return None
        dims.append(merged(group))
    return replace(x, dims=tuple(dims))


def resized(x: Field, out: TensorSpec) -> tuple[Dim, ...]:
    """The dimensions of `x` with the sizes of the output, where a size of features changes."""
    pairs = zip(x.dims, out.shape, strict=False)
    return tuple([_sized(factors, size) for factors, size in pairs])


def _sized(factors: Dim, size: int) -> Dim:
    if len(factors) == 1:
        first = factors[0]
        return factors if first.axis is not None or first.size == size else features(size)
    return features(size) if all(factor.axis is None for factor in factors) else factors


def expanded_field(x: Field, out: TensorSpec) -> Field:
    """The field with the dimensions of the output, those of size 1 repeated."""
    dims = (*(features(1) for _ in range(len(out.shape) - len(x.dims))), *map(merged, x.dims))
    return Field(resized(Field(dims, x.reaches), out), x.reaches)


def with_positions(x: Field, dim: int) -> tuple[Field, int | None] | None:
    """The field with a dimension that is one factor, and its axis, None for features.

    Repeated positions become smaller steps. None where positions share the dimension with others.
    """
    factors = merged(x.dims[dim])
    if all(factor.axis is None for factor in factors):
        return x, None
    first, *rest = factors
    if (
        first.axis in (None, IN_A_ROW)
        or len(rest) > 1
        or any(factor.axis is not None for factor in rest)
    ):
        return None
    axis = first.axis
    if not rest:
        return x.with_dim(dim, factors), axis
    times = rest[0].size
    factor = Factor(first.size * times, axis, Fraction(first.jump) / times)
    reaches = {**x.reaches, axis: x.reaches[axis].coarse(distance(first.jump))}
    return x.with_dim(dim, (factor,), reaches), axis


def repeated(x: Field, dim: int, times: int) -> Field:
    """The field with each position of a dimension several times in a row."""
    factors = merged((*x.dims[dim], Factor(times)))
    reaches = dict(x.reaches)
    for axis in x.axes_along([dim]) - {IN_A_ROW}:
        reaches[axis] = replace(reaches[axis], stride=Fraction(reaches[axis].stride) / times)
    return x.with_dim(dim, factors, reaches)


def stepped(x: Field, dim: int, size: int, reach: Reach, jump: Pixels) -> Field:
    """The field with one dimension replaced by `size` positions of the axis of its first factor."""
    axis = x.dims[dim][0].axis
    assert axis is not None
    reaches = {**x.reaches, axis: replace(reach, stride=distance(jump))}
    return x.with_dim(dim, (Factor(size, axis, jump),), reaches)


def combined(x: Field, dims: Collection[int], keepdim: bool = True) -> Field:
    """The field of elements that see all of these dimensions; `keepdim`: they stay as features."""
    left = tuple(
        features(prod(f.size for f in dim)) if number in dims else dim
        for number, dim in enumerate(x.dims)
        if keepdim or number not in dims
    )
    return checked(Field(left, _reaches_along(x, dims)), x.axes_along(dims))


def in_a_row(pieces: Sequence[Field], dim: int, size: int) -> Field:
    """The field of a dimension of `size` into which pieces with these fields are joined.

    No piece alone says what an element sees, but what is combined along the dimension sees all.
    """
    row = (Factor(size, IN_A_ROW),)
    joined: Field | None = None
    for piece in pieces:
        joint = piece.with_dim(dim, row, _reaches_along(piece, [dim]))
        part = checked(joint, piece.axes_along([dim]))
        joined = part if joined is None else union(joined, part)
        if joined.reason is not None:
            return joined
    assert joined is not None
    return joined


def _reaches_along(x: Field, dims: Iterable[int]) -> dict[int, Reach]:
    """What all elements along these dimensions see together."""
    reaches = dict(x.reaches)
    for factor in (factor for dim in dims for factor in x.dims[dim]):
        if factor.axis is not None and factor.axis != IN_A_ROW:
            reach = reaches[factor.axis]
            reaches[factor.axis] = reach.widened((factor.size - 1) * factor.jump)
    return reaches


def checked(x: Field, axes: Iterable[int]) -> Field:
    """The field after positions along these axes were combined or removed.

    An axis without positions left is seen entirely; if some were cropped, as far as the others saw.
    """
    remaining = x.axes_along(range(len(x.dims)))
    reaches = dict(x.reaches)
    for axis in axes:
        if axis == IN_A_ROW:
            continue
        reach = reaches[axis]
        if axis not in remaining and not reach.entire:
            low, high = max(reach.low, 0), min(reach.high, reach.length - 1)
            covered = not reach.cropped or (low == 0 and high == reach.length - 1)
            reaches[axis] = replace(reach, low=low, high=max(low, high), entire=covered)
    entire = {axis for axis, reach in reaches.items() if reach.entire}
    return _entire_or(Field(tuple(_without(dim, entire) for dim in x.dims), reaches))


def _without(dim: Dim, axes: Collection[int]) -> Dim:
    if not any(factor.axis in axes for factor in dim):
        return dim
    return merged(Factor(f.size) if f.axis in axes else f for f in dim)


def union(a: Field, b: Field) -> Field:
    """The field of elements that see what those of both fields see; both have the same sizes."""
    for x in (a, b):
        if x.reason is not None:
            return ENTIRE_FIELD if ENTIRE_FIELD in (a, b) else x
    lengths = [{axis: reach.length for axis, reach in x.reaches.items()} for x in (a, b)]
    if lengths[0] != lengths[1]:
        return unknown_field("inputs of different sizes meet")
    entire = {axis for x in (a, b) for axis, reach in x.reaches.items() if reach.entire}
    a, b = (replace(x, dims=tuple(_without(dim, entire) for dim in x.dims)) for x in (a, b))
    moving: tuple[dict[int, Reach], dict[int, Reach]] = (dict(a.reaches), dict(b.reaches))
    fixed: set[tuple[int, int]] = set()  # which of the two does not move along an axis
    dims: list[Dim] = []
    for left, right in zip(a.dims, b.dims, strict=True):
        dim: list[Factor] = []
        for pair in _common_factors(merged(left), merged(right)):
            differ = pair is not None and pair[0] != pair[1]
            if pair is None or (differ and None not in (pair[0].axis, pair[1].axis)):
                return _in_smaller_steps(a, b)
            if differ and IN_A_ROW in (pair[0].axis, pair[1].axis):
                return unknown_field(DIFFERENT_STRIDES)
            number = 0 if pair[1].axis is None else 1
            factor = pair[number]
            if pair[0] != pair[1] and factor.axis is not None:
                reach = moving[number][factor.axis]
                moving[number][factor.axis] = reach.widened((factor.size - 1) * factor.jump)
                fixed.add((1 - number, factor.axis))
                factor = Factor(factor.size)
            dim.append(factor)
        dims.append(merged(dim))
    if any(not moving[n][axis].contains(moving[1 - n][axis]) for n, axis in fixed):
        return _in_smaller_steps(a, b)
    jumps = {f.axis: f.jump for dim in dims for f in dim if len(dim) == 1}
    for _, axis in fixed:
        jumps.pop(axis, None)
    reaches = {axis: moving[0][axis].join(moving[1][axis], jumps.get(axis)) for axis in a.reaches}
    return _entire_or(Field(tuple(dims), reaches))


def _in_smaller_steps(a: Field, b: Field) -> Field:
    """The union where repeated positions of one are single positions of the other."""
    for dim in range(len(a.dims)):
        if merged(a.dims[dim]) == merged(b.dims[dim]):
            continue
        left, right = with_positions(a, dim), with_positions(b, dim)
        if left is None or right is None or left[0].dims[dim] != right[0].dims[dim]:
            return unknown_field(DIFFERENT_STRIDES)
        a, b = left[0], right[0]
    reaches = {axis: reach.join(b.reaches[axis]) for axis, reach in a.reaches.items()}
    return _entire_or(Field(a.dims, reaches))


def _common_factors(a: Dim, b: Dim) -> Iterator[tuple[Factor, Factor] | None]:
    """Pairs of factors of equal sizes, split where one dimension has smaller ones; None: none."""
    left, right = list(a), list(b)
    while left and right:
        one, other = left.pop(0), right.pop(0)
        if one.size > other.size and one.size % other.size == 0:
            one, inner = split(one, other.size)
            left.insert(0, inner)
        elif other.size > one.size and other.size % one.size == 0:
            other, inner = split(other, one.size)
            right.insert(0, inner)
        elif one.size != other.size:
            yield None
            return
        yield one, other
    if left or right:
        yield None


def _entire_or(x: Field) -> Field:
    """The field, that of the entire input if every axis is."""
    if x.is_in_a_row:
        return x
    return ENTIRE_FIELD if all(reach.entire for reach in x.reaches.values()) else x
