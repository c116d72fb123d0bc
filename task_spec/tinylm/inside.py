"""What is watched while a `tinylm` notebook trains, inside its kernel."""

import contextlib
import copy
from pathlib import Path

import pandas as pd
import torch.nn.functional as F
from torch.optim.optimizer import register_optimizer_step_pre_hook

RECORDER = Recorder(CONFIG["seams"])
_notes = {"epochs": [], "steps": [], "evaluations": [], "eval_draws": 0}
RECORDER.claims["run"] = _notes
_live = {}  # objects of the run that probes need later


def _ids(documents):
    return [str(i) for i in documents["doc_id"]]


def _state(model):
    return digests(model.state_dict())


def _enter_training(values):
    model, train, val = values[:3]
    _live["model"] = model
    _notes["train"], _notes["val"] = _ids(train), _ids(val)


def _leave_training(values, result):
    _live["final"] = result[0]
    _notes["final"] = _state(result[0])


def _enter_epoch(values):
    _notes["epochs"].append({"first_step": len(_notes["steps"]), "batches": []})


def _leave_epoch(values, result):
    _notes["epochs"][-1]["last_step"] = len(_notes["steps"])


def _enter_step(values):
    # An iterator would be used up by looking at it.
    batches = values[2] if isinstance(values[2], list | tuple) else ()
    _live["batches"] = len(batches)
    if RECORDER.inside["train_model"] and _notes["epochs"]:
        _notes["epochs"][-1]["batches"] += [_keys(b) for b in batches]


def _keys(batch):
    """A hash of each document of a batch."""
    return [
        hash(tuple(row[own].tolist())) for row, own in zip(batch.inputs, batch.mask, strict=True)
    ]


def _before_optimizer_step(optimizer, args, kwargs):
    if RECORDER.inside["train_model"]:
        RECORDER._handle(_note_step, optimizer)
    elif "toy" in _live:
        _live["toy"] += [p.grad.clone() for g in optimizer.param_groups for p in g["params"]]


def _note_step(optimizer):
    model = _live["model"]
    pairs = [(g, p) for g in optimizer.param_groups for p in g["params"]]
    sizes = {}
    for group, p in pairs:
        rate = float(group["lr"])
        sizes[rate] = sizes.get(rate, 0) + p.numel()
    known = {id(p): float(g.get("weight_decay", 0)) for g, p in pairs}
    named = list(model.named_parameters())
    _notes["decay"] = {n: [p.ndim, known[id(p)]] for n, p in named if id(p) in known}
    gradients = [p.grad.norm() for _, p in pairs if p.grad is not None]
    _notes["steps"].append(
        {
            "rates": sorted(sizes.items()),
            "missing": sum(id(p) not in known for _, p in named),
            "norm": torch.stack(gradients).norm().item(),
            "idle": sum(not module.training for module in _dropping(model)),
            "batches": _live.get("batches", 0) if RECORDER.inside["train_step"] else 0,
        }
    )


def _dropping(model):
    """Modules that may drop something: those of the blocks, and dropout layers anywhere."""
    others = (m for m in model.modules() if isinstance(m, torch.nn.Dropout))
    return [*model.blocks.modules(), *others]


# --- evaluation


def _enter_bits(values):
    _live["random"] = digest(torch.get_rng_state())


def _leave_bits(values, result):
    _notes["eval_draws"] += digest(torch.get_rng_state()) != _live["random"]


def _leave_evaluate(values, result):
    model, documents = values[:2]
    if not RECORDER.inside["train_model"] or _ids(documents) != _notes["val"]:
        return None
    rigged = CONFIG.get("rigged")
    at = len(_notes["evaluations"])
    bits = float(result) if rigged is None else float(rigged[at % len(rigged)])
    seen = {"state": _state(model), "bits": bits, "epoch": len(_notes["epochs"])}
    seen["untied"] = _untied(model)
    _notes["evaluations"].append(seen)
    return bits


@torch.no_grad()
def _untied(model):
    """How much logits still vary once the token embedding of a copy of the model is zero."""
    # Without gradients a copy must not share them with the model in training.
    twin = copy.deepcopy(model).eval()
    twin.embed.weight.zero_()
    return float(twin(torch.tensor([[3, 4, 5, 3], [4, 5, 3, 3]])).flatten(0, 1).std(0).max())


RECORDER.enter["train_model"], RECORDER.leave["train_model"] = _enter_training, _leave_training
RECORDER.enter["train_epoch"], RECORDER.leave["train_epoch"] = _enter_epoch, _leave_epoch
RECORDER.enter["train_step"] = _enter_step
for _name in ("document_bits", "next_probabilities"):
    RECORDER.enter[_name], RECORDER.leave[_name] = _enter_bits, _leave_bits
RECORDER.leave["evaluate"] = _leave_evaluate
register_optimizer_step_pre_hook(_before_optimizer_step)


# --- questions after the last cell; `names` is the notebook's namespace


@contextlib.contextmanager
def _no_dropout():
    """Takes dropout out of functions, so that one fault of it doesn't show in every probe."""
    kept = F.dropout, F.scaled_dot_product_attention

    def attention(*args, **kwargs):
        return kept[1](*args, **{**kwargs, "dropout_p": 0.0})

    F.dropout = lambda input, *args, **kwargs: input
    F.scaled_dot_product_attention = attention
    try:
        yield
    finally:
        F.dropout, F.scaled_dot_product_attention = kept


def _table(probe):
    ids = [str(i) for i in range(len(probe))]
    return pd.DataFrame(probe, columns=["source", "text"]).assign(doc_id=ids)


def _batch(names, probe):
    return names["collate"]([names["encode"](source, text) for source, text in probe])


@torch.no_grad()
def _logits(names, probe):
    final = _live["final"].eval()
    return final(_batch(names, probe).inputs).numpy()


def _ask_batch(names, probe):
    for field, value in zip(("inputs", "targets", "mask"), _batch(names, probe), strict=True):
        RECORDER.arrays[f"batch_{field}"] = value.numpy()
    return len(probe)


def _ask_causal(names, probes):
    """Logits of texts as they are, with other words later on, cut, and beside a longer text."""
    with _no_dropout():
        RECORDER.arrays["early"] = _logits(names, probes["early"])
        RECORDER.arrays["late"] = _logits(names, probes["late"])
        cut = [(source, " ".join(text.split(" ")[:6])) for source, text in probes["early"]]
        RECORDER.arrays["cut"] = _logits(names, cut)
        longer = [*probes["early"], probes["various"][-1]]
        RECORDER.arrays["padded"] = _logits(names, longer)[:-1]
    return len(probes["early"])


@torch.no_grad()
def _ask_dropout(names, probe):
    """Largest difference of two passes under other random numbers: in evaluation, in training."""
    final, found = copy.deepcopy(_live["final"]), []
    inputs = _batch(names, probe).inputs
    for training in (False, True):
        final.train(training)
        passes = []
        for seed in (1, 2):
            torch.manual_seed(seed)
            passes.append(final(inputs))
        found.append(float((passes[0] - passes[1]).abs().max()))
    return found


def _ask_bits(names, probe):
    """Bits of some texts by `document_bits`, and their logits and targets, each text alone."""
    with _no_dropout():
        RECORDER.arrays["bits"] = np.asarray(
            names["document_bits"](_live["final"], _table(probe)), dtype=np.float64
        )
        nats = []
        for one in probe:
            batch = _batch(names, [one])
            logp = torch.tensor(_logits(names, [one])).log_softmax(-1)
            logp = logp.gather(2, batch.targets[:, :, None])[:, :, 0]
            nats.append(-float(logp[batch.mask].sum()))
    RECORDER.arrays["nats"] = np.array(nats)
    return len(probe)


def _ask_next(names, probe):
    """`next_probabilities` of some texts, and the logits after the last word, each text alone."""
    with _no_dropout():
        given = names["next_probabilities"](_live["final"], _table(probe))
        RECORDER.arrays["next"] = np.asarray(given, dtype=np.float64)
        last = [_logits(names, [one])[0, len(one[1].split(" "))] for one in probe]
    RECORDER.arrays["last_logits"] = np.stack(last).astype(np.float64)
    return len(probe)


class _Toy(torch.nn.Module):
    """A bigram model, called as the network is."""

    def __init__(self, size, scale):
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.table = torch.nn.Parameter(torch.randn(size, size, generator=generator))
        self.scale = scale

    def forward(self, inputs):
        return self.scale * self.table[inputs]


def _ask_step(names, name, probe, scale, sizes):
    """One optimizer step of a bigram model on micro-batches of given sizes."""
    batches, first = [], 0
    for size in sizes:
        batches.append(_batch(names, probe[first : first + size]))
        first += size
    toy = _Toy(1 + max(int(t.max()) for b in batches for t in b[:2]), scale)
    _live["toy"] = []
    names["train_step"](toy, torch.optim.SGD(toy.parameters(), lr=0.0), batches)
    (gradient,) = _live.pop("toy")
    RECORDER.arrays[f"{name}_gradient"] = gradient.numpy()
    RECORDER.arrays[f"{name}_table"] = toy.table.detach().numpy()
    for field in ("inputs", "targets"):
        kept = [getattr(b, field)[b.mask] for b in batches]
        RECORDER.arrays[f"{name}_{field}"] = torch.cat(kept).numpy()
    return scale


def _ask_results(names):
    """What the run reported, and the bits of its val and test documents."""
    documents = names["documents"]
    part = documents["doc_id"].map(names["split"])
    for name in ("val", "test"):
        own = documents[part == name]
        RECORDER.arrays[f"{name}_bits"] = np.asarray(
            names["document_bits"](_live["final"], own), dtype=np.float64
        )
        _notes[f"scored_{name}"] = _ids(own)
    return {k: float(v) for k, v in json.loads(open("results.json").read()).items()}


def _ask_documents(documents):
    columns = (documents[name].astype(str) for name in ("doc_id", "source", "text"))
    return [list(row) for row in zip(*columns, strict=True)]


def _ask_predict(names, folder):
    """Predictions for the hidden folder."""
    RECORDER.claims["hidden_documents"] = _ask_documents(names["load_documents"](folder))
    return {
        str(i): {str(word): float(p) for word, p in chances.items()}
        for i, chances in names["predict"](folder).items()
    }


def ask(names):
    """All questions, then save the evidence."""
    hidden = Path(CONFIG["hidden"])
    probes = json.loads((hidden / "probes.json").read_text(encoding="utf-8"))
    attempt = RECORDER.attempt
    attempt("documents", lambda: _ask_documents(names["documents"]))
    attempt("split", lambda: {str(k): str(v) for k, v in names["split"].items()})
    attempt("vocabulary", lambda: [str(word) for word in names["vocabulary"]])
    attempt("results", _ask_results, names)
    attempt("batch", _ask_batch, names, probes["various"])
    attempt("causal", _ask_causal, names, probes)
    attempt("dropout", _ask_dropout, names, probes["early"])
    attempt("bits_of", _ask_bits, names, probes["various"])
    attempt("next_of", _ask_next, names, probes["various"])
    attempt("small_step", _ask_step, names, "small", probes["various"], 0.1, (5, 1, 6))
    attempt("large_step", _ask_step, names, "large", probes["equal"], 40.0, (6, 6))
    attempt("hidden", _ask_predict, names, hidden)
    RECORDER.save(CONFIG["evidence"])
