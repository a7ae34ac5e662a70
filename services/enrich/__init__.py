"""Enrich: what a story is about, where it is, and what it resembles."""
