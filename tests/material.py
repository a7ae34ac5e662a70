"""Where is the shared material (schemas, example items, a real page) that some tests read but we do not ship?"""

import os
from pathlib import Path

import pytest

_BESIDE_THE_CHECKOUT = Path(__file__).resolve().parents[1].parent / "shared"


def material_root() -> Path:
    """Return the folder of the shared material: WIRE_SHARED, or `shared` beside the checkout. It may be absent."""
    return Path(os.environ.get("WIRE_SHARED") or _BESIDE_THE_CHECKOUT)


def material(*parts: str) -> Path:
    """Return one file or folder of the shared material, as in material("data", "ninjs"); skips the test if absent."""
    path = material_root().joinpath(*parts)
    if not path.exists():
        pytest.skip(f"the shared material {'/'.join(parts) or 'folder'} is not in {material_root()} (set WIRE_SHARED)")
    return path
