"""Imports are read from sources: of modules and of functions, but not what only the type checker reads or a package offers lazily."""

import ast
from textwrap import dedent

from infra.imports import follow, imported


def names(text: str, *, functions: bool = True) -> list[str]:
    return list(imported(ast.parse(dedent(text)), "pack.age", functions=functions))


def test_modules_and_names_in_modules_are_listed() -> None:
    assert names("import a.b, c\nfrom d.e import f, g as h\nfrom i import *") == ["a.b", "c", "d.e", "d.e.f", "d.e.g", "i"]
    assert names("from . import a\nfrom .b import c\nfrom ..d import e") == ["pack.age", "pack.age.a", "pack.age.b", "pack.age.b.c", "pack.d", "pack.d.e"]


def test_what_is_not_run_is_passed_over() -> None:
    text = """
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            import a
        def __getattr__(name):
            import b
        def f():
            import c
        class D:
            import e
    """
    assert names(text) == ["typing", "typing.TYPE_CHECKING", "c", "e"]
    assert names(text, functions=False) == ["typing", "typing.TYPE_CHECKING", "e"]


def test_the_handlers_imports_end_before_the_spool_and_the_engines() -> None:
    found = follow(["collectors.handler"], ("collectors", "firehose", "tailrace"))
    assert {"collectors.handler", "collectors", "firehose.sinks.amazon_firehose.stream", "tailrace.secrets"} <= set(found.modules)
    assert {"firehose.delivery_stream", "firehose.spool", "tailrace.ledger"} & set(found.modules) == set()
    assert {name.partition(".")[0] for name in found.others} & {"duckdb", "pandas", "streamlit", "sqlglot"} == set()
    assert {"firehose", "ssm", "secretsmanager"} <= found.services
