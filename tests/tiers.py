"""Which ways to confine a kernel this machine has, for the tests."""

from __future__ import annotations

import pytest
from landlockpy import abi_version

from kernel_tool.boot.lockdown import SCOPED_ABI
from kernel_tool.sandbox import bubblewrap
from kernel_tool.sandbox.tier import Tier


def available(tier: Tier) -> None:
    """Skip a test where this machine does not have what a tier needs."""
    if tier is Tier.BUBBLEWRAP:
        try:
            bubblewrap.executable()
        except bubblewrap.BubblewrapError as error:
            pytest.skip(str(error))
    if tier is Tier.LANDLOCK and abi_version() < SCOPED_ABI:
        pytest.skip(f"Landlock ABI {SCOPED_ABI} is needed; this kernel has {abi_version()}")
