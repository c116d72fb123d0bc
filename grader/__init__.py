"""Grading, trials, statistics and transcripts of Silent Bugs."""
