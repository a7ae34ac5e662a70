"""Edited copies of a story are recognised, other stories are not, and the index stays small."""

import random
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.enrich.near_duplicates import DuplicateIndex, shingle_keys, text_hash
from tests.services.enrich.samples import CHINESE

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
_SYLLABLES = ("ba", "den", "fo", "gar", "hil", "ku", "lem", "mor", "na", "pis", "ra", "sol", "tu", "ven", "wi", "zed")


def story(number: int, paragraphs: int = 12) -> list[str]:
    """Build paragraphs of invented words; stories of two numbers share words but hardly three in a row."""
    chance = random.Random(number)
    return [" ".join("".join(chance.choices(_SYLLABLES, k=2)) for _ in range(30)) + "." for _ in range(paragraphs)]


def text(paragraphs: list[str]) -> str:
    """Join paragraphs as a body has them."""
    return "\n\n".join(paragraphs)


ORIGINAL = story(1)
_WORDS = text(ORIGINAL).split()
EDITS = {
    "recased": text(ORIGINAL).upper(),
    "with headline and byline": "Board rejects plan\nBy A Reporter\n\n" + text(ORIGINAL),
    "with every twentieth word changed": " ".join("changed" if n % 20 == 7 else w for n, w in enumerate(_WORDS)),
    "with a new lead": text(["Ships waited outside on Monday as the row went on.", *ORIGINAL[1:]]),
    "written through to twice its length": text([*ORIGINAL, *story(2)]),
    "inside a page": text(["Home | World | Sport | Log in"] * 9 + ORIGINAL + ["Related posts and newsletters"] * 9),
    "cut to half": text(ORIGINAL[:6]),
    "cut to its first third": text(ORIGINAL[:4]),
}


@pytest.fixture
def index() -> DuplicateIndex:
    """An index that knows the original and twenty other stories."""
    filled = DuplicateIndex()
    for number in range(21):
        filled.add(f"story-{number}", shingle_keys(text(story(number + 1))), NOON)
    return filled


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_copy_is_recognised(index: DuplicateIndex, edit: str) -> None:
    """What desks do to each other's copy does not hide it."""
    match = index.lookup(shingle_keys(EDITS[edit]))
    assert match is not None
    assert match.story_id == "story-0"


def test_another_story_is_not(index: DuplicateIndex) -> None:
    """The same words in other sentences are another story."""
    assert index.lookup(shingle_keys(text(story(50)))) is None


def test_a_brief_tells_that_the_known_story_is_the_longer(index: DuplicateIndex) -> None:
    """Containment has a direction: a brief of a story, or a write-through of one."""
    brief, through = index.lookup(shingle_keys(EDITS["cut to half"])), index.lookup(shingle_keys(text(ORIGINAL * 1)))
    assert brief is not None
    assert through is not None
    assert (brief.longer, through.longer) == (True, False)


def test_the_story_itself_is_left_out(index: DuplicateIndex) -> None:
    """A new version of a story is no duplicate of it."""
    assert index.lookup(shingle_keys(text(ORIGINAL)), leave_out="story-0") is None


def test_a_newer_version_takes_the_place_of_the_earlier(index: DuplicateIndex) -> None:
    """A story is compared by what it says now."""
    index.add("story-0", shingle_keys(text(story(70))), NOON)
    assert index.lookup(shingle_keys(text(ORIGINAL))) is None
    match = index.lookup(shingle_keys(text(story(70))))
    assert match is not None
    assert match.story_id == "story-0"


def test_adding_again_changes_nothing(index: DuplicateIndex) -> None:
    """The index is rebuilt from a log that may hold a record twice."""
    before = (len(index), index.key_count)
    index.add("story-0", shingle_keys(text(ORIGINAL)), NOON)
    assert (len(index), index.key_count) == before


def test_a_line_is_known_by_its_exact_text(index: DuplicateIndex) -> None:
    """A flash is too short for shingles; the same line again is told by its hash."""
    line = "HARBOUR BOARD REJECTS DREDGING PLAN - MAYOR"
    index.add("flash", shingle_keys(line), NOON, text_hash=text_hash(line))
    match = index.lookup(shingle_keys(line), text_hash=text_hash("Harbour board  rejects dredging plan - mayor"))
    assert match is not None
    assert (match.story_id, match.exact) == ("flash", True)
    assert index.lookup(shingle_keys(line), text_hash=text_hash(line + "!")) is None


def test_of_equal_copies_the_oldest_is_named(index: DuplicateIndex) -> None:
    """Everybody copies the first."""
    index.add("copy", shingle_keys(text(ORIGINAL)), NOON + timedelta(minutes=1))
    match = index.lookup(shingle_keys(text(ORIGINAL)))
    assert match is not None
    assert match.story_id == "story-0"


def test_a_text_without_spaces_has_shingles_too() -> None:
    """Chinese copy with a changed end is recognised by its characters."""
    chinese = DuplicateIndex()
    long = (
        CHINESE + "多年来边境地区一直动荡不安，居民担心冲突会进一步扩大，许多家庭已经收拾行李准备离开家园前往首都避难。"
    )
    chinese.add("zh", shingle_keys(long), NOON)
    match = chinese.lookup(shingle_keys(long[:-12] + "学校已经关闭。"))
    assert match is not None
    assert match.story_id == "zh"


def test_what_is_older_than_the_window_is_forgotten() -> None:
    """Anniversaries and resends after a week are news again."""
    index = DuplicateIndex(window=timedelta(days=7))
    index.add("old", shingle_keys(text(ORIGINAL)), NOON)
    index.add("new", shingle_keys(text(story(2))), NOON + timedelta(days=7, seconds=1))
    assert index.lookup(shingle_keys(text(ORIGINAL))) is None
    assert len(index) == 1


def test_a_late_record_does_not_bring_the_past_back() -> None:
    """Records of several partitions are not in order; what lies before the window stays out."""
    index = DuplicateIndex(window=timedelta(days=7))
    index.add("new", shingle_keys(text(story(2))), NOON)
    index.add("late", shingle_keys(text(ORIGINAL)), NOON - timedelta(days=8))
    assert index.lookup(shingle_keys(text(ORIGINAL))) is None
    assert len(index) == 1


def test_what_grew_old_behind_a_younger_story_is_not_found() -> None:
    """Eviction goes by order of arrival; what it has not reached yet is past its time all the same."""
    index = DuplicateIndex(window=timedelta(days=7))
    index.add("front", shingle_keys(text(story(2))), NOON)
    index.add("behind", shingle_keys(text(ORIGINAL)), NOON - timedelta(days=6), text_hash="of the original")
    index.add("newest", shingle_keys(text(story(3))), NOON + timedelta(days=3))
    assert index.lookup(shingle_keys(text(ORIGINAL))) is None
    assert index.lookup((), text_hash="of the original") is None


@pytest.mark.parametrize(
    ("shared", "known", "asked", "found"), [(5, 10, 10, True), (4, 10, 10, False), (3, 5, 90, True)]
)
def test_half_of_the_shorter_text_is_a_copy(shared: int, known: int, asked: int, found: bool) -> None:
    """A brief inside a long report counts as much as two texts of one length that share half."""
    index = DuplicateIndex()
    index.add("known", range(known), NOON)
    match = index.lookup(range(known - shared, known - shared + asked))
    assert (match is not None) is found


def test_the_size_is_bounded_and_the_oldest_go_first() -> None:
    """A flood of copy must not take the process's memory."""
    index = DuplicateIndex(max_keys=200)
    for number in range(60):
        index.add(f"story-{number}", shingle_keys(text(story(number))), NOON + timedelta(seconds=number))
    assert index.key_count <= 200
    assert index.lookup(shingle_keys(text(story(0)))) is None
    newest = index.lookup(shingle_keys(text(story(59))))
    assert newest is not None
    assert newest.story_id == "story-59"


def test_keys_are_the_same_in_every_process() -> None:
    """Another worker, or this one after a restart, must come to the same keys."""
    counted = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    assert shingle_keys(counted) == (6682883338345726168,)


@settings(deadline=None)
@given(st.text(max_size=300))
def test_case_and_white_space_do_not_matter(copy: str) -> None:
    """Two desks wrap the same lines differently."""
    respaced = "  ".join(copy.split())
    assert shingle_keys(respaced) == shingle_keys(" ".join(copy.split()) + "\n")
    assert text_hash(respaced) == text_hash("\n".join(copy.split()))


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sets(st.integers(0, 30), min_size=1)), max_size=30))
def test_the_index_counts_what_it_holds(added: list[tuple[str, set[int]]]) -> None:
    """Through any replacements and evictions the index holds exactly its newest stories' keys."""
    index = DuplicateIndex(max_keys=40)
    newest: dict[str, tuple[int, ...]] = {}
    for number, (story_id, keys) in enumerate(added):
        index.add(story_id, tuple(sorted(keys)), NOON + timedelta(seconds=number))
        newest.pop(story_id, None)
        newest[story_id] = tuple(sorted(keys))
        while sum(map(len, newest.values())) > 40:
            newest.pop(next(iter(newest)))
    assert (len(index), index.key_count) == (len(newest), sum(map(len, newest.values())))
    for held in newest.values():
        assert (index.lookup(held) is not None) is (len(held) >= 3)
