"""What kernels cost, measured side by side: ``python -m kernel_tool.bench``."""
