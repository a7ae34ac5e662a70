"""What is kept of the headers that an owner gives its endpoint? Part `headers` of it in `subscription.state`."""

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, TypeAdapter

_HEADERS: TypeAdapter[dict[str, str]] = TypeAdapter(dict[str, str])


class EndpointHeaders(BaseModel):
    """Headers on every webhook to an endpoint; their values may be credentials.

    `sealed` is one sealed (encrypted) JSON object of names and values, as `written_headers` makes it; `names` may be
    shown. Records of `Endpoint` from before this part was there have the headers themselves.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    endpoint_id: str
    names: tuple[str, ...]
    sealed: str


def written_headers(headers: Mapping[str, str]) -> str:
    """Return the text that is sealed."""
    return _HEADERS.dump_json(dict(headers)).decode()


def read_headers(text: str) -> dict[str, str]:
    """Return the headers of a text that was sealed. Raises pydantic's ValidationError for anything else."""
    return _HEADERS.validate_json(text)
