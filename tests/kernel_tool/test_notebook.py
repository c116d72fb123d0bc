"""Reading and editing a notebook by cell id."""

from __future__ import annotations

import json

import nbformat
import pytest
from nbformat.v4 import new_output

from kernel_tool.notebook import EditError, NotebookDocument

SOURCE = "def f(x):\n    y = x + 1\n    return y\n\nprint(f(1))\nprint(f(2))"


@pytest.fixture
def document(notebook) -> NotebookDocument:
    read = NotebookDocument.read(notebook)
    read.replace("setup", SOURCE)
    return read


def test_cells_are_shown_with_id_type_and_numbered_lines(document):
    assert document.render(["intro", "setup"]) == (
        "--- cell intro (markdown)\n   1| # Protocol\n\n"
        "--- cell setup (code)\n   1| def f(x):\n   2|     y = x + 1\n   3|     return y\n   4| \n"
        "   5| print(f(1))\n   6| print(f(2))"
    )
    assert all(cell_id in document.render() for cell_id in document.ids)


def test_outputs_are_shown_if_asked_for(document):
    document.record("setup", [new_output("stream", name="stdout", text="2\n3\n")], 4)
    assert document.render(["setup"], outputs=True).endswith("--- output of cell setup\n2\n3")
    assert "output of" not in document.render(["setup"])
    document.clear_outputs()
    assert "output of" not in document.render(["setup"], outputs=True)


def test_an_edit_replaces_the_one_occurrence(document):
    document.edit("setup", "x + 1", "x - 1")
    assert document.source("setup") == SOURCE.replace("x + 1", "x - 1")
    document.edit("setup", "print(f(1))\n", "")
    assert "f(1)" not in document.source("setup")


def test_a_line_end_too_many_at_the_end_of_a_cell_is_forgiven(document):
    document.edit("setup", "print(f(2))\n", "print(f(3))\n")
    assert document.source("setup").endswith("print(f(3))")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("print(", "log(", "occurs 2 times, at lines 5, 6"),
        ("y", "z", "occurs 2 times, at lines 2, 3"),
        ("    y = x + 2", "", r"(?s)does not occur.*closest lines:\n   2\|     y = x \+ 1"),
        ("  y = x + 1\n  return y", "", "(?s)if white space is ignored.*2|.*3|"),
        ("zebra" * 20, "", "does not occur in this cell, which has 6 lines.$"),
        ("", "x", "`old` is empty"),
        ("y = x + 1", "y = x + 1", "nothing would change"),
    ],
)
def test_an_edit_that_cannot_be_made_says_what_to_do(document, old, new, says):
    with pytest.raises(EditError, match=says):
        document.edit("setup", old, new)
    assert document.source("setup") == SOURCE


@pytest.mark.parametrize(
    "act",
    [
        lambda d: d.edit("setpu", "a", "b"),
        lambda d: d.replace("setpu", "a"),
        lambda d: d.delete("setpu"),
        lambda d: d.insert("setpu", "a"),
        lambda d: d.render(["setpu"]),
        lambda d: d.record("setpu", [], 1),
    ],
)
def test_an_unknown_id_is_answered_with_the_ids(document, act):
    says = (
        r"no cell 'setpu'. Did you mean setup\? The cells are: intro, setup, double, fails, last."
    )
    with pytest.raises(EditError, match=says):
        act(document)


def test_cells_are_inserted_and_deleted(document):
    first = document.insert(None, "# top", "markdown")
    second = document.insert("setup", "pass")
    document.delete("fails")
    assert document.ids == [first, "intro", "setup", second, "double", "last"]
    assert document.code_ids == ["setup", second, "double", "last"]
    assert not document.is_code(first)


def test_what_is_saved_is_a_valid_notebook(document, tmp_path):
    document.replace("double", "s = '\ud800'")
    document.record("setup", [new_output("execute_result", {"text/plain": "2"})], 1)
    document.save(tmp_path / "saved.ipynb")
    saved = nbformat.read(tmp_path / "saved.ipynb", as_version=4)
    nbformat.validate(saved)
    assert [cell.id for cell in saved.cells] == document.ids


def test_the_node_is_a_copy(document):
    document.node.cells.clear()
    assert len(document.ids) == 5


def test_a_notebook_without_ids_is_given_some(tmp_path):
    cell = {"cell_type": "markdown", "metadata": {}, "source": ["x"]}
    old = {"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": [cell]}
    path = tmp_path / "old.ipynb"
    path.write_text(json.dumps(old))
    document = NotebookDocument.read(path)
    assert len(document.ids) == 1 and document.ids[0]


def test_a_file_that_is_no_notebook_is_a_value_error(tmp_path):
    (tmp_path / "x.ipynb").write_text("{}{")
    with pytest.raises(ValueError):
        NotebookDocument.read(tmp_path / "x.ipynb")
