"""The table of recipes says what the metrics say, one by one."""

import math
import re

import numpy as np
import pytest

import quantedu as qe
from quantedu.comparison import Record, Table

X = np.append(np.random.default_rng(1).standard_normal(998), [0.0, 0.0]).astype(np.float32)
RECIPES = {
    "INT8": qe.int_absmax(8),
    "NF4": qe.nf4(),
    "MXFP4": qe.mxfp4(),
    "uniform": qe.Quantizer(qe.uniform(4), qe.scales.absmax),
    "symmetric NF4": qe.Quantizer(qe.normal_float(4, symmetric=True), qe.scales.absmax),
}


def test_every_record_holds_what_is_measured_by_itself():
    table = qe.compare(X, RECIPES)
    assert [record.name for record in table] == list(RECIPES)
    for record, recipe in zip(table, RECIPES.values(), strict=True):
        q, x_hat = recipe.quantize(X), recipe(X)
        assert record.bits_per_value == q.bits_per_value
        assert record.sqnr_db == qe.sqnr_db(X, x_hat)
        assert record.max_error == qe.max_error(X, x_hat)
        assert record.levels_used == np.unique(recipe.codebook.decode(q.codes)).size
        assert record.codes == 2**recipe.codebook.bits
        assert record.entropy == qe.entropy(np.bincount(q.codes.ravel()))
    by_name = {record.name: record for record in table}
    assert by_name["NF4"].zeros_kept == 1
    assert by_name["uniform"].zeros_kept == 0
    assert by_name["symmetric NF4"].levels_used == 15  # two codes for 0


def test_a_list_of_recipes_is_named_as_they_print():
    assert [r.name for r in qe.compare(X, [qe.nf4(), qe.mxfp4()])] == [
        repr(qe.nf4()),
        repr(qe.mxfp4()),
    ]


def test_x_without_zeros_says_so():
    table = qe.compare(np.ones(64), {"NF4": qe.nf4()})
    assert math.isnan(table[0].zeros_kept)
    assert "none in x" in repr(table)


def test_columns_stand_below_each_other_and_html_holds_the_same_texts():
    table = qe.compare(X, {"<a & b>": qe.nf4(), "longer name": qe.int_absmax(8)})
    lines = repr(table).splitlines()
    assert len({len(line) for line in lines}) == 1
    found = re.findall(r"<t[hd]>(.*?)</t[hd]>", table._repr_html_())
    assert "&lt;a &amp; b&gt;" in found
    assert [text for text in found if text and "lt;" not in text] == [
        text for line in lines for text in re.split(r"\s{2,}", line.strip()) if "<a" not in text
    ]


def test_the_table_is_a_list_of_plain_records():
    table = qe.compare(X, {"NF4": qe.nf4()})
    assert isinstance(table, list)
    assert isinstance(table[0], Record)
    assert isinstance(table[0]._asdict(), dict)
    assert repr(Table([])).split() == [
        "bits/value",
        "SQNR,",
        "dB",
        "max",
        "error",
        "zeros",
        "kept",
        "levels",
        "used",
        "entropy",
    ]


def test_nothing_cannot_be_compared():
    with pytest.raises(ValueError, match="no entries"):
        qe.compare([], {"NF4": qe.nf4()})


def test_one_recipe_alone_is_told_to_come_in_a_list():
    with pytest.raises(TypeError, match=r"must be a list or name → Quantizer; \[Quantizer\(NF4"):
        qe.compare(X, qe.nf4())


def test_a_name_that_is_no_text_prints_all_the_same():
    assert repr(qe.compare(X, {4: qe.nf4()})).splitlines()[1].startswith("4 ")
