"""Bugs by which test documents reach the training: through a size that is taken from all of them."""

from __future__ import annotations

from task_spec.model import Bug, Edit, Kind, Repair

_TOKENS = "tokens_in_all = 3 + len(MARKS) + len(vocabulary)\n"
_PLACES = "        self.place = nn.Embedding(PLACES, WIDTH)\n"
_BUDGET = "    budget = 320 + 40 * epoch\n"


def _places(longest: str) -> tuple[Edit, ...]:
    """As many places as a number says."""
    return (
        Edit("vocabulary", _TOKENS, f"{_TOKENS}longest = {longest}\n"),
        Edit("model", _PLACES, "        self.place = nn.Embedding(longest, WIDTH)\n"),
    )


def _inputs(texts: str) -> str:
    return f'1 + max(len(text.split(" ")) for text in {texts})'


PLACES_OF_ALL = Bug(
    id="places_of_all",
    title="the model has as many places as the longest of all documents has inputs: a test document "
    "decides how large it is and with which random numbers it starts",
    kind=Kind.RUN,
    clauses=("P16",),
    source="statistics of all data before the split: arXiv:2207.07048; gh:Ali-Meh619/SAMBA#6",
    plant=_places(_inputs('documents["text"]')),
    checks=("P16.test",),
    repairs=(
        Repair("a number that is large enough", _places("40")),
        Repair(
            "twice as many as the longest training document needs",
            _places("2 * (" + _inputs('train["text"]') + ")"),
        ),
    ),
    near_misses=(
        Repair(
            "copies left out, but test documents still measured",
            _places(_inputs('documents.loc[part != "copy", "text"]')),
            obvious=True,
        ),
        Repair(
            "the longest document of each part, but of test too",
            _places('1 + max(own["text"].str.count(" ").max() + 1 for own in (train, val, test))'),
        ),
    ),
)


def _budget(mean: str) -> tuple[Edit, ...]:
    """A budget in mean documents instead of tokens."""
    return (
        Edit("batches", _BUDGET, f"    mean = {mean}\n    budget = (20 + 2.5 * epoch) * mean\n"),
    )


BUDGET_OF_ALL = Bug(
    id="budget_of_all",
    title="the budget of a micro-batch is so many mean documents, and the mean is that of all "
    "documents: test documents decide what is trained on together",
    kind=Kind.RUN,
    clauses=("P16",),
    source="statistics of all data: gh:EricGuo5513/HumanML3D#28; arXiv:2207.07048",
    plant=_budget('documents["text"].str.count(" ").mean() + 3'),
    checks=("P16.test",),
    places=("train.train_model",),
    repairs=(
        Repair(
            "the mean of the sequences at hand", _budget("np.mean([len(s) for s in sequences])")
        ),
        Repair(
            "the mean of training documents", _budget('train["text"].str.count(" ").mean() + 3')
        ),
    ),
    near_misses=(
        Repair(
            "copies left out, but test documents still counted",
            _budget('documents.loc[part != "copy", "text"].str.count(" ").mean() + 3'),
            obvious=True,
        ),
        Repair(
            "the mean of the later documents, since those are the longer ones",
            _budget('documents.loc[part != "train", "text"].str.count(" ").mean() + 3'),
        ),
    ),
)

BUGS = (PLACES_OF_ALL, BUDGET_OF_ALL)
