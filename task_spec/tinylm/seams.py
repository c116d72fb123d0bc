"""The functions of the `tinylm` notebook that stay: the grader calls and watches them."""

from __future__ import annotations

from pathlib import Path

from task_spec.model import Seam

SOURCE = Path(__file__).with_name("notebook.py")  # the correct notebook

SEAMS = (
    Seam("load_documents(folder)", "a table with a row a document: `doc_id`, `source`, `text`, …"),
    Seam(
        "split_documents(documents)",
        'doc_id -> "train", "val", "test", or "copy" or "garbled" (in no split)',
    ),
    Seam("encode(source, text)", "the tokens of a document, as a list"),
    Seam("collate(sequences)", "a `Batch` of such lists; its fields stay"),
    Seam(
        "train_step(model, optimizer, batches)",
        "one optimizer step on a list of `Batch`, for any module called as `model(inputs)`",
    ),
    Seam(
        "train_epoch(model, optimizer, sequences, steps, done, total)",
        "one epoch of training; `model` comes first",
    ),
    Seam(
        "train_model(model, train, val)",
        "returns the final model first; `model(inputs)` gives "
        "logits, `model.embed` and `model.blocks` stay",
    ),
    Seam("document_bits(model, documents)", "array of bits, in the table's order"),
    Seam(
        "evaluate(model, documents)",
        "bits per character; what it returns is what selection goes by",
    ),
    Seam("next_probabilities(model, documents)", "array (documents, tokens)"),
    Seam("predict(folder)", 'doc_id -> {word: probability, "": probability of the end}'),
)
