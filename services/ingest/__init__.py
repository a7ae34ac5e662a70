"""Ingest: copy comes in by push, poll or folder, and is kept."""
