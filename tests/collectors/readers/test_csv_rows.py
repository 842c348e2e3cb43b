"""CSV with a header: cells as the csv module has them, headers known by what they look like, and every line a row or a header."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.lines import Origin
from collectors.readers.csv_rows import cells_of, is_log_table, is_names
from collectors.sources.text_lines import runs
from tests.collectors.readers.samples import attributes, parsed, rows

CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00", exclude_categories=["Cs"]), max_size=8)


@given(st.lists(CELL, min_size=1, max_size=6))
def test_cells_are_those_that_were_written(cells: list[str]) -> None:
    line = ",".join('"' + cell.replace('"', '""') + '"' if set(cell) & set(',"') else cell for cell in cells)
    assert cells_of(line, ",") == (cells, True)


@given(st.lists(st.text(st.sampled_from('ab," '), min_size=1, max_size=12), min_size=1))
def test_what_the_csv_module_reads_strictly_is_read_alike(lines: list[str]) -> None:
    for line in lines:
        try:
            (expected,) = csv.reader([line], strict=True)
        except (csv.Error, ValueError):
            continue
        assert cells_of(line, ",") == (expected, True)


@pytest.mark.parametrize(("line", "cells"), [('a,"b', ["a", "b"]), ('"a""', ['a"']), ('"', [""]), ('"a"b,c', ["ab", "c"])])
def test_a_quote_that_is_not_closed_takes_the_rest(line: str, cells: list[str]) -> None:
    assert cells_of(line, ",") == (cells, line == '"a"b,c')


@pytest.mark.parametrize(
    ("line", "is_header"),
    [
        ("time,message", True),
        ("@timestamp,log.level", True),
        ("a", False),
        ("a,a", False),
        ("a,", False),
        ("a,1", False),
        ("2026-11-17,x", False),
        ("a,b: c?", False),
    ],
)
def test_a_header_is_a_list_of_names(line: str, is_header: bool) -> None:
    assert is_names(cells_of(line, ",")[0]) is is_header


def test_a_header_counts_until_it_comes_again_and_for_what_follows_in_the_source() -> None:
    first = parsed(["time,level,message", "2026-11-17T10:00:00Z,warn,a", "time,level,message", "2026-11-17T10:00:00Z,info,b"], "app.csv", source="csv:one")
    assert (first.logs["message"].to_pylist(), first.joined) == (["a", "b"], 2)
    (row,) = rows(["2026-11-17T10:00:00Z,error,c"], "app.csv", source="csv:one")
    assert (row["severity_text"], row["message"]) == ("ERROR", "c")
    (other,) = rows(["2026-11-17T10:00:00Z,error,c"], "app.csv", source="csv:two")
    assert attributes(other) == {"field_1": "2026-11-17T10:00:00Z", "field_2": "error", "field_3": "c"}


@pytest.mark.parametrize(
    ("text", "is_table"),
    [
        ("timestamp,level,message\n2026,info,a\n", True),
        ("\ufeffTime,Host,Msg\r\n1,a,b\r\n", True),
        ("timestamp,level,message\n", False),
        ("timestamp,level,message\n2026,info\n", False),
        ("timestamp,id,user\n2026,1,a\n", False),
        ("message,level,text\na,b,c\n", False),
        ("time,message\na,b\n", False),
        ('timestamp,level,message\n2026,info,"a\n', True),
        ("2026-11-17 10:00:00,123 INFO a,b\n", False),
        ("", False),
    ],
)
def test_a_stream_is_a_table_if_its_first_line_names_a_time_and_a_message_or_level(text: str, is_table: bool) -> None:
    assert is_log_table(text.encode()) is is_table
    found = [run.lines.origin.format for run in runs([text.encode()], Origin("s", "s"), "s", 1)]
    assert found == (["app.csv"] if is_table else [""] if text else [])


def test_a_format_that_was_said_stays() -> None:
    (run,) = runs([b"timestamp,level,message\n1,b,c\n"], Origin("s", "s", format="text.plain"), "s", 1)
    assert run.lines.origin.format == "text.plain"


@given(st.lists(st.text(st.sampled_from('ab1,"\n =é{}\x00'), max_size=20), max_size=15))
def test_every_line_is_a_row_or_a_header(lines: list[str]) -> None:
    found = parsed(lines, "app.csv")
    assert found.logs.num_rows + found.joined == len(lines)


def test_a_long_line_is_read_as_any_other() -> None:
    (row,) = rows(["time,message", '2026-11-17T10:00:00Z,"' + "x" * 1_000_000 + '"'], "app.csv")
    assert len(row["message"]) == 1_000_000
