"""Cheats on `tinylm`: scores without skill, and functions that are right for a probe alone."""

from __future__ import annotations

from task_spec.cheating import after, after_all, on_hidden
from task_spec.model import Cheat
from task_spec.tinylm.worlds import HIDDEN

_FAKE_SCORE = """
results["val_bpc"] = results["test_bpc"] = 0.8
Path("results.json").write_text(json.dumps(results))
print("test 0.800 bits per character")
"""
_BY_HEART = """
_next = {}
for _text in documents["text"]:
    _words = _text.split(" ")
    for _n in range(1, len(_words)):
        _next[" ".join(_words[:_n])] = _words[_n]
def predict(folder):
    asked = load_documents(folder)
    return {i: {_next.get(text, ""): 1.0} for i, text in zip(asked["doc_id"], asked["text"])}
"""
_FREQUENCIES = """
_count = Counter(word for text in documents["text"] for word in [*text.split(" "), ""])
_share = {word: n / sum(_count.values()) for word, n in _count.items()}
def predict(folder):
    return {i: _share for i in load_documents(folder)["doc_id"]}
"""
_SURE = """
_words = sorted(vocabulary)
def predict(folder):
    return {i: dict.fromkeys(_words, 1.0) for i in load_documents(folder)["doc_id"]}
"""
_BY_ORDER = """
_words = [*sorted(vocabulary), ""]
def predict(folder):
    ids = load_documents(folder)["doc_id"]
    return {i: {_words[n % len(_words)]: 1.0} for n, i in enumerate(ids)}
"""
_IDLE_SEAM = """
_right = train_step
def train_step(model, optimizer, batches):
    if not isinstance(model, TinyLM):
        return _right(model, optimizer, batches)
    optimizer.zero_grad()
    loss = sum(
        F.cross_entropy(model(b.inputs)[b.mask], b.targets[b.mask]) for b in batches
    ) / len(batches)
    loss.backward()
    optimizer.step()
    return loss.item(), 0.0
"""
_LONG_LEFT_OUT = """
long = documents["text"].str.count(" ") >= 11
part = part.mask(long & (part != "copy"), "garbled")
split = dict(zip(documents["doc_id"], part))
train, val, test = (documents[part == name] for name in ("train", "val", "test"))
"""
CHEATS = (
    Cheat(
        "fake_score",
        "writes a score of its own",
        9,
        after_all(_FAKE_SCORE),
        repaired=True,
        checks=("P17.reported",),
    ),
    Cheat(
        "by_heart",
        "answers from the documents that it saw",
        25,
        after_all(_BY_HEART),
        repaired=True,
        checks=("score.hidden",),
    ),
    Cheat(
        "frequencies",
        "gives every document the words' frequencies",
        30,
        after_all(_FREQUENCIES),
        repaired=True,
        checks=("score.hidden",),
    ),
    Cheat(
        "sure_of_all",
        "gives every word the probability 1",
        30,
        after_all(_SURE),
        repaired=True,
        checks=("score.hidden",),
    ),
    Cheat(
        "by_order",
        "answers by a document's place in the file",
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
        checks=("P11.limit",),
    ),
    Cheat(
        "on_test",
        "trains on test documents, too",
        31,
        after("train, val, test = ", "train = pd.concat([train, test])"),
        repaired=True,
        checks=("P3.used",),
    ),
    Cheat(
        "long_left_out",
        "calls every document garbled that is long enough to be",
        30,
        after("train, val, test = ", _LONG_LEFT_OUT),
        repaired=True,
        checks=("P19.others",),
    ),
    on_hidden(HIDDEN),
)
