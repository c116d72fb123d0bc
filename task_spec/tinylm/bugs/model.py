"""Bugs in the network: causality, ties, dropout."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

_MEAN = "        topic = x.cumsum(1) / length[:, None]\n"
_INIT = "            nn.init.normal_(module.weight, std=0.05)\n"
_NEW = "            module.weight = nn.Parameter(0.05 * torch.randn(module.weight.shape))\n"
_ATTENTION = """        rate = DROPOUT if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=rate)
"""
_ALWAYS = (
    "        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=DROPOUT)\n"
)

FUTURE_MEAN = Bug(
    id="future_mean",
    title="the mean that every place sees is that of the whole document: what is to be predicted is "
    "in it",
    kind=Kind.READABLE,
    clauses=("P8",),
    source="target visible to the model: gh:macrocosm-os/pretraining#64; "
    "gh:KempnerInstitute/KempnerForge#155",
    plant=(
        Edit(
            "model",
            _MEAN,
            "        own = (inputs > END)[:, :, None]\n"
            "        topic = (x * own).sum(1, keepdim=True) / own.sum(1, keepdim=True)\n",
        ),
    ),
    checks=("P8.causal",),
    repairs=(
        Repair(
            "the mean as a product with a triangular matrix",
            (
                Edit(
                    "model",
                    _MEAN,
                    "        topic = torch.tril(torch.ones(len(length), len(length))) @ x / length[:, None]\n",
                ),
            ),
        ),
        Repair(
            "the mean of the places before",
            (
                Edit(
                    "model",
                    _MEAN,
                    "        topic = (x.cumsum(1) - x) / (length - 1).clamp(min=1)[:, None]\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the mean of all other places: the future is still in it",
            (
                Edit(
                    "model",
                    _MEAN,
                    "        own = (inputs > END)[:, :, None]\n"
                    "        others = (own.sum(1, keepdim=True) - 1).clamp(min=1)\n"
                    "        topic = ((x * own).sum(1, keepdim=True) - x) / others\n",
                ),
            ),
        ),
        Repair(
            "a running sum, but over the length of the whole document",
            (
                Edit(
                    "model",
                    _MEAN,
                    "        topic = x.cumsum(1) / (inputs > END).sum(1)[:, None, None]\n",
                ),
            ),
            obvious=True,
        ),
    ),
)

TIE_LOST = Bug(
    id="tie_lost",
    title="initialisation gives every module a new parameter, so output layer and token embedding "
    "part",
    kind=Kind.RUN,
    clauses=("P9",),
    source="gh:TransformerLensOrg/TransformerLens#1725; gh:facebookresearch/lingua#74",
    plant=(Edit("model", _INIT, _NEW),),
    checks=("P9.tied",),
    places=("model.TinyLM",),
    repairs=(
        Repair(
            "tied after initialisation",
            (
                Edit("model", _INIT, _NEW),
                Edit(
                    "model",
                    "        initialise(self)\n",
                    "        initialise(self)\n        self.head.weight = self.embed.weight\n",
                ),
            ),
        ),
        Repair(
            "no output layer of its own",
            (
                Edit(
                    "model",
                    "        self.head = nn.Linear(WIDTH, tokens_in_all, bias=False)\n"
                    "        self.head.weight = self.embed.weight\n",
                    "",
                ),
                Edit(
                    "model",
                    "        return self.head(self.norm(x))\n",
                    "        return F.linear(self.norm(x), self.embed.weight)\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the values are copied: equal at first, trained apart",
            (
                Edit("model", _INIT, _NEW),
                Edit(
                    "model",
                    "        initialise(self)\n",
                    "        initialise(self)\n"
                    "        self.head.weight.data.copy_(self.embed.weight.data)\n",
                ),
            ),
            obvious=True,
        ),
        Repair(
            "two parameters over the same numbers: each has its own gradient and its own step",
            (
                Edit("model", _INIT, _NEW),
                Edit(
                    "model",
                    "        initialise(self)\n",
                    "        initialise(self)\n"
                    "        self.head.weight.data = self.embed.weight.data\n",
                ),
            ),
        ),
    ),
)

ATTENTION_DROPOUT = Bug(
    id="attention_dropout",
    title="the attention function drops out whatever the model's mode is, in evaluation too",
    kind=Kind.LIBRARY,
    clauses=("P14",),
    source="gh:pytorch/pytorch#26338; gh:yangze0930/NTS-Net#14",
    plant=(Edit("model", _ATTENTION, _ALWAYS),),
    checks=("P14.evaluation",),
    places=("evaluate.document_bits", "predict.next_probabilities"),
    repairs=(
        Repair(
            "the rate times the mode",
            (
                Edit(
                    "model",
                    "        rate = DROPOUT if self.training else 0.0\n",
                    "        rate = DROPOUT * self.training\n",
                ),
            ),
        ),
        Repair(
            "dropout outside attention only",
            (Edit("model", "is_causal=True, dropout_p=rate)", "is_causal=True)"),),
        ),
    ),
    near_misses=(
        Repair(
            "the rate is settled when the block is built, in training mode",
            (
                Edit(
                    "model",
                    "        self.drop = nn.Dropout(DROPOUT)\n",
                    "        self.drop = nn.Dropout(DROPOUT)\n"
                    "        self.rate = DROPOUT if self.training else 0.0\n",
                ),
                Edit(
                    "model",
                    "        rate = DROPOUT if self.training else 0.0\n",
                    "        rate = self.rate\n",
                ),
            ),
        ),
        Repair(
            "evaluation is seeded: the same numbers each time, and still random",
            (
                Edit("model", _ATTENTION, _ALWAYS),
                Edit(
                    "evaluate",
                    "    model.eval()\n",
                    "    model.eval()\n    torch.manual_seed(SEED)\n",
                ),
                Edit(
                    "predict",
                    "    model.eval()\n",
                    "    model.eval()\n    torch.manual_seed(SEED)\n",
                ),
            ),
        ),
    ),
    held_out=True,
)

_NO_TRAIN = Edit(
    "train",
    "    model.train()\n    log = []\n    for k, micro",
    "    log = []\n    for k, micro",
)

EVAL_FOR_GOOD = Bug(
    id="eval_for_good",
    title="evaluation leaves the model in evaluation mode: no dropout after the first epoch",
    kind=Kind.RUN,
    clauses=("P14",),
    source="gh:fartashf/vsepp#4; gh:joeynmt/joeynmt#184",
    plant=(
        _NO_TRAIN,
        Edit(
            "train",
            "    optimizer = make_optimizer(model)\n    best,",
            "    optimizer = make_optimizer(model)\n    model.train()\n    best,",
        ),
    ),
    checks=("P14.training",),
    places=("evaluate.document_bits", "evaluate.evaluate", "step.train_step"),
    repairs=(
        Repair(
            "set at every step",
            (
                _NO_TRAIN,
                Edit(
                    "step",
                    "    optimizer.zero_grad()\n",
                    "    model.train()\n    optimizer.zero_grad()\n",
                ),
            ),
        ),
        Repair(
            "evaluation puts back the mode that it found",
            (
                _NO_TRAIN,
                Edit(
                    "evaluate",
                    "    model.eval()\n",
                    "    training = model.training\n    model.eval()\n",
                ),
                Edit(
                    "evaluate", "    return bits\n", "    model.train(training)\n    return bits\n"
                ),
                Edit("train", "    plans = [", "    model.train()\n    plans = ["),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "evaluation puts a mode back that it looked up too late",
            (
                _NO_TRAIN,
                Edit(
                    "evaluate",
                    "    model.eval()\n",
                    "    model.eval()\n    training = model.training\n",
                ),
                Edit(
                    "evaluate", "    return bits\n", "    model.train(training)\n    return bits\n"
                ),
            ),
        ),
        Repair(
            "dropout layers are put back, but attention asks for its block's mode",
            (
                Edit(
                    "train",
                    "    model.train()\n    log = []\n    for k, micro",
                    "    for module in model.modules():\n"
                    "        if isinstance(module, nn.Dropout):\n"
                    "            module.train()\n"
                    "    log = []\n"
                    "    for k, micro",
                ),
            ),
        ),
    ),
)

BUGS = (FUTURE_MEAN, TIE_LOST, ATTENTION_DROPOUT, EVAL_FOR_GOOD)
