"""How much is each thing of a header's list wanted? The `q` of Accept and Accept-Encoding (RFC 9110, 12.4.2)."""

from collections.abc import Mapping


def weights_of(header: str) -> Mapping[str, float]:
    """Return what the list names, in lower case, with its weight; 0.0 is unwanted, and so is what cannot be read."""
    return dict(_weighed(part) for part in header.lower().split(",") if part.strip())


def _weighed(part: str) -> tuple[str, float]:
    name, *parameters = (piece.strip() for piece in part.split(";"))
    weight = next((one[2:] for one in parameters if one.startswith("q=")), "1")
    try:
        return name, float(weight)
    except ValueError:
        return name, 0.0
