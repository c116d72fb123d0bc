"""The checks of `tinylm`: each measures one thing by behaviour, never by reading source."""

from __future__ import annotations

from task_spec.tinylm.checks import data, final, garbled, model, training

CHECKS = (
    *data.check.found,
    *garbled.check.found,
    *model.check.found,
    *training.check.found,
    *final.check.found,
)
