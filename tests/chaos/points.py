"""Where can a crash hurt? The rows of the crash table, each with the failpoints at which a process is killed for it."""

from dataclasses import dataclass

from shared.platform.topics import Topic


def before(topic: Topic) -> str:
    """A record is about to be sent."""
    return f"publish.{topic}.before"


def after(topic: Topic) -> str:
    """A record is confirmed; nothing that follows from it has happened yet."""
    return f"publish.{topic}.after"


def handling(topic: Topic) -> str:
    """A record was read; nothing of it is done."""
    return f"handle.{topic}.before"


def committing(topic: Topic) -> str:
    """Everything is done but the commit of the offsets."""
    return f"commit.{topic}.before"


def committed(topic: Topic) -> str:
    """The offsets are committed."""
    return f"commit.{topic}.after"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the crash table: a service dies at one of these points."""

    killed: str
    service: str
    points: tuple[str, ...]


CRASH_TABLE: tuple[Row, ...] = (
    # ingest: what is promised is kept, what is not promised may be filed again
    Row("a filing, before the broker has it", "ingest", (before(Topic.RECEIVED), before(Topic.RECEIVED_FLASH))),
    Row("a filing the broker has, before its 202", "ingest", (after(Topic.RECEIVED), after(Topic.RECEIVED_FLASH))),
    # enrich: one process per lane
    Row("enrichment, before its output", "enrich", (before(Topic.INBOX), handling(Topic.RECEIVED))),
    Row("enrichment, output confirmed, not committed", "enrich", (after(Topic.INBOX), committing(Topic.RECEIVED))),
    Row(
        "enrichment of a flash",
        "enrich-flash",
        (before(Topic.INBOX_FLASH), after(Topic.INBOX_FLASH), committing(Topic.RECEIVED_FLASH)),
    ),
    # moderation: text, state, outputs, offset
    Row("a decision, before its text", "moderation", (handling(Topic.INBOX), before(Topic.TEXT))),
    Row("text stored, state not", "moderation", (after(Topic.TEXT), before(Topic.STATE))),
    Row("state stored, output not", "moderation", (after(Topic.STATE), before(Topic.RELEASED))),
    Row(
        "output confirmed, inbox not committed",
        "moderation",
        (after(Topic.RELEASED), after(Topic.CURRENT), committing(Topic.INBOX), committed(Topic.INBOX)),
    ),
    Row(
        "a kill on record, state or notice not",
        "moderation",
        (before(Topic.KILLED), after(Topic.KILLED), after(Topic.RELEASED_FLASH)),
    ),
    # the embargo clock, a job of moderation
    Row("an embargo due, lift not sent", "moderation", (before(Topic.LIFTS),)),
    Row("a lift sent, not applied", "moderation", (after(Topic.LIFTS), handling(Topic.LIFTS), committing(Topic.LIFTS))),
    # distribution: the matcher
    Row("a release read, recipients not written", "distribution", (handling(Topic.RELEASED), before(Topic.RECIPIENTS))),
    Row("recipients written, due block not", "distribution", (after(Topic.RECIPIENTS), before(Topic.DUE))),
    Row("due block confirmed, release not committed", "distribution", (after(Topic.DUE), committing(Topic.RELEASED))),
    # distribution: the deliverer
    Row("block read, before the POST", "distribution", (handling(Topic.DUE), "post.before")),
    Row("POST sent, outcome unknown", "distribution", ("post.sent",)),
    Row("outcome known, attempt not logged", "distribution", ("post.after", before(Topic.ATTEMPTS))),
    Row("attempt logged, block not committed", "distribution", (after(Topic.ATTEMPTS), committing(Topic.DUE))),
    Row("retry written, block not committed", "distribution", (before(Topic.RETRY_10S), after(Topic.RETRY_10S))),
    Row("a retry due, tier not committed", "distribution", (handling(Topic.RETRY_10S), committing(Topic.RETRY_10S))),
    Row("health of an endpoint written", "distribution", (before(Topic.ENDPOINT_HEALTH), after(Topic.ENDPOINT_HEALTH))),
    # the gateway: decisions and views
    Row(
        "a desk decision, before and after the broker has it",
        "gateway",
        (before(Topic.INBOX_FLASH), after(Topic.INBOX_FLASH)),
    ),
    Row("a release read, not in the views", "gateway", (handling(Topic.RELEASED), handling(Topic.RELEASED_FLASH))),
    Row("in the views, not committed", "gateway", (committing(Topic.RELEASED), committed(Topic.RELEASED))),
)
