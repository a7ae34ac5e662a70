"""What can be read of released stories: views in Redis that may vanish at any moment and come back whole."""
