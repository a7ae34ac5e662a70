"""What may a WebSocket client say? Pings, a close, and in our subprotocol what it has done with and what it wants."""

import asyncio
import json
import time
from typing import Any, Final

from pydantic import ValidationError

from services.gateway.stream import frames
from services.gateway.stream.admission import Admission
from services.gateway.stream.clients import Client, Home
from services.gateway.stream.filter_groups import FilterGroup
from services.gateway.stream.filter_query import errors_of
from services.gateway.stream.handshake import SUBPROTOCOL
from services.gateway.stream.websocket import (
    Broken,
    CloseCode,
    Inbox,
    Message,
    Opcode,
    close_code_of,
    close_frame,
    frame,
    text_of,
)
from shared.domain.subscription import Filter

WINDOW_S: Final = 10.0
MOST_IN_WINDOW: Final = 10_000
"""What a client may say within `WINDOW_S`: a message counts one, a change of filter `FILTER_COSTS`."""
FILTER_COSTS: Final = 100


class SocketClient(Client):
    """A stream that listens. What is not understood is answered `refused`; what breaks the protocol ends it."""

    __slots__ = ("_deaf", "_inbox", "_said", "_speaks", "_window")

    def __init__(
        self,
        home: Home,
        transport: asyncio.Transport,
        admission: Admission,
        group: FilterGroup,
        connections: set[Any],
        number: int,
    ) -> None:
        super().__init__(home, transport, admission, group, connections, number)
        self._speaks = admission.upgrade is not None and admission.upgrade.subprotocol == SUBPROTOCOL
        self._inbox: Inbox | None = None  # made when the client first says something: most never do
        self._deaf = False  # its close frame has come, or nonsense
        self._said = 0
        self._window = 0.0

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        if self._inbox is None:
            self._inbox = Inbox()
        try:
            for message in self._inbox.take(data):
                self._hear(message)
        except Broken as broken:
            self.hang_up("refused", close_frame(broken.code, str(broken)))
            self._deaf = True  # what else it says makes no sense

    def close(self) -> None:
        """Whoever closes first waits for the other's close frame (section 7.1.1); `hang_up` sees to the end of that."""
        if self._deaf:
            super().close()

    def _hear(self, message: Message) -> None:
        if self._deaf:
            return
        self._count(1)
        if message.opcode is Opcode.CLOSE:
            code = close_code_of(message.payload)
            self._deaf = True
            self.hang_up("left", close_frame(code))
            self.close()
        elif self.ended:
            return  # only its close frame is awaited
        elif message.opcode is Opcode.PING:
            if self.takes():  # only the last of several needs an answer (section 5.5.3)
                self.write(frame(Opcode.PONG, message.payload))
        elif message.opcode is Opcode.BINARY:
            raise Broken(CloseCode.UNSUPPORTED_DATA, "text only")
        elif message.opcode is Opcode.TEXT:
            self._understand(text_of(message.payload))

    def _understand(self, text: str) -> None:
        if not self._speaks:
            raise Broken(CloseCode.UNSUPPORTED_DATA, f"offer the subprotocol {SUBPROTOCOL} to say something")
        try:
            said = json.loads(text)
        except (ValueError, RecursionError):
            self._refuse("", "not JSON")
            return
        match said:
            case {"ack": str(cursor), **more} if not more:
                if not self._home.acknowledge(self, cursor):
                    self._refuse("ack", "not an id that this connection was sent")
            case {"filter": dict(asked), **more} if not more:
                self._count(FILTER_COSTS)
                self._change_filter(asked)
            case _:
                self._refuse("", 'say {"ack": "<id>"} or {"filter": {…}}')

    def _change_filter(self, asked: dict[str, Any]) -> None:
        if not self.greeted:
            self._refuse("filter", "wait for hello")
            return
        try:
            wanted = Filter.model_validate(asked)
        except ValidationError as error:
            self.refuse(errors_of(error))
            return
        self._home.change_filter(self, wanted)

    def _refuse(self, parameter: str, message: str) -> None:
        self.refuse([{"parameter": parameter, "message": message}])

    def refuse(self, errors: list[dict[str, str]]) -> None:
        """Answer a message that changed nothing."""
        self.group.dialect.count("refused")
        self.write(frames.refused(self.group.dialect, errors))

    def _count(self, cost: int) -> None:
        now = time.monotonic()
        if now - self._window > WINDOW_S:
            self._window, self._said = now, 0
        self._said += cost
        if self._said > MOST_IN_WINDOW:
            raise Broken(CloseCode.POLICY_VIOLATION, "too much is said")
