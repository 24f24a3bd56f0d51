"""A small language model in plain NumPy: bytes in, a score for every possible next byte out.

    x = embedding[bytes]                                          [n, t, d], the stream
    in each block    x = x + attention(norm(x))                   look back at earlier bytes
                     x = x + down(silu(gate(norm(x))) · up(norm(x)))
    logits = norm(x) @ head.T                                     [n, t, 256]

It is built as the large ones are: RMSNorm (arXiv 1910.07467), rotary positions (2104.09864) and
SwiGLU (2002.05202), no biases. `tools/train_language_model.py` made the one that is shipped.
"""

import dataclasses
import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from tqdm import tqdm

from quantedu.networks import DATA, Model

MATRICES = ("q", "k", "v", "o", "gate", "up", "down")
Cache = dict[str, tuple[np.ndarray, np.ndarray]]  # block → its keys and values so far


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class LanguageModel(Model):
    """A decoder over bytes, as plain data.

    Parameters
    ----------
    layers : "block0.q", .k, .v, .o [d, d], .gate, .up [hidden, d], .down [d, hidden], "block1.q" …
        These matrices are what recipes change: nearly all of the model.
    tables : "embedding" and "head" [256, d]; they stay as they are, as in most quantized models
    gains : "block0.attention_norm", "block0.mlp_norm", …, "final_norm" [d]
    heads : attention heads; d is their number times an even size
    context : the most bytes that are seen at once
    rope_base, epsilon : constants of the rotary positions and of the norms

    Raises
    ------
    ValueError
        If a matrix is missing, is one too many, or has the wrong shape.

    Examples
    --------
    >>> model = language_model()
    >>> isinstance(model, LanguageModel), model.blocks == len(model.rescalable) // 4
    (True, True)
    """

    tables: Mapping[str, np.ndarray]
    gains: Mapping[str, np.ndarray]
    heads: int
    context: int
    rope_base: float = 10_000.0
    epsilon: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        self._freeze("tables", 2)
        self._freeze("gains", 1)
        blocks, d = range(self.blocks), self.gains.get("final_norm", np.ones(0)).size
        hidden = self.layers["block0.up"].shape[0] if "block0.up" in self.layers else 0
        if d == 0 or self.heads < 1 or d % (2 * self.heads) or self.context < 1:
            raise ValueError(
                f"there is no model of width {d}, {self.heads} heads and context {self.context}; "
                "the width must be the heads times an even number"
            )
        if not (self.rope_base > 0 and self.epsilon >= 0):
            raise ValueError(f"{self.rope_base=} must be above 0, {self.epsilon=} not below")
        sizes = {"gate": (hidden, d), "up": (hidden, d), "down": (d, hidden)}
        norms = [f"block{b}.{norm}" for b in blocks for norm in ("attention_norm", "mlp_norm")]
        wanted: dict[str, tuple[int, ...]] = {
            f"block{b}.{m}": sizes.get(m, (d, d)) for b in blocks for m in MATRICES
        }
        wanted |= dict.fromkeys((*norms, "final_norm"), (d,))
        wanted |= dict.fromkeys(("embedding", "head"), (256, d))
        given = {k: a.shape for of in (self.layers, self.tables, self.gains) for k, a in of.items()}
        if wrong := sorted(k for k in {*wanted, *given} if wanted.get(k) != given.get(k)):
            shapes = [f"{k} {given.get(k, 'is missing')}, not {wanted.get(k)}" for k in wrong[:3]]
            raise ValueError(f"these arrays are no language model: {'; '.join(shapes)}")

    def __repr__(self) -> str:
        numbers = sum(a.size for of in (self.layers, self.tables, self.gains) for a in of.values())
        return f"<LanguageModel {self.blocks} blocks, {numbers} numbers, context {self.context}>"

    @property
    def blocks(self) -> int:
        """How many blocks there are."""
        return max(-(-len(self.layers) // len(MATRICES)), 1)

    def forward(self, inputs: Any) -> np.ndarray:
        """The logits after every byte of a text of any length, cut in windows of the context.

        Parameters
        ----------
        inputs : str or bytes, not empty

        Returns
        -------
        float32 [bytes, 256]; a window sees nothing of the one before it

        Examples
        --------
        >>> language_model().forward("impor").shape
        (5, 256)
        """
        data = _as_bytes(inputs)
        found = [self.logits(part) for part in _windows(data, self.context, 16)]
        return np.concatenate([part.reshape(-1, 256) for part in found])

    def logits(self, codes: Any, cache: Cache | None = None) -> np.ndarray:
        """The scores of all 256 next bytes after each byte of n texts of equal length.

        Parameters
        ----------
        codes : integers [n, t], 0 … 255
        cache : an empty dict that keeps keys and values; given again, with only the bytes that
            are new, it saves the work on the old ones; it goes with these n texts and this model

        Returns
        -------
        float32 [n, t, 256]

        Raises
        ------
        TypeError, ValueError
            If codes are no bytes, there are none, or more than the context holds; if the cache is
            no dict, or of other texts, another model, or a call that failed.

        Examples
        --------
        >>> model = language_model()
        >>> logits = model.logits([list(b"impor")])                # [1, 5, 256]
        >>> chr(logits[0, -1].argmax())
        't'
        """
        codes, cache = np.asarray(codes), {} if cache is None else cache
        if codes.ndim != 2 or not codes.size or codes.dtype.kind not in "iu":
            raise ValueError(f"codes must be integers [n, t], not {codes.dtype} {codes.shape}")
        if codes.min() < 0 or codes.max() > 255:
            raise ValueError(f"codes must be bytes, 0 … 255; got {codes.min()} … {codes.max()}")
        if not isinstance(cache, dict):
            raise TypeError(f"cache must be a dict, empty to begin with, not {cache!r}")
        n, head = len(codes), self.tables["head"].shape[1] // self.heads
        shapes = {np.shape(kept) for pair in cache.values() for kept in pair}
        seen = max((shape[2] for shape in shapes if len(shape) == 4), default=0)
        if cache and (len(cache), shapes) != (self.blocks, {(n, self.heads, seen, head)}):
            raise ValueError(
                f"this cache keeps {sorted(shapes)} in {len(cache)} blocks, but {n} texts need one "
                f"[{n}, {self.heads}, …, {head}] in {self.blocks}; begin with an empty dict"
            )
        if seen + codes.shape[1] > self.context:
            raise ValueError(
                f"{seen + codes.shape[1]} bytes are more than this model's context, "
                f"{self.context}; cut the text, or take bits_per_byte, which does"
            )
        x = self.tables["embedding"][codes]  # [n, t, d]
        for b in range(self.blocks):
            block = f"block{b}"
            x = x + self._attention(block, self._norm(f"{block}.attention_norm", x), cache)
            y = self._norm(f"{block}.mlp_norm", x)
            gate, up = self._linear(f"{block}.gate", y), self._linear(f"{block}.up", y)
            x = x + self._linear(f"{block}.down", _silu(gate) * up)
        scores: np.ndarray = self._norm("final_norm", x) @ self.tables["head"].T
        return scores

    def _norm(self, name: str, x: np.ndarray) -> np.ndarray:  # [n, t, d]
        power = np.mean(x * x, axis=-1, keepdims=True) + np.float32(self.epsilon)
        return x / np.sqrt(power) * self.gains[name]

    def _attention(self, block: str, x: np.ndarray, cache: Cache) -> np.ndarray:  # [n, t, d]
        n, t, d = x.shape
        q, k, v = (
            self._linear(f"{block}.{m}", x).reshape(n, t, self.heads, -1).swapaxes(1, 2)
            for m in "qkv"
        )  # [n, heads, t, d/heads]
        seen = cache[block][0].shape[2] if block in cache else 0
        turns = _turns(self.context, d // self.heads, self.rope_base)[:, seen : seen + t]
        q, k = _turned(q, turns), _turned(k, turns)
        if seen:
            k, v = (np.concatenate(pair, axis=2) for pair in zip(cache[block], (k, v)))
        cache[block] = (k, v)
        scores = q * np.float32((d // self.heads) ** -0.5) @ k.swapaxes(2, 3)  # [n, heads, t, all]
        scores += np.triu(np.full(scores.shape[2:], -np.inf, np.float32), k=seen + 1)
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        mixed = scores @ v / scores.sum(axis=-1, keepdims=True)  # [n, heads, t, d/heads]
        return self._linear(f"{block}.o", mixed.swapaxes(1, 2).reshape(n, t, d))

    @property
    def rescalable(self) -> tuple[tuple[str, ...], ...]:
        """All layers: q, k and v read the same, gate and up too; o and down read their own."""
        groups = (("q", "k", "v"), ("o",), ("gate", "up"), ("down",))
        names = [(f"block{b}", group) for b in range(self.blocks) for group in groups]
        return tuple(tuple(f"{block}.{m}" for m in group) for block, group in names)

    def _divide_input(self, group: tuple[str, ...], s: np.ndarray) -> "LanguageModel":
        block, reader = group[0].split(".")
        # A norm's gain takes the division for those that read it; what o reads is a mean of v,
        # what down reads is a multiple of up: there the rows take it.
        before = {"q": "attention_norm", "gate": "mlp_norm", "o": "v", "down": "up"}[reader]
        name, field = f"{block}.{before}", "layers" if reader in ("o", "down") else "gains"
        old = getattr(self, field)
        change: Any = {field: {**old, name: old[name] / (s[:, None] if old[name].ndim > 1 else s)}}
        return dataclasses.replace(self, **change)


def _silu(x: np.ndarray) -> np.ndarray:
    """X times the sigmoid of x, written so that nothing overflows."""
    return x * (np.tanh(x * np.float32(0.5)) + 1) * np.float32(0.5)


@functools.cache
def _turns(context: int, head: int, base: float) -> np.ndarray:
    """Cosines and sines of p · base^(−2i/head), for places p and pairs i: [2, context, head/2]."""
    angles = np.arange(context)[:, None] * base ** (-np.arange(0, head, 2) / head)
    return np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32)


def _turned(x: np.ndarray, turns: np.ndarray) -> np.ndarray:
    """Each pair (x[i], x[i + head/2]) of x [n, heads, t, head], turned by its angle."""
    (a, b), (cos, sin) = np.split(x, 2, axis=-1), turns
    return np.concatenate([a * cos - b * sin, a * sin + b * cos], axis=-1)


def _as_bytes(text: Any, at_least: int = 1, what: str = "text") -> np.ndarray:
    if not isinstance(text, (str, bytes)):
        raise TypeError(f"{what} must be str or bytes, not {type(text).__name__}")
    data = np.frombuffer(text.encode() if isinstance(text, str) else text, dtype=np.uint8)
    if data.size < at_least:
        raise ValueError(f"{what} has {data.size} bytes; at least {at_least} are needed")
    return data


def _windows(data: np.ndarray, context: int, batch: int) -> Iterator[np.ndarray]:
    """Consecutive windows, some at a time: uint8 [n ≤ batch, context], at the end maybe [1, t]."""
    whole = data.size // context
    for first in range(0, whole, batch):
        yield data[first * context : min(first + batch, whole) * context].reshape(-1, context)
    if data.size % context:
        yield data[None, whole * context :]


def language_model(path: Path | str | None = None) -> LanguageModel:
    """The shipped language model, or one that `tools/train_language_model.py` stored elsewhere.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is damaged, cut short, no model of this kind, or of a newer one.

    Examples
    --------
    >>> language_model()
    <LanguageModel 6 blocks, 2755008 numbers, context 256>
    """
    path = DATA / "language_model.safetensors" if path is None else Path(path)
    try:
        with safe_open(path, framework="numpy") as file:
            about = (file.metadata() or {}).get("quantedu.language_model")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(
            f"{path.name} is damaged or no safetensors file ({error}); get it again"
        ) from error
    if about is None:
        raise ValueError(
            f"{path.name} holds something else: its header does not say quantedu.language_model; "
            "tools/train_language_model.py makes such files"
        )
    if bad := [name for name, a in arrays.items() if not np.isfinite(a).all()]:
        raise ValueError(f"{path.name} is damaged: NaN or infinity in {bad}; get it again")
    tables = {name: arrays.pop(name) for name in ("embedding", "head") if name in arrays}
    gains = {name: arrays.pop(name) for name in sorted(arrays) if name.endswith("norm")}
    order = {matrix: i for i, matrix in enumerate(MATRICES)}
    names = sorted(arrays, key=lambda n: (n.partition(".")[0], order.get(n.partition(".")[2], -1)))
    try:
        return LanguageModel({n: arrays[n] for n in names}, tables, gains, **json.loads(about))
    except (TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path.name} says {about!r} of its model, which makes no sense here ({error}); get "
            "it again, or a newer quantedu"
        ) from error


def held_out_text() -> bytes:
    """About 128 KB of the Python documentation that the shipped model was not trained on.

    >>> len(held_out_text())
    130986
    """
    return (DATA / "held_out.txt").read_bytes()


def bits_per_byte(
    model: LanguageModel, text: str | bytes, batch: int = 16, progress: bool = False
) -> float:
    """How many bits a byte of text costs: the mean of −log2 p(byte | those before it).

    Every byte but the first is predicted, from those before it in its window; windows are as long
    as the context and do not overlap. Eight bits would be knowing nothing.

    Parameters
    ----------
    model : LanguageModel
    text : str (as UTF-8) or bytes, at least two
    batch : windows at a time; memory grows with it, 16 take about 150 MB. A recipe for
        activations that shares a scale in a whole tensor shares it in a batch.
    progress : True shows a bar on stderr

    Returns
    -------
    float; 2 to this power is the perplexity of a byte

    Examples
    --------
    >>> text = held_out_text()[:2000]
    >>> round(bits_per_byte(language_model(), text), 1)
    1.1
    """
    data = _as_bytes(text, at_least=2)
    if batch < 1:
        raise ValueError(f"batch={batch}: at least one window at a time")
    bits, inputs = 0.0, list(_windows(data[:-1], model.context, batch))
    targets = _windows(data[1:], model.context, batch)
    for codes, following in zip(tqdm(inputs, disable=not progress, unit="batch"), targets):
        logits = model.logits(codes)  # [n, t, 256]
        logits -= logits.max(axis=-1, keepdims=True)
        right = np.take_along_axis(logits, following[..., None].astype(np.intp), axis=-1)[..., 0]
        total = np.exp(logits).sum(axis=-1)  # [n, t]
        bits += float(np.sum(np.log2(total) - right / np.log(2), dtype=np.float64))
    return bits / (data.size - 1)


def sample(
    model: LanguageModel,
    prompt: str | bytes,
    n: int = 100,
    temperature: float = 1.0,
    rng: np.random.Generator | None = None,
    use_cache: bool = True,
) -> str:
    """What the model writes after a prompt.

    Parameters
    ----------
    model : LanguageModel
    prompt : str or bytes, at least one; with the n bytes after it no more than the context
    n : bytes to write
    temperature : divides the logits; 0 always takes the likeliest byte
    rng : what draws lots, needed unless temperature is 0; the same seed gives the same text
    use_cache : False computes everything again for every byte. The text is the same, unless a
        recipe for activations looks at several bytes together.

    Returns
    -------
    str of the n bytes; what is no UTF-8 reads �

    Examples
    --------
    >>> sample(language_model(), "import o", 1, temperature=0)
    's'
    """
    written = list(_as_bytes(prompt, what="prompt"))
    length = len(written)
    if n < 0 or length + n > model.context:
        raise ValueError(
            f"a prompt of {length} bytes and n={n} more must fit the context, {model.context}"
        )
    if not temperature >= 0 or (temperature > 0 and not hasattr(rng, "random")):
        raise ValueError(
            f"temperature={temperature} with rng={rng!r}; pass temperature=0, or one above 0 and "
            "an rng such as np.random.default_rng(0)"
        )
    cache: Cache = {}
    for _ in range(n):
        fresh = written[cache["block0"][0].shape[2] :] if cache else written
        logits = model.logits([fresh], cache if use_cache else None)[0, -1].astype(np.float64)
        if not np.isfinite(logits).all():
            raise ValueError("the model's scores are no longer finite; no byte can be drawn")
        if rng is None or temperature == 0:
            written.append(int(logits.argmax()))
            continue
        with np.errstate(over="ignore"):  # −inf has probability 0
            share = np.exp((logits - logits.max()) / temperature).cumsum()
        written.append(int(np.searchsorted(share, rng.random() * share[-1], side="right")))
    return bytes(written[length:]).decode(errors="replace")
