"""Proving a grader without a model: what must pass passes, what must fail fails, with a margin."""
