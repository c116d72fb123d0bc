"""In which worlds a check measures, and on which curves."""

from __future__ import annotations

import pandas as pd

from task_spec.model import Evidence

FULL = ("published", "fresh")
ALL = ("published", "fresh", "small")


def prepared_curves(e: Evidence) -> pd.DataFrame:
    """The rows of the hidden survey's curves that were prepared; there must be some. Whether all
    were is for P2.curves to say."""
    curves: pd.DataFrame = e.truth.hidden.curves
    rows = curves[curves["curve_id"].isin({c for c, _, _ in e.claims["prepared"]})]
    if rows.empty:
        raise ValueError("no curve of the hidden survey was prepared")
    return rows
