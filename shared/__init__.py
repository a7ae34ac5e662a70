"""What every service shares: the domain, and the platform under it."""
