"""A watched folder: each file that is put there is filed, then moved to `filed/`, or to `refused/` with the reason."""

import asyncio
import shutil
from dataclasses import dataclass, field
from pathlib import Path

from services.ingest import reading
from services.ingest.handlers import Asked, Door
from services.ingest.parsed import TooLarge, Unparsable
from services.ingest.ports import Quarantine
from services.ingest.reading import DUMP_TYPE, UnsupportedType
from shared.domain.errors import Undecodable
from shared.domain.state import Principal
from shared.platform.logs import logger
from shared.platform.publishing import PublishError

LOOK_EVERY_S = 1.0
FILED, REFUSED = "filed", "refused"
LARGEST = 10 * 1024 * 1024
IGNORED = (".", "~")


@dataclass(slots=True)
class FolderWatch:
    """One folder. A file is taken once its size has not changed between two looks: it may still be written."""

    folder: Path
    door: Door
    quarantine: Quarantine
    principal: Principal
    every: float = LOOK_EVERY_S
    _sizes: dict[Path, tuple[int, int]] = field(default_factory=dict)

    async def run(self, stop: asyncio.Event) -> None:
        """Job: look every `every` seconds until `stop`."""
        for name in (FILED, REFUSED):
            await asyncio.to_thread((self.folder / name).mkdir, parents=True, exist_ok=True)
        while not stop.is_set():
            await self.look()
            try:
                async with asyncio.timeout(self.every):
                    await stop.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """File what has come to rest since the last look, oldest first."""
        sizes = await asyncio.to_thread(_sizes, self.folder)
        settled = [file for file, size in sizes.items() if self._sizes.get(file) == size]
        self._sizes = sizes
        for file in settled:
            await self._take(file)

    async def _take(self, file: Path) -> None:
        try:
            body = await asyncio.to_thread(_read, file)
            parsed = await asyncio.to_thread(reading.parse, body, _type_of(file))
        except FileNotFoundError:
            return  # somebody took it back
        except (Unparsable, TooLarge, UnsupportedType) as error:
            await self._refuse(file, error)
            return
        try:
            if parsed.pub_status == "usable":
                accepted = await self.door.file(parsed, Asked(), self.principal)
            else:
                accepted = await self.door.cancel(parsed, Asked(), self.principal)
        except PublishError:
            logger().warning("folder.waits", file=file.name, reason="the log does not confirm")
            return  # it stays where it is and is taken at a later look
        await asyncio.to_thread(_move, file, self.folder / FILED)
        logger().info("folder.filed", file=file.name, story_id=accepted.story_id, event_id=accepted.event_id)

    async def _refuse(self, file: Path, error: Exception) -> None:
        body = await asyncio.to_thread(_read, file) if not isinstance(error, TooLarge) else b""
        try:
            if body:
                await self.quarantine.park_bytes(f"file {file.name}", body, Undecodable(str(error)), "folder")
        except PublishError:
            return
        target = await asyncio.to_thread(_move, file, self.folder / REFUSED)
        await asyncio.to_thread(target.with_name(f"{target.name}.reason").write_text, f"{error}\n")
        logger().warning("folder.refused", file=file.name, reason=str(error)[:200])


def _sizes(folder: Path) -> dict[Path, tuple[int, int]]:
    found = [(file, file.stat()) for file in folder.iterdir() if file.is_file() and not file.name.startswith(IGNORED)]
    found.sort(key=lambda each: each[1].st_mtime_ns)
    return {file: (stat.st_size, stat.st_mtime_ns) for file, stat in found}


def _read(file: Path) -> bytes:
    if file.stat().st_size > LARGEST:
        raise TooLarge("the file", file.stat().st_size, LARGEST)
    return file.read_bytes()


def _move(file: Path, to: Path) -> Path:
    """Move without overwriting what came under the same name before."""
    target, number = to / file.name, 1
    while target.exists():
        number += 1
        target = to / f"{file.stem}-{number}{file.suffix}"
    return Path(shutil.move(file, target))


def _type_of(file: Path) -> str:
    return "application/json" if file.suffix.lower() in {".json", ".ninjs"} else DUMP_TYPE
