"""The fast judge: the real lifecycle, matcher and deliverer over a log in memory, in time that schedules move."""
