"""Submissions that try to pass without repairing, and runs that go wrong."""

import dataclasses
import io
import os
import zipfile

import numpy as np
import pytest

from grader.evidence import EvidenceError, read_evidence
from grader.grading import grade_text, run_worlds
from grader.submission import NotebookError, parse_notebook
from grader.verdict import FailureReason
from kernel_tool.launch import Launcher
from task_spec.inside import EVIDENCE
from task_spec.model import Budgets
from task_spec.variant import Variant
from tests.grader.playing import (
    DEFAULT,
    SEED,
    TASK,
    checked,
    failures,
)


@pytest.mark.parametrize(
    ("last_cell", "why"),
    [
        ("import os; os._exit(0)", "exited with code 0"),
        ("raise SystemExit(0)", "SystemExit"),
        ("assert False, 'no'", "AssertionError: no"),
        ("x = (", "SyntaxError"),
    ],
)
async def test_a_cell_that_fails_is_named(last_cell, why):
    (run,) = await run_worlds(["a = 1", last_cell], DEFAULT, SEED, Launcher(), only=["small"])
    assert run.evidence is None
    assert not run.timed_out
    assert "code cell 2" in run.error
    assert why in run.error


async def test_a_run_that_takes_too_long_is_stopped():
    hasty = dataclasses.replace(TASK, budgets=Budgets(run_seconds=3))
    deaf = "while True:\n    try:\n        time.sleep(60)\n    except BaseException:\n        pass"
    cells = ["import time", deaf]
    (run,) = await run_worlds(cells, Variant(hasty, ()), SEED, Launcher(), only=["small"])
    assert run.timed_out


async def test_a_notebook_without_the_functions_fails_and_says_so():
    (run,) = await run_worlds(["a = 1"], DEFAULT, SEED, Launcher(), only=["small"])
    results = await checked(["a = 1"], ("small",))
    assert run.error is None
    assert set(failures(results)) >= {"P1.stars", "P8.gradient", "P14.selected"}
    assert "KeyError" in results["P1.stars"].explanation


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"cells": 1}',
        '{"cells": [1]}',
        '{"cells": [{"cell_type": "code", "source": 1}]}',
        '{"cells": [{"cell_type": "code", "source": "' + "x" * 50_000 + '"}]}',
        '{"cells": [' + ",".join(['{"cell_type": "code"}'] * 301) + "]}",
        "[" * 100_000,
    ],
    ids=range(10),
)
async def test_what_is_no_notebook_is_refused_in_words(text):
    with pytest.raises(NotebookError):
        parse_notebook(text)
    verdict = await grade_text(text, [], DEFAULT, SEED)
    assert verdict.failure_reason == FailureReason.NOTEBOOK_ERROR
    assert verdict.detail


async def test_a_malformed_report_fails_before_anything_is_run():
    verdict = await grade_text('{"cells": []}', {"no": "list"}, DEFAULT, SEED)
    assert verdict.failure_reason == FailureReason.BAD_REPORT
    assert not verdict.checks


def _arrays(path, **arrays):
    np.savez(path, **arrays)


def _evidence(folder, claims="{}"):
    (folder / EVIDENCE).mkdir()
    (folder / EVIDENCE / "claims.json").write_text(claims)
    _arrays(folder / EVIDENCE / "arrays.npz", a=np.arange(3))
    return folder / EVIDENCE


def test_evidence_is_read_as_data(tmp_path):
    _evidence(tmp_path, '{"x": 1}')
    claims, arrays = read_evidence(tmp_path)
    assert claims == {"x": 1}
    assert arrays["a"].tolist() == [0, 1, 2]


def test_evidence_behind_a_link_a_pipe_or_a_pickle_is_refused(tmp_path):
    folder = _evidence(tmp_path)
    claims = folder / "claims.json"
    claims.rename(tmp_path / "elsewhere")
    claims.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EvidenceError, match=r"claims\.json"):
        read_evidence(tmp_path)
    claims.unlink()
    os.mkfifo(claims)
    with pytest.raises(EvidenceError, match="no regular file"):
        read_evidence(tmp_path)
    claims.unlink()
    claims.write_text("{}")
    _arrays(folder / "arrays.npz", a=np.array([print], dtype=object))
    with pytest.raises(EvidenceError, match="can't be read"):
        read_evidence(tmp_path)


@pytest.mark.parametrize("claims", ["[]", "{", "[" * 100_000, "\x00", "1"])
def test_malformed_claims_are_refused(tmp_path, claims):
    _evidence(tmp_path, claims)
    with pytest.raises(EvidenceError):
        read_evidence(tmp_path)


def test_an_archive_that_is_none_is_refused(tmp_path):
    folder = _evidence(tmp_path)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.npy", b"not an array")
    (folder / "arrays.npz").write_bytes(buffer.getvalue())
    with pytest.raises(EvidenceError):
        read_evidence(tmp_path)
