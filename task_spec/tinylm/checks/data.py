"""Checks of documents, spelling, split, copies, vocabulary and batches: P1 to P6."""

from __future__ import annotations

import unicodedata

import numpy as np

from task_spec.checking import Checks, at_least, at_most, declare_interface, none_of, run_of
from task_spec.model import Evidence, Measurement
from task_spec.tinylm.checks.worlds_of import ALL, FULL, PARTS, claimed, spelt, truth_of

check = Checks()
declare_interface(check, FULL)
# At noise 0.95 the notebook finds 97% of the copies of full draws, with a standard deviation of 2%,
# and leaves out 1% of the others, give or take 0.5%. Where accents count it finds 67% (3%), where
# nothing is translated 73% (2%), where only what stands in order is found 76% (2%), and where
# nothing is read down columns 70% (4%). In small draws no dictionary can be learnt: there only the
# others count.
MIN_RECALL, MAX_OTHERS = 0.87, 0.04


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text)


@check("P1.documents", "every document once, with its source and words", ALL)
def documents(e: Evidence) -> Measurement:
    """The run's documents against the ones that were written; normal form is not looked at."""
    wanted = [(row.doc_id, row.source, row.clean) for row in e.truth.corpus.table.itertuples()]
    got = [(doc_id, source, _nfc(text)) for doc_id, source, text in claimed(e)]
    off = len(set(wanted) ^ set(got)) + len(got) - len(set(got))
    return none_of(off, "documents missing, doubled or changed")


@check("P1.split", "every document has a part", ALL)
def all_split(e: Evidence) -> Measurement:
    """The ids in the run's split against the ids of the documents that it read."""
    off = set(e.claims["split"]) ^ {doc_id for doc_id, _, _ in claimed(e)}
    return none_of(len(off), "documents without a part, or parts without a document")


@check("P2.spelling", "every text of the corpus and of a hidden folder", ALL)
def spelling(e: Evidence) -> Measurement:
    """Texts as `load_documents` returns them, where their words are right, against their normal
    form C; about a fifth are delivered with combining marks. The language has a letter (long s)
    that the compatibility forms would change."""
    clean = dict(truth_of(e)["clean"])
    hidden = e.truth.hidden.table
    clean |= dict(zip(hidden["doc_id"], map(_nfc, hidden["text"]), strict=True))
    texts = claimed(e) + [(str(i), "", str(t)) for i, _, t in e.claims["hidden_documents"]]
    known = [(text, clean[i]) for i, _, text in texts if i in clean]
    off = sum(text != wanted for text, wanted in known if _nfc(text) == wanted)
    return none_of(off + (not known), "texts in another form")


@check("P3.split", "every document that is in the split", ALL)
def days(e: Evidence) -> Measurement:
    """The run's split against the true days, of documents that were not left out."""
    part = truth_of(e)["part"]
    off = sum(p not in (part.get(i), "copy", "garbled") for i, p in e.claims["split"].items())
    return none_of(off + (not e.claims["split"]), "documents in the wrong part")


@check("P3.used", "the documents of train and val", ALL)
def used(e: Evidence) -> Measurement:
    """The training and val documents that `train_model` got against the run's split."""
    run, split = run_of(e), e.claims["split"]
    off = sum(
        set(run[part]) != {i for i, p in split.items() if p == part} for part in ("train", "val")
    )
    return none_of(off, "parts of the split that were not trained on or evaluated as they are")


@check("P4.found", f"at full size at least {MIN_RECALL:.0%} of the copies, as `copy`", FULL)
def copies_found(e: Evidence) -> Measurement:
    """Documents that were left out as copies, among the copies that could be: of which copy and
    original are spelt as clause P2 says and neither was put into the wrong part, which clause P3
    forbids. One that is taken for garbled is not found: those that were read across columns
    look garbled, but for those that were typed without accents."""
    split, table = e.claims["split"], truth_of(e)
    right = spelt(e)
    copies = table[table["original"] != ""]
    able = [
        split[i]
        for i, original in copies["original"].items()
        if {i, original} <= right
        and split.get(i, "train") != "train"
        and split.get(original) == "train"
    ]
    if len(able) < 0.3 * len(copies):
        return Measurement(None, False, "most copies, or their originals, are in the wrong part")
    return at_least(float(np.mean([p == "copy" for p in able])), MIN_RECALL, "share found")


@check("P4.others", f"at most {MAX_OTHERS:.0%} of the other val and test documents", ALL)
def others_kept(e: Evidence) -> Measurement:
    """Val and test documents that copy nothing, are not garbled, and were taken for copies though
    they were read as clauses P1 and P2 say."""
    split, table, right = e.claims["split"], truth_of(e), spelt(e)
    others = table[(table["original"] == "") & ~table["garbled"] & (table["part"] != "train")]
    left_out = float(np.mean([i in right and split.get(i) == "copy" for i in others.index]))
    return at_most(left_out, MAX_OTHERS, "share of others left out")


@check("P4.training", "none of the training documents", ALL)
def training_kept(e: Evidence) -> Measurement:
    """Training documents that are not garbled and were taken for copies; of sources of which a
    document is in the wrong part only clause P3 is held to account."""
    table = truth_of(e)
    part = table.index.map(e.claims["split"].get)
    misread = table.loc[part.isin(PARTS) & (part != table["part"]), "source"]
    kept = (table["part"] == "train") & ~table["garbled"] & ~table["source"].isin(misread)
    return none_of(int(np.sum(part[kept] == "copy")), "are left out")


@check("P5.vocabulary", "the same set of words", ALL)
def vocabulary(e: Evidence) -> Measurement:
    """The vocabulary, in normal form, against the words of the documents that the run's split calls
    training documents. Some words occur in later documents only; an old vocabulary lies about."""
    clean = truth_of(e)["clean"]
    train = [clean[i] for i, p in e.claims["split"].items() if p == "train" and i in clean.index]
    wanted = {word for text in train for word in text.split(" ")}
    got = {_nfc(str(word)) for word in e.claims["vocabulary"]}
    return none_of(len(wanted ^ got) + (not train), "words missing from the vocabulary or too many")


@check("P6.mask", "exact at every place", ALL)
def mask(e: Evidence) -> Measurement:
    """`mask` of a batch of twelve texts of 1 to 20 words: true at n+1 places of each."""
    words = np.array([len(text.split(" ")) for _, text in e.truth.probes["various"]])
    got = e.arrays["batch_mask"]
    wanted = np.arange(got.shape[1]) <= words[:, None]
    if got.shape[1] < words.max() + 1:
        return Measurement(None, False, "the batch is too short for its longest document")
    return none_of(int(np.sum(got != wanted)), "places where the mask is wrong")


@check("P6.tokens", "inputs and targets of twelve texts", ALL)
def tokens(e: Evidence) -> Measurement:
    """Targets are the inputs one place on; the first input goes with the source, the last target is
    the same in all; the same word is the same token."""
    inputs, targets = e.arrays["batch_inputs"], e.arrays["batch_targets"]
    meant: dict[str, int] = {}
    off = 0
    for i, (source, text) in enumerate(e.truth.probes["various"]):
        words = text.split(" ")
        n = len(words)
        off += not np.array_equal(inputs[i, 1 : n + 1], targets[i, :n])
        named = [f"<{source}>", *words, "<end>"]
        for name, token in zip(named, [*inputs[i, : n + 1], targets[i, n]], strict=True):
            off += meant.setdefault(name, int(token)) != int(token)
    marks = [meant[name] for name in meant if name.startswith("<")]
    return none_of(off + len(marks) - len(set(marks)), "tokens that don't fit")
