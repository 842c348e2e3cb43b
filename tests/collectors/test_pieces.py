"""Requests, URLs and addresses are cut at their signs as the patterns would take them apart."""

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.arrays import AnyArray
from collectors.pieces import address_parts, request_parts, url_parts
from collectors.splits import ADDRESS_PORT, REQUEST, URL, Cut, matched

PARTS = (
    "GET ",
    "POST ",
    "get ",
    "http://",
    "https://",
    "ws:",
    "ftp://",
    "shop.example",
    "10.0.0.1",
    ":",
    ":80",
    "443",
    "/",
    "/cart",
    "?",
    "?a=/b",
    "#x",
    "[::1]",
    " ",
    "é",
    "-",
    "",
)
ENDS = ("", " HTTP/1.1", " HTTP/2", " http/1.1", " -", " ")
TEXTS = st.one_of(st.none(), st.tuples(st.lists(st.sampled_from(PARTS), max_size=6), st.sampled_from(ENDS)).map(lambda made: "".join(made[0]) + made[1]))
FORMS = {
    "request": (request_parts, REQUEST, ("method", "url"), "GET /cart?id=1 HTTP/1.1", ["GET", "/cart?id=1"]),
    "url": (url_parts, URL, ("domain", "path", "query"), "https://shop.example:443/cart?id=1", ["shop.example", "/cart", "id=1"]),
    "path": (url_parts, URL, ("domain", "path", "query"), "/cart", [None, "/cart", None]),
    "address": (address_parts, ADDRESS_PORT, ("address", "port"), "10.0.0.1:80", ["10.0.0.1", "80"]),
}


def told(parts: list[AnyArray], row: int) -> list[str | None]:
    """An empty part is as good as none."""
    return [part[row].as_py() or None for part in parts]


@pytest.mark.parametrize("form", FORMS)
@given(texts=st.lists(TEXTS, min_size=1, max_size=8), start=st.integers(0, 7), usual=st.booleans())
def test_what_is_cut_is_cut_as_the_patterns_take_it_apart(form: str, texts: list[str | None], start: int, usual: bool) -> None:
    cut, patterns, names, shown, _ = FORMS[form]
    column = pa.array([*texts, shown] if usual else texts, pa.string())
    column = column.slice(min(start, len(column) - 1))
    parts, done = cut(column)
    expected = matched(column, patterns, names)
    for part in parts:
        part.validate(full=True)
    for row, is_cut in enumerate(done.tolist()):
        assert not is_cut or told(parts, row) == told(expected, row)
        assert not is_cut or column[row].is_valid


@pytest.mark.parametrize("form", FORMS)
def test_the_usual_form_is_cut(form: str) -> None:
    cut, _, _, shown, parts = FORMS[form]
    found, done = cut(pa.array([shown, None, "", shown], pa.string()))
    assert done.tolist() == [True, False, False, True]
    assert told(found, 0) == told(found, 3) == parts


@pytest.mark.parametrize("cut", [request_parts, url_parts, address_parts])
def test_columns_without_anything(cut: Cut) -> None:
    for texts in ([], [""], [None, ""]):
        _, done = cut(pa.array(texts, pa.string()))
        assert not done.any()
