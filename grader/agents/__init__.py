"""Agents: whoever drives an episode's tools."""
