"""What runs on the kernel's side of the fence: the fork server, wardens, and the kernel's start.

These modules run in an interpreter of their own, which has nothing of the caller's in its memory.
They import nothing of the house but each other.
"""
