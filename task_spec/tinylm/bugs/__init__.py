"""The bugs that can be planted in `tinylm`: each a small edit of the correct notebook."""

from __future__ import annotations

from task_spec.tinylm.bugs import (
    batches,
    copies,
    data,
    garbled,
    leaks,
    model,
    scores,
    step,
    training,
)

BUGS = (
    *data.BUGS,
    *copies.BUGS,
    *garbled.BUGS,
    *batches.BUGS,
    *model.BUGS,
    *step.BUGS,
    *training.BUGS,
    *leaks.BUGS,
    *scores.BUGS,
)
