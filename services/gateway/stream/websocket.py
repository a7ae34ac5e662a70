"""How do messages travel over a WebSocket (RFC 6455)? Frames of ours are bytes made once; frames of clients are read
strictly."""

import base64
import hashlib
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

MOST_MESSAGE: Final = 64 * 1024
"""Bytes of one message of a client, in one frame or many."""

_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_MOST_CONTROL: Final = 125
_SENT_CODES: Final = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015), *range(3000, 5000)})


class CloseCode(IntEnum):
    """Why we end a connection (RFC 6455 section 7.4.1 and the IANA registry)."""

    NORMAL = 1000
    PROTOCOL_ERROR = 1002
    UNSUPPORTED_DATA = 1003
    INVALID_DATA = 1007
    POLICY_VIOLATION = 1008
    TOO_BIG = 1009
    SERVICE_RESTART = 1012
    TRY_AGAIN_LATER = 1013


class Opcode(IntEnum):
    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


class Broken(Exception):
    """The client broke the protocol or a bound; the connection ends with `code`."""

    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Message(NamedTuple):
    """A whole message or a control frame, unmasked."""

    opcode: Opcode
    payload: bytes


class _Frame(NamedTuple):
    final: bool
    opcode: Opcode
    payload: bytes
    end: int


def accept_of(key: str) -> str:
    """Return what answers a `Sec-WebSocket-Key` (section 4.2.2)."""
    return base64.b64encode(hashlib.sha1(key.encode("ascii") + _GUID, usedforsecurity=False).digest()).decode("ascii")


def is_key(key: str) -> bool:
    """Tell whether this is a nonce of 16 bytes in base64 (section 4.1)."""
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except ValueError:
        return False


def frame(opcode: Opcode, payload: bytes) -> bytes:
    """Return one final, unmasked frame."""
    first, size = 0x80 | opcode, len(payload)
    if size < 126:
        return bytes((first, size)) + payload
    if size < 1 << 16:
        return bytes((first, 126)) + size.to_bytes(2, "big") + payload
    return bytes((first, 127)) + size.to_bytes(8, "big") + payload


def text_frame(payload: bytes) -> bytes:
    return frame(Opcode.TEXT, payload)


def close_frame(code: int, reason: str = "") -> bytes:
    """Return a close frame; of a long reason its beginning is told."""
    told = reason.encode()[: _MOST_CONTROL - 2].decode(errors="ignore").encode()
    return frame(Opcode.CLOSE, code.to_bytes(2, "big") + told)


def close_code_of(payload: bytes) -> int:
    """Return the code that answers a client's close frame; raises Broken for a payload that must not be."""
    if not payload:
        return CloseCode.NORMAL
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or code not in _SENT_CODES:
        raise Broken(CloseCode.PROTOCOL_ERROR, "not a close code")
    text_of(payload[2:])
    return code


def text_of(payload: bytes) -> str:
    """Return text; raises Broken for what is not UTF-8."""
    try:
        return payload.decode()
    except UnicodeDecodeError:
        raise Broken(CloseCode.INVALID_DATA, "text must be UTF-8") from None


class Inbox:
    """Puts a client's bytes together to messages. Holds at most one unfinished message and one unfinished frame."""

    __slots__ = ("_bytes", "_opcode", "_parts")

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._opcode: Opcode | None = None
        self._parts = bytearray()

    def take(self, data: bytes) -> Iterator[Message]:
        """Yield what is complete. Raises Broken at the first thing that must not be, as soon as its head is there."""
        self._bytes += data
        at = 0
        try:
            while (found := self._frame(at)) is not None:
                at = found.end
                if (message := self._joined(found)) is not None:
                    yield message
        finally:
            del self._bytes[:at]

    def _frame(self, at: int) -> _Frame | None:
        """The frame that begins there, once it is complete."""
        held = self._bytes
        if len(held) < at + 2:
            return None
        first, second = held[at], held[at + 1]
        opcode = _opcode_of(first, second)
        size, body = second & 0x7F, at + 2
        if size > _MOST_CONTROL:
            width = 2 if size == 126 else 8
            if len(held) < body + width:
                return None
            size = int.from_bytes(held[body : body + width], "big")
            body += width
            if size < 126 or (width == 8 and not 1 << 16 <= size < 1 << 63):
                raise Broken(CloseCode.PROTOCOL_ERROR, "a length is written in as few bytes as it needs")
        self._check(opcode, final=bool(first & 0x80), size=size)
        end = body + 4 + size
        if len(held) < end:
            return None
        return _Frame(bool(first & 0x80), opcode, _unmasked(held[body : body + 4], held[body + 4 : end]), end)

    def _check(self, opcode: Opcode, *, final: bool, size: int) -> None:
        if opcode >= Opcode.CLOSE:
            if not final or size > _MOST_CONTROL:
                raise Broken(CloseCode.PROTOCOL_ERROR, "a control frame is whole and small")
            return
        if (opcode is Opcode.CONTINUATION) == (self._opcode is None):
            raise Broken(CloseCode.PROTOCOL_ERROR, "a message is continued to its end before the next one")
        if len(self._parts) + size > MOST_MESSAGE:
            raise Broken(CloseCode.TOO_BIG, f"a message may have {MOST_MESSAGE} bytes")

    def _joined(self, found: _Frame) -> Message | None:
        if found.opcode >= Opcode.CLOSE:
            return Message(found.opcode, found.payload)
        if found.final and self._opcode is None:
            return Message(found.opcode, found.payload)
        self._parts += found.payload
        opcode = self._opcode if self._opcode is not None else found.opcode
        if not found.final:
            self._opcode = opcode
            return None
        whole = Message(opcode, bytes(self._parts))
        self._opcode = None
        self._parts.clear()
        return whole


def _opcode_of(first: int, second: int) -> Opcode:
    if first & 0x70:
        raise Broken(CloseCode.PROTOCOL_ERROR, "no extension was agreed on")
    if not second & 0x80:
        raise Broken(CloseCode.PROTOCOL_ERROR, "a client masks its frames")
    try:
        return Opcode(first & 0x0F)
    except ValueError:
        raise Broken(CloseCode.PROTOCOL_ERROR, "there is no such opcode") from None


def _unmasked(mask: bytearray, payload: bytearray) -> bytes:
    size = len(payload)
    pattern = (bytes(mask) * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(pattern, "big")).to_bytes(size, "big")
