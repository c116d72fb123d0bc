"""Keeping a kernel from what lies outside its workspace."""
