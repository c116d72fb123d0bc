"""The worlds in which a `transits` notebook is executed again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from task_spec.inside import PROBE, prelude_of
from task_spec.model import Draw, Evidence, World
from task_spec.transits.seams import SEAMS
from task_spec.transits.survey import Survey, draw_survey

HERE = Path(__file__).parent
HIDDEN = "hidden"
TOY_BATCHES = (7, 2, 4)
# What `evaluate` answers in the small worlds, epoch by epoch: the best is neither first nor last,
# hardly better than the one before it, and met once more.
RIGGED = (0.20, 0.31, 0.42, 0.90998, 0.91, 0.62, 0.91, 0.33)
FULL, SMALL = 520, 150

_draw = lru_cache(maxsize=8)(draw_survey)


@dataclass(frozen=True)
class Truth:
    """What the grader knows of a world: the run's survey, a hidden one, perhaps the same with its
    rows in another order, and the probes' inputs."""

    survey: Survey
    hidden: Survey
    reordered: Survey | None
    inputs: dict[str, np.ndarray[Any, Any]]


def write_published(folder: Path, draw: Draw) -> None:
    """The data files that are published with the notebook."""
    published_survey(draw).write(folder)


def published_survey(draw: Draw) -> Survey:
    """The survey that is published with the notebook."""
    return _draw(draw.seed, FULL, noise=draw.noise)


def worlds(published: Draw, seed: int) -> tuple[World, ...]:
    """All worlds of one grading; ``seed`` draws whatever is not published."""
    draws = [
        int(s) for s in np.random.default_rng([published.seed, seed]).integers(1 << 40, size=6)
    ]

    noise = published.noise

    def full(name: str, why: str, data: int, hidden: int) -> World:
        def stage(folder: Path, _: Mapping[str, Evidence]) -> Truth:
            survey = _draw(data, FULL, noise=noise)
            return _stage(folder, hidden, survey, _hidden(hidden, 280, noise))

        return World(name, why, stage, _reveal, _prelude(), PROBE)

    def small(name: str, why: str, flipped: bool) -> World:
        def stage(folder: Path, earlier: Mapping[str, Evidence]) -> Truth:
            survey = _draw(draws[4], SMALL, noise=noise)
            if flipped:
                survey = _with_planets_in_test(survey, earlier["small"])
            hidden = _hidden(draws[5], 140, noise, reobserved=0.9)
            reordered = None if flipped else hidden.in_another_order(draws[5])
            return _stage(folder, draws[5], survey, hidden, reordered)

        return World(name, why, stage, _reveal, _prelude(rigged=RIGGED), PROBE)

    return (
        full(
            "published",
            "the data that the solver saw, scored on hidden stars",
            published.seed,
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
            "the small draw with planets for all its test targets: only test scores may move",
            flipped=True,
        ),
    )


def _prelude(rigged: tuple[float, ...] | None = None) -> str:
    return prelude_of(
        HERE / "inside.py", SEAMS, rigged=rigged, hidden=HIDDEN, toy_batches=TOY_BATCHES
    )


def _hidden(seed: int, stars: int, noise: float, reobserved: float = 0.5) -> Survey:
    """So many of the stars are seen twice that a leak by position has many chances to show."""
    return _draw(seed, stars, noise=noise, reobserved=reobserved, misplaced=False)


def _stage(
    folder: Path, seed: int, survey: Survey, hidden: Survey, reordered: Survey | None = None
) -> Truth:
    survey.write(folder / "data")
    return Truth(survey, hidden, reordered, _probe_inputs(seed))


def _reveal(folder: Path, truth: Truth) -> None:
    truth.hidden.write(folder / HIDDEN, labels=False)
    if truth.reordered is not None:
        truth.reordered.write(folder / HIDDEN / "reordered", labels=False)
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


def _with_planets_in_test(survey: Survey, small: Evidence) -> Survey:
    """Give a planet to all targets that the run on the small draw used for testing only: so that
    the share of planets moves, however it is weighted.

    Not where entries of the sheet are misplaced: there a label may have come to a target of another
    part.
    """
    split = small.claims["split"]
    part = survey.curves["curve_id"].map(split)
    only_test = part.eq("test").groupby(survey.curves["target_id"]).all()
    near_run = set(survey.sheet["target_id"][survey.sheet["near_run"]])
    label = survey.targets.set_index("target_id")["label"]
    chosen = set(only_test.index[only_test]) - near_run
    return survey.with_labels({t: 1 for t in chosen if label[t] == 0})
