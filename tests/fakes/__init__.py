"""Stand-ins that are proven by the same suite as what they stand in for, and copies that are broken on purpose."""
