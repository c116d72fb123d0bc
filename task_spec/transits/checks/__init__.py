"""The checks of `transits`: each measures one thing by behaviour, never by reading source."""

from __future__ import annotations

from task_spec.transits.checks import data, final, model, training

CHECKS = (*data.check.found, *model.check.found, *training.check.found, *final.check.found)
