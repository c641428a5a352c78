"""Why a row of ``ops.py`` takes more than 1.5 times as long as torch. Pass: one NumPy function over all elements."""

PASSES = "A pass of NumPy costs 0.08 to 0.1 ns per element even in the cache; torch does all in one loop. "
CALLS = "Small: a NumPy call costs 0.4 to 1.5 us, and torch's whole op is one call. "
LAPACK = "numpy.linalg calls the same LAPACK, matrix by matrix, through copies to Fortran order; what it lacks is put together. "
SERIAL = (
    "One product after the other, of blocks of lines side by side: each waits for the last, and is a call of NumPy. "
)
STEPS = "Ten calls of NumPy for each frame forward and four back, of 0.3 to 1 us; torch's whole frame is one loop. "
CORNERS = (
    "`take` of every corner (1 ns), and some twenty passes over the points. Backward: `np.add.at` (1.6 ns a corner). "
)

REASONS = {
    "x + row": "NumPy starts its inner loop anew for every row of 100: 15 to 60 ns each.",
    "x * column": "NumPy starts its inner loop anew for every row of 100: 15 to 60 ns each.",
    "x ** 3": PASSES + "Two products.",
    "relu": PASSES
    + "Backward: four passes that make bits of a comparison, since `where` is ten times slower on random masks.",
    "leaky_relu": PASSES + "Forward two, backward six, since `where` is ten times slower on random masks.",
    "gelu": PASSES
    + "17 passes: a polynomial of degree 6 in x^2, then tanh (0.37 ns). Backward takes the cdf from the result.",
    "silu": PASSES + "Negate, exp (0.46 ns), add, divide.",
    "sigmoid": PASSES
    + "Negate, expm1 (0.36 ns), add, divide; 1/2 + tanh(x / 2) / 2 is no faster and loses small results.",
    "softplus": PASSES + "Seven, with exp and log1p.",
    "erf": PASSES + "15 passes, the last of them tanh.",
    "amax, last axis": "NumPy's maximum keeps NaN by an extra comparison.",
    "sum, all": "einsum's loop reads 14 GB/s; NumPy has no faster sum.",
    "mean, last axis": "einsum's loop reads 14 GB/s; NumPy has no faster sum.",
    "mean, all": "einsum's loop reads 14 GB/s; NumPy has no faster sum.",
    "sum, last axis": "einsum's loop reads 14 GB/s; NumPy has no faster sum.",
    "cumsum, last axis": "A product with a triangle of ones instead of a serial loop: ten times the arithmetic.",
    "softmax 512x1000": PASSES
    + "Range, exp (0.46 ns), sum, scale; backward: product and sum by BLAS, subtract, multiply.",
    "softmax 8x8x128x128": PASSES
    + "Range, exp (0.46 ns), sum, scale; backward: product and sum by BLAS, subtract, multiply.",
    "log_softmax 512x1000": PASSES + "Range, exp (0.46 ns), sum, subtract; backward: exp, multiply, subtract.",
    "cross_entropy 64x10": CALLS + "Ten calls forward, six back, and a check of the targets.",
    "cross_entropy 512x1000": PASSES,
    "smooth_l1_loss 1000x100": PASSES + "Subtract, clip, three products and sums, mean; with numba one and the mean.",
    "mse_loss 1000x100": PASSES,
    "layer_norm 64x32x128": PASSES + "Six; and NumPy starts its inner loop anew for every row.",
    "layer_norm 512x768": PASSES + "Six; torch needs two.",
    "batch_norm 32x32x16x16": PASSES + "Five back.",
    "layer_norm 32x64": CALLS + "Eight calls forward, twelve back; with numba one each.",
    "batch_norm 32x64": CALLS + "Ten calls forward, twelve back; with numba one each.",
    "group_norm 8x16x16x16": PASSES + "Four forward, seven back, and four reshapes; with numba two each.",
    "nll_loss 64x10": CALLS + "Two ops, six calls, and a check of the targets.",
    "bce_with_logits 64x10": CALLS,
    "ctc_loss 12x2x5, labels 3": STEPS,
    "ctc_loss 50x16x20, labels 15": STEPS,
    "grid_sample 1x1x4x4": CALLS + "Twenty-five forward.",
    "grid_sample 4x3x28x28": CORNERS,
    "grid_sample 8x16x64x64": CORNERS,
    "pdist 300x64": "Distances from one product in float64 (twice the pairs), a fifth for finding the upper triangle.",
    "cdist 100x16": CALLS + "About fifteen, beside the product.",
    "batch_norm 32x32x16x16, channels last": PASSES + "Four.",
    "group_norm 8x16x16x16, channels last": PASSES + "Four, and a copy that brings each group together.",
    "gelu 64x64": CALLS + "17 passes.",
    "GRUCell 32x64": CALLS + "Eleven for the cell, four for the two products.",
    "LSTMCell 32x64": CALLS + "Twelve for the cell, four for the two products.",
    "attention 8x8x64x64": PASSES + "Softmax of the scores; the products are as fast as torch's.",
    "attention 8x8x128x64": PASSES + "Softmax of the scores; the products are as fast as torch's.",
    "attention 8x8x256x64": PASSES + "Softmax of the scores; the products are as fast as torch's.",
    "attention 8x8x128x64, causal": PASSES + "torch skips what lies above the diagonal.",
    "cumprod": SERIAL,
    "cummax": "Ten passes for the values, each over twice as many elements as the last; then each place is repeated up to the next.",
    "kthvalue 5": "The derivative writes to one place in each line of zeros.",
    "normalize": PASSES,
    "flip": "NumPy copies backwards element by element.",
    "qr 64x64": LAPACK + "Two calls: the reflections, then Q.",
    "svdvals 64x64": LAPACK + "The derivative needs the singular vectors: a second factorisation.",
    "eigvalsh 64x64": LAPACK + "The derivative needs the eigenvectors: a second factorisation.",
    "lu_factor 64x64": LAPACK + "NumPy does not show LAPACK's LU: ours is a loop over blocks of columns in Python.",
    "cholesky 64x64": LAPACK,
    "fft 512x1024": "NumPy's pocketfft has no vector instructions for one line; torch calls MKL.",
    "rfft 512x1024": "NumPy's pocketfft has no vector instructions for one line; torch calls MKL. Backward is a full transform.",
    "erf, float64, 1000x100": "Two rational functions of Cephes for every element, 50 passes (0.2 ns each), chosen between afterwards by bits.",
    "gelu, float64, 1000x100": "As erf of float64.",
    "embedding 30000x128, 4096 rows": "NumPy's `take` of rows, and two passes that check the indices.",
    "embedding 1000x64, 32x64 rows": "NumPy's `take` of rows, and two passes that check the indices.",
    "x[rows, columns]": "Two passes check the bounds of each index array, two make flat positions of them, then `take`.",
    "x[:, 10:20]": CALLS,
    "gather": "A pass checks the bounds, one makes flat positions (row by row), then `take`: as many as the copy itself.",
    "index_add, dim 0": "Sorting the indices (a fifth), taking the rows in that order (a third), adding run to run; torch adds row by row.",
    "index_select": "NumPy's `take` of rows, and two passes that check the indices. Backward as index_add.",
    "scatter_add, dim 0": "`np.add.at` on flat positions: 1.6 ns an element.",
    "cat of 4, 250x100": CALLS + "The copy itself takes as long as torch's.",
    "stack of 4, 250x100": CALLS + "The copy itself takes as long as torch's.",
    "pad 32x16x32x32 by 1": "Zeros first, then the copy inside: every element is written twice.",
    "linear 64x784 to 256": "NumPy adds the bias in a pass of its own; for one small product OpenBLAS is a tenth slower than MKL.",
}
