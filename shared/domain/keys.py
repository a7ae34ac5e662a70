"""Who may knock: API keys as hashes, the scopes they carry, and which scope includes which."""

import hashlib
import secrets
from typing import Final, Literal

from shared.domain.errors import NotAllowed
from shared.domain.state import Principal

Scope = Literal["desk", "editor", "subscriber", "operator"]

INCLUDES: Final[dict[Scope, frozenset[Scope]]] = {
    "desk": frozenset({"desk"}),
    "editor": frozenset({"editor", "desk"}),
    "subscriber": frozenset({"subscriber"}),
    "operator": frozenset({"operator"}),
}


def new_key(profile: str) -> str:
    """Return a new key, shown once: `sl_live_…` or `sl_local_…` with 256 random bits."""
    return f"sl_{'live' if profile == 'production' else 'local'}_{secrets.token_urlsafe(32)}"


def hash_key(key: str) -> str:
    """Return the SHA-256 (hex) under which a key is kept. The key has 256 random bits, so no salt is needed."""
    return hashlib.sha256(key.encode()).hexdigest()


def has_scope(principal: Principal, wanted: Scope) -> bool:
    """Tell whether any of the principal's scopes is, or includes, `wanted`."""
    return any(wanted in INCLUDES[scope] for scope in principal.scopes)


def require(principal: Principal, *wanted: Scope) -> None:
    """Raise `NotAllowed` unless the principal has one of the `wanted` scopes."""
    if not any(has_scope(principal, scope) for scope in wanted):
        needed = " or ".join(wanted)
        raise NotAllowed(f"this needs a key with scope {needed}; yours has {', '.join(principal.scopes) or 'none'}")
