"""What a story is and what may happen to it: pure, no clock, no socket."""
