"""Checks of selection, test documents, metric and predictions: P15 to P18, and the score."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from task_spec.checking import Checks, at_least, at_most, none_of, run_of
from task_spec.model import Evidence, Measurement
from task_spec.tinylm.checks.worlds_of import ALL, FULL, epochs_of

check = Checks()
MAX_HIDDEN_BITS = 6.4
# An honest model's total on hidden words is below the language's own by more than t bits with a
# probability of at most 2**-t (Markov's inequality for the likelihood ratio).
POSSIBLE_BITS = 30.0
FLOOR = 1e-9  # of a probability, so that a word that is left out costs 30 bits


@check("P15.epochs", "one evaluation an epoch", ALL)
def evaluations(e: Evidence) -> Measurement:
    """`evaluate` is called on the val documents after each epoch."""
    seen = {v["epoch"] for v in run_of(e)["evaluations"]}
    missing = set(range(1, len(epochs_of(e)) + 1)) - seen
    return none_of(len(missing), "epochs without an evaluation")


@check("P15.selected", "all tensors of the final model", ALL)
def selected(e: Evidence) -> Measurement:
    """The final model against the model as it was when `evaluate` answered best. In the small
    worlds the answers are made up, so that the best epoch is neither first nor last."""
    run = run_of(e)
    best = min(run["evaluations"], key=lambda v: v["bits"])  # the first of equals
    off = sum(run["final"].get(name) != value for name, value in best["state"].items())
    return none_of(off, f"tensors differ from those after epoch {best['epoch']}")


@check.across("P16.test", "weights and vocabulary stay", "swapped")
def test_documents(e: Evidence, others: Mapping[str, Evidence]) -> Measurement:
    """The small draw run twice, the second time with other texts in its test documents."""
    before, after = others["small"].claims, e.claims
    moved = ["weights"] if before["run"]["final"] != after["run"]["final"] else []
    moved += ["vocabulary"] if before["vocabulary"] != after["vocabulary"] else []
    moved += ["val_bpc"] if before["results"]["val_bpc"] != after["results"]["val_bpc"] else []
    return none_of(
        len(moved), f"quantities moved with the test documents: {', '.join(moved) or 'none'}"
    )


@check("P17.bits", "relative error at most 1e-3", ALL)
def bits(e: Evidence) -> Measurement:
    """`document_bits` of twelve texts in one table, against the model's logits for each text alone.
    Dropout is taken out."""
    wanted = e.arrays["nats"] / np.log(2)
    error = np.max(np.abs(e.arrays["bits"] - wanted) / wanted)
    return at_most(float(error), 1e-3, "largest relative error", log=True)


@check("P17.reported", "val and test within 0.5%", FULL)
def reported(e: Evidence) -> Measurement:
    """`val_bpc` and `test_bpc` of `results.json`, against the bits of the run's documents over the
    characters of their texts."""
    length = {str(i): len(text) for i, _, text in e.claims["documents"]}
    worst = 0.0
    for part in ("val", "test"):
        characters = sum(length[i] for i in run_of(e)[f"scored_{part}"])
        wanted = float(e.arrays[f"{part}_bits"].sum()) / characters
        worst = max(worst, abs(e.claims["results"][f"{part}_bpc"] / wanted - 1))
    return at_most(worst, 5e-3, "largest relative error", log=True)


@check("P18.next", "probabilities within 1e-4", ALL)
def following(e: Evidence) -> Measurement:
    """`next_probabilities` of twelve texts of 1 to 20 words in one table, against the logits after
    each text's last word, each text alone. Dropout is taken out."""
    logits = e.arrays["last_logits"]
    wanted = np.exp(logits - logits.max(1, keepdims=True))
    wanted /= wanted.sum(1, keepdims=True)
    error = float(np.max(np.abs(e.arrays["next"] - wanted)))
    return at_most(error, 1e-4, "largest error of a probability", log=True)


def _hidden_bits(e: Evidence) -> tuple[float, float]:
    """(bits of the model, of the language), summed over the words that follow hidden prefixes."""
    found = 0.0
    for row in e.truth.hidden.table.itertuples():
        chances = e.claims["hidden"][row.doc_id]
        p = np.array([float(p) for p in chances.values()])
        if not np.all(np.isfinite(p)) or p.min() < 0 or p.sum() > 1.001:
            raise ValueError(f"`predict` gives no probabilities for {row.doc_id}")
        found -= np.log2(max(FLOOR, float(chances.get(row.following, 0.0))))
    return found, float(e.truth.hidden.table["bits"].sum())


@check("score.hidden", f"at most {MAX_HIDDEN_BITS} bits a word", FULL)
def hidden_score(e: Evidence) -> Measurement:
    """`predict` on 1500 hidden documents that are cut after a word: bits of what came next, which
    never enters the kernel."""
    model, _ = _hidden_bits(e)
    return at_most(model / len(e.truth.hidden.table), MAX_HIDDEN_BITS, "bits a hidden word")


@check("score.possible", f"at most {POSSIBLE_BITS:g} bits in all below the language's own", FULL)
def possible(e: Evidence) -> Measurement:
    """No honest prediction beats the language itself, but by luck."""
    model, language = _hidden_bits(e)
    return at_least(model - language, -POSSIBLE_BITS, "bits above the language's own")
