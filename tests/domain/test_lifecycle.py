"""The desk's state machine, move by move; random interleavings are in test_lifecycle_properties."""

from datetime import timedelta

from shared.domain.lifecycle import Input, Ruling, decide
from shared.domain.state import DecisionState, Outcome, Stage, StoryState, decision_of, receipt_of
from shared.domain.story import Kind, Lane
from shared.platform.topics import Topic, spec
from tests.domain.stories import NOON, deciding, filing, held, later, lifting, nothing_known


def after(*inputs: Input, state: StoryState | None = None) -> StoryState:
    state = state or nothing_known()
    for given in inputs:
        state = decide(state, given, NOON)
    return state


def outcome(state: StoryState) -> Outcome:
    return state.applied[-1].outcome


def test_the_first_release_is_a_publish_whatever_it_was_filed_as() -> None:
    """A story nobody has seen cannot be updated."""
    state = after(filing("e1"))
    note = state.applied[-1].release
    assert note is not None
    assert (note.kind, note.release_no, note.version) == (Kind.PUBLISH, 1, 1)


def test_an_assigned_version_is_raised_when_taken() -> None:
    """Two texts filed at once under one proposed number are both kept."""
    state = after(filing("e1", "one", version=1), filing("e2", "two", version=1))
    assert state.released == 2
    assert [entry.version for entry in state.applied] == [1, 2]


def test_the_same_content_is_a_duplicate_whatever_number_it_claims() -> None:
    """A wire that renumbers an unchanged text releases nothing."""
    state = after(filing("e1"), filing("e2", version=7, assigned=False))
    assert outcome(state) is Outcome.DUPLICATE
    assert state.release_no == 1


def test_a_repeat_is_sent_again_and_never_a_duplicate() -> None:
    """Repeat is a deliberate resend of the released text."""
    state = after(filing("e1"), filing("e2", kind=Kind.REPEAT))
    note = state.applied[-1].release
    assert note is not None
    assert (note.kind, note.version, note.release_no) == (Kind.REPEAT, 1, 2)


def test_other_content_under_a_providers_number_goes_to_a_human() -> None:
    """Nobody but an editor can tell which of two texts is version 3."""
    state = after(filing("e1", "one", version=3, assigned=False), filing("e2", "two", version=3, assigned=False))
    assert outcome(state) is Outcome.HELD
    assert state.versions[4].queue == "conflicts"
    assert state.released == 3


def test_an_older_provider_version_is_kept_and_never_sent() -> None:
    """Late version 1 does not undo version 2."""
    state = after(filing("e2", "two", version=2, assigned=False), filing("e1", "one", version=1, assigned=False))
    assert outcome(state) is Outcome.SUPERSEDED
    assert (state.released, state.release_no) == (2, 1)


def test_a_held_version_leaves_the_released_one_public() -> None:
    """Invariant 5: version 2 waits, version 1 stays."""
    state = after(filing("e1"), filing("e2", "two", ruling=held()))
    assert (state.released, state.versions[2].stage) == (1, Stage.HELD)


def test_what_is_filed_on_a_held_version_waits_too() -> None:
    """Otherwise the next version would carry out what a rule stopped."""
    state = after(filing("e1", ruling=held()), filing("e2", "two"))
    assert state.versions[2].stage is Stage.HELD
    assert state.release_no == 0


def test_releasing_a_newer_version_supersedes_what_waited_below() -> None:
    """Version 1 held, version 2 let go: version 1 must never follow."""
    state = after(filing("e1", ruling=held()), filing("e2", "two"), deciding("d1", "release", version=2))
    assert state.released == 2
    assert state.versions[1].stage is Stage.SUPERSEDED
    assert outcome(after(deciding("d2", "release", version=1), state=state)) is Outcome.REFUSED


def test_an_embargo_holds_until_its_lift() -> None:
    """The lift releases, at T0 and not before."""
    state = after(filing("e1", embargo_until=later(60)))
    assert state.versions[1].stage is Stage.EMBARGOED
    assert decide(state, lifting("l1", 1, later(60)), later(59)).release_no == 0
    assert decide(state, lifting("l1", 1, later(60)), later(60)).released == 1


def test_filing_lengthens_an_embargo_and_never_shortens_it() -> None:
    """Version 2 filed before T0 inherits it; only the desk may shorten."""
    shorter = after(filing("e1", embargo_until=later(60)), filing("e2", "two", embargo_until=later(10)))
    assert shorter.versions[2].embargo_until == later(60)
    longer = after(filing("e1", embargo_until=later(60)), filing("e2", "two", embargo_until=later(90)))
    assert longer.versions[2].embargo_until == later(90)


def test_two_versions_due_together_make_one_release() -> None:
    """The older is superseded by the newer one that is due with it."""
    state = after(filing("e1", embargo_until=later(60)), filing("e2", "two"))
    for version in (1, 2):
        state = decide(state, lifting(f"l{version}", version, later(60)), later(61))
    assert (state.released, state.release_no, state.versions[1].stage) == (2, 1, Stage.SUPERSEDED)


def test_the_desk_may_shorten_an_embargo_to_now() -> None:
    """An embargo moved into the past releases at once."""
    state = after(filing("e1", embargo_until=later(60)), deciding("d1", "embargo", embargo_until=later(-1)))
    assert state.released == 1


def test_a_withheld_story_is_released_again_in_full() -> None:
    """Withhold is a notice; lifting it is a release of kind `release` with the text."""
    state = after(filing("e1"), deciding("d1", "withhold"))
    withhold = state.applied[-1].release
    assert withhold is not None
    assert (withhold.kind, withhold.text, withhold.lane) == (Kind.WITHHOLD, None, Lane.FLASH)
    lifted = after(filing("e2", "two"), deciding("d2", "release", version=2), state=state)
    note = lifted.applied[-1].release
    assert note is not None
    assert (note.kind, note.version, lifted.withheld) == (Kind.RELEASE, 2, False)


def test_a_kill_needs_a_second_person() -> None:
    """The first person again is refused, and the kill goes on waiting."""
    state = after(filing("e1"), deciding("k1", "kill"))
    assert outcome(state) is Outcome.NEEDS_SECOND_PERSON
    again = after(deciding("c1", "confirm", decision_id="k1"), state=state)
    assert outcome(again) is Outcome.REFUSED
    assert again.killed is None
    done = after(deciding("c2", "confirm", person="bob", decision_id="k1"), state=again)
    assert done.killed is not None
    assert decision_of(done, "k1", NOON) == (DecisionState.APPLIED, None)


def test_a_kill_is_accepted_for_a_story_nobody_knows() -> None:
    """What arrives under the id later is dead on arrival."""
    state = after(deciding("k1", "kill", break_glass=True), filing("e1"))
    assert state.killed is not None
    assert outcome(state) is Outcome.KILLED
    assert state.release_no == 1


def test_an_unconfirmed_kill_expires() -> None:
    """Yesterday's question is not answered today."""
    state = after(filing("e1"), deciding("k1", "kill"))
    tomorrow = later(24 * 3600 + 1)
    late = decide(state, deciding("c1", "confirm", person="bob", decision_id="k1"), tomorrow)
    assert late.killed is None
    assert decision_of(late, "k1", tomorrow) == (DecisionState.EXPIRED, "nobody confirmed it in time")


def test_a_second_kill_joins_the_pending_one() -> None:
    """One question for the second person, not two."""
    state = after(filing("e1"), deciding("k1", "kill"), deciding("k2", "kill", person="bob"))
    assert state.applied[-1].decision_id == "k1"
    assert outcome(state) is Outcome.DUPLICATE


def test_a_receipt_follows_its_version() -> None:
    """The receipt of a held filing says released once it is."""
    state = after(filing("e1", ruling=held()))
    entry = state.entry("e1")
    assert entry is not None
    assert receipt_of(state, entry)[0] is Outcome.HELD
    assert receipt_of(after(deciding("d1", "release"), state=state), entry)[:2] == (Outcome.RELEASED, 1)


def test_urgency_is_raised_before_release_and_never_lowered() -> None:
    """A held routine story can become a flash; a flash cannot become routine."""
    state = after(filing("e1", ruling=held()), deciding("d1", "urgency", urgency=2))
    assert state.versions[1].lane is Lane.FLASH
    assert outcome(after(deciding("d2", "urgency", urgency=5), state=state)) is Outcome.REFUSED


def test_if_match_refuses_a_story_that_moved_on() -> None:
    """Two editors cannot overwrite each other unknowingly."""
    state = after(filing("e1"), filing("e2", "two", if_match=0))
    assert outcome(state) is Outcome.REFUSED


def test_a_flash_beyond_its_quota_is_released_on_routine() -> None:
    """Invariant 8: such a story rides routine, its urgency unchanged."""
    note = after(filing("e1", urgency=1, lane=Lane.ROUTINE)).applied[-1].release
    assert note is not None
    assert note.lane is Lane.ROUTINE


def test_a_lift_does_not_end_a_withhold() -> None:
    """What waits under a withheld story goes out by a person's release, and by nothing else."""
    state = after(filing("e1"), filing("e2", "two", embargo_until=later(60)), deciding("d1", "withhold"))
    lifted = decide(state, lifting("l1", 2, later(60)), later(61))
    assert (lifted.withheld, lifted.release_no) == (True, state.release_no)
    assert (lifted.versions[2].stage, lifted.versions[2].queue) == (Stage.HELD, "withheld")
    assert outcome(lifted) is Outcome.HELD


def test_an_embargo_moved_into_the_past_does_not_end_a_withhold() -> None:
    """Shortening an embargo says when, not that the story may be used again."""
    state = after(filing("e1"), filing("e2", "two", embargo_until=later(60)), deciding("d1", "withhold"))
    moved = after(deciding("d2", "embargo", version=2, embargo_until=later(-1)), state=state)
    assert (moved.withheld, moved.versions[2].stage) == (True, Stage.HELD)


def test_releasing_an_embargoed_version_of_a_withheld_story_ends_the_withhold() -> None:
    """An editor may release early; to readers it is the story coming back."""
    state = after(filing("e1"), filing("e2", "two", embargo_until=later(60)), deciding("d1", "withhold"))
    note = after(deciding("d2", "release", version=2), state=state).applied[-1].release
    assert note is not None
    assert (note.kind, note.version) == (Kind.RELEASE, 2)


def test_releasing_a_held_version_of_a_withheld_story_waits_for_its_embargo() -> None:
    """The rule's question is answered, the clock's is not: no byte before time."""
    state = after(filing("e1"), deciding("d1", "withhold"), filing("e2", "two", embargo_until=later(60)))
    released = after(deciding("d2", "release", version=2), state=state)
    assert (released.versions[2].stage, released.release_no) == (Stage.EMBARGOED, state.release_no)


def test_withholding_an_embargoed_story_stops_its_lift() -> None:
    """A source that takes its story back before T0 must not see it published at T0; no notice tells of it."""
    state = after(filing("e1", embargo_until=later(60)), deciding("d1", "withhold"))
    assert outcome(state) is Outcome.APPLIED
    lifted = decide(state, lifting("l1", 1, later(60)), later(61))
    assert (lifted.versions[1].stage, lifted.release_no) == (Stage.HELD, 0)


def test_withholding_what_nobody_knows_is_refused() -> None:
    """There is nothing to withhold, and nothing that could be released by it later."""
    assert outcome(after(deciding("d1", "withhold"))) is Outcome.REFUSED


def test_rejecting_the_newest_version_does_not_end_the_embargo_of_the_story() -> None:
    """Invariant 5: what is filed before T0 inherits the embargo, also behind a version that was rejected."""
    state = after(
        filing("e1", embargo_until=later(60)),
        filing("e2", "two"),
        deciding("d1", "reject", version=2),
        filing("e3", "three"),
    )
    assert (state.versions[3].stage, state.versions[3].embargo_until) == (Stage.EMBARGOED, later(60))


def test_rejecting_an_embargoed_story_does_not_let_its_next_version_out_early() -> None:
    """Only the desk's `/embargo` shortens: no version of the story is news before T0."""
    state = after(filing("e1", embargo_until=later(60)), deciding("d1", "reject"), filing("e2", "two"))
    assert state.versions[2].stage is Stage.EMBARGOED


def test_an_embargo_ended_early_by_an_editor_binds_no_later_version() -> None:
    """Once the story is out there is nothing left to keep back."""
    state = after(filing("e1", embargo_until=later(60)), deciding("d1", "release"), filing("e2", "two"))
    assert state.released == 2


def test_rejecting_the_newest_version_does_not_let_the_next_pass_a_held_one() -> None:
    """What is filed on a held story stays so until `release`."""
    state = after(
        filing("e1", ruling=held()), filing("e2", "two"), deciding("d1", "reject", version=2), filing("e3", "three")
    )
    assert state.versions[3].stage is Stage.HELD


def test_a_lengthened_embargo_holds_the_older_versions_too() -> None:
    """`/embargo` names no version: the first text must not go out at the old time while the second waits."""
    state = after(
        filing("e1", embargo_until=later(60)),
        filing("e2", "two"),
        deciding("d1", "embargo", embargo_until=later(300)),
    )
    assert decide(state, lifting("l1", 1, later(60)), later(61)).release_no == 0


def test_a_version_filed_with_a_longer_embargo_lengthens_that_of_the_ones_before() -> None:
    """The source's latest word counts for what it filed before."""
    state = after(filing("e1", embargo_until=later(60)), filing("e2", "two", embargo_until=later(300)))
    assert decide(state, lifting("l1", 1, later(60)), later(61)).release_no == 0


def test_a_correction_outside_the_content_is_no_duplicate() -> None:
    """It was merged and found to change what it names; the content hash does not cover places or subjects."""
    named = {"note": "the wrong country", "fields": ["/places"]}
    state = after(filing("e1"), filing("e2", kind=Kind.CORRECT, correction=named))
    note = state.applied[-1].release
    assert note is not None
    assert (note.kind, note.release_no) == (Kind.CORRECT, 2)


def test_a_withheld_story_does_not_come_back_as_an_older_version() -> None:
    """Releasing version 1 when version 2 was the public one is refused, and leaves version 1 as it was."""
    state = after(filing("e1"), filing("e2", "two"), deciding("d1", "withhold"), deciding("d2", "release", version=1))
    assert (outcome(state), state.versions[1].stage) == (Outcome.REFUSED, Stage.RELEASED)


def test_a_story_updated_all_day_can_still_be_killed() -> None:
    """Its record fits the topic whatever came before, or the kill could never be written behind it."""
    state = nothing_known()
    for number in range(2_200):
        state = decide(state, filing(f"e{number}", f"text {number}"), NOON)
    state = decide(state, deciding("k1", "kill", break_glass=True), NOON)
    assert state.killed is not None
    assert state.killed.release_no == 2_201
    assert len(state.model_dump_json()) < spec(Topic.STATE).max_message_bytes


def test_a_sources_cancel_that_overtakes_its_filing_holds_what_comes() -> None:
    """The cancel rides flash, the filing may not; it must not be released before anybody decides on the kill."""
    state = after(deciding("w1", "withhold", by_source=True), deciding("k1", "kill", by_source=True), filing("e1"))
    assert (state.withheld, state.release_no, state.versions[1].queue) == (True, 0, "withheld")
    state = after(deciding("x1", "cancel", decision_id="k1"), deciding("r1", "release"), state=state)
    note = state.applied[-1].release
    assert note is not None
    assert (note.kind, note.release_no, state.withheld) == (Kind.PUBLISH, 1, False)


def test_a_hold_has_a_deadline_and_passes_it_in_silence() -> None:
    """Nothing is released by itself; the queue tells that it is late. What is decided on has no deadline any more."""
    ruling = Ruling("hold", reason="minors", queue="legal", within=timedelta(hours=1))
    state = after(filing("e1", ruling=ruling))
    assert state.versions[1].deadline == NOON + timedelta(hours=1)
    state = decide(state, filing("e1 again"), NOON + timedelta(hours=2))
    assert (outcome(state), state.versions[1].stage) == (Outcome.DUPLICATE, Stage.HELD)
    state = after(deciding("d1", "release"), state=state)
    assert (state.versions[1].stage, state.versions[1].deadline) == (Stage.RELEASED, None)
