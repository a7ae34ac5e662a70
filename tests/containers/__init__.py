"""Slugline in containers."""
