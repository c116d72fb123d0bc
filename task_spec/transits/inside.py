"""What is watched and asked of a `transits` notebook, inside its kernel."""

from pathlib import Path

from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_pre_hook

RECORDER = Recorder(CONFIG["seams"])
_notes = {"epochs": [], "steps": [], "evaluations": [], "draws": {}, "pretrain_steps": 0}
_notes["augmented_in_evaluation"] = _notes["not_augmented"] = 0
_versions = {}  # augmented curve -> state of the generator with which it was drawn
RECORDER.claims["run"] = _notes
_live = {}  # objects of the run that probes need later
REORDERED = "reordered"  # below the hidden survey: the same with its rows in another order


def _ids(curves):
    return [str(c.curve_id) for c in curves]


def _state(model):
    return digests(model.state_dict())


# --- pre-training and transfer


def _before_forward(module, args):
    if RECORDER.inside["pretrain"] and hasattr(module, "encoder"):
        _live["pretrained"] = module.encoder


def _leave_pretrain(values, result):
    _notes["pretrain_curves"] = _ids(values[0])
    # What the state dict leaves out is still part of the encoder that was trained.
    encoder = _live.pop("pretrained", None)
    known = {} if encoder is None else {f"encoder.{k}": t for k, t in encoder.state_dict().items()}
    known |= result[0]
    prefix = "encoder."
    _notes["pretrained"] = {
        name[len(prefix) :]: digest(t) for name, t in known.items() if name.startswith(prefix)
    }


# --- fine-tuning


def _enter_finetune(values):
    model, train, val = values[:3]
    _live["model"] = model
    _notes["initial_encoder"] = _state(model.encoder)
    _notes["train_curves"], _notes["val_curves"] = _ids(train), _ids(val)


def _leave_finetune(values, result):
    _live["final"] = result[0]
    _notes["final"] = _state(result[0])


def _enter_epoch(values):
    _notes["epochs"].append(
        {"before": _state(values[0].encoder), "first_step": len(_notes["steps"])}
    )


def _leave_epoch(values, result):
    _notes["epochs"][-1].update(
        after=_state(values[0].encoder),
        parameters=[name for name, _ in values[0].encoder.named_parameters()],
        last_step=len(_notes["steps"]),
    )


def _enter_step(values):
    # An iterator would be used up by looking at it.
    batches = values[2] if isinstance(values[2], list | tuple) else ()
    _live["batches"] = [len(b.y) for b in batches]
    if RECORDER.inside["finetune"]:
        for b in batches:
            for x, mask in zip(b.x, b.mask, strict=True):
                _note_version(digest(x[:, mask]))


def _note_version(key):
    """A curve that is trained on: drawn with which state of the generator?"""
    if key in _versions:
        state = _versions[key]
        _notes["draws"][state] = _notes["draws"].get(state, 0) + 1
    else:
        _notes["not_augmented"] += 1


def _before_optimizer_step(optimizer, args, kwargs):
    if RECORDER.inside["pretrain"]:
        _notes["pretrain_steps"] += 1
    elif RECORDER.inside["finetune"]:
        RECORDER._handle(_note_step, optimizer)
    elif "toy" in _live:
        _live["toy"].append([_flat_gradient(optimizer), sum(_live["batches"])])


def _note_step(optimizer):
    pairs = [(g, p) for g in optimizer.param_groups for p in g["params"] if p.grad is not None]
    rates = [float(g["lr"]) for g, _ in pairs]
    norm = torch.stack([p.grad.norm() for _, p in pairs]).norm().item()
    decay = {
        id(p): float(g.get("weight_decay", 0)) for g in optimizer.param_groups for p in g["params"]
    }
    weighted = (torch.nn.Linear, torch.nn.modules.conv._ConvNd)
    weights = {id(m.weight) for m in _live["model"].modules() if isinstance(m, weighted)}
    for name, p in _live["model"].named_parameters():
        if id(p) in decay:
            _notes.setdefault("decay", {})[name] = [id(p) in weights, decay[id(p)]]
    watched = RECORDER.inside["train_step"] > 0
    _notes["steps"].append(
        {
            "rates": [min(rates), max(rates)],
            "norm": norm,
            "batches": _live.get("batches", []) if watched else None,
        }
    )


def _flat_gradient(optimizer):
    parts = [p.grad.flatten() for g in optimizer.param_groups for p in g["params"]]
    return torch.cat(parts).tolist()


def _enter_augment(values):
    evaluating = RECORDER.inside["evaluate"] or RECORDER.inside["curve_logits"]
    if evaluating or not RECORDER.inside["finetune"]:
        _notes["augmented_in_evaluation"] += 1
    _live["drawn_with"] = _random_state(values[1] if len(values) > 1 else None)


def _leave_augment(values, result):
    _versions[digest(result)] = _live["drawn_with"]


def _random_state(generator):
    if generator is None:
        return digest(torch.get_rng_state())
    if isinstance(generator, torch.Generator):
        return digest(generator.get_state())
    return repr(generator.bit_generator.state)  # a NumPy generator does as well


def _leave_average(values, result):
    _live["average"] = values[0]


def _leave_stars(values, result):
    _live["stars"] = result


def _leave_evaluate(values, result):
    model, curves = values[:2]
    if not RECORDER.inside["finetune"] or _ids(curves) != _notes["val_curves"]:
        return None
    average = _live.get("average")
    is_average = average is not None and _state(model) == _state(average)
    rigged = CONFIG.get("rigged")
    at = len(_notes["evaluations"])
    ap = float(result) if rigged is None else float(rigged[at % len(rigged)])
    _notes["evaluations"].append(
        {"state": _state(model), "ap": ap, "is_average": is_average, "epoch": len(_notes["epochs"])}
    )
    return ap


RECORDER.leave["pretrain"] = _leave_pretrain
RECORDER.enter["finetune"], RECORDER.leave["finetune"] = _enter_finetune, _leave_finetune
RECORDER.enter["train_epoch"], RECORDER.leave["train_epoch"] = _enter_epoch, _leave_epoch
RECORDER.enter["train_step"] = _enter_step
RECORDER.enter["augment"], RECORDER.leave["augment"] = _enter_augment, _leave_augment
RECORDER.leave["update_average"] = _leave_average
RECORDER.leave["evaluate"] = _leave_evaluate
RECORDER.leave["stars_of_targets"] = _leave_stars
register_module_forward_pre_hook(_before_forward)
register_optimizer_step_pre_hook(_before_optimizer_step)


# --- questions after the last cell; `names` is the notebook's namespace


class _Toy(torch.nn.Module):
    """A logistic model of a few summaries of a curve, called as the network is."""

    def __init__(self, scale):
        super().__init__()
        self.linear = torch.nn.Linear(4, 1)
        self.scale = scale
        self.seen = []
        with torch.no_grad():
            self.linear.weight.copy_(torch.tensor([[0.3, -0.2, 0.1, 0.4]]))
            self.linear.bias.fill_(-0.1)

    def forward(self, x, mask, band):
        count = mask.sum(1)
        parts = [x[:, 0].sum(1) / count, x[:, 1].sum(1) / count, x[:, 0].amax(1), band.float()]
        features = self.scale * torch.stack(parts, dim=1)
        self.seen.append(features.detach())
        return self.linear(features).squeeze(1)


def _ask_step(names, curves, name, scale, sizes):
    """One optimizer step of a toy model on micro-batches of given sizes."""
    toy = _Toy(scale)
    optimizer = torch.optim.SGD(toy.parameters(), lr=0.0)
    _live["toy"] = []
    labels, batches = [], []
    for size in sizes:
        drawn = [
            c._replace(y=float((len(labels) + i) % 3 == 0)) for i, c in enumerate(curves[:size])
        ]
        curves = curves[size:]
        labels += [c.y for c in drawn]
        batches.append(names["collate"](drawn))
    names["train_step"](toy, optimizer, batches)
    RECORDER.arrays[f"{name}_features"] = torch.cat(toy.seen).numpy()
    RECORDER.arrays[f"{name}_labels"] = np.array(labels)
    RECORDER.arrays[f"{name}_gradient"] = np.array(_live["toy"][-1][0])
    return len(_live.pop("toy"))


def _ask_average(names, inputs):
    """One update of an averaged model whose tensors the grader chose; two layers share theirs."""
    pair = []
    for which in ("average", "model"):
        net = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
        net.add_module("again", net[0])
        net[1].num_batches_tracked += {"average": 3, "model": 10}[which]
        with torch.no_grad():
            for i, t in enumerate([*net.parameters(), net[1].running_mean, net[1].running_var]):
                t.copy_(torch.tensor(inputs[f"{which}_{i}"]))
        pair.append(net)
    names["update_average"](*pair)
    tensors = [*pair[0].parameters(), *pair[0].buffers()]
    for i, t in enumerate(tensors):
        RECORDER.arrays[f"averaged_{i}"] = t.detach().numpy()
    return len(tensors)


def _ask_filling(names, inputs):
    filled, flux, hidden, observed = (
        torch.tensor(inputs[k]) for k in ("filled", "flux", "hidden", "observed")
    )
    some = names["filling_loss"](filled, flux, hidden, observed)
    none = names["filling_loss"](filled, flux, hidden & ~hidden, observed)
    return [float(some), float(none)]


def _ask_prepared(names, curves):
    RECORDER.arrays["prepared"] = np.concatenate([c.x.numpy() for c in curves], axis=1)
    return [[str(c.curve_id), int(c.band), int(c.x.shape[1])] for c in curves]


@torch.no_grad()
def _logits(names, model, curves):
    batch = names["collate"](curves)
    return model(batch.x, batch.mask, batch.band).numpy()


def _ask_padding(names, curves):
    """Logits of curves alone and together with a longer one."""
    final = _live["final"].eval()
    ordered = sorted(curves, key=lambda c: c.x.shape[1])
    some, longest = ordered[:40], ordered[-1]
    RECORDER.arrays["alone"] = np.concatenate([_logits(names, final, [c]) for c in some])
    RECORDER.arrays["together"] = _logits(names, final, [*some, longest])[:-1]
    return len(some)


class _Coarse(torch.nn.Module):
    """A model that gives curves of similar length the same logit."""

    def forward(self, x, mask, band):
        return torch.div(mask.sum(1), 60, rounding_mode="floor").float()


def _ask_ties(names, curves):
    """APs of a coarse model on the first 60 targets, of which every third has a planet: the first,
    fourth and so on, or from the second, or from the third."""
    rank = {t: i for i, t in enumerate(sorted({c.target_id for c in curves})[:60])}
    some = [c for c in curves if c.target_id in rank]
    return [
        float(
            names["evaluate"](
                _Coarse(), [c._replace(y=float(rank[c.target_id] % 3 == k)) for c in some]
            )
        )
        for k in range(3)
    ]


def _ask_scores(names):
    """Logits of the val and test curves of the run's own data."""
    for part in ("val", "test"):
        curves = [c for c in names["curves"] if names["split"][c.curve_id] == part]
        RECORDER.arrays[f"{part}_logits"] = np.asarray(
            names["curve_logits"](_live["final"], curves)
        )
        _notes[f"{part}_curves"] = _ids(curves)
    return {k: float(v) for k, v in json.loads(open("results.json").read()).items()}


def _ask_split(names, folder):
    split = names["split_curves"](names["load_survey"](folder))
    return {str(k): str(v) for k, v in split.items()}


def _ask_labels(names):
    return {str(c.target_id): float(c.y) if c.y == c.y else None for c in names["curves"]}


def _ask_stars():
    """Number of the star by target, from the last call of `stars_of_targets`."""
    stars, number = _live["stars"], {}
    return {str(t): number.setdefault(str(star), len(number)) for t, star in stars.items()}


def _ask_again(names):
    """Hashes of the inputs that the run used, and of the same once no earlier ones lie around."""
    folder = Path("data")
    (folder / "inputs.npz").unlink(missing_ok=True)
    again = names["prepare"](names["load_survey"](folder))
    return [{str(c.curve_id): digest(c.x) for c in some} for some in (names["curves"], again)]


def _ask_targets(names, curves):
    """Target and logit of each curve, all together as in `predict`: padding is another clause's."""
    RECORDER.arrays["target_logits"] = np.asarray(names["curve_logits"](_live["final"], curves))
    return [str(c.target_id) for c in curves]


def _ask_hidden(names, folder):
    return {str(k): float(v) for k, v in names["predict"](folder).items()}


def ask(names):
    """All questions, then save the evidence."""
    hidden = Path(CONFIG["hidden"])
    RECORDER.inside["asking"] = 1
    with np.load(hidden / "probes.npz") as file:
        inputs = {key: file[key] for key in file.files}
    attempt = RECORDER.attempt
    attempt("results", _ask_scores, names)
    attempt("split", lambda: {str(k): str(v) for k, v in names["split"].items()})
    attempt("stars", _ask_stars)
    attempt("labels", _ask_labels, names)
    attempt("hidden_split", _ask_split, names, hidden)
    attempt("hidden_stars", _ask_stars)
    if (hidden / REORDERED).exists():
        attempt("reordered_split", _ask_split, names, hidden / REORDERED)
        attempt("again", _ask_again, names)
    attempt("hidden", _ask_hidden, names, hidden)
    attempt("filling", _ask_filling, names, inputs)
    attempt("averaged", _ask_average, names, inputs)
    try:
        curves = names["prepare"](names["load_survey"](hidden))
    except Exception as error:
        RECORDER.claims["errors"].append(f"prepare of a survey without labels: {error!r}"[:300])
    else:
        attempt("prepared", _ask_prepared, names, curves)
        attempt("targets", _ask_targets, names, curves)
        attempt("padding", _ask_padding, names, curves)
        attempt("small_step", _ask_step, names, curves, "small", 0.02, CONFIG["toy_batches"])
        # Alike in size and labels, so that clipping shows however P8 divides.
        attempt("large_step", _ask_step, names, curves, "large", 30.0, [6, 6, 6])
        attempt("ties", _ask_ties, names, curves)
    RECORDER.save(CONFIG["evidence"])
