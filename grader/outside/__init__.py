"""Agents from outside: a person or a program that calls an episode's tools from another process."""
