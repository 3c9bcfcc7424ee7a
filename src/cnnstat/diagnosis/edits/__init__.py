"""The kinds of edits that may fix a failed run.

A kind is a function from a `Situation` to proposals. To add one: a function in a file here, a row
below, and a `Prior` in `weights.py`. Every proposal is verified by running it (`search.py`), so a
kind may guess; `replay.fits` rejects most wrong guesses without a run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from ..changes import OF_PARSER, Proposal, Situation
from .assigned_layers import assigned_layers
from .batches_in_views import batches_in_views
from .calls import layers_not_created, lists_called, lists_of_arguments, missing_layers
from .class_definitions import class_definitions
from .constant_arguments import constant_arguments, flattened_sides
from .conversions import conversions
from .dropped_results import dropped_results
from .einsum_subscripts import einsum_subscripts
from .function_calls import function_calls
from .integer_division import integer_divisions
from .joined_tensors import joined_tensors
from .layer_classes import classes_of_layers, layer_classes
from .layer_settings import layer_settings, setting_literals
from .layouts import reshapes, squeezes
from .misspelt_names import misspelt_names
from .names_in_arguments import names_in_arguments
from .namesakes import namesakes
from .numbers_in_code import function_literals, local_literals, rows_of_views
from .other_inputs import other_inputs
from .other_variables import other_variables, swapped_arguments
from .padding_masks import padding_masks
from .rearranged_inputs import rearranged_inputs
from .recurrent_states import recurrent_states
from .returned_values import first_of_several, missing_returns, unpacked_values
from .scale_factors import scale_factors
from .several_places import view_and_layer
from .size_of_axis import other_axes, sizes_of_axes
from .sizes_of_views import sizes_of_views
from .statement_order import orders_of_statements
from .superfluous_axes import superfluous_axes
from .syntax_errors import syntax_errors
from .tables import sizes_of_tables
from .tensor_sizes import states_of_recurrent_layers
from .unpooled_sizes import unpooled_sizes
from .unwritten_settings import unwritten_settings

Kind = Callable[[Situation], Iterable[Proposal]]

INSERTIONS: tuple[Kind, ...] = (
    rearranged_inputs, reshapes, squeezes, conversions, joined_tensors,
    recurrent_states,
    first_of_several, missing_returns, layers_not_created, lists_called, lists_of_arguments,
    missing_layers, dropped_results, orders_of_statements, unpooled_sizes, einsum_subscripts,
    padding_masks, batches_in_views, assigned_layers, other_variables, swapped_arguments,
    sizes_of_views, unpacked_values, superfluous_axes,
)  # fmt: skip
SETTINGS: tuple[Kind, ...] = (
    constant_arguments, setting_literals, flattened_sides,
    unwritten_settings, layer_classes, names_in_arguments, view_and_layer,
    namesakes, scale_factors,
    states_of_recurrent_layers, sizes_of_tables, function_calls, other_axes,
)  # fmt: skip
OF_CODE: tuple[Kind, ...] = (misspelt_names, class_definitions, sizes_of_axes, integer_divisions)
OF_SOURCE: tuple[Kind, ...] = (
    *SETTINGS, function_literals, local_literals, rows_of_views, *INSERTIONS, *OF_CODE,
)  # fmt: skip
OF_LAYERS: tuple[Kind, ...] = (layer_settings, classes_of_layers)
OF_INPUTS: tuple[Kind, ...] = (other_inputs,)


def proposals_for(situation: Situation) -> list[Proposal]:
    """The proposals of all kinds, the least cost first."""
    found = [
        _of_default(proposal, situation)
        for kind in _kinds(situation) for proposal in kind(situation)
        if not _is_part_of_constant(proposal, situation)
    ]  # fmt: skip
    return sorted(found, key=lambda proposal: proposal.cost)


def _kinds(situation: Situation) -> tuple[Kind, ...]:
    """Those that may apply: no other number mends a name that does not exist."""
    error = situation.failure.error
    if error in OF_PARSER:
        return (syntax_errors,) if situation.editable == "source" else ()
    if error in _OF_NAMES:
        return (*OF_CODE, *INSERTIONS, function_calls) if situation.editable == "source" else ()
    kinds = {"source": OF_SOURCE, "layers": OF_LAYERS, "nothing": ()}[situation.editable]
    return (*kinds, *OF_INPUTS)


_OF_NAMES = {
    "NameError", "UnboundLocalError", "ImportError", "ModuleNotFoundError", "AttributeError",
    "NotImplementedError",
}  # fmt: skip


def _of_default(proposal: Proposal, situation: Situation) -> Proposal:
    """The same, marked if it changes the default of an argument."""
    spans = {replacement.span for replacement in proposal.change.replacements}
    if not spans or not spans <= situation.defaults:
        return proposal
    return replace(proposal, features=replace(proposal.features, is_default=True))


def _is_part_of_constant(proposal: Proposal, situation: Situation) -> bool:
    """Whether it changes several numbers of constant arguments, whose value is replaced instead."""
    replacements = proposal.change.replacements
    return len(replacements) > 1 and all(r.span in situation.constants for r in replacements)
