"""The gateway: desk, subscriptions, reading, stream."""
