"""The worlds in which a `transits` notebook is executed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from task_spec.inside import EVIDENCE, RECORDER, as_module
from task_spec.model import Evidence, World
from task_spec.transits.seams import SEAMS
from task_spec.transits.survey import Survey, draw_survey

HERE = Path(__file__).parent
HIDDEN = "hidden"
TOY_BATCHES = (7, 2, 4)
# What `evaluate` answers in the small worlds, epoch by epoch: the best is neither first nor last.
RIGGED = (0.20, 0.31, 0.42, 0.55, 0.91, 0.62, 0.78, 0.33)
FULL, SMALL = 560, 150

_draw = lru_cache(maxsize=8)(draw_survey)


@dataclass(frozen=True)
class Truth:
    """What the grader knows of a world: the run's survey, a hidden one, and the probes' inputs."""

    survey: Survey
    hidden: Survey
    inputs: dict[str, np.ndarray[Any, Any]]


def write_published(folder: Path, seed: int) -> None:
    """The data files that are published with the notebook."""
    _draw(seed, FULL).write(folder)


def worlds(published_seed: int, seed: int) -> tuple[World, ...]:
    """All worlds of one grading; ``seed`` draws whatever is not published."""
    draws = [
        int(s) for s in np.random.default_rng([published_seed, seed]).integers(1 << 40, size=6)
    ]

    def full(name: str, why: str, data: int, hidden: int) -> World:
        def stage(folder: Path, _: Mapping[str, Evidence]) -> Truth:
            return _stage(folder, _draw(data, FULL), hidden, 280)

        return World(name, why, stage, _reveal, _prelude(), _PROBE)

    def small(name: str, why: str, flipped: bool) -> World:
        def stage(folder: Path, earlier: Mapping[str, Evidence]) -> Truth:
            survey = _draw(draws[4], SMALL)
            if flipped:
                survey = _flip_test_labels(survey, earlier["small"])
            return _stage(folder, survey, draws[5], 60)

        return World(name, why, stage, _reveal, _prelude(rigged=RIGGED), _PROBE)

    return (
        full(
            "published",
            "the data that the solver saw, scored on hidden stars",
            published_seed,
            draws[0],
        ),
        full(
            "fresh",
            "another draw of the whole survey: nothing can be learnt by heart",
            draws[1],
            draws[2],
        ),
        small(
            "small",
            "a small draw in which `evaluate` is made to answer that epoch 5 was best",
            flipped=False,
        ),
        small(
            "flipped",
            "the small draw with its test targets' labels inverted: only test scores may move",
            flipped=True,
        ),
    )


def _prelude(rigged: tuple[float, ...] | None = None) -> str:
    config = {
        "seams": [seam.name for seam in SEAMS],
        "rigged": rigged,
        "hidden": HIDDEN,
        "evidence": EVIDENCE,
        "toy_batches": TOY_BATCHES,
    }
    code = as_module("_recorder", [RECORDER, HERE / "inside.py"], config)
    return code + "__import__('sys').modules['_recorder'].RECORDER.install(get_ipython())\n"


_PROBE = "__import__('sys').modules['_recorder'].ask(globals())\n"


def _stage(folder: Path, survey: Survey, hidden_seed: int, hidden_stars: int) -> Truth:
    survey.write(folder / "data")
    # Half of the hidden stars are seen twice, so that a leak by position has many chances to show.
    hidden = draw_survey(hidden_seed, hidden_stars, reobserved=0.5)
    return Truth(survey, hidden, _probe_inputs(hidden_seed))


def _reveal(folder: Path, truth: Truth) -> None:
    truth.hidden.write(folder / HIDDEN, labels=False)
    np.savez(folder / HIDDEN / "probes.npz", **truth.inputs)  # type: ignore[arg-type]


def _probe_inputs(seed: int) -> dict[str, np.ndarray[Any, Any]]:
    """Inputs for `filling_loss` (4, 50), and the tensors of two small models to average."""
    rng = np.random.default_rng(seed)
    inputs: dict[str, np.ndarray[Any, Any]] = {
        "filled": rng.normal(size=(4, 50)).astype(np.float32),
        "flux": rng.normal(size=(4, 50)).astype(np.float32),
        "hidden": rng.random((4, 50)) < np.array([[0.1], [0.3], [0.5], [0.2]]),
        "observed": rng.random((4, 50)) < 0.8,
    }
    for which in ("average", "model"):
        # Linear weight and bias, norm weight and bias, running mean and variance.
        for i, shape in enumerate([(2, 3), (2,), (2,), (2,), (2,), (2,)]):
            inputs[f"{which}_{i}"] = rng.uniform(0.5, 2, size=shape).astype(np.float32)
    return inputs


def _flip_test_labels(survey: Survey, small: Evidence) -> Survey:
    """Invert the labels of the targets that the run on the small draw used for testing only."""
    split = small.claims["split"]
    part = survey.curves["curve_id"].map(split)
    only_test = part.eq("test").groupby(survey.curves["target_id"]).all()
    label = survey.targets.set_index("target_id")["label"]
    return survey.with_labels({t: 1 - int(label[t]) for t, is_test in only_test.items() if is_test})
