"""Code of the correct notebook that looks odd and is right."""

from __future__ import annotations

from task_spec.model import Decoy

DECOYS = (
    Decoy(
        "load",
        'readings = [pd.to_datetime(written, format=form, errors="coerce") for form in FORMS]',
        "a form that does not fit is a missing reading, but one of the three fits every day",
    ),
    Decoy(
        "copies",
        "odds[same] += kept",
        "repeated indices would be added once only, but the places of a word are different ones",
    ),
    Decoy(
        "copies",
        "odds = inside * sum(p * np.roll(odds, step) for step, p in STEPS.items())",
        "what rolls out of a text, or round the row, lands in a gap and is multiplied by 0",
    ),
    Decoy(
        "split",
        'later = documents.loc[part != "train", "text"]',
        "training documents are not compared with one another: P4 says that all of them stay",
    ),
    Decoy(
        "garbled",
        "others = pairs[a, b] - own * (same & (b == b[:, None])).sum(0)",
        "a training text is judged by the others; the counts that are left are never below 0",
    ),
    Decoy(
        "garbled",
        "stretches = np.exp(total[first] - total[np.minimum(last + 2, words)])",
        "the word behind a stretch has lost the word before it, too; behind the last one is none",
    ),
    Decoy(
        "split",
        'garbled = np.array(find_garbled(documents["text"], day < VAL_FROM), dtype=bool)',
        "texts of all days are judged, but the order is learnt from training documents only",
    ),
    Decoy(
        "vocabulary",
        'listed = json.loads((DATA / "vocabulary.json").read_text(encoding="utf-8"))',
        "the file is only compared with; nothing is built from it",
    ),
    Decoy(
        "batches",
        "places = torch.tensor([len(s) - 1 for s in sequences])",
        "a token list has n+2 tokens, of which n+1 are inputs",
    ),
    Decoy(
        "batches",
        "for i in sorted(chunk, key=lambda i: len(sequences[i])):",
        "sorted by length within a random part of the epoch, and the batches are shuffled again",
    ),
    Decoy(
        "model",
        "topic = x.cumsum(1) / length[:, None]",
        "a running mean up to and with each place: causal, and padding comes after all of it",
    ),
    Decoy(
        "model",
        "mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, dropout_p=rate)",
        "no padding mask: padding stands at the end, where no place of a document looks",
    ),
    Decoy(
        "model",
        "self.embed = nn.Embedding(tokens_in_all, WIDTH)",
        "no padding_idx: the padding row is never used by a place that counts",
    ),
    Decoy(
        "model",
        "nn.init.normal_(module.weight, std=0.05)",
        "the tied matrix is drawn twice, in place: it stays tied",
    ),
    Decoy(
        "model",
        "self.head.weight = self.embed.weight",
        "tied before initialisation, which changes values in place",
    ),
    Decoy(
        "optimizer",
        "rest = [p for p in model.parameters() if all(p is not d for d in decay)]",
        "parameters() names the tied matrix once, so no parameter is in two groups",
    ),
    Decoy(
        "step",
        'loss = F.cross_entropy(logits[b.mask], b.targets[b.mask], reduction="sum") / places',
        "a sum over one micro-batch, over the targets of the whole step",
    ),
    Decoy(
        "step",
        "norm = nn.utils.clip_grad_norm_(model.parameters(), CLIP).item()",
        "returns the norm before clipping, which is what the plot shows",
    ),
    Decoy(
        "train",
        "model.load_state_dict(best_state)",
        "both names of the tied matrix are loaded into one parameter: the tie stays",
    ),
    Decoy(
        "predict",
        "last = torch.tensor([len(s) - 2 for s in sequences[first : first + size]])",
        "a token list ends with the end mark, so its last input is the last but one token",
    ),
)
