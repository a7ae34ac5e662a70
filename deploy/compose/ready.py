"""Can the service in this container take work now? `python -IS ready.py PORT`: exit code 0 when /readyz says 200.

Standard library and a socket only: it runs every few seconds beside each service and must cost next to nothing.
"""

import socket
import sys

_WITHIN_S = 3.0
_QUESTION = b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"


def ready(port: int, within: float = _WITHIN_S) -> bool:
    """Tell whether the service on this machine's `port` answers 200; silence for `within` seconds is a no."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=within) as connection:
            connection.sendall(_QUESTION)
            first_line = connection.makefile("rb").readline(64)
    except OSError:
        return False
    return first_line.split(b" ")[1:2] == [b"200"]


if __name__ == "__main__":
    sys.exit(0 if ready(int(sys.argv[1])) else 1)
