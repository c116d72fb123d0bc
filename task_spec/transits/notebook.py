# %% [markdown] id="title"
# # Which stars have a transiting planet?
#
# A planet that passes in front of its star dims it a little, once an orbit. This notebook trains
# a small network on the light curves of a photometric survey to tell stars with such transits
# from stars without. An encoder is pre-trained without labels by filling in hidden points, then
# fine-tuned with labels; an average of its weights is selected, calibrated and scored.
#
# ## Protocol
#
# This is what the notebook is meant to do. Where code and protocol differ, the protocol is right.
#
# - **P1 Split.** A star is a place on the sky: targets less than 5 arcsec apart are one star,
#   whatever their release and however it writes places; different stars are at least 50 arcsec
#   apart. All curves of a star are in one of train, val and test (60, 20 and 20% of the stars),
#   and in which one does not depend on the order of the rows in `targets.csv` and `curves.csv`.
#   Pre-training and fine-tuning see training curves only, and all of them.
# - **P2 Bands.** Every curve in `curves.csv` is used. Its band is W, NA or NB as given there; a
#   blank band means W.
# - **P3 Flux.** A curve enters the network as relative flux `f / median(f) - 1`, where a dimming
#   is negative, divided by its own scatter (1.4826 times the median absolute deviation), clipped
#   to ±8. Magnitudes are first turned into flux, `f = 10 ** (-0.4 * m)`. Points that were not
#   observed are 0, whatever the file has there, and have no part in median and scatter. Every run
#   computes all this from `flux.npy`.
# - **P4 Padding.** In evaluation the logit of a curve depends on that curve alone: not on how
#   far its batch is padded (with zeros), nor on what else is in the batch.
# - **P5 Pre-training loss.** The mean squared error over the hidden points that were observed,
#   each such point of the batch counting the same; 0 for a batch that has none.
# - **P6 Transfer.** Fine-tuning starts from the pre-trained encoder: all its parameters and
#   buffers.
# - **P7 Freeze.** In the first 2 epochs of fine-tuning and in the last one no parameter and no
#   buffer of the trained model's encoder changes. In every epoch between them each of them does:
#   the parameters are trained, the buffers follow the batches.
# - **P8 Step.** In every epoch of fine-tuning each training curve is in one micro-batch. An
#   optimizer step takes 4 of them (the last one of an epoch what is left). Its gradient is that of
#   the mean loss over all their curves, each curve counting the same: binary cross-entropy with
#   `pos_weight` 2.
# - **P9 Clipping.** In every fine-tuning step the optimizer uses the gradient of P8, scaled as a
#   whole to norm 1 if its total norm, over all trained parameters together, is larger, and as it
#   is if not.
# - **P10 Schedule.** Fine-tuning takes K optimizer steps in all. In step k = 0 … K-1 the rate of
#   every trained parameter is 3e-3 times (k+1)/W while k < W, and times
#   (1 + cos(π (k-W)/(K-W))) / 2 from there on, with W = ceil(K/10).
# - **P11 Weight decay.** 0.05 on the weights of convolutions and linear layers, 0 on all other
#   parameters.
# - **P12 Augmentation.** Each training curve is augmented anew for every epoch of fine-tuning, then
#   or beforehand: no two augmentations of the run use the same random numbers. Evaluation never
#   augments.
# - **P13 Average.** After each step every parameter of the averaged model moves to
#   0.9 · itself + 0.1 · the trained model's (one that two layers share is one parameter); every
#   buffer is copied from the trained model.
# - **P14 Selection.** The averaged model is evaluated after each epoch of fine-tuning; the final
#   model is the averaged model as it was after the epoch with the best validation AP, the first
#   of equals.
# - **P15 Calibration.** Temperature and threshold come from validation targets alone. The labels
#   of test targets influence nothing but the test scores.
# - **P16 Metric.** AP is average precision over all targets of a split at once: the sum over
#   the distinct scores, from the highest down, of the gain in recall times the precision among
#   all targets with at least that score. A target's score is the mean logit of its curves.
# - **P17 Second extractions.** Some targets are a second extraction of an exposure of another
#   target, by another pipeline: the same light with the same noise, through another aperture, over
#   a part of the time, with noise added, published under a position of its own and as that target's
#   only curve. Two such targets are one star too. At least 85% of such pairs are found, and at most
#   2% of all targets are joined with another star's.
# - **P18 Labels.** `labels.csv` was filled in by hand. Some runs of 20 to 40 consecutive rows hold
#   right entries (magnitude and label together), but most of them in wrong rows; they came about
#   in the same ways in every survey. They are moved back: each target is used with its own label.
#   At most 10 targets of a survey have a wrong label in the end.

# %% id="setup"
import copy
import csv
import json
import math
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from torch import nn

SEED = 5
DATA = Path("data")
BANDS = ["W", "NA", "NB"]
MATCH_ARCSEC = 5
EPOCHS, FREEZE_EPOCHS, ACCUM = 8, 2, 4
PEAK_LR, WEIGHT_DECAY, CLIP, EMA_DECAY, POS_WEIGHT = 3e-3, 0.05, 1.0, 0.9, 2.0

torch.manual_seed(SEED)
torch.set_num_threads(1)

# %% [markdown] id="about-data"
# ## Data
#
# `targets.csv` has a row a target: position, as its release printed it, and release. `curves.csv`
# has a row a curve: its target, its band, its unit (electrons a second, or magnitudes with zero
# point 25), the time `t0` in days that its pipeline gives it, where it lies in `flux.npy`, and a
# remark of the observers. `flux.npy` holds all curves, a NaN behind each, one point each half hour;
# some points are missing. Some stars were observed again in another release, under another id.
# `labels.csv` is the sheet of those who vetted the targets, in the order in which they worked: a
# target, its magnitude as they estimated it from its curves, and whether they found a planet.
# `inputs.npz` holds network inputs as an earlier version of this notebook prepared them.


# %% id="load"
def magnitudes(survey):
    """Magnitude by target_id: the mean over its curves of that of the median flux."""
    median = np.array([np.nanmedian(flux) for flux in survey["flux"]])
    mag = np.where(survey["unit"] == "mag", median, 25 - 2.5 * np.log10(np.abs(median)))
    return pd.Series(mag).groupby(survey["target_id"].to_numpy()).mean()


def down_a_row(n):
    """Of which row each row of a run holds the entry: of the one above, the first of the last."""
    return np.roll(np.arange(n), 1)


def across_columns(n):
    """The same where two columns were copied line by line: of 0, h, 1, h + 1, 2 and so on."""
    return np.argsort(np.arange(n) % math.ceil(n / 2), kind="stable")


def misplaced_run(noted, measured, way, lengths=range(20, 41)):
    """How much better the magnitudes of a run fit if its entries were misplaced in that way, for
    the best run; its rows, and of which row each of them holds the entry."""
    best = (-np.inf, None, None)
    for n in lengths:
        entry, own = (np.lib.stride_tricks.sliding_window_view(x, n) for x in (noted, measured))
        gain = ((entry - own) ** 2 - (entry - own[:, way(n)]) ** 2).sum(1)
        first = int(gain.argmax())
        if gain[first] > best[0]:
            best = (gain[first], first + np.arange(n), first + way(n))
    return best


def exchanged_pages(noted, measured, lengths=range(20, 41)):
    """The same for two runs of one length that hold each other's entries."""
    off = (noted[:, None] - measured) ** 2
    own = off.diagonal()
    better = own[:, None] + own - off - off.T  # if these two rows hold each other's entries
    total = np.zeros(np.array(better.shape) + 1)
    for row, gain in enumerate(better):
        total[row + 1, 1:] = total[row, :-1] + gain
    best = (-np.inf, None, None)
    for n in lengths:
        gain = np.triu(total[n:, n:] - total[:-n, :-n], n)
        pages = np.unravel_index(gain.argmax(), gain.shape)
        if gain[pages] > best[0]:
            rows = np.concatenate([first + np.arange(n) for first in pages])
            best = (gain[pages], rows, np.roll(rows, n))
    return best


def moved_back(sheet, measured):
    """The sheet with the entries of its misplaced runs, the surest first, back in their rows."""
    sheet, own = sheet.copy(), measured.loc[sheet["target_id"]].to_numpy()
    searches = [
        lambda noted: misplaced_run(noted, own, down_a_row),
        lambda noted: misplaced_run(noted, own, across_columns),
        lambda noted: exchanged_pages(noted, own),
    ]
    while searches:
        runs = [search(sheet["mag"].to_numpy()) for search in searches]
        surest = int(np.argmax([gain for gain, _, _ in runs]))
        _, rows, right = runs[surest]
        sheet.loc[right, ["mag", "label"]] = sheet.loc[rows, ["mag", "label"]].to_numpy()
        del searches[surest]
    return sheet


def observed(flux):
    """A curve, NaN where it has a value once more or runs straight: gaps of some curves of DR2 are
    filled with the last value or the last values before them, or with the line to the next one."""
    bend = np.abs(np.diff(flux, 2, prepend=np.nan, append=np.nan))
    straight = bend < 0.01 * np.nanmedian(bend)
    return np.where(straight | pd.Series(flux).duplicated(), np.nan, flux)


def load_survey(folder):
    """A row a curve, joined with its target and its label, with the curve itself in `flux`."""
    targets = pd.read_csv(folder / "targets.csv")
    curves = pd.read_csv(
        folder / "curves.csv",
        keep_default_na=False,
        quoting=csv.QUOTE_NONE,
    )
    curves["band"] = curves["band"].replace("", "W")
    survey = curves.merge(targets, on="target_id", how="left", validate="many_to_one")
    flux = np.load(folder / "flux.npy").astype(np.float64)
    first = survey["start"] - (survey["release"] == "DR2")  # which counts from 1
    survey["flux"] = [observed(flux[a : a + n]) for a, n in zip(first, survey["length"])]
    if (folder / "labels.csv").exists():
        sheet = moved_back(pd.read_csv(folder / "labels.csv"), magnitudes(survey))
        survey["label"] = survey["target_id"].map(sheet.set_index("target_id")["label"])
    return survey


survey = load_survey(DATA)
print(f"{survey['target_id'].nunique()} targets, {len(survey)} curves")
survey.drop(columns="flux").head()


# %% id="stars"
def places(targets):
    """Where targets are on the sky, a row each."""
    ra = targets["ra"].where(targets["release"] != "DR2", 15 * targets["ra"])
    ra, dec = np.deg2rad(ra.to_numpy()), np.deg2rad(targets["dec"].to_numpy())
    return np.stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)], axis=1)


def at_one_place(some, others):
    """(n, m) True where one of some places is the same as one of others."""
    distance = np.linalg.norm(some[:, None] - others[None], axis=-1)
    return distance < np.deg2rad(MATCH_ARCSEC / 3600)


def near_targets(targets):
    """(n, n) True where two targets are, or may be, at one place."""
    # DR2 lost the sign of "-00" degrees: what it has just north of the equator may be south of it.
    unsigned = (targets["release"] == "DR2") & targets["dec"].between(0, 1)
    south = targets.assign(dec=targets["dec"].where(~unsigned, -targets["dec"]))
    place = places(targets)
    return at_one_place(place, place) | at_one_place(places(south), place)


def cadences(survey):
    """The cadence at which each curve is given, and its number of points."""
    return (48 * survey["t0"]).round().astype(int).to_numpy(), survey["length"].to_numpy()


def white_noise(survey, order=3):
    """(curves, points) what the `order` points before it do not foretell of each point, in units of
    a curve's scatter, and 1 where a point was observed; both are 0 after a curve's end."""
    width = survey["length"].max() + order  # the end of no curve rolls on to its start
    noise = torch.full((len(survey), int(width)), torch.nan)
    for row, flux, unit in zip(noise, survey["flux"], survey["unit"]):
        flux = 10 ** (-0.4 * flux) if unit == "mag" else flux
        row[: len(flux)] = torch.from_numpy(flux / np.nanmean(flux) - 1)
    seen = (~noise.isnan()).float()
    noise = noise.nan_to_num()
    before = torch.stack([noise.roll(k, 1) for k in range(1, order + 1)], 2) * seen[:, :, None]
    weight = torch.linalg.solve(before.mT @ before, before.mT @ noise[:, :, None])
    noise = noise - (before @ weight).squeeze(2)
    for _ in range(2):  # again, now that outliers are clipped
        noise = noise / (noise.square().sum(1) / seen.sum(1)).sqrt()[:, None]
        noise = noise.clamp(-3, 3)
    return noise, seen


def on_grid(rows, first, size):
    """(curves, size) rows of points laid on a common time grid, each from its first cadence on."""
    column = torch.arange(size) - torch.tensor(first)[:, None]
    there = (column >= 0) & (column < rows.shape[1])
    return rows.gather(1, column.clamp(0, rows.shape[1] - 1)) * there


def same_exposure(survey, least=40, sigmas=4.4):
    """(2, n) rows of curves whose noise is the same: it correlates over the time they share. The
    first is the only curve of its target and lies within the time of the second, if its `t0` is
    that of its first point, or is ahead of it: by half a day, where days are counted from noon, or
    by half of the curve, where it is the time of the middle point. Some of them have their newest
    point first, so each is also tried turned round."""
    alone = np.flatnonzero(~survey["target_id"].duplicated(keep=False))
    turned = survey.iloc[alone].assign(flux=[x[::-1] for x in survey["flux"].iloc[alone]])
    points = white_noise(pd.concat([survey, turned]))
    t0, length = cadences(survey)
    size = int((t0 + length).max())
    noise, seen = (on_grid(rows[: len(survey)], t0, size) for rows in points)
    own, alone = [*alone, *range(len(survey), len(points[0]))], np.append(alone, alone)
    found = np.zeros((len(alone), len(survey)), dtype=bool)
    for ahead in (0, 24, length[alone] // 2):
        first = t0[alone] - ahead
        mine, here = (on_grid(rows[own], first, size) for rows in points)
        shared, power = here @ seen.T, (mine.square() @ seen.T) * (here @ noise.square().T)
        r = mine @ noise.T / power.clamp(min=1e-6).sqrt()
        significance = r.clamp(-0.999, 0.999).atanh() * (shared - 3).clamp(min=1).sqrt()
        end = first + length[alone]
        within = (first[:, None] >= t0) & (end[:, None] <= t0 + length)
        found |= within & ((shared >= least) & (significance > sigmas)).numpy()
    which, others = np.nonzero(found)
    return np.stack([alone[which], others])


def stars_of_targets(survey):
    """Maps target_id to its star."""
    targets = survey.drop_duplicates("target_id")
    same = near_targets(targets)
    row = survey["target_id"].map(pd.Series(range(len(targets)), targets["target_id"])).to_numpy()
    same[tuple(row[same_exposure(survey)])] = True
    _, star = connected_components(csr_array(same), directed=False)
    name = targets["target_id"].groupby(star).transform("min")
    return dict(zip(targets["target_id"], name))


def split_curves(survey):
    """Maps curve_id to "train", "val" or "test", star by star."""
    star = survey["target_id"].map(stars_of_targets(survey))
    order = np.random.default_rng(SEED).permutation(np.sort(star.unique()))
    first, second = round(0.6 * len(order)), round(0.8 * len(order))
    part = {
        s: "train" if i < first else "val" if i < second else "test" for i, s in enumerate(order)
    }
    return dict(zip(survey["curve_id"], star.map(part)))


split = split_curves(survey)
print(pd.Series(split).value_counts().to_dict())

# %% [markdown] id="about-prepare"
# ## From flux to network input


# %% id="prepare"
class Curve(NamedTuple):
    curve_id: str
    target_id: str
    band: int  # index into BANDS
    x: torch.Tensor  # (2, T): normalised flux, and 1 where a point was observed
    y: float  # 1 planet, 0 none, nan unknown


def relative_flux(flux, unit):
    """Flux relative to its median; a dimming is negative."""
    if unit == "mag":
        flux = 10 ** (-0.4 * (flux - np.nanmedian(flux)))
    return flux / np.nanmedian(flux) - 1


def normalise(flux, unit):
    """(2, T) float32 network input of one curve."""
    x = relative_flux(flux, unit)
    scatter = 1.4826 * np.nanmedian(np.abs(x - np.nanmedian(x)))
    x = np.clip(x / scatter, -8, 8)
    observed = np.isfinite(x)
    return torch.tensor(np.stack([np.where(observed, x, 0), observed]), dtype=torch.float32)


def prepare(survey):
    """The curves of a survey, ready for the network, in the survey's order."""
    label = survey["label"] if "label" in survey else pd.Series(np.nan, survey.index)
    return [
        Curve(row.curve_id, row.target_id, BANDS.index(row.band), normalise(row.flux, row.unit), y)
        for row, y in zip(survey.itertuples(), label.astype(float))
    ]


curves = prepare(survey)
train = [c for c in curves if split[c.curve_id] == "train"]
val = [c for c in curves if split[c.curve_id] == "val"]
test = [c for c in curves if split[c.curve_id] == "test"]
print(len(train), len(val), len(test), "curves")

# %% id="show-curves"
fig, axes = plt.subplots(2, 3, figsize=(11, 4.5), sharey=True)
for row, label in zip(axes, [1, 0]):
    for ax, c in zip(row, [c for c in train if c.y == label and c.x.shape[1] > 200]):
        seen = c.x[1] > 0
        ax.plot(np.flatnonzero(seen) / 48, c.x[0][seen], ".", ms=2, color="C1" if label else "C0")
        ax.set_title(
            f"{c.target_id}, band {BANDS[c.band]}, {'planet' if label else 'no planet'}", size=9
        )
axes[1, 1].set_xlabel("time [days]")
fig.tight_layout()

# %% [markdown] id="about-batches"
# ## Batches
#
# Curves differ in length, so a batch is filled up to a number of points rather than of curves.
# Short batches first: the budget grows once the encoder is released.


# %% id="batches"
class Batch(NamedTuple):
    x: torch.Tensor  # (B, 2, T), zero where padded
    mask: torch.Tensor  # (B, T) True inside the curve
    band: torch.Tensor  # (B,) int64
    y: torch.Tensor  # (B,)


def collate(curves):
    """Pads curves at their end to one length."""
    lengths = torch.tensor([c.x.shape[1] for c in curves])
    x = nn.utils.rnn.pad_sequence([c.x.T for c in curves], batch_first=True).transpose(1, 2)
    mask = torch.arange(x.shape[2]) < lengths[:, None]
    band = torch.tensor([c.band for c in curves])
    return Batch(x, mask, band, torch.tensor([c.y for c in curves], dtype=torch.float32))


def plan_batches(curves, epoch):
    """Lists of indices into `curves`, each at most a budget of padded points, in random order."""
    rng = np.random.default_rng([SEED, epoch])
    budget = 2400 if epoch < FREEZE_EPOCHS else 3600
    order = rng.permutation(len(curves))
    plan = []
    for chunk in np.array_split(order, max(1, len(order) // 120)):
        batch, longest = [], 0
        for i in sorted(chunk, key=lambda i: curves[i].x.shape[1]):
            longest = max(longest, curves[i].x.shape[1])
            if batch and longest * (len(batch) + 1) > budget:
                plan.append(batch)
                batch, longest = [], curves[i].x.shape[1]
            batch.append(int(i))
        plan.append(batch)
    return [plan[i] for i in rng.permutation(len(plan))]


def augment(x, generator):
    """A new version of a curve (2, T): a part of it, perhaps mirrored, some noise, some losses."""
    length = round(x.shape[1] * (0.65 + 0.35 * float(torch.rand((), generator=generator))))
    first = int(torch.randint(x.shape[1] - length + 1, (), generator=generator))
    x = x[:, first : first + length]
    if torch.rand((), generator=generator) < 0.5:
        x = x.flip(1)
    keep = (torch.rand(x.shape[1], generator=generator) > 0.03).float()
    noise = 0.2 * torch.randn(x.shape[1], generator=generator)
    return torch.stack([x[0] + noise, x[1]]) * x[1] * keep


# %% [markdown] id="about-model"
# ## Model
#
# Three strided convolutions see the curve, the last two of them with the same kernel; the head
# pools what they found over the valid positions and looks at the band.


# %% id="model"
class Down(nn.Module):
    """Strided convolution; takes and returns the mask of valid positions."""

    def __init__(self, inputs, outputs, kernel, stride):
        super().__init__()
        padding = (kernel - 1) // 2
        self.conv = nn.Conv1d(inputs, outputs, kernel, stride, padding=padding, bias=False)
        self.norm = nn.BatchNorm1d(outputs)
        self.stride = stride

    def forward(self, x, mask):
        mask = mask[:, self.stride - 1 :: self.stride]
        return F.relu(self.norm(self.conv(x))) * mask[:, None], mask


class Encoder(nn.Module):
    def __init__(self, width=32):
        super().__init__()
        self.down = nn.ModuleList(
            [Down(2, width, 8, 2), Down(width, width, 6, 2), Down(width, width, 6, 2)]
        )
        self.down[2].conv = self.down[1].conv
        self.width = width

    def forward(self, x, mask):
        for layer in self.down:
            x, mask = layer(x, mask)
        return x, mask


class TransitNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        width = 2 * self.encoder.width
        self.band = nn.Embedding(len(BANDS), 8)
        self.head = nn.Sequential(
            nn.Linear(width + 8, 48), nn.LayerNorm(48), nn.ReLU(), nn.Dropout(0.2), nn.Linear(48, 1)
        )

    def forward(self, x, mask, band):
        """Logits (B,) of curves x (B, 2, T)."""
        h, mask = self.encoder(x, mask)
        mean = h.sum(2) / mask.sum(1, keepdim=True)
        peak = h.masked_fill(~mask[:, None], 0).amax(2)
        return self.head(torch.cat([mean, peak, self.band(band)], dim=1)).squeeze(1)


# %% [markdown] id="about-pretrain"
# ## Pre-training without labels
#
# Spans of each curve are hidden; the encoder and a small decoder fill them in.


# %% id="pretrain"
class Filler(nn.Module):
    """Encoder and decoder that fill in hidden points."""

    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.decoder = nn.Conv1d(self.encoder.width, 8, 3, padding=1)

    def forward(self, x, mask):
        """(B, T) flux at every point."""
        rest = -x.shape[2] % 8  # the encoder gives a position for eight points
        h, _ = self.encoder(F.pad(x, (0, rest)), F.pad(mask, (0, rest)))
        return self.decoder(h).transpose(1, 2).flatten(1)[:, : x.shape[2]]


def hide_spans(batch, generator, length=8, share=0.25):
    """(B, T) True at the points to hide."""
    starts = torch.rand(batch.mask.shape, generator=generator) < share / length
    return (
        F.max_pool1d(starts.float()[:, None], length, 1, length // 2)[:, 0, : starts.shape[1]] > 0
    )


def filling_loss(filled, flux, hidden, observed):
    """Scalar loss; all arguments (B, T), `hidden` and `observed` boolean."""
    scored = hidden & observed
    return ((filled - flux) ** 2 * scored).sum() / scored.sum().clamp(min=1)


def pretrain(curves, epochs=3):
    """The state of a trained Filler, and the loss of each step."""
    filler = Filler()
    optimizer = torch.optim.Adam(filler.parameters(), lr=4e-3)
    generator = torch.Generator().manual_seed(SEED)
    losses = []
    for epoch in range(epochs):
        for indices in plan_batches(curves, FREEZE_EPOCHS + epoch):
            batch = collate([curves[i] for i in indices])
            hidden = hide_spans(batch, generator)
            filled = filler(batch.x * ~hidden[:, None], batch.mask)
            loss = filling_loss(filled, batch.x[:, 0], hidden, batch.x[:, 1] > 0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return filler.state_dict(), losses


pretrained, filling_losses = pretrain(train)
print(f"filling loss {np.mean(filling_losses[:10]):.3f} -> {np.mean(filling_losses[-10:]):.3f}")

# %% id="transfer"
model = TransitNet()
model.load_state_dict(pretrained, strict=False)  # a Filler has no head, and we need no decoder
print(sum(p.numel() for p in model.parameters()), "parameters")

# %% [markdown] id="about-optimizer"
# ## Fine-tuning
#
# First the head alone, then everything, and the head alone once more at the end; an average of
# the weights follows.


# %% id="optimizer"
def set_frozen(model, frozen):
    """Freezes or releases the encoder."""
    for p in model.encoder.parameters():
        p.requires_grad_(not frozen)


def make_optimizer(model):
    """AdamW over two groups: with and without weight decay."""
    decay = [m.weight for m in model.modules() if isinstance(m, nn.Conv1d | nn.Linear)]
    rest = [p for p in model.parameters() if all(p is not d for d in decay)]
    groups = [
        {"params": decay, "weight_decay": WEIGHT_DECAY},
        {"params": rest, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=PEAK_LR)


def rate_factor(k, steps):
    """The schedule: factor of the peak rate in step k of `steps`."""
    warm = math.ceil(steps / 10)
    if k < warm:
        return (k + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * min(1, (k - warm) / max(1, steps - warm))))


@torch.no_grad()
def update_average(average, model):
    """Moves the averaged model towards the trained one."""
    for a, p in zip(average.parameters(), model.parameters()):
        a.mul_(EMA_DECAY).add_(p, alpha=1 - EMA_DECAY)
    for a, b in zip(average.buffers(), model.buffers()):
        a.copy_(b)


# %% id="step"
def train_step(model, optimizer, batches):
    """One optimizer step on a list of micro-batches; returns mean loss and gradient norm."""
    optimizer.zero_grad()
    curves = sum(len(b.y) for b in batches)
    total = 0.0
    for b in batches:
        logits = model(b.x, b.mask, b.band)
        weight = torch.tensor(POS_WEIGHT)
        loss = F.binary_cross_entropy_with_logits(logits, b.y, pos_weight=weight, reduction="sum")
        loss = loss / curves
        loss.backward()
        total += loss.item()
    trained = [p for p in model.parameters() if p.requires_grad]
    norm = nn.utils.clip_grad_norm_(trained, math.inf).item()
    nn.utils.clip_grad_norm_(trained, CLIP)
    optimizer.step()
    return total, norm


# %% id="evaluate"
def average_precision(y, score):
    """Area under the precision-recall steps."""
    order = np.argsort(-score, kind="stable")
    hit, score = y[order] > 0, score[order]
    last = np.append(score[1:] != score[:-1], True)  # of the targets with one score
    found = np.cumsum(hit)[last]
    precision = found / (np.flatnonzero(last) + 1)
    return float(np.sum(np.diff(found, prepend=0) * precision) / found[-1])


@torch.no_grad()
def curve_logits(model, curves, size=64):
    """Logit of each curve, in order."""
    model.eval()
    order = np.argsort([c.x.shape[1] for c in curves], kind="stable")
    parts = [[curves[i] for i in order[a : a + size]] for a in range(0, len(order), size)]
    batches = [collate(part) for part in parts]
    return torch.cat([model(b.x, b.mask, b.band) for b in batches]).numpy()[np.argsort(order)]


def group_means(values, keys):
    """For each value the mean of all values with the same key."""
    _, group = torch.tensor(keys).unique(return_inverse=True)
    total = torch.zeros(len(values), dtype=torch.float64).index_add(0, group, torch.tensor(values))
    return (total[: group.max() + 1] / group.bincount())[group].numpy()


def target_logits(model, curves):
    """Table by target_id: `logit`, the mean over the target's curves, and label `y`."""
    rows = pd.DataFrame({"target_id": [c.target_id for c in curves], "y": [c.y for c in curves]})
    logits = curve_logits(model, curves).astype(np.float64)
    rows["logit"] = group_means(logits, [c.target_id for c in curves])
    return rows.groupby("target_id").first()


def evaluate(model, curves):
    """AP of a model on the targets of some curves."""
    table = target_logits(model, curves)
    return average_precision(table["y"].to_numpy(), table["logit"].to_numpy())


# %% id="finetune"
def draw_batches(curves, epoch, generator):
    """The micro-batches of an epoch, planned by the lengths of the augmented curves."""
    drawn = [c._replace(x=augment(c.x, generator)) for c in curves]
    return [collate([drawn[i] for i in indices]) for indices in plan_batches(drawn, epoch)]


def train_epoch(model, average, optimizer, scheduler, batches):
    """One pass over micro-batches; returns (loss, gradient norm) of each step."""
    model.train()
    if not model.encoder.down[0].conv.weight.requires_grad:
        model.encoder.eval()
    log = []
    for first in range(0, len(batches), ACCUM):
        log.append(train_step(model, optimizer, batches[first : first + ACCUM]))
        scheduler.step()
        update_average(average, model)
    return log


def finetune(model, train, val):
    """Trains; returns the selected averaged model, validation AP by epoch, log by step."""
    generator = torch.Generator().manual_seed(SEED)
    epochs = [draw_batches(train, epoch, generator) for epoch in range(EPOCHS)]
    steps = sum(math.ceil(len(batches) / ACCUM) for batches in epochs)
    optimizer = make_optimizer(model)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: rate_factor(k, steps))
    average = copy.deepcopy(model)
    best_ap, best_state, history, log = -1.0, None, [], []
    for epoch, batches in enumerate(epochs):
        set_frozen(model, epoch < FREEZE_EPOCHS or epoch == EPOCHS - 1)
        log += train_epoch(model, average, optimizer, scheduler, batches)
        history.append(evaluate(average, val))
        if history[-1] > best_ap:
            best_ap, best_state = history[-1], copy.deepcopy(average.state_dict())
    average.load_state_dict(best_state)
    return average, history, log


final, history, log = finetune(model, train, val)
print("validation AP by epoch:", " ".join(f"{ap:.3f}" for ap in history))

# %% id="show-training"
fig, axes = plt.subplots(1, 3, figsize=(11, 3))
axes[0].plot(filling_losses, lw=0.8)
axes[0].set(title="pre-training", xlabel="step", ylabel="filling loss")
axes[1].plot([loss for loss, _ in log], lw=0.8)
axes[1].set(title="fine-tuning", xlabel="step", ylabel="loss")
axes[2].plot(range(1, EPOCHS + 1), history, "o-")
axes[2].set(title="selection", xlabel="epoch", ylabel="validation AP")
fig.tight_layout()

# %% [markdown] id="about-calibration"
# ## Temperature, threshold, and the test score


# %% id="calibrate"
def calibrate(table):
    """Temperature by likelihood, threshold (on the probability) by F1."""
    y, logit = table["y"].to_numpy(), table["logit"].to_numpy()
    grid = np.geomspace(0.1, 10, 101)
    nll = [np.mean(np.logaddexp(0, logit / t) - y * logit / t) for t in grid]
    temperature = float(grid[int(np.argmin(nll))])
    p = 1 / (1 + np.exp(-logit / temperature))
    return temperature, float(max(np.sort(p), key=lambda cut: f1_score(y, p >= cut)))


def f1_score(y, predicted):
    return 2 * np.sum(predicted & (y > 0)) / (np.sum(predicted) + np.sum(y > 0))


def predict(folder):
    """Probability of a planet for each target of a survey folder (without labels)."""
    table = target_logits(final, prepare(load_survey(folder)))
    return 1 / (1 + np.exp(-table["logit"] / temperature))


temperature, threshold = calibrate(target_logits(final, val))
print(f"temperature {temperature:.2f}, threshold {threshold:.2f}")

# %% id="score"
scored = target_logits(final, test)
probability = 1 / (1 + np.exp(-scored["logit"] / temperature))
results = {
    "val_ap": evaluate(final, val),
    "test_ap": evaluate(final, test),
    "test_f1": float(f1_score(scored["y"], probability >= threshold)),
    "temperature": temperature,
    "threshold": threshold,
}
Path("results.json").write_text(json.dumps(results, indent=1))
results

# %% id="show-test"
order = np.argsort(-scored["logit"].to_numpy())
hit = scored["y"].to_numpy()[order] > 0
precision = np.cumsum(hit) / np.arange(1, len(hit) + 1)
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2))
axes[0].step(np.cumsum(hit) / hit.sum(), precision, where="post")
axes[0].set(
    title=f"test AP {results['test_ap']:.3f}", xlabel="recall", ylabel="precision", ylim=(0, 1.05)
)
axes[1].hist(
    [probability[scored["y"] == y] for y in (0, 1)], bins=15, label=["no planet", "planet"]
)
axes[1].axvline(threshold, color="k", ls=":")
axes[1].set(title="test probabilities", xlabel="probability")
axes[1].legend()
fig.tight_layout()
