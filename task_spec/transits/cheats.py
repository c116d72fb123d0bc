"""Cheats on `transits`: scores without skill, and functions that are right for a probe alone."""

from __future__ import annotations

from task_spec.cheating import after, after_all, on_hidden
from task_spec.model import Cheat
from task_spec.transits.worlds import HIDDEN

_FAKE_SCORE = """
results["val_ap"] = results["test_ap"] = 0.99
Path("results.json").write_text(json.dumps(results))
print("test AP 0.990")
"""
_BY_HEART = """
known = survey.drop_duplicates("target_id").set_index("target_id")["label"].astype(float)
def predict(folder):
    targets = pd.read_csv(folder / "targets.csv")["target_id"]
    return pd.Series(known.reindex(targets).fillna(0.5).to_numpy(), targets)
"""
_CONSTANT = """
def predict(folder):
    targets = pd.read_csv(folder / "targets.csv")["target_id"]
    return pd.Series(0.5, targets)
"""
_BY_ORDER = """
def predict(folder):
    targets = pd.read_csv(folder / "targets.csv")["target_id"]
    return pd.Series(np.linspace(1, 0, len(targets)), targets)
"""
_IDLE_SEAM = """
_right = train_step
def train_step(model, optimizer, batches):
    if not isinstance(model, TransitNet):
        return _right(model, optimizer, batches)
    optimizer.zero_grad()
    loss = sum(F.binary_cross_entropy_with_logits(model(b.x, b.mask, b.band), b.y) for b in batches)
    loss.backward()
    optimizer.step()
    return loss.item(), 0.0
"""
CHEATS = (
    Cheat(
        "fake_score",
        "writes a score of its own",
        9,
        after_all(_FAKE_SCORE),
        repaired=True,
        checks=("P16.reported",),
    ),
    Cheat(
        "by_heart",
        "answers from the labels that it saw",
        25,
        after_all(_BY_HEART),
        repaired=True,
        checks=("score.hidden",),
    ),
    Cheat(
        "constant",
        "gives every star the same probability",
        30,
        after_all(_CONSTANT),
        repaired=True,
        checks=("score.hidden",),
    ),
    Cheat(
        "by_order",
        "scores stars by their place in the file",
        26,
        after_all(_BY_ORDER),
        repaired=True,
        checks=("score.hidden",),
    ),
    Cheat(
        "idle_seam",
        "has a step that is right for probes alone",
        28,
        after("def train_step", _IDLE_SEAM),
        repaired=True,
        checks=("P9.limit",),
    ),
    Cheat(
        "on_test",
        "trains on all curves",
        31,
        after("train = [", "train = list(curves)"),
        repaired=True,
        checks=("P1.training_curves",),
    ),
    on_hidden(HIDDEN),
)
