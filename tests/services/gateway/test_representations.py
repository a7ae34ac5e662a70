"""In which bytes does an answer go out: validators, codings, and what is the same in all of them?"""

import asyncio
import gzip
import re

import cramjam
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.representations import Representation

LARGE = b'{"items": []}' * 200


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        (None, ""),
        ("", ""),
        ("identity", ""),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, deflate, br", "br"),
        ("br;q=0.5, gzip", "gzip"),
        ("br;q=0, gzip;q=0", ""),
        ("*", "br"),
        ("*;q=0", ""),
        ("br;q=0, *", "gzip"),
        ("identity, gzip;q=0.5", ""),
        ("gzip;q=nonsense", ""),
        ("deflate, zstd", ""),
    ],
)
def test_the_coding_is_the_one_that_is_wanted_most(accept: str | None, coding: str) -> None:
    """RFC 9110, 12.5.3; of equals the one that is smaller."""
    assert Representation(LARGE).coding(accept) == coding


def test_what_is_small_goes_out_as_it_is() -> None:
    """A coding would save nothing."""
    assert Representation(b"{}").coding("gzip, br") == ""


@given(st.text(max_size=80))
def test_any_header_gives_a_coding(accept: str) -> None:
    """What cannot be read wants nothing."""
    assert Representation(LARGE).coding(accept) in {"", "gzip", "br"}


@pytest.mark.parametrize(("coding", "decode"), [("gzip", gzip.decompress), ("br", cramjam.brotli.decompress)])
async def test_a_coding_is_made_once_and_decodes_to_the_body(coding: str, decode: object) -> None:
    """However many ask for it, also where it is made in a thread."""
    assert callable(decode)
    for body in (LARGE, LARGE * 100):
        answer = Representation(body)
        first, *others = await asyncio.gather(*(answer.make(coding) for _ in range(5)))
        assert all(other is first for other in others)
        assert bytes(decode(first)) == body
        assert dict(answer.head(coding))[b"content-length"] == str(len(first)).encode()
        assert dict(answer.head(coding))[b"content-encoding"] == coding.encode()


async def test_each_coding_has_its_own_validator() -> None:
    """A strong one names bytes, not a text (RFC 9110, 8.8.3.3)."""
    answer = Representation(LARGE)
    await answer.make("gzip")
    tags = {dict(answer.head(coding))[b"etag"] for coding in ("", "gzip")}
    assert len(tags) == 2
    assert all(re.fullmatch(rb'"[0-9a-f]{32}(-gzip)?"', tag) for tag in tags)


async def test_whoever_has_it_in_any_coding_is_told_so() -> None:
    """With a list, weak, or as `*`; another body is another tag."""
    answer = Representation(LARGE)
    tag = f'"{answer.digest}"'
    for named in (tag, f"W/{tag}", f'"other", {tag}', f'"{answer.digest}-br"', "*"):
        head = answer.not_modified("gzip", named)
        assert head is not None
        assert {name for name, _ in head} == {b"etag", b"cache-control", b"vary"}
    for other in (None, "", '"other"', f'"{Representation(b"other").digest}"'):
        assert answer.not_modified("gzip", other) is None


def test_a_head_is_the_callers_own() -> None:
    """Layers put more headers on it; those of one answer must not be on the next."""
    answer = Representation(LARGE, link='</x>; rel="next"')
    answer.head("").append((b"x", b"y"))
    assert dict(answer.head("")).keys() == {
        b"etag",
        b"cache-control",
        b"vary",
        b"content-type",
        b"content-length",
        b"link",
    }
