"""The bugs that can be planted in `transits`: each a small edit of the correct notebook."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

STAR_HOURS = Bug(
    id="star_hours",
    title="DR2 gives right ascension in hours, so stars seen in both releases are not matched and "
    "their curves lie on both sides of the split",
    kind=Kind.DATA,
    clauses=("P1",),
    source="group leak: gh:changspencer/Tumor-CapsNet#1; arXiv:2207.07048",
    plant=(
        Edit(
            "stars",
            '    ra = targets["ra"].where(targets["release"] != "DR2", 15 * targets["ra"])\n'
            '    ra, dec = np.deg2rad(ra.to_numpy()), np.deg2rad(targets["dec"].to_numpy())\n',
            '    ra, dec = np.deg2rad(targets[["ra", "dec"]].to_numpy()).T\n',
        ),
    ),
    checks=("P1.stars",),
    places=("stars.split_curves", "load.load_survey"),
    repairs=(
        Repair(
            "degrees from the start, in load_survey",
            (
                Edit(
                    "load",
                    '    curves = pd.read_csv(folder / "curves.csv"',
                    '    targets.loc[targets["release"] == "DR2", "ra"] *= 360 / 24\n'
                    '    curves = pd.read_csv(folder / "curves.csv"',
                ),
                Edit(
                    "stars",
                    'targets["ra"].where(targets["release"] != "DR2", 15 * targets["ra"])',
                    'targets["ra"]',
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "hours converted, but places compared on a grid: neighbours across a line stay apart",
            (
                Edit(
                    "stars",
                    "    near = distance < np.deg2rad(MATCH_ARCSEC / 3600)\n"
                    '    return dict(zip(targets["target_id"], near.argmax(axis=1)))',
                    "    cell = np.round(place / np.deg2rad(MATCH_ARCSEC / 3600)).astype(int)\n"
                    "    star = np.unique(cell, axis=0, return_inverse=True)[1].ravel()\n"
                    '    return dict(zip(targets["target_id"], star))',
                ),
            ),
        ),
        Repair(
            "hours converted, but distances taken in plain ra and dec: stars near the poles stay apart",
            (
                Edit(
                    "stars",
                    "    distance = np.linalg.norm(place[:, None] - place[None], axis=-1)\n",
                    "    sky = np.stack([ra, dec], axis=1)\n"
                    "    distance = np.linalg.norm(sky[:, None] - sky[None], axis=-1)\n",
                ),
            ),
        ),
    ),
)

BAND_NA = Bug(
    id="band_na",
    title='read_csv takes the band "NA" for a missing value, so NA curves count as W',
    kind=Kind.DATA,
    clauses=("P2",),
    source="NA taken for a missing value: documentation of pandas.read_csv, na_values",
    plant=(
        Edit(
            "load",
            '    curves = pd.read_csv(folder / "curves.csv", keep_default_na=False)\n'
            '    curves["band"] = curves["band"].replace("", "W")\n',
            '    curves = pd.read_csv(folder / "curves.csv")\n'
            '    curves["band"] = curves["band"].fillna("W")\n',
        ),
    ),
    checks=("P2.bands",),
    repairs=(
        Repair(
            "only an empty field is missing",
            (
                Edit(
                    "load",
                    ', keep_default_na=False)\n    curves["band"] = curves["band"].replace("", "W")\n',
                    ', keep_default_na=False, na_values=[""])\n'
                    '    curves["band"] = curves["band"].fillna("W")\n',
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "missing means NA: now the blank ones, which are W, count as NA",
            (
                Edit(
                    "load",
                    ', keep_default_na=False)\n    curves["band"] = curves["band"].replace("", "W")\n',
                    ')\n    curves["band"] = curves["band"].fillna("NA")\n',
                ),
            ),
        ),
    ),
)

MAGNITUDES = Bug(
    id="magnitudes",
    title="some curves are delivered in magnitudes and are normalised as if they were flux: their "
    "transits point upwards",
    kind=Kind.DATA,
    clauses=("P3",),
    source="data of another convention merged unseen: gh:pandas-dev/pandas#12585",
    plant=(
        Edit(
            "prepare",
            '    if unit == "mag":\n        flux = 10 ** (-0.4 * (flux - np.nanmedian(flux)))\n    return flux',
            "    return flux",
        ),
    ),
    checks=("P3.flux",),
    places=("prepare.normalise", "prepare.prepare", "load.load_survey"),
    repairs=(
        Repair(
            "flux in every row, in load_survey",
            (
                Edit(
                    "load",
                    "    return survey\n",
                    '    mag = survey["unit"] == "mag"\n'
                    '    survey.loc[mag, "flux"] = pd.Series(\n'
                    '        [10 ** (-0.4 * f) for f in survey.loc[mag, "flux"]], survey.index[mag]\n'
                    "    )\n"
                    "    return survey\n",
                ),
                Edit(
                    "prepare",
                    '    if unit == "mag":\n'
                    "        flux = 10 ** (-0.4 * (flux - np.nanmedian(flux)))\n",
                    "",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the sign turned before the division by the median, which turns it back",
            (
                Edit(
                    "prepare",
                    "        flux = 10 ** (-0.4 * (flux - np.nanmedian(flux)))\n",
                    "        flux = -flux\n",
                ),
            ),
        ),
        Repair(
            "only the band that is always in magnitudes; NA curves come in both units",
            (
                Edit("prepare", "def relative_flux(flux, unit):", "def relative_flux(flux, mag):"),
                Edit("prepare", '    if unit == "mag":', "    if mag:"),
                Edit("prepare", "def normalise(flux, unit):", "def normalise(flux, mag):"),
                Edit("prepare", "relative_flux(flux, unit)\n", "relative_flux(flux, mag)\n"),
                Edit(
                    "prepare",
                    "normalise(row.flux, row.unit)",
                    'normalise(row.flux, row.release == "DR2" and row.band == "NB")',
                ),
            ),
        ),
    ),
)

MASK_CUT = Bug(
    id="mask_cut",
    title="a strided layer cuts the mask to the new length instead of taking every second entry, "
    "so padding counts as valid",
    kind=Kind.READABLE,
    clauses=("P4",),
    source="pooling over padding: gh:ray-project/ray#21392",
    plant=(
        Edit(
            "model",
            "        mask = mask[:, :: self.stride]\n"
            "        return F.relu(self.norm(self.conv(x))) * mask[:, None], mask",
            "        x = F.relu(self.norm(self.conv(x)))\n"
            "        mask = mask[:, : x.shape[2]]\n"
            "        return x * mask[:, None], mask",
        ),
    ),
    checks=("P4.padding",),
    places=("model.TransitNet", "model.Encoder"),
    repairs=(
        Repair(
            "the mask pooled like the curve",
            (
                Edit(
                    "model",
                    "mask = mask[:, :: self.stride]",
                    "mask = F.max_pool1d(mask.float()[:, None], 1, self.stride)[:, 0] > 0",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the mask is right for pooling, but padding is not zeroed between the layers",
            (
                Edit(
                    "model",
                    "return F.relu(self.norm(self.conv(x))) * mask[:, None], mask",
                    "return F.relu(self.norm(self.conv(x))), mask",
                ),
                Edit(
                    "model",
                    "        mean = h.sum(2)",
                    "        h = h * mask[:, None]\n        mean = h.sum(2)",
                ),
            ),
        ),
    ),
)

FILLING_MEAN = Bug(
    id="filling_mean",
    title="the filling loss is averaged over all points, so it shrinks with the share of points "
    "that are neither hidden nor observed",
    kind=Kind.READABLE,
    clauses=("P5",),
    source="loss over padding: gh:DaoyuanLi2816/Molecule-Generator#22",
    plant=(
        Edit(
            "pretrain",
            "    return ((filled - flux) ** 2)[scored].mean()",
            "    return ((filled - flux) ** 2 * scored).mean()",
        ),
    ),
    checks=("P5.filling_loss",),
    places=("pretrain.pretrain",),
    repairs=(
        Repair(
            "sum over count",
            (
                Edit(
                    "pretrain",
                    "((filled - flux) ** 2)[scored].mean()",
                    "F.mse_loss(filled * scored, flux * scored, reduction='sum') / scored.sum()",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "a mean of each curve's mean: points of a curve that hides few count more",
            (
                Edit(
                    "pretrain",
                    "((filled - flux) ** 2)[scored].mean()",
                    "(((filled - flux) ** 2 * scored).sum(1) / scored.sum(1).clamp(min=1)).mean()",
                ),
            ),
        ),
    ),
)

NOT_TRANSFERRED = Bug(
    id="not_transferred",
    title="no key matches when the checkpoint is loaded into the encoder with strict=False: "
    "fine-tuning starts from random weights",
    kind=Kind.RUN,
    clauses=("P6",),
    source="gh:pytorch/examples#1029; gh:stefanopini/simple-HRNet#79",
    plant=(
        Edit(
            "transfer",
            "model.load_state_dict(pretrained, strict=False)",
            "model.encoder.load_state_dict(pretrained, strict=False)",
        ),
    ),
    checks=("P6.transfer",),
    places=("pretrain.pretrain",),
    repairs=(
        Repair(
            "the prefix taken off",
            (
                Edit(
                    "transfer",
                    "model.load_state_dict(pretrained, strict=False)",
                    "model.encoder.load_state_dict(\n"
                    '    {k.removeprefix("encoder."): v for k, v in pretrained.items() '
                    'if k.startswith("encoder.")}\n'
                    ")",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "lstrip takes a set of letters off, and more than the prefix goes",
            (
                Edit(
                    "transfer",
                    "model.load_state_dict(pretrained, strict=False)",
                    'model.encoder.load_state_dict({k.lstrip("encoder."): v for k, v in pretrained.items()}, '
                    "strict=False)",
                ),
            ),
        ),
        Repair(
            "parameters only: the running statistics stay behind",
            (
                Edit(
                    "transfer",
                    "model.load_state_dict(pretrained, strict=False)",
                    "with torch.no_grad():\n"
                    "    for name, p in model.encoder.named_parameters():\n"
                    '        p.copy_(pretrained["encoder." + name])\n'
                    "pass",
                ),
            ),
        ),
    ),
)

NEVER_RELEASED = Bug(
    id="never_released",
    title="the optimizer is made of what is trainable while the encoder is frozen, so the encoder "
    "is never trained",
    kind=Kind.READABLE,
    clauses=("P7",),
    source="gh:zjunlp/HVPNeT#5; gh:meta-pytorch/opacus#432",
    plant=(
        Edit(
            "optimizer",
            "    return torch.optim.AdamW(groups, lr=PEAK_LR)",
            "    for group in groups:\n"
            '        group["params"] = [p for p in group["params"] if p.requires_grad]\n'
            "    return torch.optim.AdamW(groups, lr=PEAK_LR)",
        ),
        Edit(
            "finetune",
            "    optimizer = make_optimizer(model)\n",
            "    set_frozen(model, True)\n    optimizer = make_optimizer(model)\n",
        ),
    ),
    checks=("P7.frozen", "P7.released"),
    places=("finetune.train_epoch", "optimizer.set_frozen"),
    repairs=(
        Repair(
            "the optimizer is made while all is trainable",
            (
                Edit(
                    "finetune",
                    "    optimizer = make_optimizer(model)\n",
                    "    set_frozen(model, False)\n    optimizer = make_optimizer(model)\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "weights are back in the optimizer, the encoder's norm parameters are not",
            (
                Edit(
                    "optimizer",
                    "rest = [p for p in model.parameters() if p.ndim < 2]",
                    "rest = [p for p in model.parameters() if p.ndim < 2 and p.requires_grad]",
                ),
                Edit(
                    "finetune",
                    "    optimizer = make_optimizer(model)\n",
                    "    set_frozen(model, True)\n    optimizer = make_optimizer(model)\n",
                ),
            ),
        ),
        Repair(
            "released from the start: now nothing is frozen",
            (
                Edit(
                    "finetune",
                    "        set_frozen(model, epoch < FREEZE_EPOCHS)\n",
                    "        set_frozen(model, False)\n",
                ),
            ),
        ),
    ),
)

MEAN_OF_MEANS = Bug(
    id="mean_of_means",
    title="the means of unequal micro-batches are averaged, so curves of small micro-batches count more",
    kind=Kind.READABLE,
    clauses=("P8",),
    source="gh:huggingface/transformers#34191; gh:meta-pytorch/torchtune#1875",
    plant=(
        Edit(
            "step",
            "    curves = sum(len(b.y) for b in batches)\n    total = 0.0\n",
            "    total = 0.0\n",
        ),
        Edit(
            "step",
            'b.y, pos_weight=weight, reduction="sum")\n        loss = loss / curves\n',
            "b.y, pos_weight=weight)\n        loss = loss / len(batches)\n",
        ),
    ),
    checks=("P8.gradient",),
    places=("finetune.train_epoch",),
    repairs=(
        Repair(
            "means weighted by their share of the curves",
            (
                Edit(
                    "step",
                    ', reduction="sum")\n        loss = loss / curves\n',
                    ")\n        loss = loss * (len(b.y) / curves)\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "a sum, but over a nominal size: wrong wherever the sizes vary",
            (
                Edit(
                    "step",
                    "loss = loss / curves",
                    "loss = loss / (len(batches) * len(batches[0].y))",
                ),
            ),
        ),
        Repair(
            "divided by the sum of the weights, not by the number of curves",
            (
                Edit(
                    "step",
                    "curves = sum(len(b.y) for b in batches)",
                    "curves = sum((1 + (POS_WEIGHT - 1) * b.y).sum().item() for b in batches)",
                ),
            ),
        ),
    ),
)

CLIPS_NOTHING = Bug(
    id="clips_nothing",
    title="the filter object is used up by the norm that is logged, so clip_grad_norm_ gets no parameter",
    kind=Kind.LIBRARY,
    clauses=("P9",),
    source="gh:PixArt-alpha/PixArt-alpha#160; gh:pytorch/pytorch#148259",
    plant=(
        Edit(
            "step",
            "    trained = [p for p in model.parameters() if p.requires_grad]\n",
            "    trained = filter(lambda p: p.requires_grad, model.parameters())\n",
        ),
    ),
    checks=("P9.limit", "P9.scale"),
    repairs=(
        Repair(
            "the norm that clipping returns is the one before clipping",
            (
                Edit(
                    "step",
                    "    trained = [p for p in model.parameters() if p.requires_grad]\n"
                    "    norm = torch.stack([p.grad.norm() for p in trained]).norm().item()\n"
                    "    nn.utils.clip_grad_norm_(trained, CLIP)\n",
                    "    norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP).item()\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "each tensor clipped by itself: together they exceed the limit",
            (
                Edit(
                    "step",
                    "    nn.utils.clip_grad_norm_(trained, CLIP)\n",
                    "    for p in trained:\n        nn.utils.clip_grad_norm_(p, CLIP)\n",
                ),
            ),
        ),
        Repair(
            "values clipped, not the norm",
            (
                Edit(
                    "step",
                    "nn.utils.clip_grad_norm_(trained, CLIP)",
                    "nn.utils.clip_grad_value_(trained, CLIP)",
                ),
            ),
        ),
    ),
)

SCHEDULE_COUNT = Bug(
    id="schedule_count",
    title="the schedule counts micro-batches of the first epoch: the rate is still high when training ends",
    kind=Kind.RUN,
    clauses=("P10",),
    source="gh:huggingface/accelerate#963; gh:huggingface/transformers#24088",
    plant=(
        Edit(
            "finetune",
            "    steps = sum(math.ceil(len(plan) / ACCUM) for plan in plans)\n",
            "    steps = EPOCHS * len(plans[0])\n",
        ),
    ),
    checks=("P10.rate",),
    places=("optimizer.rate_factor", "finetune.train_epoch"),
    repairs=(
        Repair(
            "the steps counted as train_epoch takes them",
            (
                Edit(
                    "finetune",
                    "sum(math.ceil(len(plan) / ACCUM) for plan in plans)",
                    "sum(len(range(0, len(plan_batches(train, e)), ACCUM)) for e in range(EPOCHS))",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "optimizer steps, but every epoch taken to be as long as the first",
            (
                Edit(
                    "finetune",
                    "sum(math.ceil(len(plan) / ACCUM) for plan in plans)",
                    "EPOCHS * math.ceil(len(plans[0]) / ACCUM)",
                ),
            ),
        ),
        Repair(
            "all micro-batches over the group size: the groups left over at each epoch's end are lost",
            (
                Edit(
                    "finetune",
                    "sum(math.ceil(len(plan) / ACCUM) for plan in plans)",
                    "sum(len(plan) for plan in plans) // ACCUM",
                ),
            ),
        ),
    ),
)

DECAYED_NORMS = Bug(
    id="decayed_norms",
    title='norm parameters are looked for by name; those inside the Sequential are called "1.weight" and decay',
    kind=Kind.RUN,
    clauses=("P11",),
    source="parameters missed by a name filter: gh:microsoft/nni#4521",
    plant=(
        Edit(
            "optimizer",
            "    decay = [p for p in model.parameters() if p.ndim >= 2]\n"
            "    rest = [p for p in model.parameters() if p.ndim < 2]\n",
            "    named = dict(model.named_parameters())\n"
            '    plain = [name for name in named if "norm" in name or "bias" in name]\n'
            "    decay = [p for name, p in named.items() if name not in plain]\n"
            "    rest = [named[name] for name in plain]\n",
        ),
    ),
    checks=("P11.decay",),
    repairs=(
        Repair(
            "told apart by number of dimensions, in one pass",
            (
                Edit(
                    "optimizer",
                    "    decay = [p for p in model.parameters() if p.ndim >= 2]\n"
                    "    rest = [p for p in model.parameters() if p.ndim < 2]\n",
                    "    groups = {True: [], False: []}\n"
                    "    for p in model.parameters():\n"
                    "        groups[p.ndim > 1].append(p)\n"
                    "    decay, rest = groups[True], groups[False]\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "biases and norms told apart by module type: the embedding, a matrix, no longer decays",
            (
                Edit(
                    "optimizer",
                    "    decay = [p for p in model.parameters() if p.ndim >= 2]\n"
                    "    rest = [p for p in model.parameters() if p.ndim < 2]\n",
                    "    kinds = (nn.Linear, nn.Conv1d)\n"
                    "    decay = [m.weight for m in model.modules() if isinstance(m, kinds)]\n"
                    "    rest = [p for p in model.parameters() if all(p is not d for d in decay)]\n",
                ),
            ),
        ),
    ),
)

SAME_DRAWS = Bug(
    id="same_draws",
    title="the generator is seeded by the curve's index, so a curve is augmented alike in every epoch",
    kind=Kind.READABLE,
    clauses=("P12",),
    source="gh:cszn/KAIR#106; gh:facebookresearch/ClassyVision#118",
    plant=(
        Edit(
            "finetune",
            "            drawn = [curves[i]._replace(x=augment(curves[i].x, generator)) for i in indices]\n",
            "            drawn = []\n"
            "            for i in indices:\n"
            "                generator.manual_seed(SEED + i)\n"
            "                drawn.append(curves[i]._replace(x=augment(curves[i].x, generator)))\n",
        ),
    ),
    checks=("P12.fresh_draws",),
    places=("finetune.finetune",),
    repairs=(
        Repair(
            "a generator for each curve, seeded from the run's",
            (
                Edit(
                    "finetune",
                    "            drawn = [curves[i]._replace(x=augment(curves[i].x, generator)) for i in indices]\n",
                    "            drawn = []\n"
                    "            for i in indices:\n"
                    "                seed = int(torch.randint(2**62, (), generator=generator))\n"
                    "                own = torch.Generator().manual_seed(seed)\n"
                    "                drawn.append(curves[i]._replace(x=augment(curves[i].x, own)))\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "one generator, but started again in each epoch",
            (
                Edit(
                    "finetune",
                    "    log = []\n    for first",
                    "    generator = torch.Generator().manual_seed(SEED)\n    log = []\n    for first",
                ),
            ),
        ),
        Repair(
            "seeded by epoch plus index: neighbours share their numbers from epoch to epoch",
            (
                Edit(
                    "finetune",
                    "            drawn = [curves[i]._replace(x=augment(curves[i].x, generator)) for i in indices]\n",
                    "            drawn = []\n"
                    "            for i in indices:\n"
                    "                generator.manual_seed(SEED + i + scheduler.last_epoch)\n"
                    "                drawn.append(curves[i]._replace(x=augment(curves[i].x, generator)))\n",
                ),
            ),
        ),
    ),
)

AVERAGE_BUFFERS = Bug(
    id="average_buffers",
    title="the average moves parameters only; its running statistics stay as they were before fine-tuning",
    kind=Kind.READABLE,
    clauses=("P13",),
    source="gh:pytorch/ignite#2590; gh:FlyreelAI/sesemi#36",
    plant=(
        Edit(
            "optimizer",
            "        a.mul_(EMA_DECAY).add_(p, alpha=1 - EMA_DECAY)\n"
            "    for a, b in zip(average.buffers(), model.buffers()):\n"
            "        a.copy_(b)",
            "        a.mul_(EMA_DECAY).add_(p, alpha=1 - EMA_DECAY)",
        ),
    ),
    checks=("P13.update",),
    places=("finetune.finetune", "finetune.train_epoch"),
    repairs=(
        Repair(
            "one pass over both state dicts",
            (
                Edit(
                    "optimizer",
                    "    for a, p in zip(average.parameters(), model.parameters()):\n"
                    "        a.mul_(EMA_DECAY).add_(p, alpha=1 - EMA_DECAY)\n"
                    "    for a, b in zip(average.buffers(), model.buffers()):\n"
                    "        a.copy_(b)",
                    "    averaged = {name for name, _ in model.named_parameters()}\n"
                    "    old, new = average.state_dict(), model.state_dict()\n"
                    "    for name, value in new.items():\n"
                    "        old[name].lerp_(value, 0.1) if name in averaged else old[name].copy_(value)",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "running statistics averaged too, where the protocol copies them",
            (
                Edit(
                    "optimizer",
                    "        a.copy_(b)",
                    "        a.lerp_(b, 1 - EMA_DECAY) if a.is_floating_point() else a.copy_(b)",
                ),
            ),
        ),
    ),
)

BEST_ALIAS = Bug(
    id="best_alias",
    title="the best state is a shallow copy whose tensors go on training: the last epoch is restored",
    kind=Kind.LIBRARY,
    clauses=("P14",),
    source="gh:pytorch/tutorials#188; gh:WenjieDu/PyPOTS#667",
    plant=(
        Edit(
            "finetune",
            "best_ap, best_state = history[-1], copy.deepcopy(average.state_dict())",
            "best_ap, best_state = history[-1], copy.copy(average.state_dict())",
        ),
    ),
    checks=("P14.selected",),
    repairs=(
        Repair(
            "the whole model copied",
            (
                Edit(
                    "finetune",
                    "best_ap, best_state = history[-1], copy.deepcopy(average.state_dict())",
                    "best_ap, best_state = history[-1], copy.deepcopy(average).state_dict()",
                ),
            ),
        ),
        Repair(
            "each tensor cloned",
            (
                Edit(
                    "finetune",
                    "copy.deepcopy(average.state_dict())",
                    "{k: v.detach().clone() for k, v in average.state_dict().items()}",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "detached, which still shares the memory",
            (
                Edit(
                    "finetune",
                    "copy.deepcopy(average.state_dict())",
                    "{k: v.detach() for k, v in average.state_dict().items()}",
                ),
            ),
        ),
        Repair(
            "parameters cloned, buffers not",
            (
                Edit(
                    "finetune",
                    "copy.deepcopy(average.state_dict())",
                    "{**average.state_dict(), **{k: p.detach().clone() for k, p in average.named_parameters()}}",
                ),
            ),
        ),
    ),
)

CALIBRATED_ON_TEST = Bug(
    id="calibrated_on_test",
    title="temperature and threshold are fitted on all curves held out from training, test among them",
    kind=Kind.READABLE,
    clauses=("P15",),
    source="gh:SamitHuang/EV_GCN#7; arXiv:2207.07048",
    plant=(
        Edit(
            "calibrate",
            "temperature, threshold = calibrate(target_logits(final, val))\n",
            'held_out = [c for c in curves if split[c.curve_id] != "train"]\n'
            "temperature, threshold = calibrate(target_logits(final, held_out))\n",
        ),
    ),
    checks=("P15.test_labels",),
    places=("calibrate",),
    repairs=(
        Repair(
            "validation curves by the split",
            (
                Edit(
                    "calibrate",
                    "calibrate(target_logits(final, val))",
                    'calibrate(target_logits(final, [c for c in curves if split[c.curve_id] == "val"]))',
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the temperature from validation, the threshold still from all",
            (
                Edit(
                    "calibrate",
                    "temperature, threshold = calibrate(target_logits(final, val))\n",
                    "temperature, _ = calibrate(target_logits(final, val))\n"
                    "_, threshold = calibrate(target_logits(final, [*val, *test]))\n",
                ),
            ),
        ),
    ),
)

BATCH_AP = Bug(
    id="batch_ap",
    title="average precision is taken batch by batch and averaged",
    kind=Kind.RUN,
    clauses=("P16",),
    source="gh:langfengQ/verl-agent#267; gh:ganslate-team/ganslate#74",
    plant=(
        Edit(
            "evaluate",
            '    return average_precision(table["y"].to_numpy(), table["logit"].to_numpy())',
            "    parts = [table.iloc[i : i + size] for i in range(0, len(table), size)]\n"
            '    return float(np.mean([average_precision(p["y"].to_numpy(), p["logit"].to_numpy()) '
            'for p in parts if p["y"].any()]))',
        ),
        Edit("evaluate", "def evaluate(model, curves):", "def evaluate(model, curves, size=64):"),
    ),
    checks=("P16.reported",),
    repairs=(
        Repair(
            "one part that holds all targets",
            (
                Edit(
                    "evaluate",
                    'return average_precision(table["y"].to_numpy(), table["logit"].to_numpy())',
                    "y, score = table[['y', 'logit']].to_numpy().T\n    return average_precision(y, score)",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "batches weighted by their size: still no average precision of the whole",
            (
                Edit(
                    "evaluate",
                    '    return average_precision(table["y"].to_numpy(), table["logit"].to_numpy())',
                    "    parts = [table.iloc[i : i + 64] for i in range(0, len(table), 64)]\n"
                    '    aps = [average_precision(p["y"].to_numpy(), p["logit"].to_numpy()) for p in parts]\n'
                    "    return float(np.average(aps, weights=[len(p) for p in parts]))",
                ),
            ),
        ),
    ),
)

BUGS = (
    STAR_HOURS,
    BAND_NA,
    MAGNITUDES,
    MASK_CUT,
    FILLING_MEAN,
    NOT_TRANSFERRED,
    NEVER_RELEASED,
    MEAN_OF_MEANS,
    CLIPS_NOTHING,
    SCHEDULE_COUNT,
    DECAYED_NORMS,
    SAME_DRAWS,
    AVERAGE_BUFFERS,
    BEST_ALIAS,
    CALIBRATED_ON_TEST,
    BATCH_AP,
)
