"""The `wire` command: file, correct, kill, follow, and see how late the wire is. It speaks the public API only.

Heavy imports wait until a command needs them, so that `wire --help` is quick.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.exits import Ended, Exit

if TYPE_CHECKING:
    from cli.api import Api

CODES = (
    "Exit codes: 0 done, 1 refused or failed, 2 usage, 3 held or somebody is needed, 4 not found, "
    "5 no access, 6 unreachable."
)

app = typer.Typer(
    name="wire",
    help="An open newswire at the terminal. Without --url it speaks to the wire that runs here (.local/run.json).",
    epilog=CODES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _group(name: str, about: str) -> typer.Typer:
    """A command with commands of its own."""
    group = typer.Typer(help=about, no_args_is_help=True, rich_markup_mode=None)
    app.add_typer(group, name=name)
    return group


keys_app = _group("keys", "API keys: list, create, revoke (scope operator).")
dead_app = _group("dead", "Dead letters: what nobody could process; list, show, redrive (scope operator).")
audit_app = _group("audit", "The audit: who did what, and is all of it there as it was written (scope operator).")
secrets_app = _group("secrets", "Signing secrets as they are kept: sealed with WIRE_SECRET_KEY (scope operator).")
subscriptions_app = _group(
    "subscriptions", "Subscriptions: why a story goes out to one, what a filter would bring (scope subscriber)."
)

CLEAR = "\x1b[2J\x1b[H"

Url = Annotated[str | None, typer.Option("--url", help="base URL of a wire; else WIRE_URL, else the one running here")]
Key = Annotated[str | None, typer.Option("--key", help="API key; else WIRE_KEY, else the local one of the right role")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON instead of words")]
Wait = Annotated[float, typer.Option("--wait", min=0.0, help="seconds to wait for the desk's answer; 0: do not")]
Story = Annotated[str, typer.Argument(metavar="STORY", help="the story's id")]
Sections = Annotated[list[str] | None, typer.Option("--section", help="only this section (may be repeated)")]
Keywords = Annotated[list[str] | None, typer.Option("--keyword", help="only with this word or phrase (repeatable)")]
UrgencyMax = Annotated[int | None, typer.Option("--urgency-max", min=1, max=8, help="only this urgent or more")]
Limit = Annotated[int | None, typer.Option("--limit", min=1, help="end after so many stories")]
Service = Annotated[str | None, typer.Option("--service", help="only letters of this service: moderation")]
Fingerprint = Annotated[str | None, typer.Option("--fingerprint", help="only letters of this cause")]


def run() -> None:
    """Entry point of the `wire` script."""
    app()


@app.command("file", epilog="example: wire file story.txt --urgency 3\n\nexample: cat item.json | wire file -")
def file_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="ninjs JSON or a story page as text; - is stdin")],
    urgency: Annotated[int | None, typer.Option(min=1, max=8, help="1 flash … 8 lowest")] = None,
    embargo_until: Annotated[str | None, typer.Option(help="RFC 3339 with offset: 2026-11-23T12:00:00Z")] = None,
    source: Annotated[str | None, typer.Option(help="file as coming from this source")] = None,
    story_id: Annotated[str | None, typer.Option(help="file as the next version of this story")] = None,
    kind: Annotated[str | None, typer.Option(help="publish, update, refile or repeat")] = None,
    idempotency_key: Annotated[str | None, typer.Option(help="the same key and body are filed once")] = None,
    wait: Wait = 5.0,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """File a story, and say what became of it (3: held for a human)."""
    from cli import filing

    query = {
        "urgency": urgency,
        "embargo_until": embargo_until,
        "source": source,
        "story_id": story_id,
        "kind": kind,
    }
    with asking(url, key) as api:
        answer = filing.file_story(api, file, query, idempotency_key, wait)
        tell(answer, filing.in_words, as_json=as_json)
        leave(filing.ending_of(answer["state"]))


@app.command(
    epilog="example: wire correct urn:x:1 --note 'The mayor is Ann Lee' --field '/headlines/0/value=Lee opens bridge'"
    "\n\nexample: wire correct urn:x:1 fixed.json --note 'Wrong name' --field /bodies/0/value"
)
def correct(
    story: Story,
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="ninjs JSON; the changed fields suffice")] = None,
    note: Annotated[str | None, typer.Option(help="what was wrong, in words")] = None,
    field: Annotated[
        list[str] | None, typer.Option(help="JSON pointer that changes; without FILE: POINTER=VALUE (repeatable)")
    ] = None,
    wait: Wait = 5.0,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Correct a story: say what was wrong and which fields change."""
    from cli import filing

    with asking(url, key) as api:
        correction = filing.correction_of(api, story, file, note, field or [])
        answer = filing.correct_story(api, story, correction, wait)
        tell(answer, filing.in_words, as_json=as_json)
        leave(filing.ending_of(answer["state"]))


@app.command(
    epilog="example: wire kill urn:x:1 --reason 'Names a minor' --confirm-as editor2"
    "\n\nexample: wire kill urn:x:1 --reason 'Court order' --break-glass"
)
def kill(
    story: Story,
    reason: Annotated[str, typer.Option(help="why; kept in the audit")],
    replacement: Annotated[str | None, typer.Option(help="id of the story that takes its place")] = None,
    break_glass: Annotated[
        bool, typer.Option("--break-glass", help="without a second person; announced to every operator")
    ] = False,
    confirm_as: Annotated[
        str | None, typer.Option(help="confirm at once as this role of the local wire (editor2), or with this key")
    ] = None,
    wait: Wait = 5.0,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Order every version of a story withdrawn, for ever (3: another editor must confirm)."""
    from cli import deciding, filing

    with asking(url, key) as api:
        decision = deciding.kill(
            api,
            story,
            reason,
            replacement=replacement,
            break_glass=break_glass,
            confirm_as=confirm_as,
            wait_s=wait,
        )
        tell(decision, deciding.in_words, as_json=as_json)
        leave(filing.ending_of(decision["state"]))


@app.command(epilog="example: WIRE_KEY=… wire confirm 0190c2f4-…")
def confirm(
    decision: Annotated[str, typer.Argument(metavar="DECISION", help="decision_id of the kill")],
    confirm_as: Annotated[
        str, typer.Option("--as", help="a role of the local wire (editor, editor2), or a key")
    ] = "editor",
    wait: Wait = 5.0,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Confirm another editor's kill."""
    from cli import deciding, filing

    with asking(url, key) as api:
        answer = deciding.confirm(api, decision, confirm_as, wait_s=wait)
        tell(answer, deciding.in_words, as_json=as_json)
        leave(filing.ending_of(answer["state"]))


@app.command(
    epilog="example: wire tail --section world --urgency-max 3"
    "\n\nexample: wire tail --json --cursor-file ~/.wire-cursor"
)
def tail(
    subscription: Annotated[str | None, typer.Option(help="follow what this subscription wants")] = None,
    section: Sections = None,
    keyword: Keywords = None,
    urgency_max: UrgencyMax = None,
    cursor: Annotated[str | None, typer.Option(help="go on at this id of the stream; or: earliest")] = None,
    cursor_file: Annotated[Path | None, typer.Option(help="keep the place in this file, and go on there")] = None,
    limit: Limit = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Follow the stream, one line per release; a broken connection is taken up where it broke."""
    from cli import connection, tailing

    query: list[tuple[str, str | int | float | bool | None]] = []
    query += [("subscription", subscription)] if subscription else []
    query += [("sections", each) for each in section or []] + [("keywords", each) for each in keyword or []]
    query += [("urgency_max", str(urgency_max))] if urgency_max else []
    with ending():
        wire = connection.find(url, key)
        follower = tailing.Follower(wire, query, tailing.Cursor(cursor, cursor_file), complain)
        seen = 0
        for frame in follower.frames():
            line = _json(_frame(frame)) if as_json else tailing.in_a_line(frame)
            if line is not None:
                say(line)
            seen += frame.event == "story"
            if seen == limit:
                follower.shown(frame)
                return


@app.command(epilog="example: wire lag --watch\n\nexample: wire lag --check || page-somebody")
def lag(
    watch: Annotated[bool, typer.Option("--watch", help="ask again every --every seconds, until Ctrl-C")] = False,
    every: Annotated[float, typer.Option(min=0.2, help="seconds between two looks")] = 2.0,
    group: Annotated[str | None, typer.Option(help="only this consumer group")] = None,
    partitions: Annotated[bool, typer.Option("--partitions", help="one row per partition")] = False,
    check: Annotated[bool, typer.Option("--check", help="exit 3 when a reader is not well")] = False,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """How far behind every reader is: records, age in seconds, verdict, time until it is drained."""
    import time

    from cli import operations

    with asking(url, key) as api:
        while True:
            rows = operations.lag(api, group=group, partitions=partitions)
            if watch and not as_json and sys.stdout.isatty():
                say(CLEAR)
            tell(rows, operations.lag_table, as_json=as_json)
            if not watch:
                break
            time.sleep(every)
        if check and operations.needs_somebody(rows):
            leave(Exit.NEEDS_SOMEBODY)


@app.command(epilog="example: wire trace urn:slugline:desk:9f2c")
def trace(story: Story, url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Which way a story came: its hops with times and places, and what it waits for."""
    from cli import operations

    with asking(url, key) as api:
        tell(operations.trace(api, story), operations.trace_text, as_json=as_json)


@app.command("retry-schedule", epilog="example: wire retry-schedule\n\nexample: wire retry-schedule --json | jq .steps")
def retry_schedule(url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """When a failing webhook is tried again, and when it is given up."""
    from cli import schedule

    with asking(url, key) as api:
        tell(schedule.asked(api), schedule.table, as_json=as_json)


@app.command(
    epilog="example: wire receive --register --section world"
    "\n\nexample: wire receive --secret whsec_… --port 9000 --answer 503"
)
def receive(
    register: Annotated[
        bool, typer.Option("--register", help="register an endpoint and a subscription; both go when it ends")
    ] = False,
    secret: Annotated[str | None, typer.Option(help="whsec_…, of an endpoint that exists already")] = None,
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="port; else the one a local wire allows")] = None,
    public_url: Annotated[str | None, typer.Option(help="URL under which the wire reaches this receiver")] = None,
    answer: Annotated[int, typer.Option(min=200, max=599, help="status to answer verified webhooks with")] = 200,
    section: Sections = None,
    keyword: Keywords = None,
    urgency_max: UrgencyMax = None,
    limit: Limit = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Receive webhooks here: verify each, answer the challenge, print one line per delivery."""
    from cli import connection, receiving

    if not register and not secret:
        raise typer.BadParameter("give --register, or the --secret of an endpoint that exists")
    wanted: dict[str, Any] = {"sections": section or [], "keywords": keyword or []}
    if urgency_max:
        wanted["urgency_max"] = urgency_max
    printer = receiving.Printer(say, as_json=as_json, limit=limit)
    with ending(), receiving.interrupted_by_sigterm():
        if port is None:
            usual = connection.find(url, key).receiver if register else connection.DEFAULT_RECEIVER
            port = int(usual.rpartition(":")[2])
        with receiving.open_receiver(secret, printer, host, port, answer) as receiver:
            complain(f"listening on http://{host}:{receiver.port}")
            if not register:
                printer.done.wait()
                return
            with asking(url, key) as api:
                reachable = public_url or f"http://{host}:{receiver.port}"
                with receiving.registered(api, receiver, reachable, wanted) as endpoint_id:
                    complain(f"registered endpoint {endpoint_id}; Ctrl-C ends and deletes it")
                    printer.done.wait()


@app.command(
    epilog="example: wire replay ep_9f2c --since 2026-11-23T12:00:00Z\n\nexample: wire replay ep_9f2c --cancel rpl_4c1e"
)
def replay(
    endpoint: Annotated[str, typer.Argument(metavar="ENDPOINT", help="the endpoint's id")],
    since: Annotated[str | None, typer.Option(help="what it was owed since then; RFC 3339 with offset")] = None,
    cursor: Annotated[str | None, typer.Option(help="or since this place of the stream; or: earliest")] = None,
    cancel: Annotated[str | None, typer.Option(help="call this replay off")] = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="ask for it and leave; it goes on by itself")] = False,
    every: Annotated[float, typer.Option(min=0.01, help="seconds between two looks")] = 1.0,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Send an endpoint again what it was owed, and follow how far it is; Ctrl-C leaves it going (1: it failed)."""
    from cli import replaying

    if [since, cursor, cancel].count(None) != 2:
        raise typer.BadParameter("give one of --since, --cursor and --cancel")
    with asking(url, key) as api:
        if cancel is not None:
            tell(replaying.cancelled(api, endpoint, cancel), replaying.in_words, as_json=as_json)
            return
        asked = replaying.asked(api, endpoint, since, cursor)
        ended = asked if no_wait else replaying.followed(api, asked, every, complain)
        tell(ended, replaying.in_words, as_json=as_json)
        leave(replaying.ending_of(ended))


@app.command(
    epilog="example: wire grade http://127.0.0.1:9000/hook --secret whsec_…"
    "\n\nexample: wire grade https://hooks.example.com/x --secret whsec_… --state-url https://hooks.example.com/held"
    "\n\nHow to pass: docs/receivers.md"
)
def grade(
    receiver: Annotated[str, typer.Argument(metavar="URL", help="your own endpoint; no wire is needed")],
    secret: Annotated[str, typer.Option(help="whsec_…, the secret that the endpoint verifies with")],
    state_url: Annotated[
        str | None, typer.Option(help="where it says what it holds: GET ?story_id= → release_no, state, acted")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help="only this case (may be repeated)")] = None,
    as_json: AsJson = False,
) -> None:
    """Try your receiver: duplicates, overtaking, kills, forgeries. Says what to mend (1: something failed)."""
    from dataclasses import asdict

    from cli import grade_cases, grading, webhooks

    cases = [case for case in grade_cases.CASES if not only or case.name in only]
    if unknown := set(only or ()) - {case.name for case in cases}:
        raise typer.BadParameter(f"no such case: {', '.join(sorted(unknown))}", param_hint="--only")
    with ending(), grading.Grader(receiver, webhooks.Signer(secret), state_url) as grader:
        grades = grading.grade(
            grader, cases, lambda one: say(_json(asdict(one)) if as_json else grading.in_a_line(one))
        )
        complain(grading.summary(grades))
        leave(Exit.FAILED if any(one.verdict == "fail" for one in grades) else Exit.OK)


@keys_app.command("list", epilog="example: wire keys list --json")
def list_keys(url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Every key, without its value."""
    from cli import operations

    def words(items: list[dict[str, Any]]) -> str:
        head = ("KEY_ID", "PREFIX", "PERSON", "SCOPES", "SUBSCRIBER")
        told = [
            (one["key_id"], one["prefix"], one["person"], ",".join(one["scopes"]), one.get("subscriber") or "")
            for one in items
        ]
        return operations.aligned([head, *told])

    with asking(url, key) as api:
        tell(api.ask("GET", "gateway", "/v1/keys", role="operator")["items"], words, as_json=as_json)


@keys_app.command("create", epilog="example: wire keys create --person ann --scope subscriber --subscriber acme")
def create_key(
    person: Annotated[str, typer.Option(help="who will use it")],
    scope: Annotated[list[str], typer.Option(help="desk, editor, subscriber or operator (may be repeated)")],
    subscriber: Annotated[str | None, typer.Option(help="the subscriber it acts for")] = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Make a key. Its value is printed once, and kept nowhere."""
    body = {"person": person, "scopes": scope, "subscriber": subscriber}
    with asking(url, key) as api:
        made = api.ask("POST", "gateway", "/v1/keys", role="operator", json=body)
        tell(made, lambda one: f"{one['key']}\n  {one['key_id']}; this value is not shown again", as_json=as_json)


@keys_app.command("revoke", epilog="example: wire keys revoke key_8c1f")
def revoke_key(
    key_id: Annotated[str, typer.Argument(metavar="KEY_ID")],
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Take a key back: requests with it are refused from now on."""
    from urllib.parse import quote

    with asking(url, key) as api:
        api.ask("DELETE", "gateway", f"/v1/keys/{quote(key_id, safe='')}", role="operator")
        tell({"key_id": key_id, "revoked": True}, lambda one: f"revoked {one['key_id']}", as_json=as_json)


@dead_app.command("list", epilog="example: wire dead list --service moderation --since 2026-11-23T12:00:00Z")
def list_dead(
    service: Service = None,
    fingerprint: Fingerprint = None,
    since: Annotated[str | None, typer.Option(help="only letters parked since then; RFC 3339 with offset")] = None,
    cursor: Annotated[str | None, typer.Option(help="go on where the page before ended")] = None,
    limit: Annotated[int, typer.Option(min=1, max=2000, help="letters on a page")] = 50,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """The newest dead letters, and how many there are of each cause."""
    from cli import dead

    with asking(url, key) as api:
        answer = dead.listed(api, service=service, fingerprint=fingerprint, since=since, cursor=cursor, limit=limit)
        tell(answer, dead.list_text, as_json=as_json)


@dead_app.command(
    epilog="example: wire dead show moderation/0/12\n\nexample: wire dead show moderation/0/12 --bytes > record.json"
)
def show(
    place: Annotated[str, typer.Argument(metavar="PLACE", help="SERVICE/PARTITION/OFFSET, as `list` shows it")],
    with_bytes: Annotated[
        bool, typer.Option("--bytes", help="write the parked bytes as they are (with --json: the facts and base64)")
    ] = False,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """One dead letter: where it came from and why it is dead."""
    from cli import dead

    with asking(url, key) as api:
        letter = dead.shown(api, dead.place_of(place), with_bytes=with_bytes)
        if with_bytes and not as_json:
            sys.stdout.buffer.write(dead.bytes_of(letter))
            sys.stdout.buffer.flush()
            return
        tell(letter, dead.show_text, as_json=as_json)


@dead_app.command(
    epilog="example: wire dead redrive moderation/0/12"
    "\n\nexample: wire dead redrive --service moderation --fingerprint 3f1c0a9be2d45678 --limit 500 --rate 20"
)
def redrive(
    place: Annotated[
        str | None, typer.Argument(metavar="[PLACE]", help="one letter: SERVICE/PARTITION/OFFSET", show_default=False)
    ] = None,
    service: Service = None,
    fingerprint: Fingerprint = None,
    limit: Annotated[int, typer.Option(min=1, max=2000, help="at most so many letters of the cause")] = 100,
    rate: Annotated[float, typer.Option(min=0.1, max=500, help="letters per second")] = 50.0,
    again: Annotated[bool, typer.Option("--again", help="also what has been redriven before")] = False,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Send one letter, or those of one cause, back to where they came from; each goes once."""
    from cli import dead

    if (place is None) != (service is not None and fingerprint is not None) or (place and (service or fingerprint)):
        raise typer.BadParameter("give a PLACE, or --service and --fingerprint")
    with asking(url, key) as api:
        body: dict[str, Any] = {"rate": rate, "again": again}
        if place is None:
            body |= {"service": service, "fingerprint": fingerprint, "limit": limit}
        else:
            body |= dict(zip(("topic", "partition", "offset"), dead.place_of(place), strict=True))
        tell(dead.redriven(api, body), dead.redrive_text, as_json=as_json)


@secrets_app.command(epilog="example: wire secrets reseal && wire secrets reseal\n\nWhen: docs/sealing-key.md")
def reseal(url: Url = None, key: Key = None, as_json: AsJson = False) -> None:
    """Seal every secret anew with the newest key, so that an older one can go (1: some cannot be opened)."""
    from cli import secrets

    with asking(url, key) as api:
        sums = secrets.resealed(api, complain)
        tell(sums, secrets.in_words, as_json=as_json)
        leave(Exit.FAILED if sums["unreadable"] else Exit.OK)


@subscriptions_app.command(epilog="example: wire subscriptions explain sub_8c1f urn:slugline:desk:9f2c")
def explain(
    subscription: Annotated[str, typer.Argument(metavar="SUBSCRIPTION", help="the subscription's id")],
    story: Story,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Why the newest release of a story goes out to a subscription, or which clause keeps it away."""
    from cli import rehearsing

    with asking(url, key) as api:
        tell(rehearsing.explained(api, subscription, story), rehearsing.explain_text, as_json=as_json)


@subscriptions_app.command(
    epilog="example: wire subscriptions rehearse --section world --keyword ferry --days 14"
    "\n\nexample: wire subscriptions rehearse --filter draft.json"
)
def rehearse(
    file: Annotated[str | None, typer.Option("--filter", help="JSON file of a filter; - is stdin")] = None,
    section: Sections = None,
    keyword: Keywords = None,
    urgency_max: UrgencyMax = None,
    days: Annotated[int, typer.Option(min=1, max=30, help="how far back")] = 7,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """What a filter would have brought in the last days: by day and lane, and the newest stories."""
    from cli import rehearsing

    with asking(url, key) as api:
        wanted = rehearsing.filter_of(file, sections=section, keywords=keyword, urgency_max=urgency_max)
        tell(rehearsing.rehearsed(api, wanted, days), rehearsing.rehearse_text, as_json=as_json)


@audit_app.command("list", epilog="example: wire audit list --story urn:x:1\n\nexample: wire audit list --actor ann")
def list_audit(
    actor: Annotated[str | None, typer.Option(help="only what this person did")] = None,
    story: Annotated[str | None, typer.Option(help="only what was done to this story (or key, or dead letter)")] = None,
    action: Annotated[str | None, typer.Option(help="only this: story.kill, key.issued, dead.redriven")] = None,
    since: Annotated[str | None, typer.Option(help="only entries since then; RFC 3339 with offset")] = None,
    limit: Annotated[int, typer.Option(min=1, max=2000, help="at most so many, the newest ones")] = 50,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Who did what, newest first."""
    from cli import audit

    with asking(url, key) as api:
        answer = audit.listed(api, actor=actor, story=story, action=action, since=since, limit=limit)
        tell(answer, audit.list_text, as_json=as_json)


@audit_app.command(epilog="example: wire audit verify || page-somebody")
def verify(
    since: Annotated[str | None, typer.Option(help="only entries since then; RFC 3339 with offset")] = None,
    url: Url = None,
    key: Key = None,
    as_json: AsJson = False,
) -> None:
    """Follow every writer's chain: is anything changed, missing or moved (3: it is)."""
    from cli import audit

    with asking(url, key) as api:
        answer = audit.verified(api, since)
        tell(answer, audit.verify_text, as_json=as_json)
        leave(Exit.OK if answer["ok"] else Exit.NEEDS_SOMEBODY)


@contextmanager
def ending() -> Iterator[None]:
    """Turn what ends a command into its message and exit code."""
    try:
        yield
    except Ended as ended:
        complain(str(ended))
        raise typer.Exit(ended.code) from None
    except BrokenPipeError:  # whoever read our output has left, `| head` for one
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        raise typer.Exit(Exit.INTERRUPTED) from None


@contextmanager
def asking(url: str | None, key: str | None) -> Iterator[Api]:
    """A client of the wire that is meant, for as long as the command runs."""
    from cli import api, connection

    with ending(), api.Api(connection.find(url, key)) as client:
        yield client


def tell(answer: Any, words: Callable[[Any], str], *, as_json: bool) -> None:
    """Print an answer as one line of JSON, or in words."""
    say(_json(answer) if as_json else words(answer))


def leave(code: Exit) -> None:
    """End the command with a code other than 0; 0 goes on."""
    if code is not Exit.OK:
        raise typer.Exit(code)


def say(line: str) -> None:
    """Print at once: whoever pipes this into something wants to see."""
    print(line, flush=True)


def complain(line: str) -> None:
    """Print to stderr, so that what is piped stays clean."""
    print(line, file=sys.stderr, flush=True)


def _json(answer: Any) -> str:
    return json.dumps(answer, ensure_ascii=False)


def _frame(frame: Any) -> dict[str, Any]:
    return {"id": frame.id, "event": frame.event, "data": frame.data}


if __name__ == "__main__":
    run()
