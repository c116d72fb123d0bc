"""Checks of garbled documents: P19.

They are made in corpora of full size only, since a small one teaches too little of the order.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from task_spec.checking import Checks, at_least, at_most
from task_spec.model import Evidence, Measurement
from task_spec.tinylm.checks.worlds_of import FULL, PARTS, spelt, truth_of

check = Checks()
# Over 20 draws at noise 0.95 the notebook's own detector finds 86 to 99%, and at most 0.5%
# of others.
MIN_RECALL, MAX_OTHERS = 0.75, 0.015


def _read_rightly(e: Evidence) -> pd.DataFrame:
    """Truth and ``called`` (the part in the run's split) of the documents that were read as clauses
    P1 and P2 say: what became of the others is those clauses' matter."""
    split = e.claims["split"]
    ids = sorted(spelt(e) & split.keys())
    return truth_of(e).loc[ids].assign(called=[split[i] for i in ids])


@check("P19.found", f"at full size at least {MIN_RECALL:.0%} of the garbled documents", FULL)
def found(e: Evidence) -> Measurement:
    """Garbled documents that are in no split, whatever their part would be, among those that were
    read as clauses P1 and P2 say."""
    read = _read_rightly(e)
    called = read.loc[read["garbled"], "called"]
    if len(called) < 0.3 * len(e.truth.corpus.garbled()):
        return Measurement(None, False, "most garbled documents were not read rightly")
    left_out = ~called.isin(PARTS)
    return at_least(float(np.mean(left_out)), MIN_RECALL, "share left out")


@check(
    "P19.others",
    f"at full size at most {MAX_OTHERS:.1%} of the documents that are neither garbled nor copies",
    FULL,
)
def others_kept(e: Evidence) -> Measurement:
    """Documents that are neither garbled nor copies and were taken for garbled all the same."""
    read = _read_rightly(e)
    whole = read.loc[~read["garbled"] & (read["original"] == ""), "called"]
    return at_most(float(np.mean(whole == "garbled")), MAX_OTHERS, "share of others left out")
