"""What the load client makes of the bytes that come, however they are cut."""

from hypothesis import given
from hypothesis import strategies as st

from tests.bench.gateway.reading import Came, Sample, disorder, pong_for, status_of
from tests.bench.gateway.stories import MARK, PAYLOAD_BYTES, Story

DUE, AT = 1_763_900_000_000_000, 1_763_900_000_005_000


def sent(*numbers: int) -> bytes:
    """These stories as the gateway writes them, a heartbeat behind each."""
    bodies = (Story(number, "main", DUE + number).item().model_dump_json().encode() for number in numbers)
    events = (b"id: e-0-%d\nevent: story\ndata: %b\n\n" % one for one in zip(numbers, bodies, strict=True))
    return b"".join(event + b"event: heartbeat\ndata: {}\n\n" for event in events)


def test_a_story_is_as_long_as_it_is_said_to_be_and_ends_its_words_once() -> None:
    """Whatever its size; so a client that counts the mark counts stories."""
    for size in (PAYLOAD_BYTES, 16_384):
        shown = Story(7, "main", DUE, size=size).item().model_dump_json().encode()
        assert (len(shown), shown.count(MARK)) == (size, 1)


@given(st.lists(st.integers(1, 2_000), max_size=20))
def test_a_sample_sees_every_story_once_however_it_is_cut(cuts: list[int]) -> None:
    """With its number and the time it was due, and the id it would resume from."""
    data, sample = sent(1, 2, 3), Sample(4)
    found, at = 0, 0
    for cut in [*cuts, len(data)]:
        found += sample.take(data[at : at + cut], AT)
        at += cut
    assert sample.came == [Came(4, number, DUE + number, AT) for number in (1, 2, 3)]
    assert (found, sample.last_id, sample.gaps) == (3, "e-0-3", 0)


def test_a_gap_is_counted_once() -> None:
    """When what follows it has come."""
    sample = Sample(0)
    sample.take(sent(1) + b'id: e-0-5\nevent: gap\ndata: {"reason": "slow"}\n\n', AT)
    for number in (5, 6):
        sample.take(sent(number), AT)
    assert (sample.gaps, len(sample.came)) == (1, 3)


def test_what_comes_behind_a_newer_one_of_the_same_client_is_out_of_order() -> None:
    """Each client by itself."""
    orders = {1: (1, 2, 3), 2: (1, 3, 2), 3: (3, 1, 2)}
    assert disorder(Came(client, number, 0, 0) for client, numbers in orders.items() for number in numbers) == 3


def test_the_status_of_a_head_is_read_and_of_nothing_is_none() -> None:
    """A server that closes without a word has refused."""
    heads = [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 429 Too Many Requests\r\n", b"", b"\x15\x03\x01"]
    assert [status_of(head) for head in heads] == [200, 429, 0, 0]


def test_a_ping_that_comes_alone_is_answered_with_what_it_said() -> None:
    """Masked, as a client must; a text frame is not answered."""
    assert pong_for(b"\x89\x02hi") == b"\x8a\x82\x00\x00\x00\x00hi"
    assert pong_for(b"\x81\x02hi") == b""
