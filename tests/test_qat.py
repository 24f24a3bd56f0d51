"""Going forward the network is quantized; going back, the gradient is what was published."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits

from quantedu.codebooks import FP4_BITSANDBYTES, integers, uniform
from quantedu.networks import Network, adam, held_out, initial, sgd, train
from quantedu.qat import Finetuned, fake_quantize, finetune
from quantedu.quantizers import Quantizer
from quantedu.recipes import int_absmax, int_affine, nf4
from quantedu.scales import absmax, mean_abs, mse_best

BINARY, TERNARY = Quantizer(uniform(1), mean_abs), Quantizer(integers(2, narrow=True), mean_abs)
RECIPES = {
    "INT8": int_absmax(8),
    "INT4 per row": int_absmax(4, axis=-1),
    "INT3 in blocks": int_absmax(3, block_size=5),  # with a ragged tail
    "INT2": Quantizer(integers(2), mse_best),
    "UINT3 with a zero-point": int_affine(3, axis=0),
    "NF4": nf4(block_size=16),
    "FP4": Quantizer(FP4_BITSANDBYTES, absmax, axis=-1),
    "binary": BINARY,
    "ternary": TERNARY,
}
each_recipe = pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)


def weights(seed=0, shape=(6, 7)):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def groups_of(recipe, shape):
    """The number of each entry's group, entry by entry."""
    places = np.arange(np.prod(shape)).reshape(shape)
    if recipe.axis is not None:
        places = np.moveaxis(places, recipe.axis, -1).reshape(-1, shape[recipe.axis])
    else:
        places = places.reshape(1, -1)
    size, found, n = recipe.block_size or places.shape[1], np.empty(np.prod(shape), int), 0
    for row in places:
        for start in range(0, len(row), size):
            found[row[start : start + size]] = n
            n += 1
    return found.reshape(shape)


# ---------------------------------------------------------------------- forward


@each_recipe
def test_the_forward_pass_takes_at_most_2_to_the_bits_values_in_each_group(recipe):
    x, labels = load_digits(return_X_y=True)
    seen = []

    class Listening(Network):
        """Keeps the weights of every network that a loss was computed with."""

        def __post_init__(self):
            super().__post_init__()
            seen.append(self.layers)

    original = Network.from_parameters
    with pytest.MonkeyPatch.context() as patch:
        build = Listening.from_parameters
        patch.setattr(Network, "from_parameters", lambda p, **options: build(p, **options))
        net = initial((64, 8, 10), np.random.default_rng(0))
        done = finetune(net, x[:96], labels[:96], 1, np.random.default_rng(1), recipe, rate=1e-3)
    assert Network.from_parameters == original
    assert len(seen) >= 3
    for layers in [*seen[: 96 // 32], done.network.layers]:
        for w in layers.values():
            groups = groups_of(recipe, w.shape)
            for group in range(groups.max() + 1):
                assert len(np.unique(w[groups == group])) <= 2**recipe.codebook.bits


@each_recipe
def test_fake_quantization_is_the_recipe_itself(recipe):
    w = weights()
    assert np.array_equal(fake_quantize(w, recipe)[0], recipe(w))
    scale = 0.7 * recipe.fit(w)[0]
    w_hat = fake_quantize(w, recipe, scale)[0]
    assert np.array_equal(w_hat, recipe.quantize(w, scale).dequantize())


# ---------------------------------------------------------------------- backward


@each_recipe
@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10**6))
def test_the_straight_through_gradient_is_that_of_the_ramp_which_the_staircase_climbs(recipe, seed):
    """The ramp min(max(w, low), high), its ends half a step beyond the end levels, differenced."""
    w, upstream = weights(seed).astype(np.float64), weights(seed + 1)
    scale, zero = recipe.fit(w)
    level = np.unique(recipe.codebook.levels)
    level = level[np.isfinite(level)]
    groups = groups_of(recipe, w.shape)
    s = scale[groups, 0].astype(np.float64)
    z = zero[groups, 0] if np.ndim(zero) else 0.0
    low = s * (1.5 * level[0] - 0.5 * level[1] - z)
    high = s * (1.5 * level[-1] - 0.5 * level[-2] - z)
    step = 1e-6
    by_hand = (np.clip(w + step, low, high) - np.clip(w - step, low, high)) / (2 * step)
    away = np.minimum(abs(w - low), abs(w - high)) > 1e-5
    got = fake_quantize(w.astype(np.float32), recipe)[1](upstream)[0]
    assert np.allclose(got[away], (upstream * by_hand)[away], atol=1e-6)


def lsq_spec(w, scale, low, high, upstream):
    """Esser et al., equations 3 and 5, and the gradient scale of section 2.2: one by one."""
    by_w, by_s = [], 0.0
    for v, g in zip((w / scale).ravel().tolist(), upstream.ravel().tolist()):
        if v <= low:
            d_w, d_s = 0.0, low
        elif v >= high:
            d_w, d_s = 0.0, high
        else:
            d_w, d_s = 1.0, round(v) - v
        by_w.append(g * d_w)
        by_s += g * d_s
    return np.reshape(by_w, w.shape), by_s / (w.size * high) ** 0.5


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
@pytest.mark.parametrize("scale", [0.02, 0.3, 1.0])
def test_the_learned_steps_gradient_is_the_published_formula(bits, scale):
    w, upstream = weights(), weights(1)
    _, pull = fake_quantize(w, int_absmax(bits), scale)
    by_w, by_scale = pull(upstream)
    expected_w, expected_s = lsq_spec(
        w, np.float32(scale), -(2.0 ** (bits - 1)), 2.0 ** (bits - 1) - 1, upstream
    )
    assert np.allclose(by_w, expected_w)
    assert by_scale.shape == (1, 1)
    assert np.isclose(by_scale.item(), expected_s, rtol=1e-4)


@each_recipe
def test_each_group_has_a_step_of_its_own_and_its_gradient_is_that_of_the_group_alone(recipe):
    if np.ndim(recipe.fit(weights())[1]):
        pytest.skip("a learned scale has no zero-point")
    w, upstream, groups = weights(), weights(1), groups_of(recipe, (6, 7))
    scale = recipe.fit(w)[0]
    by_scale = fake_quantize(w, recipe, scale)[1](upstream)[1]
    assert by_scale.shape == scale.shape
    alone = Quantizer(recipe.codebook, recipe.scale_rule)
    for group, one in enumerate(scale):
        mine = groups == group
        expected = fake_quantize(w[mine], alone, one)[1](upstream[mine])[1]
        assert np.isclose(by_scale[group], expected.item(), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("recipe", [int_absmax(3), BINARY, TERNARY], ids=["INT3", "1", "ternary"])
def test_beyond_the_end_levels_the_learned_steps_gradient_is_that_of_finite_differences(recipe):
    """There x̂ = end · scale exactly, no straight-through needed."""
    w, scale, step = np.array([9.0, -8.0, 7.5], dtype=np.float32), 1.0, 2.0**-10
    by_scale = fake_quantize(w, recipe, scale)[1](np.ones(3))[1].item()
    ends = [fake_quantize(w, recipe, scale + d)[0].sum() for d in (step, -step)]
    assert np.isclose(
        by_scale * (3 * recipe.codebook.max) ** 0.5, (ends[0] - ends[1]) / (2 * step), atol=1e-3
    )


def test_the_sign_passes_its_gradient_between_minus_two_and_two_mean_magnitudes():
    w = np.array([-5.0, -1.0, 0.5, 1.0, 2.5], dtype=np.float32)  # mean magnitude 2
    w_hat, pull = fake_quantize(w, BINARY)
    assert w_hat.tolist() == [-2, -2, 2, 2, 2]
    assert pull(np.full(5, 3.0))[0].tolist() == [0, 3, 3, 3, 3]


def test_a_group_of_zeros_lets_its_gradient_through():
    w_hat, pull = fake_quantize(np.zeros((2, 3), dtype=np.float32), BINARY)
    assert not w_hat.any()
    assert pull(np.ones((2, 3)))[0].all()


# ---------------------------------------------------------------------- training


def digits():
    x, labels = load_digits(return_X_y=True)
    test = held_out(labels)
    return (x / 16)[~test], labels[~test], (x / 16)[test], labels[test]


@pytest.fixture(scope="module")
def trained():
    x, labels, _, _ = digits()
    rng = np.random.default_rng(0)
    return train(initial((64, 32, 10), rng), x, labels, 25, rng)


@pytest.mark.parametrize(
    ("learn_scales", "optimizer", "rate"), [(False, adam, 1e-3), (True, sgd, 0.05)]
)
@pytest.mark.parametrize("recipe", [BINARY, TERNARY], ids=["binary", "ternary"])
def test_a_few_epochs_win_most_of_what_binary_and_ternary_weights_lost(
    trained, recipe, learn_scales, optimizer, rate
):
    x, labels, unseen, right = digits()
    how = {"learn_scales": learn_scales, "optimizer": optimizer, "rate": rate}
    before = trained.with_weights(recipe).accuracy(unseen, right)
    for seed in range(2):
        done = finetune(trained, x, labels, 6, np.random.default_rng(seed), recipe, **how)
        after = done.network.accuracy(unseen, right)
        assert after - before > 0.5 * (trained.accuracy(unseen, right) - before) > 0


def test_training_from_scratch_reaches_90_percent_with_one_bit_a_weight():
    x, labels, unseen, right = digits()
    for seed in range(2):
        rng = np.random.default_rng(seed)
        done = finetune(initial((64, 64, 10), rng), x, labels, 15, rng, BINARY)
        assert done.network.accuracy(unseen, right) > 0.9
        assert set(np.unique(done.tensors["output"].values)) == {-1, 1}


def test_only_the_named_layers_are_quantized_and_learned_scales_are_kept(trained):
    x, labels, _, _ = digits()
    done = finetune(
        *(trained, x, labels, 1, np.random.default_rng(0), {"output": int_absmax(4)}),
        learn_scales=True,
        optimizer=sgd,
        rate=0.05,
    )
    assert list(done.tensors) == ["output"]
    assert len(np.unique(done.network.layers["output"])) <= 16 < 300
    assert len(np.unique(done.network.layers["hidden1"])) > 1000
    assert done.tensors["output"].scale != int_absmax(4).fit(trained.layers["output"])[0]
    assert np.array_equal(done.network.layers["hidden1"], done.latent.layers["hidden1"])


def test_recipes_for_activations_take_part(trained):
    x, labels, unseen, right = digits()
    coarse = trained.with_activations(int_absmax(2, axis=-1))
    done = finetune(coarse, x, labels, 6, np.random.default_rng(0), int_absmax(4), rate=1e-3)
    assert done.network.activations == coarse.activations
    before = coarse.with_weights(int_absmax(4)).accuracy(unseen, right)
    assert done.network.accuracy(unseen, right) > before + 0.01


def test_no_epochs_of_finetuning_are_quantization_after_training(trained):
    x, labels, unseen, _ = digits()
    done = finetune(trained, x, labels, 0, np.random.default_rng(0), int_absmax(3))
    expected = trained.with_weights(int_absmax(3)).forward(unseen)
    assert np.array_equal(done.network.forward(unseen), expected)


def test_an_unknown_layer_is_refused(trained):
    x, labels, _, _ = digits()
    with pytest.raises(ValueError, match=r"no layer \['hidden9'\]"):
        finetune(trained, x, labels, 1, np.random.default_rng(0), {"hidden9": BINARY})


def test_a_learned_scale_has_no_zero_point_and_says_so(trained):
    x, labels, _, _ = digits()
    with pytest.raises(ValueError, match=r"without a zero-point, and Quantizer\(UINT4, min_max\)"):
        finetune(
            *(trained, x, labels, 1, np.random.default_rng(0), int_affine(4)), learn_scales=True
        )


def test_training_quantizes_by_quantizers_only(trained):
    x, labels, _, _ = digits()
    with pytest.raises(TypeError, match="recipes in training are Quantizers, not <function round"):
        finetune(trained, x, labels, 1, np.random.default_rng(0), np.round)


def test_labels_that_do_not_fit_are_refused_before_finetuning(trained):
    x, labels, _, _ = digits()
    with pytest.raises(ValueError, match="one for each input"):
        finetune(trained, x, np.append(labels, 0), 1, np.random.default_rng(0), int_absmax(4))


@pytest.mark.parametrize("again", [copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))])
def test_what_finetuning_gives_is_copied_and_pickled_and_as_frozen(trained, again):
    done = Finetuned(trained, {"output": int_absmax(4).quantize(trained.layers["output"])})
    _, _, unseen, _ = digits()
    assert np.array_equal(again(done).network.forward(unseen), done.network.forward(unseen))
    with pytest.raises(TypeError, match="does not support item assignment"):
        again(done).tensors["output"] = None


def test_a_diverging_learned_scale_stops_with_the_last_good_one(trained):
    x, labels, _, _ = digits()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        done = finetune(
            *(trained, x, labels, 2, np.random.default_rng(0), int_absmax(8)),
            learn_scales=True,
            optimizer=sgd,
            rate=1e3,
        )
    assert all(np.isfinite(w).all() for w in done.network.layers.values())


def test_a_weight_exactly_on_the_end_level_counts_as_beyond_it_as_published():
    w = np.array([-2.0, 1.0], dtype=np.float32)
    _, pull = fake_quantize(w, Quantizer(integers(2), absmax), scale=1.0)
    by_w, by_scale = pull(np.array([1.0, 3.0]))
    assert by_w.tolist() == [0, 0]
    assert np.isclose(by_scale.item(), (-2 + 3 * 1) / np.sqrt(2))


def test_a_centre_moves_the_ends_beyond_which_the_gradient_stops():
    """Sign weights about their mean: w − mean within two mean magnitudes lets the gradient pass."""
    recipe = Quantizer(BINARY.codebook, mean_abs, center=np.mean)
    w = np.float32([100, 101, 102, 103, 114])  # mean 104; beside it −4, −3, −2, −1, 10; magnitude 4
    w_hat, pull = fake_quantize(w, recipe)
    assert w_hat.tolist() == [100, 100, 100, 100, 108]
    assert pull(np.ones(5, np.float32))[0].tolist() == [1, 1, 1, 1, 0]


@pytest.mark.parametrize("recipe", [np.round, "int8", None, 4])
def test_only_a_quantizer_has_a_way_back(recipe):
    with pytest.raises(TypeError, match="a recipe in training is a Quantizer, not"):
        fake_quantize(weights(), recipe)


@pytest.mark.parametrize("gradient", [1.0, np.ones(7), np.ones((7, 6)), np.ones((1, 6, 7))])
def test_a_gradient_of_another_shape_is_not_stretched(gradient):
    for scale in (None, 0.5):
        pull = fake_quantize(weights(), int_absmax(4), scale)[1]
        with pytest.raises(ValueError, match=r"the gradient has shape .*, but w has \(6, 7\)"):
            pull(gradient)


@pytest.mark.parametrize("learn_scales", [False, True])
@pytest.mark.parametrize("recipe", [int_absmax(4), BINARY, nf4(block_size=16)])
def test_finetuning_that_diverges_ends_with_a_warning_and_finite_numbers(recipe, learn_scales):
    x, labels, _, _ = digits()
    start = initial((64, 8, 10), np.random.default_rng(0)).with_activations(int_absmax(8))
    with pytest.warns(RuntimeWarning, match="met NaN or infinity"):
        done = finetune(
            *(start, x[:96], labels[:96], 4, np.random.default_rng(0), recipe),
            learn_scales=learn_scales,
            optimizer=sgd,
            rate=1e30,
        )
    for net in (done.latent, done.network):
        assert all(np.isfinite(p).all() for p in net.parameters.values())
