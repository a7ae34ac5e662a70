"""How is what is finished beyond a committed offset written beside it, so that a restart repeats only the rest? Pure.

A note is the metadata of a commit: ASCII, at most 4 KiB. It names the offset it belongs to, since an offset that is
set by a person must not inherit what was true of another. What cannot be read counts as nothing.

A note ends with a CRC-32 of what is packed: it finds every change within 32 bits in a row (Peterson and Brown, 1961),
and so within any one character. zlib's own checksum, over what was packed, lets one in 1,500 through.
"""

import base64
import zlib
from collections.abc import Iterable, Iterator, Sequence

from shared.platform.offsets import Span

LONGEST_NOTE = 4_096
"""Bytes; what a broker takes unless it is told otherwise (`offset.metadata.max.bytes`)."""
LARGEST_RUNS = 1 << 16
CHECKED = 4
"""Bytes of the checksum."""
RAW = -15
"""`wbits` of DEFLATE with no checksum of its own (RFC 1951)."""
MARK = "done2:"
"""Begins every note of this form; another form gets another number."""


def written(base: int, finished: Sequence[Span], longest: int = LONGEST_NOTE) -> str:
    """The note to commit with offset `base`; "" when nothing is finished beyond it.

    Where it would be longer than `longest` the spans that are farthest away are left out, to be handled again.
    """
    if not finished:
        return ""
    whole = _note(base, finished)
    if len(whole) <= longest:
        return whole
    fits, too_many = 0, len(finished)
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if len(_note(base, finished[:middle])) <= longest:
            fits = middle
        else:
            too_many = middle
    return _note(base, finished[:fits]) if fits else ""


def read(base: int, note: str) -> list[Span]:
    """The spans in a note that was committed with offset `base`; none where it is not ours, broken, or of another."""
    if not note.startswith(MARK):
        return []
    try:
        return _spans(base, _unpacked(base64.b85decode(note[len(MARK) :])))
    except (ValueError, zlib.error):
        return []


def _note(base: int, finished: Iterable[Span]) -> str:
    runs = bytearray(_varint(base))
    upto = base
    for start, end in finished:
        runs += _varint(start - upto) + _varint(end - start)
        upto = end
    packed = zlib.compress(runs, 6, RAW)
    return MARK + base64.b85encode(packed + _checksum(packed)).decode("ascii")


def _checksum(packed: bytes) -> bytes:
    return zlib.crc32(packed).to_bytes(CHECKED, "little")


def _unpacked(checked: bytes) -> bytes:
    packed = checked[:-CHECKED]
    if _checksum(packed) != checked[-CHECKED:]:
        raise ValueError("broken")
    unpacking = zlib.decompressobj(RAW)
    runs = unpacking.decompress(packed, LARGEST_RUNS)
    if not unpacking.eof or unpacking.unused_data:
        raise ValueError("cut off, or with something behind it")
    return runs


def _spans(base: int, runs: bytes) -> list[Span]:
    numbers = _numbers(runs)
    if next(numbers, None) != base:
        return []
    spans: list[Span] = []
    upto = base
    for skipped in numbers:
        length = next(numbers, 0)
        if not skipped or not length:
            raise ValueError("runs take turns, and none is empty")
        spans.append((upto + skipped, upto + skipped + length))
        upto += skipped + length
    return spans


def _varint(number: int) -> bytes:
    """Seven bits a byte, lowest first; the high bit says that more follow."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _numbers(runs: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in runs:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield number
            number = shift = 0
    if shift:
        raise ValueError("the last number does not end")
