"""Bugs in the network and in its micro-batches."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

MASK_CUT = Bug(
    id="mask_cut",
    title="a strided layer cuts the mask to the new length instead of thinning it, and leaves what "
    "its norm puts on padding to the next layer",
    kind=Kind.RUN,
    clauses=("P4",),
    source="pooling over padding: gh:ray-project/ray#21392",
    plant=(
        Edit(
            "model",
            "        mask = mask[:, self.stride - 1 :: self.stride]\n"
            "        return F.relu(self.norm(self.conv(x))) * mask[:, None], mask",
            "        x = F.relu(self.norm(self.conv(x)))\n        return x, mask[:, : x.shape[2]]",
        ),
        Edit("model", "mean = h.sum(2) /", "mean = (h * mask[:, None]).sum(2) /"),
    ),
    checks=("P4.padding",),
    places=("model.TransitNet", "model.Encoder"),
    repairs=(
        Repair(
            "the length of what comes out, by the convolution's own formula",
            (
                Edit(
                    "model",
                    "        mask = mask[:, self.stride - 1 :: self.stride]\n"
                    "        return F.relu(self.norm(self.conv(x))) * mask[:, None], mask",
                    "        x, conv = self.conv(x), self.conv\n"
                    "        room = 2 * conv.padding[0] - conv.kernel_size[0]\n"
                    "        lengths = (mask.sum(1) + room) // self.stride + 1\n"
                    "        mask = torch.arange(x.shape[2]) < lengths[:, None]\n"
                    "        return F.relu(self.norm(x)) * mask[:, None], mask",
                ),
            ),
        ),
        Repair(
            "a position is valid if all points of its stride are",
            (
                Edit(
                    "model",
                    "mask = mask[:, self.stride - 1 :: self.stride]",
                    "mask = F.avg_pool1d(mask.float()[:, None], self.stride)[:, 0] == 1",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "every second entry from the first on: for curves of odd length, whose last position "
            "exists only where there is padding, the logit moves",
            (
                Edit(
                    "model",
                    "        mask = mask[:, self.stride - 1 :: self.stride]\n"
                    "        return F.relu(self.norm(self.conv(x))) * mask[:, None], mask",
                    "        x = F.relu(self.norm(self.conv(x)))\n"
                    "        mask = mask[:, :: self.stride][:, : x.shape[2]]\n"
                    "        return x * mask[:, None], mask",
                ),
            ),
            obvious=True,
        ),
        Repair(
            "the mask is right for pooling, but padding is not zeroed between the layers",
            (
                Edit(
                    "model",
                    "return F.relu(self.norm(self.conv(x))) * mask[:, None], mask",
                    "return F.relu(self.norm(self.conv(x))), mask",
                ),
                Edit("model", "mean = h.sum(2) /", "mean = (h * mask[:, None]).sum(2) /"),
            ),
            obvious=True,
        ),
    ),
)

DROPPED_REST = Bug(
    id="dropped_rest",
    title="a plan leaves out the curves after the last whole chunk, and of each chunk the last "
    "batch unless it is full: long curves, mostly",
    kind=Kind.RUN,
    clauses=("P8", "P1", "P12"),  # P1 and P12 speak of all training curves too
    source="drop_last and lost remainders: gh:thuml/Autoformer#104; gh:tomhosking/torchseq#8",
    plant=(
        Edit(
            "batches",
            "    for chunk in np.array_split(order, max(1, len(order) // 120)):\n",
            "    size = min(len(order), 120)\n"
            "    for chunk in order[: len(order) // size * size].reshape(-1, size):\n",
        ),
        Edit(
            "batches",
            "            batch.append(int(i))\n        plan.append(batch)\n",
            "            batch.append(int(i))\n"
            "        if longest * (len(batch) + 1) > budget:\n"
            "            plan.append(batch)\n",
        ),
    ),
    checks=("P8.groups",),
    places=("finetune.draw_batches", "finetune.train_epoch"),
    repairs=(
        Repair(
            "chunks by slicing, the last one shorter",
            (
                Edit(
                    "batches",
                    "in np.array_split(order, max(1, len(order) // 120)):\n",
                    "in [order[a : a + 120] for a in range(0, len(order), 120)]:\n",
                ),
            ),
        ),
        Repair(
            "what is left of a chunk opens the next one",
            (
                Edit(
                    "batches",
                    "    plan = []\n    for chunk in np.array_split(order, max(1, len(order) // 120)):\n"
                    "        batch, longest = [], 0\n",
                    "    plan, batch, longest = [], [], 0\n"
                    "    for chunk in np.array_split(order, max(1, len(order) // 120)):\n",
                ),
                Edit(
                    "batches",
                    "            batch.append(int(i))\n        plan.append(batch)\n",
                    "            batch.append(int(i))\n    plan.append(batch)\n",
                ),
            ),
        ),
    ),
    near_misses=(
        Repair(
            "no curve is left without a chunk, but each chunk still loses its last batch",
            (
                Edit(
                    "batches",
                    "            batch.append(int(i))\n        plan.append(batch)\n",
                    "            batch.append(int(i))\n"
                    "        if longest * (len(batch) + 1) > budget:\n"
                    "            plan.append(batch)\n",
                ),
            ),
            obvious=True,
        ),
    ),
)

BUGS = (MASK_CUT, DROPPED_REST)
