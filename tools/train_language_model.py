"""Train the small language model that ships with the course, from the source text to the weights.

    apt-get install --no-install-recommends python3.11-doc     the text (Debian, PSF licence)
    pip install torch safetensors                              PyTorch is needed only here
    python tools/train_language_model.py                       minutes on one data-centre GPU

Text: the reStructuredText sources of the Python 3.11 documentation, every file as its bytes.
Sorted by name, every 20th file is held out whole. A byte is a token, so bits per byte are exact.

Model: 6 blocks of width 192 with 6 heads; RMSNorm, rotary positions, SwiGLU, no biases. Each
block adds first what attention and then what the feed-forward layer makes of the normalised
stream: 2.75 million numbers, 5.5 MB as FP16. `quantedu/language_model.py` is the same model in
NumPy.

Training: AdamW on random windows of 256 bytes, dropout on the embedding and on what each branch
adds, a rate that warms up and then falls along a cosine to zero. What is measured and stored are
the weights rounded to FP16, and the measure is exact: all held-out files one after the other,
every byte but the first predicted from those before it in its window of 256.

It writes language_model.safetensors and held_out.txt into quantedu/data, and a few logits that
PyTorch computes from the stored weights into tests, where they check the NumPy model. On another
GPU, or with another PyTorch, other sums give other weights, within the noise of training.
"""

import argparse
import json
import math
import pathlib
import time

import numpy as np
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional as F

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = pathlib.Path("/usr/share/doc/python3.11/html/_sources")

WIDTH, BLOCKS, HEADS, HIDDEN, CONTEXT = 192, 6, 6, 512, 256
ROPE_BASE, EPSILON = 10_000.0, 1e-5
DROPOUT, RATE, DECAY, WARMUP = 0.15, 3e-3, 0.1, 200
EVERY, EXCERPT = 20, 128 * 1024


def read(folder: pathlib.Path) -> tuple[list[bytes], list[bytes]]:
    """The files for training and those held out, each as its bytes."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.rst.txt"))
    if not names:
        raise SystemExit(f"no *.rst.txt under {folder}; install python3.11-doc or name --source")
    files = [(folder / name).read_bytes() for name in names]
    return [f for i, f in enumerate(files) if i % EVERY], files[::EVERY]


def excerpt(files: list[bytes]) -> bytes:
    """About EXCERPT bytes of the held-out files: whole lines from the middle of each."""
    part, found = EXCERPT / sum(map(len, files)), []
    for text in files:
        lines = text.splitlines(keepends=True)
        ends = np.cumsum([len(line) for line in lines]) / len(text)
        first, last = np.searchsorted(ends, [(1 - part) / 2, (1 + part) / 2])
        found += lines[first:last]
    return b"".join(found)


def rotary(positions: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cosines and sines [positions, head/2] of the angles p · base^(−2i/head)."""
    head = WIDTH // HEADS
    rates = ROPE_BASE ** (-torch.arange(0, head, 2, dtype=torch.float64) / head)
    angles = torch.arange(positions, dtype=torch.float64)[:, None] * rates
    return angles.cos().float(), angles.sin().float()


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(WIDTH, EPSILON)
        self.q, self.k, self.v, self.o = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in "qkvo")
        self.mlp_norm = nn.RMSNorm(WIDTH, EPSILON)
        self.gate = nn.Linear(WIDTH, HIDDEN, bias=False)
        self.up = nn.Linear(WIDTH, HIDDEN, bias=False)
        self.down = nn.Linear(HIDDEN, WIDTH, bias=False)

    def forward(self, x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
        n, t, _ = x.shape
        y = self.attention_norm(x)
        q, k, v = (
            linear(y).view(n, t, HEADS, -1).transpose(1, 2) for linear in (self.q, self.k, self.v)
        )
        q, k = turn(q, cos, sin), turn(k, cos, sin)
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        mixed = self.o(mixed.transpose(1, 2).reshape(n, t, WIDTH))
        x = x + F.dropout(mixed, DROPOUT, self.training)
        y = self.mlp_norm(x)
        y = self.down(F.silu(self.gate(y)) * self.up(y))
        return x + F.dropout(y, DROPOUT, self.training)


def turn(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Rotate the pairs (x[i], x[i + head/2]) of x [n, heads, t, head] by their angles."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1).to(x.dtype)


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(256, WIDTH)
        self.blocks = nn.ModuleList(Block() for _ in range(BLOCKS))
        self.final_norm = nn.RMSNorm(WIDTH, EPSILON)
        self.head = nn.Linear(WIDTH, 256, bias=False)
        cos, sin = rotary(CONTEXT)
        self.register_buffer("cos", cos, persistent=False)
        self.register_buffer("sin", sin, persistent=False)
        for name, weights in self.named_parameters():
            if weights.ndim == 2:  # what a branch adds starts small, so that the sum stays tame
                last = name.endswith(("o.weight", "down.weight"))
                nn.init.normal_(weights, std=0.02 / math.sqrt(2 * BLOCKS) if last else 0.02)

    def forward(self, bytes_: torch.Tensor) -> torch.Tensor:  # [n, t] → logits [n, t, 256]
        t = bytes_.shape[1]
        x = F.dropout(self.embedding(bytes_), DROPOUT, self.training)
        for block in self.blocks:
            x = block(x, self.cos[:t], self.sin[:t])
        return self.head(self.final_norm(x))


def rate(step: int, steps: int) -> float:
    """The learning rate as a part of its largest: up in a line, down along a cosine to zero."""
    if step < WARMUP:
        return (step + 1) / WARMUP
    return 0.5 * (1 + math.cos(math.pi * (step - WARMUP) / max(steps - WARMUP, 1)))


@torch.no_grad()
def bits_per_byte(model: nn.Module, text: bytes, device: str, limit: int | None = None) -> float:
    """Mean of −log2 p over every byte but the first, in windows of CONTEXT that do not overlap."""
    data = torch.tensor(list(text[:limit]), device=device)
    model.eval()
    whole = (len(data) - 1) // CONTEXT * CONTEXT
    inputs, targets = data[:whole].view(-1, CONTEXT), data[1 : whole + 1].view(-1, CONTEXT)
    pairs = list(zip(inputs.split(64), targets.split(64), strict=True))
    if whole + 1 < len(data):
        pairs.append((data[None, whole:-1], data[None, whole + 1 :]))
    nats = sum(
        F.cross_entropy(model(x).double().flatten(0, 1), y.flatten(), reduction="sum").item()
        for x, y in pairs
    )
    return nats / math.log(2) / (len(data) - 1)


def train(text: bytes, held: bytes, steps: int, batch: int, seed: int, device: str) -> Model:
    torch.manual_seed(seed)
    torch.set_float32_matmul_precision("high")
    model = Model().to(device)
    matrices = [p for p in model.parameters() if p.ndim == 2]
    gains = [p for p in model.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": DECAY}, {"params": gains, "weight_decay": 0.0}],
        lr=RATE,
        betas=(0.9, 0.95),
        fused=device == "cuda",
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate(step, steps))
    compiled = torch.compile(model) if device == "cuda" else model
    data = torch.tensor(list(text), dtype=torch.uint8, device=device)
    within = torch.arange(CONTEXT + 1, device=device)
    print(f"{sum(p.numel() for p in model.parameters())} numbers, {len(text)} bytes of text")
    start = time.perf_counter()
    for step in range(steps):
        model.train()
        first = torch.randint(len(data) - CONTEXT, (batch, 1), device=device)
        windows = data[first + within].long()
        with torch.autocast(device, torch.bfloat16, enabled=device == "cuda"):
            logits = compiled(windows[:, :-1])
            loss = F.cross_entropy(logits.float().flatten(0, 1), windows[:, 1:].flatten())
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        if step % 1000 == 999 or step in (0, 99, 299, steps - 1):
            bits = bits_per_byte(model, held, device, limit=65_537)
            print(
                f"step {step + 1}: training {loss.item() / math.log(2):.4f}, "
                f"held out {bits:.4f} bits per byte, {time.perf_counter() - start:.0f} s",
                flush=True,
            )
    return model


def stored(model: Model) -> dict[str, torch.Tensor]:
    """The weights under the names they have in the file, as FP16; the model takes them over."""
    weights = {}
    with torch.no_grad():
        for name, values in model.named_parameters():
            values.copy_(values.half().float())
            name = name.removesuffix(".weight").replace("blocks.", "block")
            weights[name] = values.half().cpu().contiguous()
    return weights


def write(
    model: Model,
    weights: dict[str, torch.Tensor],
    held: list[bytes],
    output: pathlib.Path,
    fixture: pathlib.Path,
) -> None:
    about = {"heads": HEADS, "context": CONTEXT, "rope_base": ROPE_BASE, "epsilon": EPSILON}
    about_json = {"quantedu.language_model": json.dumps(about)}  # one entry: the same bytes always
    save_file(weights, output / "language_model.safetensors", about_json)
    part = excerpt(held)
    (output / "held_out.txt").write_bytes(part)
    model.to("cpu").eval()
    window, positions = np.frombuffer(part[4096:][:CONTEXT], np.uint8), np.arange(0, CONTEXT, 5)
    with torch.no_grad():
        logits = model(torch.tensor(window.astype(np.int64))[None])[0].numpy()
    found = {"window": window, "positions": positions, "logits": logits[positions]}
    found["bits_per_byte_of_5000"] = bits_per_byte(model, part, "cpu", limit=5000)
    np.savez(fixture / "language_model_logits.npz", **found)


def main() -> None:
    summary, _, _ = (__doc__ or "").partition("\n")
    parser = argparse.ArgumentParser(description=summary)
    parser.add_argument("--source", type=pathlib.Path, default=SOURCES)
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "quantedu" / "data")
    parser.add_argument("--fixture", type=pathlib.Path, default=ROOT / "tests")
    parser.add_argument("--steps", type=int, default=18_000)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()

    training, held = map(b"".join, read(options.source))
    model = train(training, held, options.steps, options.batch, options.seed, options.device)
    weights = stored(model)
    torch.set_float32_matmul_precision("highest")
    bits = bits_per_byte(model, held, options.device)
    print(f"{len(held)} bytes held out: {bits:.4f} bits per byte, weights in FP16")

    write(model, weights, read(options.source)[1], options.output, options.fixture)


if __name__ == "__main__":
    main()
