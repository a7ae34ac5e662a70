"""Moderation: the one owner of a story's state decides what goes on the wire."""
