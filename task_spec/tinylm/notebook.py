# %% [markdown] id="title"
# # How well can a small transformer read the news of a small country?
#
# This notebook trains a word-level language model on short documents from three sources. It drops
# later documents that are copies of training documents, and documents whose words were put out of
# order, trains a decoder-only transformer, keeps its best state and reports bits per character.
#
# ## Protocol
#
# This is what the notebook is meant to do. Where code and protocol differ, the protocol is right.
#
# - **P1 Documents.** Every row of `documents.csv` is a document. Its `doc_id`, `source` and `text`
#   are what is written there, whatever that looks like; the sources are `wire`, `press` and `NA`.
# - **P2 Spelling.** Texts are put into Unicode normal form C and are not changed otherwise. From
#   then on, a character is a code point, and a word is what stands between single spaces.
# - **P3 Split.** By the day on which a document was received: train up to 31 March 2024, val from
#   April to June 2024, test from July 2024 on. Days are written as YYYY-MM-DD, DD/MM/YYYY or
#   MM/DD/YYYY.
# - **P4 Copies.** Val and test documents that were made from a training document belong to no
#   split: word for word copies of it, and edited ones, however they were edited. Copies have at
#   least 60 characters as P2 counts them. No detector is perfect: in a corpus of full size
#   at least 87% of all copies are left out as `copy`, and in any at most 4% of the other val and
#   test documents, garbled ones not counted, are taken for copies. All training documents stay, but
#   for those of P19.
# - **P5 Vocabulary.** The vocabulary holds the words that occur in the documents of train, and no
#   others. Any other word is the unknown mark.
# - **P6 Batches.** A document of n words has n+1 inputs, the mark of its source and its words, and
#   n+1 targets, its words and the end mark. Batches are padded at the end, with whatever tokens;
#   `mask` is true at a document's n+1 places and false at padding.
# - **P7 Epochs.** Every epoch takes each training document once. Which documents share a
#   micro-batch is drawn anew in every epoch.
# - **P8 Causality.** The logits at a place depend on the inputs of that document up to that place,
#   and on nothing else.
# - **P9 Tied.** The output layer has no weights but those of the token embedding, throughout
#   training: one parameter, `model.embed.weight`, serves as both.
# - **P10 Step.** An optimizer step takes 3 micro-batches (the last one of an epoch what is left).
#   Its gradient is that of the mean cross-entropy over all their targets, each target where `mask`
#   is true counting the same.
# - **P11 Clipping.** At every step the gradient that the optimizer uses has a total norm of at
#   most 0.5: the gradient of the whole step is scaled to norm 0.5 if it is larger, and left as it
#   is if it is smaller.
# - **P12 Schedule.** Training takes K optimizer steps in all. In step k = 0 … K-1 the rate of every
#   parameter is 8e-3 times (k+1)/W while k < W, and times (K-k)/(K-W) from there on, with
#   W = ceil(K/10).
# - **P13 Weight decay.** 0.1 on the parameters of `model.blocks` that have two dimensions, 0 on all
#   other parameters.
# - **P14 Dropout.** Dropout is active at every optimizer step that `train_model` takes. Evaluation
#   draws no random numbers.
# - **P15 Selection.** The model is evaluated after each epoch; the final model is the model as it
#   was after the epoch with the fewest bits per character on val, the first of equals.
# - **P16 Test.** Test documents influence nothing but `test_bpc`.
# - **P17 Metric.** Bits per character of a split: the bits of all targets of its documents (end
#   marks included), divided by the number of characters of their texts (spaces included).
# - **P18 Prediction.** For each document of a folder, `predict` gives the final model's
#   probabilities of what comes next after the document's last word.
# - **P19 Garbled.** In about 6% of the documents, training documents among them, a stretch of 5 or
#   more consecutive words stands in random order, which no rule brings back; no word is changed,
#   lost or added. They have at least 12 words, and are neither copies (P4) nor originals of copies.
#   Garbled documents belong to no split. What is garbled is judged by training documents. In a
#   corpus of full size, at least 75% of the garbled documents are left out, as `garbled` or as
#   `copy`, and at most 1.5% of the documents that are neither garbled nor copies are taken for
#   garbled; in a smaller one this is not looked at.

# %% id="setup"
import copy
import csv
import json
import math
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

SEED = 11
DATA = Path("data")
SOURCES = ["wire", "press", "NA"]
VAL_FROM, TEST_FROM = pd.Timestamp("2024-04-01"), pd.Timestamp("2024-07-01")
WIDTH, HEADS, LAYERS, PLACES, DROPOUT = 48, 4, 2, 64, 0.1
EPOCHS, ACCUM, PEAK_LR, WEIGHT_DECAY, CLIP = 10, 3, 8e-3, 0.1, 0.5

torch.manual_seed(SEED)
torch.set_num_threads(1)

# %% [markdown] id="about-data"
# ## Documents
#
# `documents.csv` has a row a document: id, source, day received, text, and a remark of the desk.
# `vocabulary.json` came with it and lists words.


# %% id="load"
FORMS = ["%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y"]


def read_days(documents):
    """The day of each document. Of two readings the one is taken that lies nearer to the days of
    documents that were numbered before and after it, since numbers grow from day to day; where no
    day in the folder is certain, the first."""
    written = documents["received"]
    readings = [pd.to_datetime(written, format=form, errors="coerce") for form in FORMS]
    readings = pd.concat(readings, axis=1)
    first, last = readings.min(axis=1), readings.max(axis=1)
    number = documents["doc_id"].str[1:].astype(int)
    certain = first.where(first == last).iloc[number.argsort()]
    about = certain.interpolate(limit_direction="both")
    return last.where(last - about < about - first, first)


def load_documents(folder):
    """A row a document: doc_id, source, received (as written), text, remark, and its day."""
    documents = pd.read_csv(
        folder / "documents.csv",
        quoting=csv.QUOTE_NONE,
        dtype=str,
        keep_default_na=False,
    )
    documents["text"] = documents["text"].str.normalize("NFC")
    documents["day"] = read_days(documents)
    return documents


documents = load_documents(DATA)
print(len(documents), "documents")
documents.head()

# %% id="show-documents"
fig, axes = plt.subplots(1, 2, figsize=(10, 3))
axes[0].hist([len(text) for text in documents["text"]], bins=40)
axes[0].set(title="length", xlabel="characters", ylabel="documents")
for source, own in documents.groupby("source"):
    axes[1].hist(own["day"], bins=32, histtype="step", label=source)
axes[1].set(title="received")
axes[1].tick_params(axis="x", rotation=30)
axes[1].legend()
fig.tight_layout()

# %% [markdown] id="about-copies"
# ## Copies
#
# A copy of a training document says nothing about how well the model reads: later documents are
# compared with all training documents.


# %% id="copies"
from scipy.optimize import quadratic_assignment
from scipy.sparse.csgraph import connected_components

MIN_COPY, KEPT, LIKELY, STARTS = 60, 0.6, 0.012, 20
# From a word of a copy to its next: the step in the original, and its probability. Or else a jump
# to any of its words, since pieces may have changed places.
STEPS, JUMP = {1: 0.81, 2: 0.06, -1: 0.03}, 0.1


def follower_chances(texts, smooth=12):
    """A function of two words: how likely texts have the second after the first (None: first), or
    anywhere, if that is likelier and order may be `lost`: garbled texts have it so."""
    words = [text.split(" ") for text in texts]
    single = Counter(word for own in words for word in own)
    before = Counter(word for own in words for word in [None, *own[:-1]])
    pairs = Counter(pair for own in words for pair in zip([None, *own], own))

    def chance(a, b, lost=False):
        share = (single[b] + 0.5) / single.total()
        follows = (pairs[a, b] + smooth * share) / (before[a] + smooth)
        return max(share, follows) if lost else follows

    return chance


def upright(words, chance):
    """Words as they stand, from last to first, or down two columns that were read across: the order
    in which they follow each other best."""

    def likely(order):
        return math.prod(map(chance, [None, *order], order))

    return max(words, words[::-1], words[::2] + words[1::2], key=likely)


def without_accents(texts):
    """Texts whose letters have lost their marks."""
    return texts.str.normalize("NFD").str.replace("[\u0300-\u036f]", "", regex=True)


def find_translations(texts):
    """Maps the words of the rarer language to those of the other. No text mixes the two, and a word
    stands between others as its translation does between theirs."""
    texts = [text.split(" ") for text in texts]
    words = sorted({word for own in texts for word in own})
    number = {word: i for i, word in enumerate(words)}
    pairs = np.zeros((len(words) + 1, len(words) + 1))  # the last one: where a text begins and ends
    for own in texts:
        row = [-1, *(number[word] for word in own), -1]
        np.add.at(pairs, (row[:-1], row[1:]), 1)
    language = connected_components(pairs[:-1, :-1])[1]
    two = [np.flatnonzero(language == k) for k, _ in Counter(language.tolist()).most_common(2)]
    if len(two) < 2:
        return {}
    size = max(map(len, two))
    tables = np.zeros((2, size + 1, size + 1))
    for table, own in zip(tables, two):
        at = [*range(len(own)), size]
        table[np.ix_(at, at)] = np.sqrt(pairs[np.ix_([*own, -1], [*own, -1])])
    options = {"maximize": True, "partial_match": [[size, size]], "P0": "randomized"}
    options["rng"] = np.random.default_rng(0)
    found = [quadratic_assignment(*tables, options=options) for _ in range(STARTS)]
    pairing = zip(two[0], max(found, key=lambda match: match.fun).col_ind)
    return {words[two[1][k]]: words[i] for i, k in pairing if k < len(two[1])}


def find_copies(texts, train_texts):
    """Booleans: which texts are likely copies, in either language and some order. Accents do not
    count: a copy may have been typed without them."""
    long = texts.str.len() >= MIN_COPY
    texts, train_texts = without_accents(texts), without_accents(train_texts)
    meaning = find_translations(train_texts)
    texts, train_texts = (
        own.map(lambda text: " ".join(meaning.get(word, word) for word in text.split(" ")))
        for own in (texts, train_texts)
    )
    # All training texts in one row, each with two gaps behind it; of each place its text.
    row = [word for text in train_texts for word in [*text.split(" "), None, None]]
    own = np.repeat(range(len(train_texts)), [text.count(" ") + 3 for text in train_texts])
    places = {}
    for i, word in enumerate(row):
        places.setdefault(word, []).append(i)
    inside = np.array([word is not None for word in row])
    share = JUMP * inside / np.bincount(own, inside)[own]
    chance = follower_chances(train_texts)

    def likely(text):
        words = upright(text.split(" "), chance)
        return copy_odds(words, places, inside, own, share, chance) > LIKELY

    return [enough and likely(text) for text, enough in zip(texts, long)]


def copy_odds(words, places, inside, own, share, chance):
    """How likely words are as a copy, over how likely as a text of its own: the sum over all ways
    through the row. At each step a copy has the row's word, or another that fits as well."""
    odds = np.full(len(inside), 1 / len(inside))
    for before, word in zip([None, *words], words):
        jumps = share * np.bincount(own, odds)[own]
        odds = inside * sum(p * np.roll(odds, step) for step, p in STEPS.items())
        odds += jumps
        same = places.get(word, [])
        kept = odds[same] * KEPT / chance(before, word, lost=True)
        odds *= 1 - KEPT
        odds[same] += kept
    return odds.sum()


# %% [markdown] id="about-garbled"
# ## Garbled documents
#
# A faulty scanner put some words of some documents out of order.


# %% id="garbled"
from scipy.sparse.csgraph import connected_components

MIN_GARBLED, MIN_STRETCH, SHARE, PRIOR = 12, 5, 0.06, 10.0


def count_transitions(rows, weights, size):
    """How often, in texts that count by their weights, one of `size` words follows another, and
    has any word after it; and its share of the words of its language."""
    pairs = np.zeros((size, size))
    for row, weight in zip(rows, weights):
        np.add.at(pairs, (row[:-1], row[1:]), weight)
    language, before = connected_components(pairs)[1], pairs.sum(0)  # no text is in two
    return pairs, pairs.sum(1), before / np.maximum(np.bincount(language, before), 1e-9)[language]


def order_odds(row, own, known):
    """Log odds of each word of a text but the first: after the word before it, as training texts
    have it, against anywhere in its language. What the text itself brought in, by weight `own`,
    is taken out."""
    pairs, after, shares = known
    a, b = row[:-1], row[1:]
    same, share = a == a[:, None], shares[b]
    others = pairs[a, b] - own * (same & (b == b[:, None])).sum(0)
    odds = (others / np.maximum(share, 1e-6) + PRIOR) / (after[a] - own * same.sum(0) + PRIOR)
    return np.where(share > 0, np.log(odds), 0.0)


def best_order(row, own, known):
    """A text's words as they stand, from last to first, or down two columns that were read across:
    the order in which they follow each other best; and their log odds in it."""
    orders = [row, row[::-1], np.concatenate([row[::2], row[1::2]])]
    odds = [order_odds(order, own * (order is row), known) for order in orders]
    return max(zip(orders, odds), key=lambda pair: pair[1].sum())


def garbled_odds(odds):
    """Odds that a text is garbled, from the log odds of its words: the mean over all stretches of
    how much likelier chance is to have put their words there, and the word behind them; 0 for a
    short text."""
    words = len(odds) + 1
    if words < MIN_GARBLED:
        return 0.0
    total = np.concatenate([[0.0, 0.0], np.cumsum(odds)])
    first, last = np.triu_indices(words, MIN_STRETCH - 1)
    stretches = np.exp(total[first] - total[np.minimum(last + 2, words)])
    return SHARE / (1 - SHARE) * stretches.mean()


def find_garbled(texts, training):
    """Booleans: in which texts a stretch of words is in no order. `training`: booleans too, which
    of them are training texts, from which the order is learnt."""
    words = [text.split(" ") for text in texts]
    known = sorted({word for own, used in zip(words, training) if used for word in own})
    number = {word: i for i, word in enumerate(known)}  # all other words: the number after these
    rows = [np.array([number.get(word, len(number)) for word in own]) for own in words]
    weights = np.array(training, dtype=float)
    for _ in range(2):  # the second time in their best order, and by how likely they are sound
        known = count_transitions(rows, weights, len(number) + 1)
        rows, odds = zip(*(best_order(row, own, known) for row, own in zip(rows, weights)))
        garbled = np.array([garbled_odds(own) for own in odds])
        weights = np.array(training) / (1 + garbled)
    return (garbled > 1).tolist()


# %% id="split"
def split_documents(documents):
    """Maps doc_id to "train", "val", "test", "copy" or "garbled"."""
    day = documents["day"]
    part = np.where(day < VAL_FROM, "train", np.where(day < TEST_FROM, "val", "test"))
    part = pd.Series(part, documents.index)
    later = documents.loc[part != "train", "text"]
    copied = find_copies(later, documents.loc[part == "train", "text"])
    part[later.index[np.array(copied, dtype=bool)]] = "copy"
    garbled = np.array(find_garbled(documents["text"], day < VAL_FROM), dtype=bool)
    part[garbled & (part != "copy")] = "garbled"
    return dict(zip(documents["doc_id"], part))


split = split_documents(documents)
part = documents["doc_id"].map(split)
train, val, test = (documents[part == name] for name in ("train", "val", "test"))
print(part.value_counts().to_dict())

# %% [markdown] id="about-tokens"
# ## Tokens and batches


# %% id="vocabulary"
PAD, END, UNKNOWN = 0, 1, 2
MARKS = {source: 3 + i for i, source in enumerate(SOURCES)}


def build_vocabulary(texts):
    """Maps each word to its token."""
    words = sorted({word for text in texts for word in text.split(" ")})
    return {word: 3 + len(MARKS) + i for i, word in enumerate(words)}


vocabulary = build_vocabulary(train["text"])
tokens_in_all = 3 + len(MARKS) + len(vocabulary)
listed = json.loads((DATA / "vocabulary.json").read_text(encoding="utf-8"))
print(len(vocabulary), "words,", len(set(vocabulary) & set(listed)), "of them listed")


def encode(source, text):
    """Tokens of a document: source mark, words, end mark."""
    return [MARKS[source], *(vocabulary.get(word, UNKNOWN) for word in text.split(" ")), END]


def encode_all(documents):
    return [encode(source, text) for source, text in zip(documents["source"], documents["text"])]


# %% id="batches"
class Batch(NamedTuple):
    inputs: torch.Tensor  # (B, T) int64
    targets: torch.Tensor  # (B, T) int64
    mask: torch.Tensor  # (B, T) bool


def collate(sequences):
    """Pads token lists (as `encode` makes them) at their end to one length."""
    places = torch.tensor([len(s) - 1 for s in sequences])
    rows = [torch.tensor(s) for s in sequences]
    tokens = nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD)
    inputs, targets = tokens[:, :-1], tokens[:, 1:]
    mask = torch.arange(inputs.shape[1]) < places[:, None]
    return Batch(inputs, targets, mask)


def plan_epoch(sequences, epoch):
    """Micro-batches as lists of indices: of like lengths, at most a budget of padded tokens, in
    random order. The budget grows with the epoch."""
    rng = np.random.default_rng([SEED, epoch])
    budget = 320 + 40 * epoch
    order = rng.permutation(len(sequences))
    plan = []
    for chunk in np.array_split(order, max(1, len(order) // 40)):
        batch = []
        for i in sorted(chunk, key=lambda i: len(sequences[i])):
            if batch and len(sequences[i]) * (len(batch) + 1) > budget:
                plan.append(batch)
                batch = []
            batch.append(int(i))
        plan.append(batch)
    return [plan[i] for i in rng.permutation(len(plan))]


def steps_of(plan):
    """The micro-batches of each optimizer step of an epoch."""
    return [plan[i : i + ACCUM] for i in range(0, len(plan), ACCUM)]


# %% [markdown] id="about-model"
# ## Model
#
# Two blocks of causal attention. Each place also sees the mean of all embeddings up to it: a cheap
# view of the topic.


# %% id="model"
class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(3 * WIDTH, WIDTH)
        self.drop = nn.Dropout(DROPOUT)

    def forward(self, x):
        heads = self.qkv(self.norm1(x)).unflatten(2, (3, HEADS, -1))  # (B, T, 3, heads, width)
        q, k, v = heads.permute(2, 0, 3, 1, 4)
        rate = DROPOUT if self.training else 0.0
        mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=rate)
        x = x + self.drop(self.out(mixed.transpose(1, 2).flatten(2)))
        return x + self.drop(self.down(F.gelu(self.up(self.norm2(x)))))


class TinyLM(nn.Module):
    """Logits (B, T, tokens) of the token after each of inputs (B, T)."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(tokens_in_all, WIDTH)
        self.place = nn.Embedding(PLACES, WIDTH)
        self.topic = nn.Linear(WIDTH, WIDTH, bias=False)
        self.blocks = nn.ModuleList([Block() for _ in range(LAYERS)])
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, tokens_in_all, bias=False)
        self.head.weight = self.embed.weight
        initialise(self)

    def forward(self, inputs):
        x = self.embed(inputs)
        length = torch.arange(1, x.shape[1] + 1)
        topic = x.cumsum(1) / length[:, None]
        x = x + self.place(length - 1) + self.topic(topic)
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x))


def initialise(model):
    """Small normal weights in embeddings and linear layers, no biases."""
    for module in model.modules():
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=0.05)
            if getattr(module, "bias", None) is not None:
                nn.init.zeros_(module.bias)


model = TinyLM()
print(sum(p.numel() for p in model.parameters()), "parameters")

# %% [markdown] id="about-training"
# ## Training


# %% id="optimizer"
def make_optimizer(model):
    """AdamW over two groups: with and without weight decay."""
    decay = [p for p in model.blocks.parameters() if p.ndim == 2]
    rest = [p for p in model.parameters() if all(p is not d for d in decay)]
    groups = [
        {"params": decay, "weight_decay": WEIGHT_DECAY},
        {"params": rest, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=PEAK_LR, betas=(0.9, 0.98))


def set_rate(optimizer, k, steps):
    """Sets the rate for step k of `steps`: warm-up, then a straight line down."""
    warm = math.ceil(steps / 10)
    factor = (k + 1) / warm if k < warm else (steps - k) / (steps - warm)
    for group in optimizer.param_groups:
        group["lr"] = PEAK_LR * factor


# %% id="step"
def train_step(model, optimizer, batches):
    """One optimizer step on a list of micro-batches; returns mean loss and gradient norm."""
    optimizer.zero_grad()
    places = sum(int(b.mask.sum()) for b in batches)
    total = 0.0
    for b in batches:
        logits = model(b.inputs)
        loss = F.cross_entropy(logits[b.mask], b.targets[b.mask], reduction="sum") / places
        loss.backward()
        total += loss.item()
    norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP).item()
    optimizer.step()
    return total, norm


# %% id="evaluate"
@torch.no_grad()
def document_bits(model, documents, size=32):
    """Array of the bits of each document: the sum over its targets."""
    model.eval()
    sequences = encode_all(documents)
    order = sorted(range(len(sequences)), key=lambda i: len(sequences[i]))
    bits = np.zeros(len(sequences))
    for first in range(0, len(order), size):
        indices = order[first : first + size]
        b = collate([sequences[i] for i in indices])
        logp = F.log_softmax(model(b.inputs), dim=-1).gather(2, b.targets[:, :, None])[:, :, 0]
        bits[indices] = -(logp * b.mask).sum(1).numpy() / math.log(2)
    return bits


def evaluate(model, documents):
    """Bits per character of a model on some documents."""
    return float(document_bits(model, documents).sum() / documents["text"].str.len().sum())


# %% id="train"
def train_epoch(model, optimizer, sequences, steps, done, total):
    """One epoch of `steps` (lists of micro-batches of indices), after `done` of `total` steps;
    returns (loss, gradient norm) of each step."""
    model.train()
    log = []
    for k, micro in enumerate(steps, start=done):
        set_rate(optimizer, k, total)
        batches = [collate([sequences[i] for i in indices]) for indices in micro]
        log.append(train_step(model, optimizer, batches))
    return log


def train_model(model, train, val):
    """Trains; returns the selected model, val bits per character by epoch, log by step."""
    sequences = encode_all(train)
    plans = [steps_of(plan_epoch(sequences, epoch)) for epoch in range(EPOCHS)]
    total = sum(len(plan) for plan in plans)
    optimizer = make_optimizer(model)
    best, best_state, history, log = math.inf, None, [], []
    for plan in plans:
        log += train_epoch(model, optimizer, sequences, plan, len(log), total)
        history.append(evaluate(model, val))
        if history[-1] < best:
            best, best_state = history[-1], copy.deepcopy(model.state_dict())
    model.load_state_dict(best_state)
    return model, history, log


final, history, log = train_model(model, train, val)
print("val bits per character by epoch:", " ".join(f"{bits:.3f}" for bits in history))

# %% id="show-training"
fig, axes = plt.subplots(1, 3, figsize=(11, 3))
axes[0].plot([loss / math.log(2) for loss, _ in log], lw=0.8)
axes[0].set(title="training", xlabel="step", ylabel="bits per target")
axes[1].plot([norm for _, norm in log], lw=0.8)
axes[1].axhline(CLIP, color="k", ls=":")
axes[1].set(title="gradient before clipping", xlabel="step", ylabel="norm", yscale="log")
axes[2].plot(range(1, EPOCHS + 1), history, "o-")
axes[2].set(title="selection", xlabel="epoch", ylabel="val bits per character")
fig.tight_layout()

# %% [markdown] id="about-score"
# ## The test score, and predictions


# %% id="predict"
@torch.no_grad()
def next_probabilities(model, documents, size=32):
    """(documents, tokens) probabilities of the token after each document's last word."""
    model.eval()
    sequences = encode_all(documents)
    parts = []
    for first in range(0, len(sequences), size):
        b = collate(sequences[first : first + size])
        last = torch.tensor([len(s) - 2 for s in sequences[first : first + size]])
        parts.append(model(b.inputs)[torch.arange(len(last)), last].softmax(-1))
    return torch.cat(parts).numpy()


def predict(folder):
    """By doc_id of a folder's documents: {word: probability} of what comes next; the empty
    string stands for the end of the document."""
    documents = load_documents(folder)
    names = {END: "", **{token: word for word, token in vocabulary.items()}}
    return {
        doc_id: {name: float(p[token]) for token, name in names.items()}
        for doc_id, p in zip(documents["doc_id"], next_probabilities(final, documents))
    }


# %% id="score"
results = {"val_bpc": evaluate(final, val), "test_bpc": evaluate(final, test)}
Path("results.json").write_text(json.dumps(results, indent=1))
results

# %% id="show-test"
bits = document_bits(final, test)
fig, axes = plt.subplots(1, 2, figsize=(9, 3.2))
axes[0].scatter(test["text"].str.len(), bits, s=8)
axes[0].set(title=f"test {results['test_bpc']:.3f}", xlabel="characters", ylabel="bits")
b = collate(encode_all(test[:40]))
with torch.no_grad():
    logp = F.log_softmax(final(b.inputs), dim=-1).gather(2, b.targets[:, :, None])[:, :, 0]
by_place = -(logp * b.mask).sum(0) / b.mask.sum(0) / math.log(2)
axes[1].plot(by_place, lw=0.8)
axes[1].set(title="40 test documents", xlabel="place", ylabel="bits")
fig.tight_layout()
