"""Code of the correct notebook that looks odd and is right."""

from __future__ import annotations

from task_spec.model import Decoy

DECOYS = (
    Decoy(
        "batches",
        "budget = 2400 if epoch < FREEZE_EPOCHS else 3600",
        "epochs differ in their number of steps; P10 counts them all",
    ),
    Decoy(
        "batches",
        "for i in sorted(chunk, key=lambda i: curves[i].x.shape[1]):",
        "batches of curves alike in length: P8 has each curve in one micro-batch, in whichever",
    ),
    Decoy(
        "batches",
        "return torch.stack([x[0] + noise, x[1]]) * x[1] * keep",
        "a lost point is lost in both channels, and noise on a missing one is set to 0",
    ),
    Decoy(
        "model",
        "mask = mask[:, self.stride - 1 :: self.stride]",
        "the kernels are even, so n points become n // 2: as many as there are odd indices",
    ),
    Decoy(
        "model",
        "self.down[2].conv = self.down[1].conv",
        "two layers share a kernel, as the text above says",
    ),
    Decoy(
        "model",
        "peak = h.masked_fill(~mask[:, None], 0).amax(2)",
        "after a ReLU nothing lies below 0, so 0 never hides a peak",
    ),
    Decoy(
        "pretrain",
        "filled = filler(batch.x * ~hidden[:, None], batch.mask)",
        "a hidden point enters as a missing one: 0 in both channels",
    ),
    Decoy(
        "pretrain",
        "for indices in plan_batches(curves, FREEZE_EPOCHS + epoch):",
        "the epoch number only seeds the plan and sets its budget; P8 and P10 are of fine-tuning",
    ),
    Decoy(
        "transfer",
        "model.load_state_dict(pretrained, strict=False)",
        "what does not match is the head, which a Filler lacks, and the decoder: P6 holds",
    ),
    Decoy(
        "optimizer",
        "return torch.optim.AdamW(groups, lr=PEAK_LR)",
        "parameters that are frozen are in it too: without a gradient AdamW leaves them alone (P7)",
    ),
    Decoy(
        "optimizer",
        "for a, b in zip(average.buffers(), model.buffers()):",
        "running statistics are copied, not averaged: so P13 has it",
    ),
    Decoy(
        "step",
        "loss = loss / curves",
        "a sum over a micro-batch, divided by the curves of the whole step: P8's mean",
    ),
    Decoy(
        "step",
        "norm = nn.utils.clip_grad_norm_(trained, math.inf).item()",
        "clips at infinity, which only measures the norm; the next line clips",
    ),
    Decoy(
        "evaluate",
        "torch.cat([model(b.x, b.mask, b.band) for b in batches]).numpy()[np.argsort(order)]",
        "curves are evaluated by length; the argsort of an order puts logits back in place",
    ),
    Decoy(
        "evaluate",
        "model.eval()",
        "never set back, and need not be: only averaged models are evaluated, and `train_epoch` "
        "sets the mode of the one it trains",
    ),
    Decoy(
        "finetune",
        "generator = torch.Generator().manual_seed(SEED)",
        "seeded once for the run; it goes on from epoch to epoch (P12)",
    ),
    Decoy(
        "finetune",
        "epochs = [draw_batches(train, epoch, generator) for epoch in range(EPOCHS)]",
        "all epochs are augmented before the first step, each by its own random numbers (P12): "
        "so the number of steps is known (P10)",
    ),
    Decoy(
        "finetune",
        "if history[-1] > best_ap:",
        "the first of equals (P14)",
    ),
    Decoy(
        "calibrate",
        "return temperature, float(max(np.sort(p), key=lambda cut: f1_score(y, p >= cut)))",
        "the lowest of the best thresholds, by validation targets (P15)",
    ),
    Decoy(
        "show-test",
        "precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)",
        "draws a curve; the AP that is reported comes from `evaluate`",
    ),
)
