"""What is believed of an answer's bytes, in whatever pieces they come."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.distribution.adapters import wording
from services.distribution.adapters.answers import STEP, AnswerReader
from services.distribution.adapters.budgets import DEFAULT
from services.distribution.outcome import Unreachable

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HINT = b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\n\r\n"

WHOLE = {
    "with a length": OK,
    "in chunks": CHUNKED + b"3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n",
    "without content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "behind hints": HINT + HINT + OK,
    "behind a hint that announces a length": b"HTTP/1.1 102 Processing\r\nContent-Length: 9\r\n\r\n" + OK,
    "of a busy receiver": b"HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nretry-after: 9\r\nContent-Length: 0\r\n\r\n",
    "with a long head": b"HTTP/1.1 200 OK\r\n" + b"X-Header: v\r\n" * 900 + b"Content-Length: 2\r\n\r\nok",
}
BAD = {
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 4\r\n\r\nokok",
    "one length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "a length and chunks": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and a length": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    "a negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok",
    "a length that overflows": b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\nok",
    "a blank before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "a folded header": b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "a status below 100": b"HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n",
    "another protocol": b"220 mail.example.com ESMTP ready\r\n",
}


def read(*pieces: bytes) -> AnswerReader:
    """Feed pieces until the answer is over."""
    reader = AnswerReader(DEFAULT)
    for piece in pieces:
        if reader.feed(piece):
            break
    return reader


def believed(reader: AnswerReader) -> tuple[int, bytes, list[str], bool, Unreachable | None]:
    return reader.status, reader.excerpt, reader.retry_after, reader.reusable, reader.trouble


@given(data=st.data(), name=st.sampled_from(sorted(WHOLE)))
def test_pieces_make_no_difference(data: st.DataObject, name: str) -> None:
    """Wherever the network cuts an answer, the same is believed of it, and its connection can be used again."""
    answer = WHOLE[name]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(answer)), max_size=8)))
    pieces = [answer[start:end] for start, end in zip([0, *cuts], [*cuts, len(answer)], strict=True)]
    reader = read(*filter(None, pieces))
    assert believed(reader) == believed(read(answer))
    assert reader.reusable
    assert reader.trouble is None


@given(data=st.data(), name=st.sampled_from(sorted(BAD)))
def test_what_leaves_open_where_it_ends_is_refused(data: st.DataObject, name: str) -> None:
    """Two readers of such an answer could each see another end: nothing of it counts, however it is cut."""
    answer = BAD[name]
    cut = data.draw(st.integers(1, len(answer)))
    reader = read(*filter(None, (answer[:cut], answer[cut:])))
    assert (reader.status, reader.trouble, reader.reusable) == (0, wording.NOT_HTTP, False)


@pytest.mark.parametrize(
    "surplus", [b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 4", b"?", b"H" * STEP]
)
def test_bytes_behind_the_answer_end_the_connection(surplus: bytes) -> None:
    """The answer stands; what nobody asked for must not lie in wait for the next."""
    reader = read(OK + surplus)
    assert (reader.status, reader.excerpt, reader.trouble, reader.reusable) == (200, b"ok", None, False)


def test_a_connection_is_not_reused_against_its_announcement() -> None:
    """`Connection: close` is taken at its word, and so is a version that knows no kept connections."""
    assert not read(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok").reusable
    assert not read(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok").reusable


def test_what_an_interim_answer_says_counts_for_nothing() -> None:
    """Its Retry-After is not the final answer's."""
    reader = read(b"HTTP/1.1 103 Early Hints\r\nRetry-After: 9\r\n\r\n" + OK)
    assert (reader.status, reader.retry_after) == (200, [])


def test_a_trailer_is_no_header() -> None:
    """What comes behind a body cannot ask for a wait."""
    reader = read(CHUNKED.replace(b"200", b"503") + b"0\r\nRetry-After: 9\r\n\r\n")
    assert (reader.status, reader.retry_after) == (503, [])


def test_one_line_has_a_limit() -> None:
    """8,190 bytes of name and value are read; one more is refused, though the head as a whole is short."""
    longest = DEFAULT.line - len("X")
    assert read(b"HTTP/1.1 200 OK\r\nX: " + b"v" * longest + b"\r\nContent-Length: 0\r\n\r\n").status == 200
    reader = read(b"HTTP/1.1 200 OK\r\nX: " + b"v" * (longest + 1) + b"\r\nContent-Length: 0\r\n\r\n")
    assert (reader.status, reader.trouble) == (0, wording.NO_END)


def test_a_line_that_does_not_end_is_cut_before_the_head_is_full() -> None:
    """It is not gathered until the limit of the whole head."""
    reader = AnswerReader(DEFAULT)
    fed = 0
    while not reader.feed(b"HTTP/1.1 200 OK\r\nX: " if not fed else b"v" * 1000):
        fed += 1000
    assert (reader.status, reader.trouble) == (0, wording.NO_END)
    assert fed <= DEFAULT.line + 2 * STEP


@pytest.mark.parametrize("more", [b"X-More: and more\r\n", HINT], ids=["headers", "interim answers"])
def test_the_head_has_a_limit(more: bytes) -> None:
    """With all that comes before it: 64 KiB, cut within one step of the parser."""
    begin = b"" if more is HINT else b"HTTP/1.1 200 OK\r\n"
    reader = read(begin + more * 100_000)
    assert (reader.status, reader.trouble) == (0, wording.NO_END)
    assert reader.received <= DEFAULT.head + STEP


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10737418240\r\n\r\n" + b"0" * 1_000_000,
        CHUNKED + b"f4240\r\n" + b"0" * 1_000_000,
        CHUNKED + b"1\r\n.\r\n" * 100_000,
        CHUNKED + b"2;" + b"x=y;" * 100_000,
        CHUNKED + b"2\r\nok\r\n0\r\n" + b"X-More: and more\r\n" * 100_000,
        b"HTTP/1.1 200 OK\r\n\r\n" + b"0" * 1_000_000,
    ],
    ids=["a long body", "a long chunk", "crumbs", "a chunk extension", "trailers", "a body without a length"],
)
def test_behind_the_head_64_kib_are_enough(answer: bytes) -> None:
    """Body, framing or trailers: the status is known and stands, and the connection is of no more use."""
    reader = read(answer)
    assert (reader.status, reader.trouble, reader.reusable) == (200, None, False)
    assert reader.received <= DEFAULT.body + 2 * STEP


def test_only_an_excerpt_is_kept() -> None:
    """The rest of the body is counted and forgotten."""
    reader = read(b"HTTP/1.1 200 OK\r\nContent-Length: 50000\r\n\r\n" + b"0" * 50_000)
    assert reader.excerpt == b"0" * DEFAULT.excerpt
    assert reader.reusable


@pytest.mark.parametrize(
    ("answer", "cleanly", "trouble"),
    [
        (b"", True, wording.NO_ANSWER),
        (b"HTTP/1.1 20", True, wording.CUT_INSIDE),
        (HINT, True, wording.CUT_INSIDE),
        (OK[:-1], True, wording.CUT_SHORT),
        (CHUNKED + b"5\r\nabc", True, wording.CUT_SHORT),
        (b"HTTP/1.1 200 OK\r\n\r\nall there is", True, None),
        (b"HTTP/1.1 200 OK\r\n\r\nall there is", False, wording.CUT_SHORT),
    ],
)
def test_the_end_of_a_connection_is_judged_by_what_was_announced(
    answer: bytes, cleanly: bool, trouble: Unreachable | None
) -> None:
    """Only a body without any length may end with its connection, and only with a regular end of it."""
    reader = AnswerReader(DEFAULT)
    assert not (answer and reader.feed(answer))
    reader.end(cleanly=cleanly)
    assert (reader.trouble, reader.reusable) == (trouble, False)


def test_one_answer_leaves_nothing_behind_for_the_next() -> None:
    """A reader serves a connection for as long as it lives."""
    reader = read(WHOLE["of a busy receiver"])
    reader.begin()
    assert reader.feed(OK)
    assert believed(reader) == believed(read(OK))
