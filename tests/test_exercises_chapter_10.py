"""Answers a learner may well give to chapter 10's exercises: wrong ones are told so, right ones
pass whatever their style."""

import numpy as np

from quantedu.exercises import chapter_10
from quantedu.metrics import mse
from quantedu.networks import Network
from quantedu.ptq import SplitOutliers, smoothing
from quantedu.recipes import int_absmax


def a_scale_for_each_channel(x):
    codes = np.rint(x / np.abs(x).max(axis=0) * 127)
    return [len(np.unique(column)) for column in codes.T]


def a_scale_for_each_token(x):
    codes = np.rint(x / np.abs(x).max(axis=1, keepdims=True) * 127)
    return [len(np.unique(column)) for column in codes.T]


def codes_within_reach(x):
    return 2 * np.rint(127 * np.abs(x).max(axis=0) / np.abs(x).max()) + 1


def rows_for_columns(x):
    codes = np.rint(x / np.abs(x).max() * 127)
    return [len(np.unique(row)) for row in codes]


def ratio_of_maxima(x, matrices, alpha):
    s = np.abs(x).max(axis=0) / np.abs(np.concatenate(matrices)).max(axis=0)
    return np.where(s > 0, s, 1) ** alpha


def alpha_on_the_weights(x, matrices, alpha):
    return chapter_10.smoothing_scales.spec(x, matrices, 1 - alpha)


def the_first_matrix_only(x, matrices, alpha):
    return chapter_10.smoothing_scales.spec(x, matrices[:1], alpha)


def largest_without_its_sign(x, matrices, alpha):
    loudest, heaviest = x.max(axis=0), np.abs(np.concatenate(matrices)).max(axis=0)
    return np.where(loudest > 0, np.maximum(loudest, 0) ** alpha / heaviest ** (1 - alpha), 1)


def silent_channels_divide_by_zero(x, matrices, alpha):
    heaviest = np.abs(np.concatenate(matrices)).max(axis=0)
    return np.abs(x).max(axis=0) ** alpha / heaviest ** (1 - alpha)


def one_maximum_for_all(x, matrices, alpha):
    s = np.abs(x).max() ** alpha / np.abs(np.concatenate(matrices)).max() ** (1 - alpha)
    return np.full(x.shape[1], s)


def gain_multiplied(gain, matrices, s):
    return gain * s, [w / s for w in matrices]


def rows_multiplied(gain, matrices, s):
    return gain / s, [w * s[: len(w), None] for w in matrices]


def weights_divided_too(gain, matrices, s):
    return gain / s, [w / s for w in matrices]


def gain_forgotten(gain, matrices, s):
    return gain, [w * s for w in matrices]


def first_matrix_scaled(gain, matrices, s):
    return gain / s, [matrices[0] * s, *matrices[1:]]


def one_matrix_returned(gain, matrices, s):
    return gain / s, matrices[0] * s


def _int8(part):
    scale = np.abs(part).max(axis=1, keepdims=True, initial=0) / 127
    return np.rint(part / np.where(scale == 0, 1, scale)) * scale


def above_and_not_at_the_threshold(x, w, threshold):
    loud = (np.abs(x) > threshold).any(axis=0)
    return _int8(x[:, ~loud]) @ _int8(w[:, ~loud]).T + x[:, loud] @ w[:, loud].T


def scales_found_with_the_loud(x, w, threshold):
    loud = (np.abs(x) >= threshold).any(axis=0)
    return _int8(x)[:, ~loud] @ _int8(w)[:, ~loud].T + x[:, loud] @ w[:, loud].T


def loud_entries_instead_of_columns(x, w, threshold):
    loud = np.abs(x) >= threshold
    return _int8(np.where(loud, 0, x)) @ _int8(w).T + np.where(loud, x, 0) @ w.T


def loud_tokens_instead_of_channels(x, w, threshold):
    loud = (np.abs(x) >= threshold).any(axis=1)
    return np.where(loud[:, None], x @ w.T, _int8(x) @ _int8(w).T)


def loud_columns_dropped(x, w, threshold):
    loud = (np.abs(x) >= threshold).any(axis=0)
    return _int8(x[:, ~loud]) @ _int8(w[:, ~loud]).T


def nothing_in_integers(x, w, threshold):
    return x @ w.T


def rows_of_zeros_become_not_a_number(x, w, threshold):
    loud = (np.abs(x) >= threshold).any(axis=0)
    part = x[:, ~loud]
    scale = np.abs(part).max(axis=1, keepdims=True, initial=0) / 127
    with np.errstate(invalid="ignore"):
        quiet = np.rint(part / scale) * scale
    return quiet @ _int8(w[:, ~loud]).T + x[:, loud] @ w[:, loud].T


def _rounded(a, bits):
    scale = np.abs(a).max() / (2 ** (bits - 1) - 1)
    return np.rint(a / scale) * scale


def _smoothed(x, w, alpha):
    s = np.abs(x).max(axis=0) ** alpha / np.abs(w).max(axis=0) ** (1 - alpha)
    return x / s, w * s


def always_a_half(x, w, bits, alphas):
    return 0.5


def error_of_the_activations_only(x, w, bits, alphas):
    def error(alpha):
        x_s, w_s = _smoothed(x, w, alpha)
        return mse(_rounded(x_s, bits) @ w_s.T, x @ w.T)

    return min(alphas, key=error)


def error_of_the_weights_only(x, w, bits, alphas):
    def error(alpha):
        x_s, w_s = _smoothed(x, w, alpha)
        return mse(x_s @ _rounded(w_s, bits).T, x @ w.T)

    return min(alphas, key=error)


def the_worst(x, w, bits, alphas):
    def error(alpha):
        x_s, w_s = _smoothed(x, w, alpha)
        return mse(_rounded(x_s, bits) @ _rounded(w_s, bits).T, x @ w.T)

    return max(alphas, key=error)


WRONG = {
    "used_codes": [
        a_scale_for_each_channel,
        a_scale_for_each_token,
        codes_within_reach,
        rows_for_columns,
    ],
    "smoothing_scales": [
        ratio_of_maxima,
        alpha_on_the_weights,
        the_first_matrix_only,
        largest_without_its_sign,
        silent_channels_divide_by_zero,
        one_maximum_for_all,
    ],
    "fold": [
        gain_multiplied,
        rows_multiplied,
        weights_divided_too,
        gain_forgotten,
        first_matrix_scaled,
        one_matrix_returned,
    ],
    "split_product": [
        above_and_not_at_the_threshold,
        scales_found_with_the_loud,
        loud_entries_instead_of_columns,
        loud_tokens_instead_of_channels,
        loud_columns_dropped,
        nothing_in_integers,
        rows_of_zeros_become_not_a_number,
    ],
    "choose_alpha": [
        always_a_half,
        error_of_the_activations_only,
        error_of_the_weights_only,
        the_worst,
    ],
}


def codes_of_the_library(x):
    values = int_absmax(8).quantize(x).values
    return [len({*column.tolist()}) for column in values.T]


def scales_by_powers(x, matrices, alpha):
    loudest = np.abs(x).max(axis=0)
    heaviest = np.max([np.abs(w).max(axis=0) for w in matrices], axis=0)
    s = np.exp(alpha * np.log(np.where(loudest > 0, loudest, 1)) - (1 - alpha) * np.log(heaviest))
    s[loudest == 0] = 1
    return s.tolist()


def scales_of_the_library(x, matrices, alpha):
    n_in, w = x.shape[1], np.concatenate(matrices)
    net = Network({"a": np.eye(n_in), "b": w}, {"a": np.zeros(n_in), "b": np.zeros(len(w))})
    return smoothing(net, {"b": x}, alpha)["b"]


def fold_by_diagonals(gain, matrices, s):
    return np.linalg.inv(np.diag(s)) @ gain, tuple(w @ np.diag(s) for w in matrices)


def product_by_recipes(x, w, threshold):
    loud = (np.abs(x) >= threshold).any(axis=0)
    x_hat = SplitOutliers(threshold)(x)
    w_hat = w.copy()
    if not loud.all():
        w_hat[:, ~loud] = int_absmax(8, axis=-1)(w[:, ~loud])
    return x_hat @ w_hat.T


def alpha_by_numpy(x, w, bits, alphas):
    errors = []
    for alpha in alphas:
        x_s, w_s = _smoothed(x, w, alpha)
        errors.append(np.linalg.norm(_rounded(x_s, bits) @ _rounded(w_s, bits).T - x @ w.T))
    return alphas[int(np.argmin(errors))]


RIGHT = {
    "used_codes": [codes_of_the_library],
    "smoothing_scales": [scales_by_powers, scales_of_the_library],
    "fold": [fold_by_diagonals],
    "split_product": [product_by_recipes],
    "choose_alpha": [alpha_by_numpy],
}


def test_in_the_chapters_first_example_two_of_four_channels_have_one_code_left():
    x = next(iter(chapter_10.used_codes.cases(np.random.default_rng(0))))[0]
    assert chapter_10.used_codes.spec(x).tolist() == [1, 2, 2, 1]


def test_folding_leaves_what_the_matrices_give_as_it_was():
    rng = np.random.default_rng(1)
    normalized, gain, w = rng.standard_normal((5, 4)), rng.uniform(1, 2, 4), np.eye(4)[:3]
    new_gain, [new_w] = chapter_10.fold.spec(gain, [w], rng.uniform(0.1, 10, 4))
    assert np.allclose((normalized * new_gain) @ new_w.T, (normalized * gain) @ w.T)


def test_the_split_beats_plain_int8_where_a_channel_is_loud():
    *_, (x, w, threshold) = chapter_10.split_product.cases(np.random.default_rng(2))
    spec = chapter_10.split_product.spec
    assert mse(spec(x, w, threshold), x @ w.T) < mse(spec(x, w, 1e9), x @ w.T) / 4


def test_the_best_alpha_depends_on_who_is_loud():
    cases = chapter_10.choose_alpha.cases(np.random.default_rng(0))
    assert len({chapter_10.choose_alpha.spec(*case) for case in cases}) > 1
