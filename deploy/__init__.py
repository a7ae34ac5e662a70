"""How Slugline is set up and run."""
