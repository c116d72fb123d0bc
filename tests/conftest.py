"""What holds for all tests: one thread each, and the longest ones first."""

import os

import pytest

# Tests run beside each other. Linear algebra with more threads than cores are free takes several
# times the work, as they wait for each other busily. It must be set before NumPy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start the longest tests first: else one of them runs alone at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
