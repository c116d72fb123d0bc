"""The bugs that can be planted in `transits`: each a small edit of the correct notebook."""

from __future__ import annotations

from task_spec.transits.bugs import data, model, selection, training

BUGS = (*data.BUGS, *model.BUGS, *training.BUGS, *selection.BUGS)
