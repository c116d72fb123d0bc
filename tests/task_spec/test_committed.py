"""The committed notebooks are what task_spec builds, and give no answer away."""

import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from task_spec.build import build
from task_spec.composition import choose
from task_spec.registry import TASKS

ROOT = Path(__file__).parents[2] / "notebooks"
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")


@pytest.fixture(scope="module", params=sorted(TASKS))
def pair(request, tmp_path_factory):
    """The committed folder of a task and one that is built now, executed."""
    fresh = tmp_path_factory.mktemp(request.param)
    build(choose(TASKS[request.param]), fresh)
    return ROOT / request.param, fresh


def _shown(notebook):
    """What the cells show, without pictures: texts with their numbers taken out, and the numbers.

    Fonts differ from machine to machine, and so do the last digits of a training: kernels of
    another processor round in another order.
    """
    shown = json.dumps(
        [
            [
                [output.get("text"), output.get("data", {}).get("text/plain")]
                for output in cell.get("outputs", ())
            ]
            for cell in notebook.cells
        ]
    )
    return NUMBER.sub("#", shown), [float(number) for number in NUMBER.findall(shown)]


def test_the_committed_notebook_is_the_default_variant_with_its_outputs(pair):
    name = f"{pair[0].name}.ipynb"
    committed, built = (nbformat.read(folder / name, as_version=4) for folder in pair)
    assert [(c.id, c.source) for c in committed.cells] == [(c.id, c.source) for c in built.cells]
    (text, numbers), (built_text, built_numbers) = _shown(committed), _shown(built)
    assert text == built_text
    np.testing.assert_allclose(numbers, built_numbers, rtol=0.1, atol=0.05)
    pictures = [
        o for c in committed.cells for o in c.get("outputs", ()) if "image/png" in o.get("data", {})
    ]
    assert len(pictures) >= 3


def _same(one, two):
    """Whether two arrays are equal, numbers up to the last digit of half precision."""
    if one.dtype.kind != "f":
        return np.array_equal(one, two)
    return np.allclose(one, two, rtol=2e-3, equal_nan=True)


def test_the_committed_data_are_the_default_draw(pair):
    committed, built = (folder / "data" for folder in pair)
    assert sorted(p.name for p in committed.iterdir()) == sorted(p.name for p in built.iterdir())
    for path in committed.iterdir():
        other = built / path.name
        if path.suffix == ".npy":
            np.testing.assert_allclose(np.load(path), np.load(other), rtol=1e-6)
        elif path.suffix == ".npz":
            with np.load(path) as one, np.load(other) as two:
                assert one.files == two.files
                for name in one.files:
                    assert _same(one[name], two[name])
        else:
            assert path.read_text() == other.read_text()


def test_nothing_in_the_folder_gives_an_answer_away(pair):
    folder, _ = pair
    task = TASKS[folder.name]
    assert {p.name for p in folder.iterdir()} == {f"{task.name}.ipynb", "data"}
    text = (folder / f"{task.name}.ipynb").read_text()
    for bug in task.bugs:
        assert bug.id not in text or "_" not in bug.id  # `magnitudes` is a word of the field
        assert bug.title not in text
    tables = {p.name: p.read_text().splitlines()[0] for p in (folder / "data").glob("*.csv")}
    for header in tables.values():
        assert not {"star", "place", "copy_of", "entry_of", "true"} & set(header.split(","))
