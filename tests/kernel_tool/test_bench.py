"""The benchmark runs and records what it found; how fast it all is, is not tested."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kernel_tool.bench.report import figure
from kernel_tool.bench.results import Part

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("part", ["round_trip", pytest.param("sixteen", marks=pytest.mark.matrix)])
def test_quick_run_leaves_samples_medians_ratios_and_a_picture(tmp_path: Path, part: str) -> None:
    command = [sys.executable, "-m", "kernel_tool.bench", "--quick", "--only", part]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "new" / "bench")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads((tmp_path / "new" / "bench" / "bench.json").read_text())
    assert found["quick"] is True
    assert {"cpu", "cores", "load_average", "python", "packages", "sandbox"} <= set(
        found["machine"]
    )
    assert list(found["parts"]) == [part]
    measures = found["parts"][part]["measures"]
    assert len(measures) >= 4
    for measure in measures:
        assert measure["unit"] and measure["samples"]
        assert min(measure["samples"]) > 0
        assert min(measure["samples"]) <= measure["median"] <= max(measure["samples"])
    ratios = found["parts"][part]["ratios"]
    assert found["bounds"] == [
        {"part": part, **ratio} for ratio in ratios if ratio["limit"] is not None
    ]
    assert all(
        bound["value"] > 0 and bound["holds"] is (bound["value"] <= bound["limit"])
        for bound in found["bounds"]
    )
    assert found["bounds"]
    assert (tmp_path / "new" / "bench" / "bench.png").read_bytes().startswith(b"\x89PNG")
    assert "ratios and bounds" in done.stdout


def test_ratio_is_of_medians_and_missing_ways_are_left_out() -> None:
    part = Part("part", "title")
    part.add("wall", "ours", "s", [1.0, 2.0, 30.0])
    part.add("wall", "theirs", "s", [5.0, 4.0, 3.0])
    part.add("wall", "absent", "s", [])
    part.compare(("wall", "ours"), ("wall", "theirs"), 0.5)
    part.compare(("wall", "ours"), ("wall", "theirs"), 0.49)
    part.compare(("wall", "ours"), ("wall", "theirs"))
    part.compare(("wall", "ours"), ("wall", "absent"))
    assert [(ratio.value, ratio.holds) for ratio in part.ratios] == [
        (0.5, True),
        (0.5, False),
        (0.5, None),
    ]


@pytest.mark.parametrize(
    ("value", "text"),
    [(1234.5, "1234"), (123.4, "123"), (12.34, "12.3"), (1.234, "1.23"), (0.01234, "0.0123")],
)
def test_figures_have_no_exponent(value: float, text: str) -> None:
    assert figure(value) == text
