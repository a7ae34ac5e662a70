"""What does a receiver answer, and when has it said more than we listen to?

Nothing here touches a socket: bytes go in, in any pieces, and what is believed of them comes out.
"""

from typing import Final

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from services.distribution.adapters import wording
from services.distribution.adapters.budgets import Budgets
from services.distribution.outcome import Unreachable

STEP: Final = 4 * 1024  # what is parsed before the limits are looked at: one read may hold 9,000 interim answers


class AnswerReader:
    """Reads the answers that come over one connection, one after the other, each begun with `begin`.

    The parser refuses two lengths, a length beside chunks, and whatever else leaves open where an answer ends.
    Interim answers (1xx but for 101) are read past. `status` is 0 until the head of the final answer is whole;
    `trouble` says what kept the answer from being whole; `reusable` whether the next may come over the same
    connection. Of the body nothing is kept but the excerpt, as it travelled: never inflated.
    """

    __slots__ = (
        "_after_head", "_budgets", "_fault", "_framed", "_line", "_parser", "_since_line", "_whole",
        "excerpt", "received", "retry_after", "reusable", "status", "trouble",
    )  # fmt: skip

    def __init__(self, budgets: Budgets) -> None:
        self._budgets = budgets
        self._line = budgets.line
        self._parser = HttpResponseParser(self)
        self.begin()

    def begin(self) -> None:
        """Forget the last answer and expect another."""
        self.status = 0
        self.received = 0
        self.excerpt = b""
        self.retry_after: list[str] = []
        self.reusable = False
        self.trouble: Unreachable | None = None
        self._whole = False
        self._framed = False
        self._fault: Unreachable | None = None
        self._since_line = 0
        self._after_head = 0

    def feed(self, data: bytes) -> bool:
        """Take in bytes of the answer; return True once it is over, whole or not: feed no more then."""
        if len(data) <= STEP:
            return self._step(data)
        for start in range(0, len(data), STEP):
            if self._step(data[start : start + STEP]):
                self.reusable = self.reusable and start + STEP >= len(data)  # else: bytes nobody asked for
                return True
        return False

    def end(self, *, cleanly: bool) -> None:
        """The connection has ended. That is the end of an answer too when nothing else announced one."""
        self.reusable = False
        if not self.received:
            self.trouble = wording.NO_ANSWER
        elif not self.status:
            self.trouble = wording.CUT_INSIDE
        elif self._framed or not cleanly:
            self.trouble = wording.CUT_SHORT

    def give_up(self, trouble: Unreachable) -> None:
        """Nothing more is waited for."""
        self.trouble = trouble
        self.reusable = False

    def _step(self, data: bytes) -> bool:
        in_body = self.status != 0
        self.received += len(data)
        self._since_line += len(data)
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade):
            self.reusable = False
            if not self._whole:
                self._fault = self._fault or wording.NOT_HTTP
        if self._fault is not None:
            self.give_up(self._fault)
            return True
        if self._whole:
            return True
        return self._is_enough(len(data)) if in_body else self._is_endless()

    def _is_enough(self, more: int) -> bool:
        """Stop listening behind the head after so many bytes, be they body, chunk extensions or trailers."""
        self._after_head += more
        if self._after_head < self._budgets.body:
            return False
        self.reusable = False
        return True

    def _is_endless(self) -> bool:
        if self.status:
            return False
        if self.received > self._budgets.head or self._since_line > self._line + STEP:  # a step may end lines before it
            self.give_up(wording.NO_END)
            return True
        return False

    # What httptools calls while it is fed.

    def on_message_begin(self) -> None:
        if self._whole:
            self.reusable = False  # a second answer to one request

    def on_header(self, name: bytes, value: bytes) -> None:
        self._since_line = 0
        if self.status:
            return  # a trailer, or the head of an answer nobody asked for
        size = len(name)
        if size + len(value) > self._line:
            self._fault = wording.NO_END
        elif size == 11 and name.lower() == b"retry-after":
            self.retry_after.append(value.decode("latin-1"))
        elif (size == 14 and name.lower() == b"content-length") or (
            size == 17 and name.lower() == b"transfer-encoding" and value.lower().endswith(b"chunked")
        ):
            self._framed = True

    def on_headers_complete(self) -> None:
        self._since_line = 0
        if self._whole or self._fault is not None:
            return
        status = self._parser.get_status_code()
        if status >= 200 or status == 101:
            self.status = status
            self.reusable = self._parser.should_keep_alive()
        elif status < 100:
            self._fault = wording.NOT_HTTP

    def on_body(self, data: bytes) -> None:
        room = self._budgets.excerpt - len(self.excerpt)
        if room > 0 and not self._whole:
            self.excerpt += data[:room]

    def on_message_complete(self) -> None:
        if self.status:
            self._whole = True
        else:  # an interim answer: what it said counts for nothing
            self.retry_after.clear()
            self._framed = False
