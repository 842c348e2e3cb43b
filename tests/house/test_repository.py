"""The repository keeps its own rules: sizes of functions and files, names, links, nothing of the machine that made it."""

import ast
import importlib
import re
import statistics
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("tailrace", "collectors", "firehose", "queries", "alerts", "dashboard", "gateway", "sandbox", "infra")
IGNORED = [line.strip("/") for line in (ROOT / ".gitignore").read_text("utf-8").splitlines() if line]
MAX_FUNCTION, MAX_FILE, MAX_MEDIAN = 40, 400, 8


def ours(folder: Path = ROOT) -> Iterator[Path]:
    """Answer the files of the repository: all but what ``.gitignore`` names (git itself may not be installed)."""
    for path in sorted(folder.iterdir()):
        if path.name == ".git" or any(fnmatch(path.name, name) for name in IGNORED):
            continue
        if path.is_dir():
            yield from ours(path)
        else:
            yield path


def sources() -> list[Path]:
    return [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]


def functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            docstring = (node.body[0].end_lineno or 0) - node.body[0].lineno + 1 if len(body) < len(node.body) else 0
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", (node.end_lineno or 0) - node.lineno + 1 - docstring


@pytest.mark.parametrize("package", PACKAGES)
def test_an_imported_package_is_the_one_of_this_repository(package: str) -> None:
    assert Path(str(importlib.import_module(package).__file__)).resolve().is_relative_to(ROOT)


def test_no_file_is_longer_than_400_lines() -> None:
    assert [(str(path), n) for path in sources() if (n := len(path.read_text("utf-8").splitlines())) > MAX_FILE] == []


def test_no_function_is_longer_than_40_lines_and_the_median_is_short() -> None:
    lengths = [found for path in sources() for found in functions(path)]
    assert [(name, length) for name, length in lengths if length > MAX_FUNCTION] == []
    assert statistics.median(length for _, length in lengths) <= MAX_MEDIAN


def test_nothing_is_mocked() -> None:
    word = "unittest" + ".mock"
    assert [str(path) for path in ours() if path.suffix == ".py" and (word in (text := path.read_text("utf-8")) or "mock." + "patch" in text)] == []


def test_nothing_names_the_machine_or_a_package_index() -> None:
    forbidden = re.compile("/" + r"work/|/" + r"root/|/home/\w+/|pypi\." + r"org|files\.pythonhosted|repo1?\.maven\.org|registry\.npmjs|deb\.debian\.org")
    texts = [path for path in ours() if path.suffix not in {".png", ".gz", ".parquet"} and path.name != "LICENSE"]
    assert [(str(path), found[0]) for path in texts if (found := forbidden.search(path.read_text("utf-8", "replace")))] == []


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-test.txt"])
def test_lock_files_have_hashes_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert "://" not in text
    assert text.count("==") <= text.count("--hash=sha256:")


def test_every_dependency_is_justified() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {re.split(r"[\[<>=]", entry)[0] for group in groups for entry in group}
    page = (ROOT / "docs" / "dependencies.md").read_text("utf-8")
    assert {name for name in names if f"`{name}`" not in page} == set()


def test_every_link_of_the_docs_leads_somewhere() -> None:
    pages = [path for path in ours() if path.suffix == ".md"]
    links = [(page, target) for page in pages for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text("utf-8")) if "://" not in target]
    assert [(str(page), target) for page, target in links if not (page.parent / target).exists()] == []


def test_every_python_file_says_what_it_is() -> None:
    assert [str(path) for path in sources() if not ast.get_docstring(ast.parse(path.read_text("utf-8")))] == []
