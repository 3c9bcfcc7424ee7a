"""Operators that do no arithmetic and have no view, each with the reason."""

from .joins import MOVED
from .registry import free
from .views import VIEW

free(
    VIEW,
    "aten._reshape_alias", "aten.unbind", "aten.narrow", "aten.as_strided", "aten.diagonal",
    "aten.unfold", "aten.detach", "aten.alias", "aten.view_as_real", "aten.view_as_complex",
    "aten.real", "aten.imag", "aten.movedim", "aten.swapaxes", "aten.numpy_T", "aten.lift_fresh",
    "aten.set", "aten.resize", "aten.conj", "aten._conj",
)  # fmt: skip

free(
    MOVED,
    "aten.clone", "aten.copy", "aten.contiguous", "aten._to_copy", "aten.to", "aten.repeat",
    "aten.repeat_interleave", "aten.flip", "aten.roll", "aten.tril", "aten.triu",
    "aten.pixel_shuffle", "aten.pixel_unshuffle", "aten.channel_shuffle",
    "aten.native_channel_shuffle", "aten.im2col", "aten.slice_scatter", "aten.select_scatter",
    "aten.block_diag", "aten.lift_fresh_copy",
)  # fmt: skip

free(
    "a look-up: values are read by their index",
    "aten.index", "aten.index_select", "aten.gather", "aten.take",
    "aten.index_put", "aten.scatter", "aten.masked_select", "aten._unsafe_index",
)  # fmt: skip

free(
    "search and sort: comparisons, whose number depends on the values",
    "aten.sort", "aten.argsort", "aten.topk", "aten.kthvalue", "aten.median", "aten.nanmedian",
    "aten.mode", "aten.unique_dim", "aten._unique", "aten._unique2", "aten.unique_consecutive",
    "aten.unique_dim_consecutive", "aten.searchsorted", "aten.bucketize", "aten.nonzero",
    "aten.nonzero_static", "aten.isin", "aten.equal", "torchvision.nms",
)  # fmt: skip

free(
    "checks a value",
    "aten._assert_async", "aten._functional_assert_async", "aten._assert_scalar",
    "aten._assert_tensor_metadata", "aten._linalg_check_errors",
)  # fmt: skip

free(
    "a tensor is made",
    "aten.empty", "aten.empty_like", "aten.empty_strided", "aten.new_empty",
    "aten.new_empty_strided", "aten.zeros", "aten.zeros_like", "aten.new_zeros", "aten.ones",
    "aten.ones_like", "aten.new_ones", "aten.full", "aten.full_like", "aten.new_full",
    "aten.fill", "aten.zero", "aten.arange", "aten.linspace", "aten.eye", "aten.scalar_tensor",
    "aten.tril_indices", "aten.triu_indices", "aten.rand", "aten.rand_like", "aten.randn",
    "aten.randn_like", "aten.randint", "aten.randperm", "aten.bernoulli", "aten.uniform",
    "aten.normal", "aten.exponential",
)  # fmt: skip

free(
    "asks about a tensor",
    "aten.sym_size", "aten.sym_stride", "aten.sym_numel", "aten.is_same_size",
    "aten._local_scalar_dense", "aten.item", "prim.device",
)  # fmt: skip

free(
    "marks a span for the profiler",
    "profiler._record_function_enter", "profiler._record_function_enter_new",
    "profiler._record_function_exit",
)  # fmt: skip
