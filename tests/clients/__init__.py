"""The stream as clients see it that others wrote: a browser, npm's eventsource, httpx2, websockets, the JDK, a poll.

Each is a program of its own in `programs/`, a page's worth of what a subscriber would write. They all listen to one
real gateway, which is killed again and again; the oracle knows what each of them is owed.
"""
