"""What is a time in a request? RFC 3339 text with an offset; a number or a date could mean several moments."""

import re
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BeforeValidator

_TIME: Final = re.compile(r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}.*", re.ASCII)


def _text(value: Any) -> Any:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise ValueError("a time is written as 2026-11-23T12:00:00Z")
    return value


Time = Annotated[AwareDatetime, BeforeValidator(_text)]
