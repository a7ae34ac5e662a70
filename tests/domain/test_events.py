"""Ids that are derived are the field's UUIDs, for whoever derives them with another library."""

import uuid

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.events import NAMESPACE, derived_id


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=4))
def test_a_derived_id_is_a_uuid_of_version_5(parts: list[str]) -> None:
    """The same as the standard library makes of the namespace and the parts, tab between them."""
    assert derived_id(*parts) == str(uuid.uuid5(NAMESPACE, "\t".join(parts)))
