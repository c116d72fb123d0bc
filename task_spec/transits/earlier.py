"""Network inputs as an earlier version of the notebook prepared them: left over in the data."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

Floats = np.ndarray[Any, Any]


def earlier_inputs(curves: pd.DataFrame, flux: Floats) -> Floats:
    """(sum of lengths,) float16 inputs of all curves, NaN where a point is missing.

    That version knew nothing of magnitudes: a curve in magnitudes has its dips upwards. Nor did it
    know of values that are filled in where a point is missing.
    """
    pieces = []
    for start, length in curves[["start", "length"]].to_numpy():
        f = flux[start : start + length].astype(np.float64)
        x = f / np.nanmedian(f) - 1
        scatter = 1.4826 * np.nanmedian(np.abs(x - np.nanmedian(x)))
        pieces.append(np.clip(x / scatter, -8, 8))
    return np.concatenate(pieces).astype(np.float16)
