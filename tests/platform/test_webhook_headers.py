"""Which headers of its own a subscriber may have on its webhooks."""

import pytest

from shared.platform.webhook_headers import MAX_HEADERS, HeaderRefused, vet_headers


def test_ordinary_headers_are_kept() -> None:
    """Names in lower case, values as they are."""
    assert vet_headers({"X-Desk": "foreign", "Authorization": "Bearer a.b"}) == [
        ("x-desk", "foreign"),
        ("authorization", "Bearer a.b"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "connection",
        "webhook-id",
        "Webhook-Anything",
        "Cookie",
        "a b",
        "",
    ],
)
def test_names_that_belong_to_the_sender_are_refused(name: str) -> None:
    """Framing, routing and signature cannot be overwritten, in any case of letters."""
    with pytest.raises(HeaderRefused):
        vet_headers({name: "x"})


@pytest.mark.parametrize("value", ["", " x", "x ", "a\r\nb: c", "a\nb", "a\x00b", "ü", "x" * 1025])
def test_values_that_could_end_a_line_are_refused_without_being_repeated(value: str) -> None:
    """A value is a secret as often as not."""
    with pytest.raises(HeaderRefused) as refused:
        vet_headers({"x-own": value})
    assert str(refused.value) == (
        "the header 'x-own' is refused: its value is not 1 to 1024 printable ASCII characters"
    )


def test_number_and_repetition_are_limited() -> None:
    """Twenty names, each once."""
    assert len(vet_headers({f"x-{n}": "v" for n in range(MAX_HEADERS)})) == MAX_HEADERS
    with pytest.raises(HeaderRefused):
        vet_headers({f"x-{n}": "v" for n in range(MAX_HEADERS + 1)})
    with pytest.raises(HeaderRefused):
        vet_headers({"x-own": "a", "X-Own": "b"})
