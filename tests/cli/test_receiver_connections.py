"""What becomes of a receiver's connections when it ends?"""

import http.client

from cli.receiver import Receiver


def test_a_receiver_that_ended_answers_nobody_on_a_kept_connection() -> None:
    """Whoever kept the connection finds it closed, and does not take it for the next receiver on that port."""
    with Receiver(None, lambda _: None) as receiver:
        client = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=5)
        client.request("POST", "/hook", b"{}")
        assert client.getresponse().read() == b""
        kept = client.sock
        assert kept is not None
    assert kept.recv(1) == b""
    client.close()
