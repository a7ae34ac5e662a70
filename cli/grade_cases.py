"""Which habits does a receiver of a newswire need? Each one tried the way a wire, or somebody who is none, would."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from cli.exits import Ended, Exit
from cli.grading import Case, Finding, Grader
from cli.webhooks import Post, Signer, another_secret, challenge_message, new_id, new_story_id, story_message

LARGE = 512 * 1024
TOO_FAR = timedelta(minutes=10)
PIECES = 8

VERIFY = "Verify before you read: refuse with 401 what is not signed with your secret, over the bytes as they came."
TIMES = "Refuse (401) a webhook-timestamp more than five minutes from your clock: it may be an old one played again."
READ_ALL = "webhook-signature may hold several signatures, separated by spaces: one good v1 is enough, skip the others."
IDS = "Remember webhook-id: answer one that you have with 2xx, and do nothing."
ORDER = "Answer 2xx, and keep the release with the highest release_no: webhooks may overtake each other."
KILLS = "story.kill is an order to take every version off, for good: nothing of that story may come back after it."
WITHHOLDS = "story.withhold takes the story off until a story.release; what it holds is a notice."


def delivery(g: Grader) -> Iterator[Finding]:
    """A webhook like any other."""
    story = new_story_id()
    answer = g.send(g.signer.post(story_message("story.publish", story, 1)))
    if answer.status is None:
        raise Ended(Exit.UNREACHABLE, f"{g.url} gives no answer: {answer.said}.")
    yield g.accepts(
        answer, "Answer 2xx within 15 seconds, without redirect; whatever else is tried again for 72 hours."
    )
    yield g.holds(story, {"release_no": 1, "state": "live", "acted": 1}, "Keep what you acknowledged.")


def challenge(g: Grader) -> Iterator[Finding]:
    """The proof that an endpoint is its registrant's."""
    token = secrets.token_urlsafe(24)
    answer = g.send(g.signer.post(challenge_message(token), webhook_id=f"chl_{secrets.token_hex(12)}"))
    fix = 'Answer endpoint.challenge with 200 and data.challenge, as text/plain or as {"challenge": "…"}.'
    yield g.accepts(answer, fix)
    given = _challenge_in(answer.said) == token
    yield Finding(given, "the challenge came back" if given else "another answer than the challenge", fix)


def duplicate(g: Grader) -> Iterator[Finding]:
    """The same delivery twice, as after a crash."""
    story, name = new_story_id(), new_id()
    message = story_message("story.publish", story, 1)
    yield g.accepts(g.send(g.signer.post(message, webhook_id=name)), IDS)
    yield g.accepts(g.send(g.signer.post(message, webhook_id=name)), IDS)
    yield g.holds(story, {"release_no": 1, "state": "live", "acted": 1}, IDS, decisive=True)


def reordered(g: Grader) -> Iterator[Finding]:
    """The second release before the first."""
    story = new_story_id()
    for type_, release_no in (("story.update", 2), ("story.publish", 1)):
        yield g.accepts(g.send(g.signer.post(story_message(type_, story, release_no))), ORDER)
    yield g.holds(story, {"release_no": 2, "state": "live"}, ORDER, decisive=True)


def withhold(g: Grader) -> Iterator[Finding]:
    """A story taken off, and back on."""
    story = new_story_id()
    for type_, release_no in (("story.publish", 1), ("story.withhold", 2)):
        yield g.accepts(g.send(g.signer.post(story_message(type_, story, release_no))), WITHHOLDS)
    yield g.holds(story, {"release_no": 2, "state": "withheld"}, WITHHOLDS, decisive=True)
    yield g.accepts(g.send(g.signer.post(story_message("story.release", story, 3))), WITHHOLDS)
    yield g.holds(story, {"release_no": 3, "state": "live"}, WITHHOLDS, decisive=True)


def kill(g: Grader) -> Iterator[Finding]:
    """A kill, and what was on its way before it."""
    story = new_story_id()
    for type_, release_no in (("story.publish", 1), ("story.kill", 3)):
        yield g.accepts(g.send(g.signer.post(story_message(type_, story, release_no))), KILLS)
    yield g.holds(story, {"state": "killed"}, KILLS, decisive=True)
    yield g.accepts(g.send(g.signer.post(story_message("story.update", story, 2))), KILLS)
    yield g.holds(story, {"state": "killed"}, KILLS, decisive=True)


def raw_bytes(g: Grader) -> Iterator[Finding]:
    """A body that is laid out in another way than a program would write it."""
    body = json.dumps(story_message("story.publish", new_story_id(), 1), indent=1).encode() + b"\n"
    fix = "Verify the bytes as they came, before they are parsed: JSON that is written anew has another signature."
    yield g.accepts(g.send(g.signer.signed(body)), fix)


def unknown_type(g: Grader) -> Iterator[Finding]:
    """A type that there is none of yet."""
    message = {"type": "story.reviewed", "timestamp": "2026-11-23T12:00:00.000Z", "data": {"later": True}}
    fix = "Answer 2xx to types you do not know and ignore them: new ones come without another version."
    yield g.accepts(g.send(g.signer.post(message)), fix)


def rotation(g: Grader) -> Iterator[Finding]:
    """Two signatures, of a secret you no longer or not yet have, and of yours."""
    other = Signer(another_secret())
    yield g.accepts(g.send(_signed_by(g, f"{_signature(other)} {{own}}")), READ_ALL)


def other_scheme(g: Grader) -> Iterator[Finding]:
    """An ed25519 signature before yours."""
    v1a = "v1a," + base64.b64encode(secrets.token_bytes(64)).decode()
    yield g.accepts(g.send(_signed_by(g, f"{v1a} {{own}}")), READ_ALL)


def large(g: Grader) -> Iterator[Finding]:
    """The longest story."""
    story = new_story_id()
    text = "A long text about nothing. " * (LARGE // 27)
    answer = g.send(g.signer.post(story_message("story.publish", story, 1, text)))
    fix = "Take bodies of at least 1 MiB: a story is as long as it is (client_max_body_size, bodyParser limit, …)."
    yield g.accepts(answer, fix)
    yield g.holds(story, {"release_no": 1, "state": "live"}, fix)


def slow_sender(g: Grader) -> Iterator[Finding]:
    """A body that comes in pieces while another webhook is sent; its end waits until that one is answered."""
    slow = _SlowBody(g.signer.post(story_message("story.publish", new_story_id(), 1)), g)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(g.send, slow.post, slow)
        slow.begun.wait(g.budget_s)
        answer = g.send(g.signer.post(story_message("story.publish", new_story_id(), 1)))
        slow.others_answered.set()
        slow_answer = waiting.result()
    fix = "Read several requests side by side: one slow connection must not hold up the others."
    yield g.accepts(slow_answer, "Wait for a body that comes slowly, for some seconds at least.")
    yield Finding(answer.accepted and not slow.gave_up, f"another one meanwhile: {answer}", fix)


def bad_signature(g: Grader) -> Iterator[Finding]:
    """A webhook that somebody else signed."""
    yield from _refused(g, lambda post: post.with_headers(webhook_signature=_signature(Signer(another_secret()))))


def tampered(g: Grader) -> Iterator[Finding]:
    """One letter of the body changed on the way."""
    yield from _refused(g, lambda post: Post(post.headers, post.body.replace(b"about nothing", b"about nobody.", 1)))


def renamed(g: Grader) -> Iterator[Finding]:
    """A webhook under another id: it would count as new."""
    yield from _refused(g, lambda post: post.with_headers(webhook_id=new_id()))


def unsigned(g: Grader) -> Iterator[Finding]:
    """A POST by anybody."""
    yield from _refused(
        g, lambda post: post.with_headers(webhook_id=None, webhook_timestamp=None, webhook_signature=None)
    )


def stale(g: Grader) -> Iterator[Finding]:
    """A good one of ten minutes ago."""
    yield from _out_of_time(g, -TOO_FAR)


def early(g: Grader) -> Iterator[Finding]:
    """A good one of ten minutes ahead."""
    yield from _out_of_time(g, TOO_FAR)


CASES = (
    Case("delivery", delivery),
    Case("challenge", challenge),
    Case("duplicate", duplicate),
    Case("reordered", reordered),
    Case("withhold", withhold),
    Case("kill", kill),
    Case("raw bytes", raw_bytes),
    Case("unknown type", unknown_type),
    Case("rotated secret", rotation),
    Case("other scheme", other_scheme),
    Case("large body", large),
    Case("slow sender", slow_sender),
    Case("bad signature", bad_signature),
    Case("tampered body", tampered),
    Case("changed id", renamed),
    Case("unsigned", unsigned),
    Case("stale timestamp", stale),
    Case("early timestamp", early),
)


def _challenge_in(said: str) -> str:
    """The challenge that an answer gives back, whichever way."""
    try:
        read = json.loads(said)
    except ValueError:
        return said.strip()
    return str(read.get("challenge", "")) if isinstance(read, dict) else said.strip()


def _refused(g: Grader, spoiled: Any) -> Iterator[Finding]:
    story = new_story_id()
    post = spoiled(g.signer.post(story_message("story.publish", story, 1)))
    yield g.refuses(g.send(post), VERIFY)
    yield g.holds(story, None, VERIFY)


def _out_of_time(g: Grader, by: timedelta) -> Iterator[Finding]:
    story = new_story_id()
    post = g.signer.post(story_message("story.publish", story, 1), at=datetime.now(UTC) + by)
    yield g.refuses(g.send(post), TIMES)
    yield g.holds(story, None, TIMES)


def _signature(signer: Signer) -> str:
    """A signature that does not fit."""
    return signer.sign(new_id(), datetime.now(UTC), b"{}")


def _signed_by(g: Grader, signatures: str) -> Post:
    post = g.signer.post(story_message("story.publish", new_story_id(), 1))
    return post.with_headers(webhook_signature=signatures.format(own=post.headers["webhook-signature"]))


class _SlowBody:
    """A body in pieces with pauses; its last one leaves when the other webhook was answered, or has had its time."""

    def __init__(self, post: Post, g: Grader) -> None:
        self.post = post
        self.begun = threading.Event()
        self.others_answered = threading.Event()
        self.gave_up = False
        self._pause_s, self._patience_s = g.pause_s, g.patience_s

    def __iter__(self) -> Iterator[bytes]:
        size = len(self.post.body) // PIECES
        for number in range(PIECES):
            yield self.post.body[number * size : (number + 1) * size]
            self.begun.set()
            self.others_answered.wait(self._pause_s)
        self.gave_up = not self.others_answered.wait(self._patience_s)
        yield self.post.body[PIECES * size :]
