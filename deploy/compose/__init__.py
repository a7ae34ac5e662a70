"""Slugline whole, on one machine, in containers."""
