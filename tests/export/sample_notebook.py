"""The notebook of the sample trial, correct, broken and submitted, and its bug report."""

from __future__ import annotations

from grader.verdict import ReportEntry

SCHEDULE = '''def make_schedule(optimizer: torch.optim.Optimizer, loader: DataLoader) -> LambdaLR:
    """Linear warm-up over WARMUP optimizer steps, then a cosine down to zero (P3)."""
    total = EPOCHS * math.ceil(len(loader) / ACCUM)

    def factor(step: int) -> float:
        if step < WARMUP:
            return (step + 1) / WARMUP
        progress = (step - WARMUP) / max(1, total - WARMUP)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    return LambdaLR(optimizer, factor)
'''

EMA = '''class Ema:
    """Exponential moving average of the weights and buffers, for evaluation (P5)."""

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        self.model = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        for mine, theirs in zip(self.model.parameters(), model.parameters()):
            mine.lerp_(theirs, 1 - self.decay)
        for mine, theirs in zip(self.model.buffers(), model.buffers()):
            mine.copy_(theirs)
'''

CORRECT = {
    "protocol": ("markdown", "# Transits\n\n- **P3** The schedule counts optimizer steps.\n"),
    "imports": ("code", "import copy\nimport math\n\nimport torch\nfrom torch import nn\n"),
    "data": ("code", "curves, labels, stars = load_curves('curves.npz')\nprint(curves.shape)\n"),
    "schedule": ("code", SCHEDULE),
    "ema": ("code", EMA),
    "train": ("code", "history = train(model, loader, EPOCHS)\nplot(history)\n"),
}
BROKEN = {
    **CORRECT,
    "schedule": ("code", SCHEDULE.replace("math.ceil(len(loader) / ACCUM)", "len(loader)")),
    "ema": (
        "code",
        EMA.replace(
            "        for mine, theirs in zip(self.model.buffers(), model.buffers()):\n"
            "            mine.copy_(theirs)\n",
            "",
        ),
    ),
}
SUBMITTED = {
    "protocol": CORRECT["protocol"],
    "imports": CORRECT["imports"],
    "check": ("code", "assert len(set(stars)) == len(stars), 'a star twice'\n"),
    "data": ("code", "curves, labels, stars = load_curves('curves.npz')\n"),
    "schedule": CORRECT["schedule"],
    "ema": BROKEN["ema"],
}

REPORT = [
    ReportEntry(
        clause="P3",
        cell="schedule",
        quote="total = EPOCHS * len(loader)",
        explanation="Counts **micro-batches**: the cosine is over only after `ACCUM` times as "
        "many optimizer steps, so the rate never comes down to zero.",
        rows=["step7", "step9"],
    ),
    ReportEntry(
        clause="P2",
        cell="data",
        quote="load_curves('curves.npz')",
        explanation="The curves aren't normalised.",
    ),
]
