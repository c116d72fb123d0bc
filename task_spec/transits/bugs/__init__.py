"""The bugs that can be planted in `transits`: each a small edit of the correct notebook."""

from __future__ import annotations

from task_spec.transits.bugs import (
    extractions,
    freezing,
    inputs,
    labels,
    leaks,
    model,
    pretraining,
    scores,
    selection,
    sky,
    step,
    tables,
    training,
)

BUGS = (
    *sky.BUGS,
    *tables.BUGS,
    *inputs.BUGS,
    *extractions.BUGS,
    *labels.BUGS,
    *model.BUGS,
    *pretraining.BUGS,
    *freezing.BUGS,
    *step.BUGS,
    *training.BUGS,
    *selection.BUGS,
    *leaks.BUGS,
    *scores.BUGS,
)
