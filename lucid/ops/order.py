"""Order, counting and drawing: ops of indices and counts, without derivatives (values are gathered with the indices)."""

from ..core.op import nondifferentiable

topk_indices = nondifferentiable("topk_indices", params=("k", "axis", "largest"), promote=None, real_only=True)
kth_index = nondifferentiable("kth_index", params=("k", "axis"), promote=None, real_only=True)
mode_index = nondifferentiable("mode_index", params=("axis",), promote=None, real_only=True)
unique, unique_consecutive = (
    nondifferentiable(name, params=("axis",), promote=None) for name in ("unique", "unique_consecutive")
)
bincount = nondifferentiable("bincount", params=("minlength",), promote=None)
bincount_weighted = nondifferentiable("bincount_weighted", 2, params=("minlength",), promote=None)
histc = nondifferentiable("histc", params=("bins", "low", "high"), promote=None)
histogram_counts = nondifferentiable("histogram_counts", 2, promote=None)
histogram_weights = nondifferentiable("histogram_weights", 3, promote=None)
multinomial_indices = nondifferentiable("multinomial_indices", 2, promote=None)
