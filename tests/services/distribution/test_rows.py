"""A row of the delivery log that is encoded by hand is the event that its readers know."""

from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.distribution.attempts import ATTEMPTED_TYPE, PRODUCER, row_of
from services.distribution.outcome import Timing
from shared.domain.events import Attempted, DeliveryAttempted, derived_id, encode_event, epoch_us, parse_event
from shared.domain.story import Lane
from tests.services.distribution.deliveries import NOON, delivery

MS = st.none() | st.floats(0, 60_000, allow_nan=False)
TIMES = st.integers(0, 10**12).map(lambda us: NOON + timedelta(microseconds=us))


@given(
    outcome=st.text(st.characters(codec="utf-8"), max_size=40),
    answer=st.text(st.characters(codec="utf-8"), max_size=40),
    status=st.none() | st.integers(100, 599),
    timing=st.none() | st.builds(Timing, total=st.floats(0, 60_000), dns=MS, connect=MS, tls=MS, first_byte=MS),
    at=TIMES,
    again_at=st.none() | TIMES,
    release_no=st.integers(1, 9),
)
def test_an_encoded_row_reads_back_as_the_event_it_stands_for(
    outcome: str,
    answer: str,
    status: int | None,
    timing: Timing | None,
    at: datetime,
    again_at: datetime | None,
    release_no: int,
) -> None:
    """Field for field, and byte for byte what the event's own encoder would have written of it."""
    owed = delivery(release_no=release_no, lane=Lane.FLASH)
    owed.cause, owed.stage_times = "cause", {"released": 5}
    row = row_of(
        owed,
        "sub_1",
        "retrying",
        outcome,
        at,
        n=3,
        status=status,
        timing=timing,
        answer=answer,
        next_attempt_at=again_at,
    )
    event = parse_event(row.encoded(row.event_id))
    assert isinstance(event, DeliveryAttempted)
    assert event == DeliveryAttempted(
        event_id=derived_id("attempt", owed.delivery_id, "3", "retrying"),
        story_id=owed.story_id,
        version=release_no,
        release_no=release_no,
        occurred_at=at,
        producer=PRODUCER,
        cause="cause",
        stage_times={"released": 5, "attempted": epoch_us(at)},
        data=Attempted(
            delivery_id=owed.delivery_id,
            endpoint_id=owed.endpoint_id,
            subscriber="sub_1",
            kind=owed.kind,
            state="retrying",
            n=3,
            status=status,
            outcome=outcome,
            ms=dict(row.ms),
            answer=answer,
            next_attempt_at=again_at,
        ),
    )
    assert event.type == ATTEMPTED_TYPE
    assert parse_event(encode_event(event)) == event


def test_a_test_event_has_no_story() -> None:
    """Its row says so in the fields that a release would fill."""
    asked = delivery()
    asked.item = None
    row = row_of(asked, "sub_1", "failed", "500", NOON + timedelta(seconds=1), n=1)
    event = parse_event(row.encoded(row.event_id))
    assert isinstance(event, DeliveryAttempted)
    assert (event.story_id, event.version, event.release_no, event.data.kind) == ("", None, None, "test")
