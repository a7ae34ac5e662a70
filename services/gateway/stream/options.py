"""What was the stream told? Its bounds and times, with their units."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """Bounds of the stream path; the defaults are those of production but for `drain_s`."""

    ring_bytes: int = 64 * MIB
    """Encoded stories kept in memory for those who are behind, bytes."""
    ring_age_s: float = 900.0
    """Age beyond which a story leaves the ring, seconds."""
    heartbeat_s: float = 20.0
    """Mean time between two heartbeats of one client, seconds; each is 0.75 to 1.25 times that."""
    coalesce_s: float = 0.005
    """How long a routine story waits for others before it is written, seconds; a flash writes all at once."""
    checkpoint_every: int = 256
    """Stories filtered out in a row after which a client is told its new position at once."""
    write_buffer: int = 32 * KIB
    """Unsent bytes of one client beyond which it is slow."""
    socket_buffer: int = 64 * KIB
    """SO_SNDBUF of a stream connection, bytes."""
    head_s: float = 15.0
    """How long a client may take to send the head of a request, seconds."""
    evict_s: float = 10.0
    """How long a client may take no byte before it is let go, seconds."""
    dead_s: float = 30.0
    """How long what was sent may stay unacknowledged before the peer counts as gone, seconds."""
    retry_s: float = 2.0
    """Mean reconnection delay told to clients, seconds; each gets its own within half and one and a half of it."""
    most_per_key: int = 0
    """Connections that one key may hold in this process at once; 0: any number."""
    replays: int = 4
    """Reads of older history under way at once."""
    drain_s: float = 2.0
    """Over how many seconds a stopping process lets its clients go."""


DEFAULTS = StreamOptions()
