"""Trials of a run as documents for human review: HTML, Markdown, or Messages API JSON."""
