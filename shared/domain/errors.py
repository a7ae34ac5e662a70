"""Every error Slugline's rules can name, in one tree.

WireError
├── Refusal                 a rule says no; the caller is told why, nothing is retried
│   ├── UnknownStory        nothing is known under that id
│   └── NotAllowed          this person may not do it (the second pair of eyes is the first)
├── Unprocessable           a record that can never succeed: parked with its bytes and this reason
│   ├── Undecodable         not JSON, or not the shape its type promises
│   └── UnknownEventType    well-formed, but of a type this service does not act on
└── Misconfigured           the surroundings are wrong; the process says what to do and does not start

A move that a story's state does not allow is no error: it is entered as refused, and its receipt says why.
Anything else that is raised ends the loop that met it: the batch replays after a restart.
"""


class WireError(Exception):
    """Root of the tree: catch it only at a door (HTTP, command line)."""


class Refusal(WireError):
    """A rule says no. `str(error)` is a sentence for the person who asked."""


class UnknownStory(Refusal):
    """Nothing is known under that story id (or it is not yours to see)."""


class NotAllowed(Refusal):
    """This person may not decide this (for example: confirm their own kill)."""


class Unprocessable(WireError):
    """A record that can never succeed; `str(error)` goes on the dead letter as its reason."""


class Undecodable(Unprocessable):
    """The bytes are not the JSON shape that their topic promises."""


class UnknownEventType(Unprocessable):
    """A well-formed event of a type that the acting service does not know."""


class Misconfigured(WireError):
    """The surroundings do not fit; `str(error)` says what to do about it."""
