"""Slugline whole, on one machine, without containers."""
