"""A story's ways through a whole running wire, told as they happen to the people who use it: also the tutorial."""
