"""How do the newest stories look as a feed? Atom, RSS and JSON Feed of the same entries."""
