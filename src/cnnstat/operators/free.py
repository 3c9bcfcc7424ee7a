"""Operators that do no arithmetic and have no view, each with the reason."""

from .registry import Trait, free
from .views import MOVED, VIEW

free(
    VIEW,
    "aten._reshape_alias", "aten.narrow", "aten.as_strided", "aten.diagonal",
    "aten.unfold", "aten.view_as_real", "aten.view_as_complex", "aten.real", "aten.imag",
    "aten.movedim", "aten.swapaxes", "aten.numpy_T", "aten.set", "aten.resize", "aten.conj",
    "aten._conj", "aten.resize_as",
    traits=Trait.LAYOUT,
)  # fmt: skip
free(
    VIEW,
    "aten.detach", "aten.alias", "aten.lift_fresh",
    traits=Trait.LAYOUT | Trait.ELEMENTWISE,
)  # fmt: skip

_COPIED_VIEWS = """
    alias as_strided detach diagonal expand narrow permute select slice split split_with_sizes
    squeeze t transpose unbind unfold unsqueeze view
"""

free(
    MOVED,
    "aten.repeat", "aten.repeat_interleave", "aten.flip", "aten.roll", "aten.tril", "aten.triu",
    "aten.slice_scatter", "aten.select_scatter",
    "aten.block_diag", "aten.lift_fresh_copy", "aten.rot90", "aten.diag_embed", "aten._chunk_cat",
    "aten.diagonal_scatter", "aten.as_strided_scatter", "aten.lu_unpack",
    *(f"aten.{name}_copy" for name in _COPIED_VIEWS.split()),
    "aten.max_unpool2d", "aten.max_unpool3d",
    traits=Trait.COPIES,
)  # fmt: skip
free(
    MOVED,
    "aten.clone", "aten.contiguous", "aten._to_copy", "aten.to",
    traits=Trait.COPIES | Trait.ELEMENTWISE,
)  # fmt: skip
free(
    MOVED,
    "aten.copy",
    traits=Trait.COPIES | Trait.ELEMENTWISE | Trait.OVERWRITES,
)  # fmt: skip

_LOOKUP = "a look-up: values are read by their index"
free(
    _LOOKUP,
    "aten.index", "aten.index_select", "aten.gather", "aten.take", "aten._unsafe_index",
    "aten._unsafe_masked_index",
    traits=Trait.LOOKUP,
)  # fmt: skip
free(
    _LOOKUP,
    "aten.scatter", "aten.masked_scatter", "aten.put",
    traits=Trait.COPIES,
)  # fmt: skip
free(
    _LOOKUP,
    "aten.masked_select",
    traits=Trait.COPIES | Trait.VALUE_SIZED,
)  # fmt: skip
free(
    _LOOKUP,
    "aten.index_put", "aten.index_copy", "aten.index_fill",
    traits=Trait.PLACES,
)  # fmt: skip

free(
    "the parts of a sparse tensor, or a sparse tensor of its parts",
    "aten.values", "aten.indices", "aten.crow_indices", "aten.col_indices", "aten.ccol_indices",
    "aten.row_indices", "aten._sparse_coo_tensor_unsafe", "aten._sparse_coo_tensor_with_dims",
    "aten._sparse_compressed_tensor_unsafe", "aten._sparse_csr_tensor_unsafe",
    "aten.sparse_compressed_tensor", "aten.sparse_coo_tensor", "aten._coalesced",
    "aten.sparse_resize", "aten.sparse_resize_and_clear",
    traits=Trait.LAYOUT,
)  # fmt: skip
free(
    MOVED,
    "aten._to_dense", "aten.to_dense", "aten.sparse_mask", "aten._sparse_mask_projection",
    traits=Trait.COPIES,
)  # fmt: skip

_ROWS = "rows of different lengths, packed or padded: only moved"
free(
    _ROWS,
    "aten._nested_view_from_buffer", "aten._nested_view_from_jagged", "aten._nested_get_values",
    traits=Trait.LAYOUT,
)  # fmt: skip
free(
    _ROWS,
    "aten._nested_tensor_from_tensor_list", "aten._nested_tensor_from_mask",
    "aten._nested_from_padded", "aten._nested_from_padded_and_nested_example",
    "aten._nested_view_from_buffer_copy", "aten._nested_view_from_jagged_copy",
    "aten._nested_get_values_copy", "aten.to_padded_tensor", "aten._jagged_to_padded_dense_forward",
    "aten._padded_dense_to_jagged_forward",
    traits=Trait.COPIES,
)  # fmt: skip

_SEARCH = "search and sort: comparisons, whose number depends on the values"
free(
    _SEARCH,
    "aten.sort", "aten.argsort", "aten.topk", "aten.kthvalue", "aten.median", "aten.nanmedian",
    "aten.mode", "aten.searchsorted", "aten.bucketize", "aten.nonzero_static", "aten.isin",
    "aten.equal",
    traits=Trait.SEARCHES,
)  # fmt: skip
free(
    _SEARCH,
    "aten.unique_dim", "aten._unique", "aten._unique2", "aten.unique_consecutive",
    "aten.unique_dim_consecutive", "aten.nonzero", "torchvision.nms", "aten._to_sparse",
    "aten._to_sparse_csr",
    "aten._to_sparse_csc", "aten._to_sparse_bsr", "aten._to_sparse_bsc",
    traits=Trait.SEARCHES | Trait.VALUE_SIZED,
)  # fmt: skip

free(
    "checks a value",
    "aten._assert_async", "aten._functional_assert_async", "aten._assert_scalar",
    "aten._assert_tensor_metadata", "aten._linalg_check_errors",
    "aten._validate_sparse_coo_tensor_args", "aten._validate_sparse_compressed_tensor_args",
    "aten._validate_sparse_csr_tensor_args", "aten._validate_compressed_sparse_indices",
    traits=Trait.CHECK,
)  # fmt: skip

_CREATED = "a tensor is made"
free(
    _CREATED,
    "aten.zeros", "aten.new_zeros", "aten.ones", "aten.new_ones", "aten.full", "aten.full_like",
    "aten.new_full", "aten.arange", "aten.linspace", "aten.eye", "aten.scalar_tensor",
    "aten.tril_indices", "aten.triu_indices", "aten.logspace", "aten.fft_fftfreq",
    "aten.fft_rfftfreq", "aten.range", "aten.bartlett_window", "aten.blackman_window",
    "aten.hamming_window", "aten.hann_window", "aten.kaiser_window",
    traits=Trait.CREATES,
)  # fmt: skip
free(
    _CREATED,
    "aten.rand", "aten.rand_like", "aten.randn", "aten.randn_like", "aten.randint",
    "aten.randint_like", "aten.randperm",
    traits=Trait.CREATES | Trait.RANDOM,
)  # fmt: skip
free(
    _CREATED,
    "aten.zeros_like", "aten.ones_like",
    traits=Trait.CREATES | Trait.ELEMENTWISE,
)  # fmt: skip
free(
    _CREATED,
    "aten.empty", "aten.empty_strided", "aten.empty_permuted", "aten.new_empty",
    "aten.new_empty_strided",
    "aten._efficientzerotensor",
    traits=Trait.CREATES | Trait.UNWRITTEN,
)  # fmt: skip
free(
    _CREATED,
    "aten.empty_like",
    traits=Trait.CREATES | Trait.UNWRITTEN | Trait.ELEMENTWISE,
)  # fmt: skip
free(
    _CREATED,
    "aten.fill", "aten.zero",
    traits=Trait.CREATES | Trait.OVERWRITES,
)  # fmt: skip
free(
    _CREATED,
    "aten.uniform", "aten.normal", "aten.exponential", "aten.cauchy", "aten.geometric",
    "aten.log_normal", "aten.random",
    traits=Trait.CREATES | Trait.OVERWRITES | Trait.RANDOM,
)  # fmt: skip
# from a tensor of probabilities, or in place
free(
    _CREATED,
    "aten.bernoulli",
    traits=Trait.CREATES | Trait.OVERWRITES | Trait.RANDOM | Trait.ELEMENTWISE,
)  # fmt: skip

free(
    "asks about a tensor",
    "aten.sym_size", "aten.sym_stride", "aten.sym_numel", "aten.is_same_size",
    "aten._has_same_storage_numel",
    "aten._local_scalar_dense", "aten.item", "prim.device", "aten.is_coalesced", "aten._nnz",
    "aten.sparse_dim", "aten._dimI", "aten.dense_dim", "aten._dimV", "aten._nested_tensor_size",
    "aten._nested_tensor_strides", "aten._nested_tensor_storage_offsets",
    "aten._nested_compute_contiguous_strides_offsets",
    "aten._nested_tensor_from_mask_left_aligned",
    traits=Trait.QUERY,
)  # fmt: skip

free(
    "marks a span for the profiler",
    "profiler._record_function_enter", "profiler._record_function_enter_new",
    "profiler._record_function_exit",
    traits=Trait.MARK,
)  # fmt: skip
