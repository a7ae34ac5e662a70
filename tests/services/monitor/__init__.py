"""Is monitor right about lag, staleness and the way of a story?"""
