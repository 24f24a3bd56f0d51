"""Networks as plain data, to try recipes on; and a small one that reads digits."""

import dataclasses
import functools
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from tqdm import tqdm

from quantedu import _checks

DATA = Path(__file__).parent / "data"

Recipe = Callable[[Any], Any]  # array -> array of the same shape, such as a Quantizer
Recipes = Recipe | Mapping[str, Recipe]
Parameters = Mapping[str, Any]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A model whose matrices can be seen, replaced and listened to, layer by layer.

    A kind of model is a subclass: a frozen dataclass with a `forward` in which each x @ W.T is
    `self._linear(name, x)`. The rest comes from here.

    Parameters
    ----------
    layers : name → float32 weights [n_out, n_in], read-only
    activations : name → recipe for what enters that layer; see `with_activations`

    Raises
    ------
    TypeError, ValueError
        If weights are no real numbers, or not finite as float32.

    Examples
    --------
    >>> @dataclasses.dataclass(frozen=True, eq=False, repr=False)
    ... class Line(Model):
    ...     def forward(self, inputs):
    ...         return self._linear("line", np.float32(inputs))
    >>> Line({"line": [[2, 1]]}).with_activations(np.floor).forward([[1.5, 1.5]])
    array([[3.]], dtype=float32)
    """

    layers: Mapping[str, np.ndarray]
    activations: Mapping[str, Recipe] = dataclasses.field(default_factory=dict, kw_only=True)

    def __post_init__(self) -> None:
        self._freeze("layers", 2)
        object.__setattr__(self, "activations", MappingProxyType(dict(self.activations)))

    def _freeze(self, field: str, ndim: int) -> None:
        """Make a field a read-only mapping to float32 arrays of so many axes."""
        frozen = {
            name: _frozen(array, f"{field}[{name!r}]", ndim)
            for name, array in dict(getattr(self, field)).items()
        }
        object.__setattr__(self, field, MappingProxyType(frozen))

    def __repr__(self) -> str:
        shapes = (f"{name} {w.shape[0]}×{w.shape[1]}" for name, w in self.layers.items())
        return f"<{type(self).__name__} {', '.join(shapes)}>"

    def __reduce__(self) -> Any:  # read-only mappings can be neither copied nor pickled
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        plain = {k: dict(v) if isinstance(v, MappingProxyType) else v for k, v in fields.items()}
        return _build, (type(self), plain)

    def forward(self, inputs: Any) -> np.ndarray:
        """The scores that inputs get; each kind of model says how."""
        raise NotImplementedError(f"{type(self).__name__} must say what forward does")

    def _linear(self, name: str, x: np.ndarray) -> np.ndarray:
        """What layer `name` makes of x [..., n_in]: x @ W.T, after the layer's recipe for x."""
        weights = self.layers[name]
        return (self._entering(name, x) @ weights.T).reshape(*x.shape[:-1], len(weights))

    def _entering(self, name: str, x: np.ndarray) -> np.ndarray:
        """What enters the matmul of layer `name` for x [..., n_in]: float32 [n, n_in]."""
        n_in = self.layers[name].shape[1]
        if not x.ndim or x.shape[-1] != n_in:
            raise ValueError(f"layer {name!r} takes [..., {n_in}], but got shape {x.shape}")
        x = x.reshape(-1, n_in)
        recipe = self.activations.get(name)
        return x if recipe is None else _applied(recipe, x, name)

    def _recipes(self, recipe: Recipes, layers: Iterable[str] | None) -> dict[str, Recipe]:
        """The recipe of each layer that is meant; unknown names are refused."""
        each = recipe if isinstance(recipe, Mapping) else dict.fromkeys(self.layers, recipe)
        names = [layers] if isinstance(layers, str) else list(each if layers is None else layers)
        if unknown := sorted({*names, *each} - {*self.layers}):
            raise ValueError(f"no layer {unknown}; this network has {list(self.layers)}")
        return {name: each[name] for name in names if name in each}

    def with_weights(self, recipe: Recipes, layers: Iterable[str] | None = None) -> Self:
        """The model with recipe(W) in place of W.

        Parameters
        ----------
        recipe : function of an array that keeps its shape, such as a Quantizer; or name → function
        layers : names; None is all, or all that `recipe` names

        Raises
        ------
        ValueError
            If a name is unknown, or a recipe changes the shape.

        Examples
        --------
        >>> net = Network({"one": [[1.4, -1.6]], "two": [[2.6]]}, {"one": [0], "two": [1]})
        >>> {name: w.tolist() for name, w in net.with_weights(np.round, ["two"]).layers.items()}
        {'one': [[1.399999976158142, -1.600000023841858]], 'two': [[3.0]]}
        """
        changed = dict(self.layers)
        for name, function in self._recipes(recipe, layers).items():
            changed[name] = _applied(function, changed[name], name)
        return dataclasses.replace(self, layers=changed)

    def with_activations(self, recipe: Recipes, layers: Iterable[str] | None = None) -> Self:
        """The model in which recipe(x) enters the matmul of a layer, x [n, n_in] float32.

        Parameters and errors as for `with_weights`; a second recipe for a layer replaces the first.

        >>> net = Network({"one": [[1, -1]]}, {"one": [0]})
        >>> net.with_activations(np.floor).forward([[3.9, 1.5]])
        array([[2.]], dtype=float32)
        """
        added = self._recipes(recipe, layers)
        return dataclasses.replace(self, activations={**self.activations, **added})

    def record(self, inputs: Any, layers: Iterable[str] | None = None) -> dict[str, np.ndarray]:
        """What enters each layer's matmul on these inputs, before a recipe changes it.

        Parameters
        ----------
        inputs : as `forward` takes them
        layers : names; None is all

        Returns
        -------
        name → float32 [n, n_in]; a layer that runs several times has its inputs one after another

        Examples
        --------
        >>> net = Network({"one": [[1, -1]], "two": [[2]]}, {"one": [0], "two": [1]})
        >>> {name: x.tolist() for name, x in net.record([[3, 1], [1, 3]]).items()}
        {'one': [[3.0, 1.0], [1.0, 3.0]], 'two': [[2.0], [0.0]]}
        """
        seen: dict[str, list[np.ndarray]] = {name: [] for name in self._recipes(np.array, layers)}

        def listener(name: str) -> Recipe:
            def listen(x: np.ndarray) -> Any:
                seen[name].append(x.copy())
                return self.activations.get(name, np.asarray)(x)

            return listen

        self.with_activations({name: listener(name) for name in seen}).forward(inputs)
        return {name: np.concatenate(found) for name, found in seen.items() if found}

    @property
    def rescalable(self) -> tuple[tuple[str, ...], ...]:
        """Which layers `rescale_inputs` can serve; those in one tuple read the same input."""
        return ()

    def rescale_inputs(self, scales: Mapping[str, Any]) -> Self:
        """The same function, with the inputs of some layers divided by s and their W multiplied.

        The division is folded into what comes before, so that nothing is added to the model.

        Parameters
        ----------
        scales : name → positive s [n_in]; for layers that read the same input (`rescalable`) one
            name is enough, and several must agree

        Raises
        ------
        ValueError
            If a layer cannot be rescaled, or s does not fit it, or is not positive and finite.

        Examples
        --------
        >>> net = Network({"one": [[1, -1]], "two": [[2]]}, {"one": [0], "two": [1]})
        >>> same = net.rescale_inputs({"two": [0.5]})
        >>> same.layers["one"].tolist(), same.layers["two"].tolist()
        ([[2.0, -2.0]], [[1.0]])
        """
        groups = {name: group for group in self.rescalable for name in group}
        if wrong := sorted({*scales} - {*groups}):
            raise ValueError(f"cannot rescale what enters {wrong}; one can for {self.rescalable}")
        model: Self = self
        done: dict[tuple[str, ...], np.ndarray] = {}
        for name, given in scales.items():
            s, n_in = _checks.as_real(given)[0].astype(np.float64), self.layers[name].shape[1]
            if s.shape != (n_in,) or not (np.isfinite(s) & (s > 0)).all():
                raise ValueError(
                    f"s for layer {name!r} must be {n_in} positive finite numbers; got shape "
                    f"{s.shape} from {s.min(initial=np.inf):g} to {s.max(initial=-np.inf):g}"
                )
            group = groups[name]
            if group not in done:
                multiply = functools.partial(np.multiply, s)
                model = model._divide_input(group, s).with_weights(multiply, group)
            elif not np.array_equal(done[group], s):
                raise ValueError(f"{group} read the same input; give them the same s, or one of it")
            done[group] = s
        return model

    def _divide_input(self, group: tuple[str, ...], s: np.ndarray) -> Self:
        """The model in which the input of these layers comes divided by s [n_in]."""
        raise NotImplementedError(f"{type(self).__name__} must say how to divide {group}")


def _applied(recipe: Recipe, x: np.ndarray, name: str) -> np.ndarray:
    x = x.view()
    x.flags.writeable = False  # not even a recipe may change what was given
    changed = _single(recipe(x))
    if changed.shape != x.shape:
        raise ValueError(
            f"a recipe must keep the shape; for layer {name!r} it made {changed.shape} of {x.shape}"
        )
    return changed


def _build(kind: Callable[..., Any], fields: dict[str, Any]) -> Any:
    return kind(**fields)


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Network(Model):
    """Dense layers with ReLU between them: y = max(x @ W.T + b, 0), the last one without max.

    Parameters
    ----------
    layers : name → float32 weights [n_out, n_in], in the order they are passed through
    biases : name → float32 [n_out], the same names; a ValueError says what does not fit

    >>> net = Network({"one": [[1, -1]], "two": [[2]]}, {"one": [0], "two": [1]})
    >>> net.forward([[3, 1], [1, 3]])
    array([[5.],
           [1.]], dtype=float32)
    """

    biases: Mapping[str, np.ndarray]

    def __post_init__(self) -> None:
        if list(self.layers) != list(self.biases) or not self.layers:
            raise ValueError(
                f"layers and biases need the same names in the same order, at least one; "
                f"got {list(self.layers)} and {list(self.biases)}"
            )
        super().__post_init__()
        self._freeze("biases", 1)
        width = next(iter(self.layers.values())).shape[1]
        for name, weights in self.layers.items():
            if weights.shape[1] != width or self.biases[name].shape != weights.shape[:1]:
                raise ValueError(
                    f"layer {name!r} has weights {weights.shape} and bias "
                    f"{self.biases[name].shape}, but gets {width} numbers from what is before it"
                )
            width = weights.shape[0]

    def forward(self, inputs: Any) -> np.ndarray:
        """The scores that inputs [n, n_in] get, before any softmax: float32 [n, n_out]."""
        y = _single(inputs)
        for i, name in enumerate(self.layers):
            y = self._linear(name, np.maximum(y, 0) if i else y) + self.biases[name]
        return y

    def predict(self, x: Any) -> np.ndarray:
        """The class of each input x [n, n_in], the one with the highest score: int64 [n].

        A ValueError says where there is none, because scores are NaN.

        >>> Network({"one": [[1], [2]]}, {"one": [0, 0]}).predict([[1], [-1]])
        array([1, 0])
        """
        scores = self.forward(x)
        if (nan := np.isnan(scores)).any():
            raise ValueError(
                f"NaN among the scores leaves no class; got {_checks.first_wrong(scores, nan)}"
            )
        return scores.argmax(axis=-1)

    def accuracy(self, x: Any, labels: Any) -> float:
        """Which part of the inputs x [n, n_in] gets its label [n]: 0 … 1; NaN scores are wrong."""
        x, labels = self._examples(x, labels)
        scores = self.forward(x)
        return float(((scores.argmax(axis=1) == labels) & ~np.isnan(scores).any(axis=1)).mean())

    def loss(self, x: Any, labels: Any) -> float:
        """The mean cross-entropy −ln softmax(scores)[label] over inputs x [n, n_in], in nats.

        >>> Network({"one": [[0], [0]]}, {"one": [0, 0]}).loss([[7]], [1])    # ln 2: no idea
        0.6931471824645996
        """
        x, labels = self._examples(x, labels)
        return _cross_entropy(self.forward(x), labels)[0]

    def _examples(self, x: Any, labels: Any) -> tuple[np.ndarray, np.ndarray]:
        """Inputs [n, n_in] as float32, and their labels [n]; a ValueError says what is wrong."""
        x, labels = _single(x), np.asarray(labels)
        if x.ndim != 2 or not len(x):
            raise ValueError(f"inputs must be [n, n_in], at least one; got shape {x.shape}")
        if not (finite := np.isfinite(x)).all():
            raise ValueError(
                f"inputs must be finite; got {_checks.first_wrong(x, ~finite)}; leave these out"
            )
        if labels.shape != x.shape[:1] or labels.dtype.kind not in "iu":
            raise ValueError(
                f"labels must be integers of shape {x.shape[:1]}, one for each input; "
                f"got {labels.dtype} of shape {labels.shape}"
            )
        n_out = len([*self.biases.values()][-1])
        wrong = (labels < 0) | (labels >= n_out)
        if wrong.any():
            raise ValueError(
                f"labels must be 0 … {n_out - 1}; got {wrong.sum()} others, "
                f"the first of them {labels[wrong][0]}"
            )
        return x, labels

    def gradients(self, x: Any, labels: Any) -> tuple[float, dict[str, np.ndarray]]:
        """The loss, and its derivative by every weight and bias: backpropagation written out.

        Parameters
        ----------
        x : inputs [n, n_in]
        labels : integers [n], 0 … n_out − 1

        Returns
        -------
        loss : as `loss` gives it; NaN, as all derivatives are, where a number is beyond float32
        gradients : "name.weight" → float32 [n_out, n_in], "name.bias" → float32 [n_out]

        Raises
        ------
        ValueError
            If shapes do not fit, or a label is no class of this network.

        Notes
        -----
        A recipe for activations takes part in the forward pass; backward it is taken for the
        identity (straight-through).

        Examples
        --------
        >>> loss, found = Network({"one": [[0], [0]]}, {"one": [0, 0]}).gradients([[7]], [1])
        >>> found["one.bias"]    # softmax minus what is right
        array([ 0.5, -0.5], dtype=float32)
        """
        (y, labels), passed = self._examples(x, labels), []
        for i, (name, weights) in enumerate(self.layers.items()):
            before = np.maximum(y, 0) if i else y
            if not np.isfinite(before).all():  # training diverged; recipes would not take these
                return np.nan, {key: np.full_like(p, np.nan) for key, p in self.parameters.items()}
            into = self._entering(name, before)
            passed.append((name, weights, before, into))
            y = into @ weights.T + self.biases[name]
        loss, error = _cross_entropy(y, labels)  # error: d loss / d y, [n, n_out]
        found: dict[str, np.ndarray] = {}
        for name, weights, before, into in reversed(passed):
            found |= {f"{name}.bias": error.sum(axis=0), f"{name}.weight": error.T @ into}
            error = (error @ weights) * (before > 0)
        return loss, dict(reversed(found.items()))

    @property
    def parameters(self) -> dict[str, np.ndarray]:
        """All weights and biases, named as `gradients` names them.

        >>> list(digits_network().parameters)[:2]
        ['hidden1.weight', 'hidden1.bias']
        """
        kinds = (("weight", self.layers), ("bias", self.biases))
        return {f"{name}.{kind}": of[name] for name in self.layers for kind, of in kinds}

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, Any], **options: Any) -> "Network":
        """The network that has these `parameters`.

        >>> Network.from_parameters({"one.weight": [[2]], "one.bias": [1]}).forward([[3]])
        array([[7.]], dtype=float32)
        """
        names = [key.removesuffix(".weight") for key in parameters if key.endswith(".weight")]
        weights, biases = (
            {name: parameters[key] for name in names if (key := f"{name}.{kind}") in parameters}
            for kind in ("weight", "bias")
        )
        return cls(weights, biases, **options)

    @property
    def rescalable(self) -> tuple[tuple[str, ...], ...]:
        """All layers but the first, which reads the input itself; each reads one of its own.

        >>> digits_network().rescalable
        (('hidden2',), ('output',))
        """
        return tuple((name,) for name in list(self.layers)[1:])

    def _divide_input(self, group: tuple[str, ...], s: np.ndarray) -> "Network":
        names = list(self.layers)
        before = names[names.index(group[0]) - 1]  # max(y / s, 0) = max(y, 0) / s
        layers = {**self.layers, before: self.layers[before] / s[:, None]}
        biases = {**self.biases, before: self.biases[before] / s}
        return dataclasses.replace(self, layers=layers, biases=biases)


def initial(widths: Sequence[int], rng: np.random.Generator) -> Network:
    """A network that knows nothing yet: random weights of variance 2/n_in, biases 0.

    Parameters
    ----------
    widths : numbers of inputs, of each hidden layer's outputs, and of scores; at least 1 each
    rng : where the weights come from

    Raises
    ------
    TypeError, ValueError
        If a width is no such integer, or there is no rng.

    References
    ----------
    He et al., arXiv 1502.01852, section 2.2.

    Examples
    --------
    >>> initial((64, 16, 10), np.random.default_rng(0))
    <Network hidden1 16×64, output 10×16>
    """
    widths = [_checks.integer_in("a width", width, 1) for width in widths]
    _checks.require_rng(rng, "standard_normal")
    names = [*(f"hidden{i + 1}" for i in range(len(widths) - 2)), "output"]
    sizes = list(zip(names, widths, widths[1:]))
    weights = {n: rng.standard_normal((o, i)) * np.sqrt(2 / i) for n, i, o in sizes}
    return Network(weights, {name: np.zeros(n_out) for name, _, n_out in sizes})


def adam(g: np.ndarray, memory: Any, t: int, rate: float) -> tuple[np.ndarray, Any]:
    """The t-th step (t = 1, 2, …) down a gradient, and what to remember; arXiv 1412.6980.

    >>> adam(np.array([3.0, -0.1]), None, 1, rate=0.5)[0].round(6)    # as long as the rate
    array([ 0.5, -0.5])
    """
    mean, square = memory or (np.zeros_like(g), np.zeros_like(g))
    mean = mean + (1 - 0.9) * (g - mean)
    square = square + (1 - 0.999) * (g * g - square)
    size = np.sqrt(square / (1 - 0.999**t)) + 1e-8
    return rate * (mean / (1 - 0.9**t)) / size, (mean, square)


def sgd(g: np.ndarray, memory: Any, t: int, rate: float) -> tuple[np.ndarray, Any]:
    """A step down a gradient, and what to remember: gradient descent with momentum 0.9.

    >>> sgd(np.array([3.0, -0.1]), np.array([10.0, 0.0]), 2, rate=0.5)[0]
    array([ 6.  , -0.05])
    """
    speed = g if memory is None else 0.9 * memory + g
    return rate * speed, speed


def train(
    network: Network, x: Any, labels: Any, epochs: int, rng: np.random.Generator, **options: Any
) -> Network:
    """The network after so many epochs of training on inputs x [n, n_in] and labels [n].

    Parameters
    ----------
    options : as for `descend`, and `decay`, which adds decay/2 · |weights|² to the loss

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = rng.standard_normal((200, 2))
    >>> net = train(initial((2, 8, 2), rng), x, (x[:, 0] > x[:, 1]).astype(int), 5, rng, rate=0.02)
    >>> net.accuracy([[2, 1], [1, 2]], [1, 0])
    1.0
    """
    x, labels = network._examples(x, labels)
    decay, activations = _single(options.pop("decay", 0)), network.activations
    if decay.shape or not 0 <= decay < np.inf:
        raise ValueError(f"decay={decay} must be one number from 0 on, such as 1e-4")

    def gradients(p: Parameters, rows: np.ndarray) -> tuple[float, Parameters]:
        now = Network.from_parameters(p, activations=activations)
        loss, found = now.gradients(x[rows], labels[rows])
        return loss, {k: g + decay * p[k] if p[k].ndim > 1 else g for k, g in found.items()}

    found = descend(network.parameters, gradients, len(x), epochs, rng, **options)
    return Network.from_parameters(found, activations=activations)


def descend(
    parameters: Parameters,
    gradients: Callable[[Parameters, np.ndarray], tuple[float, Parameters]],
    n: int,
    epochs: int,
    rng: np.random.Generator,
    *,
    batch: int = 32,
    rate: float = 2e-3,
    optimizer: Callable[..., tuple[np.ndarray, Any]] = adam,
    watch: Callable[[int, Parameters], Any] | None = None,
    progress: bool = False,
) -> Parameters:
    """Parameters that make a loss small, found by going down its gradient, batch by batch.

    Parameters
    ----------
    parameters : name → float32 array
    gradients : function of parameters and rows (the examples of a batch), gives the mean loss and
        its derivatives, name → array
    n : number of examples; each epoch sees them once, in a new order, but for what fills no batch
    rate : of the first step; it falls to zero in a straight line
    optimizer : `adam` or `sgd`
    watch : function of the epochs done and the parameters, called before the first and after each
    progress : True shows a bar on stderr

    Returns
    -------
    Parameters, name → array. If the loss or a gradient is no longer finite, the last ones for
    which both were, with a RuntimeWarning.

    Raises
    ------
    TypeError, ValueError
        If there are fewer examples than one batch takes, nothing to do, or no rng.

    Examples
    --------
    >>> def slope(p, rows):    # of (w − 3)², whatever the rows
    ...     return float((p["w"] - 3) ** 2), {"w": 2 * (p["w"] - 3)}
    >>> start, rng = {"w": np.array(0.0)}, np.random.default_rng(0)
    >>> round(float(descend(start, slope, 1, 400, rng, batch=1, rate=0.1)["w"]), 3)
    3.0
    """
    if not (n >= batch >= 1 and epochs >= 0 and rate > 0):
        raise ValueError(
            f"training needs n ≥ batch ≥ 1, epochs ≥ 0 and rate > 0; got n={n}, batch={batch}, "
            f"epochs={epochs}, rate={rate}"
        )
    _checks.require_rng(rng, "permutation")
    steps, memory = epochs * (n // batch), dict[str, Any]()
    good = parameters
    for t in tqdm(range(steps), disable=not progress, unit="step"):
        epoch, place = divmod(t, n // batch)
        if place == 0:
            if watch is not None:
                watch(epoch, parameters)
            batches = rng.permutation(n)[: n // batch * batch].reshape(-1, batch)
        with np.errstate(all="ignore"):  # what overflows is found by `_finite`
            loss, found = gradients(parameters, batches[place])
            if not _finite([loss, *found.values()], t, rate):
                return good
            good, parameters = parameters, dict(parameters)
            for name, g in found.items():
                step, memory[name] = optimizer(g, memory.get(name), t + 1, rate * (1 - t / steps))
                parameters[name] = parameters[name] - step
        if not _finite(parameters.values(), t + 1, rate):
            return good
    if watch is not None:
        watch(epochs, parameters)
    return parameters


def _finite(numbers: Iterable[Any], t: int, rate: float) -> bool:
    good = all(np.isfinite(x).all() for x in numbers)
    if not good:
        message = (
            f"training met NaN or infinity after {t} steps and stopped; the parameters before "
            f"that are given back; try a lower rate than {rate:g}"
        )
        warnings.warn(message, RuntimeWarning, stacklevel=4)
    return good


def _cross_entropy(scores: np.ndarray, labels: np.ndarray) -> tuple[float, np.ndarray]:
    """The mean loss, and its derivative by the scores: (softmax − one-hot) / n."""
    here = np.arange(len(labels)), labels
    shifted = scores - scores.max(axis=1, keepdims=True)  # else exp would overflow
    y = np.exp(shifted)
    total = y.sum(axis=1, keepdims=True)
    error = y / total
    error[here] -= 1
    error /= len(labels)
    return float((np.log(total[:, 0]) - shifted[here]).mean()), error


def _single(x: Any) -> np.ndarray:
    """Real numbers as float32; what is beyond its range is infinite."""
    with np.errstate(over="ignore"):
        return _checks.as_real(x)[0].astype(np.float32, copy=False)


def _frozen(array: Any, name: str, ndim: int) -> np.ndarray:
    array = np.array(_single(array))
    if array.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} axes, not shape {array.shape}")
    if not (finite := np.isfinite(array)).all():
        raise ValueError(
            f"{name} must be finite as float32; got {_checks.first_wrong(array, ~finite)}"
        )
    array.flags.writeable = False
    return array


def held_out(labels: Any) -> np.ndarray:
    """Which images training never saw: sorted by label [n], every fifth. Bool [n].

    >>> held_out([1, 0, 0, 1, 1, 0]).tolist()    # sorted: 0 0 0 1 1 1
    [False, True, False, False, True, False]
    """
    labels = np.asarray(labels)
    if labels.ndim != 1:
        raise ValueError(f"labels must stand in a row [n], not in shape {labels.shape}")
    held = np.zeros(labels.shape, dtype=bool)
    held[np.argsort(labels, kind="stable")[::5]] = True
    return held


def digits_network() -> Network:
    """The trained network that reads scikit-learn's digits: 64 pixels of 0 … 16 to 10 scores.

    `tools/train_digits.py` made it. Its layers are "hidden1", "hidden2" and "output".

    >>> digits_network().layers["output"].shape
    (10, 64)
    """
    with np.load(DATA / "digits_network.npz", allow_pickle=False) as file:
        return Network.from_parameters(dict(file))
