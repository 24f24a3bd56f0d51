"""Several recipes on the same values, in one table."""

import html
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from quantedu import metrics
from quantedu.quantizers import Quantizer


class Record(NamedTuple):
    """What one recipe costs, and what it loses.

    Parameters
    ----------
    name : of the recipe
    bits_per_value : everything counted, as `QTensor.bits_per_value`
    sqnr_db : as `quantedu.sqnr_db`
    max_error : max|x − x̂|
    zeros_kept : share of the zeros in x that come back as 0; NaN where x has none
    levels_used : different levels among the codes of x
    codes : codes that there are, 2^bits
    entropy : bits that a code carries on average, of log2(codes)

    Examples
    --------
    >>> Record("NF4", 4.5, 20.73, 0.63, 1.0, 16, 16, 3.884).bits_per_value
    4.5
    """

    name: str
    bits_per_value: float
    sqnr_db: float
    max_error: float
    zeros_kept: float
    levels_used: int
    codes: int
    entropy: float


class Table(list):
    """A list of records that prints as a table, in a terminal and in a notebook.

    >>> Table([Record("NF4", 4.5, 20.73, 0.63, 1.0, 16, 16, 3.884)])
         bits/value  SQNR, dB  max error  zeros kept  levels used  entropy
    NF4         4.5     20.73       0.63       100 %     16 of 16    3.884
    """

    def __repr__(self) -> str:
        rows = [_HEADINGS, *map(_texts, self)]
        first, *others = (max(map(len, column)) for column in zip(*rows))
        return "\n".join(
            "  ".join([row[0].ljust(first), *(t.rjust(w) for t, w in zip(row[1:], others))])
            for row in rows
        )

    def _repr_html_(self) -> str:
        rows = [("th", _HEADINGS), *(("td", _texts(record)) for record in self)]
        lines = ("".join(f"<{cell}>{html.escape(t)}</{cell}>" for t in row) for cell, row in rows)
        return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


_HEADINGS = ("", "bits/value", "SQNR, dB", "max error", "zeros kept", "levels used", "entropy")


def _texts(record: Record) -> tuple[str, ...]:
    zeros = "none in x" if np.isnan(record.zeros_kept) else f"{100 * record.zeros_kept:.4g} %"
    return (
        str(record.name),
        f"{record.bits_per_value:.4g}",
        f"{record.sqnr_db:.2f}",
        f"{record.max_error:.3g}",
        zeros,
        f"{record.levels_used} of {record.codes}",
        f"{record.entropy:.3f}",
    )


def compare(x: Any, recipes: Mapping[str, Quantizer] | Iterable[Quantizer]) -> Table:
    """Quantize x by each recipe, and say what each costs and loses.

    Parameters
    ----------
    x : real array, at least one entry
    recipes : by name, or a list of them, which are then named as they print

    Returns
    -------
    Table, a list of `Record`

    Raises
    ------
    TypeError, ValueError
        As `Quantizer.quantize`, and if x is empty.

    Examples
    --------
    >>> from quantedu import int_absmax, nf4
    >>> x = np.append(np.random.default_rng(0).standard_normal(4095), 0)
    >>> table = compare(x, {"INT4": int_absmax(4, block_size=64), "NF4": nf4()})
    >>> table
          bits/value  SQNR, dB  max error  zeros kept  levels used  entropy
    INT4         4.5     19.50      0.278       100 %     15 of 16    3.531
    NF4          4.5     20.72      0.492       100 %     16 of 16    3.897
    >>> table[1].name, table[1].levels_used
    ('NF4', 16)
    """
    if isinstance(recipes, Quantizer):
        raise TypeError(f"recipes must be a list or name → Quantizer; [{recipes!r}] is one")
    named = recipes.items() if isinstance(recipes, Mapping) else ((repr(r), r) for r in recipes)
    x, table = np.asarray(x), Table()
    for name, recipe in named:
        if not isinstance(recipe, Quantizer):
            raise TypeError(f"recipes are Quantizers, not {recipe!r}; call int_absmax(8), say")
        q = recipe.quantize(x)
        x_hat, book = q.dequantize(), recipe.codebook
        usage = metrics.code_usage(q.codes, 2**book.bits)
        zeros = x_hat[x == 0]
        record = Record(
            name,
            q.bits_per_value,
            metrics.sqnr_db(x, x_hat),
            metrics.max_error(x, x_hat),
            float(np.mean(zeros == 0)) if zeros.size else float("nan"),
            np.unique(book.levels[np.flatnonzero(usage)]).size,
            2**book.bits,
            metrics.entropy(usage),
        )
        table.append(record)
    return table
