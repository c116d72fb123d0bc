"""Bugs in pre-training, and in what fine-tuning takes over from it and leaves alone."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

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
            "    return ((filled - flux) ** 2 * scored).sum() / scored.sum().clamp(min=1)",
            "    return ((filled - flux) ** 2 * scored).mean()",
        ),
    ),
    checks=("P5.filling_loss", "P5.nothing_hidden"),
    places=("pretrain.pretrain",),
    repairs=(
        Repair(
            "a mean where there is something to average",
            (
                Edit(
                    "pretrain",
                    "    return ((filled - flux) ** 2 * scored).sum() / scored.sum().clamp(min=1)",
                    "    if not scored.any():\n        return 0 * filled.sum()\n"
                    "    return F.mse_loss(filled[scored], flux[scored])",
                ),
            ),
        ),
        Repair(
            "a weighted mean",
            (
                Edit(
                    "pretrain",
                    "    return ((filled - flux) ** 2 * scored).sum() / scored.sum().clamp(min=1)",
                    "    weight = scored / max(1, int(scored.sum()))\n"
                    "    return torch.sum(weight * (filled - flux) ** 2)",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the mean of the scored points: of none it is NaN, and so is every weight after it",
            (
                Edit(
                    "pretrain",
                    "    return ((filled - flux) ** 2 * scored).sum() / scored.sum().clamp(min=1)",
                    "    return ((filled - flux) ** 2)[scored].mean()",
                ),
            ),
            obvious=True,
        ),
        Repair(
            "a mean of each curve's mean: points of a curve that hides few count more",
            (
                Edit(
                    "pretrain",
                    "((filled - flux) ** 2 * scored).sum() / scored.sum().clamp(min=1)",
                    "(((filled - flux) ** 2 * scored).sum(1) / scored.sum(1).clamp(min=1)).mean()",
                ),
            ),
        ),
    ),
)

NOT_TRANSFERRED = Bug(
    id="not_transferred",
    title="no key matches when the checkpoint is loaded into the encoder with strict=False, and the "
    "checkpoint holds parameters only: without the running statistics of the norms",
    kind=Kind.RUN,
    clauses=("P6",),
    source="gh:pytorch/examples#1029; gh:stefanopini/simple-HRNet#79",
    plant=(
        Edit(
            "pretrain",
            "    return filler.state_dict(), losses",
            "    return {name: p.detach() for name, p in filler.named_parameters()}, losses",
        ),
        Edit(
            "transfer",
            "model.load_state_dict(pretrained, strict=False)",
            "model.encoder.load_state_dict(pretrained, strict=False)",
        ),
    ),
    checks=("P6.transfer",),
    repairs=(
        Repair(
            "the prefix taken off, and nothing that may be missing",
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
        Repair(
            "parameters and buffers by name",
            (
                Edit(
                    "pretrain",
                    "    return filler.state_dict(), losses",
                    "    kept = [*filler.named_parameters(), *filler.named_buffers()]\n"
                    "    return {name: t.detach() for name, t in kept}, losses",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "the keys match, so all parameters arrive; the running statistics were never saved",
            (
                Edit(
                    "pretrain",
                    "    return filler.state_dict(), losses",
                    "    return {name: p.detach() for name, p in filler.named_parameters()}, losses",
                ),
            ),
            obvious=True,
        ),
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
    ),
)

BUGS = (FILLING_MEAN, NOT_TRANSFERRED)
