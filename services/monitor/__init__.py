"""Monitor: how late the wire is, where it is stuck, and why."""
