"""The wire command: it talks to the public API and imports nothing of the services."""
