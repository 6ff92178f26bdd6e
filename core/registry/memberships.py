"""Memberships on disk: one small file a calculation, whole or not there.

A file is one zstd frame with a checksum: the differences of the ascending mpids as unsigned 64-bit numbers, their
lowest bytes first, then their second bytes, and so on. Spread-out mpids take some 6 bytes each, dense ones nearly none.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import zstandard

from core.errors import RegistryError
from core.files import whole_file

Mpids = npt.NDArray[np.int64]


class MembershipFiles:
    """A folder of memberships, `NUMBER.zst` each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, number: int, members: Mpids) -> str:
        """Keep ascending mpids for a calculation; the name under which they are read."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{number}.zst"
        # Differences of wrapping unsigned numbers: the way from -2^63 to 2^63 - 1 fits too.
        steps = np.diff(members.astype("<u8", copy=False), prepend=np.uint64(0)).astype("<u8", copy=False)
        planes = np.ascontiguousarray(steps.view(np.uint8).reshape(-1, 8).T)
        with whole_file(self.folder / name) as unfinished:
            unfinished.write_bytes(zstandard.ZstdCompressor(level=1, write_checksum=True).compress(planes.tobytes()))
        return name

    def read(self, name: str) -> Mpids | None:
        """The mpids of a name, ascending; None where the file is gone. RegistryError where it is damaged."""
        path = self.folder / name
        try:
            planes = zstandard.ZstdDecompressor().decompress(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, zstandard.ZstdError) as error:
            raise RegistryError(f"{path}: cannot be read: {error}.", "Remove it, then calculate again.") from None
        steps = np.ascontiguousarray(np.frombuffer(planes, np.uint8).reshape(8, -1).T).view("<u8")[:, 0]
        return np.cumsum(steps, dtype=np.uint64).view(np.int64)

    def remove(self, names: Iterable[str]) -> None:
        """Remove what is no longer asked for."""
        for name in names:
            (self.folder / name).unlink(missing_ok=True)

    def sweep(self, kept: frozenset[int]) -> None:
        """Remove the files of all other calculations: of deleted audiences, and of processes that died writing."""
        for path in self.folder.glob("*") if self.folder.is_dir() else ():
            number = path.name.lstrip(".").partition(".")[0]
            if number.isdecimal() and int(number) not in kept:
                path.unlink(missing_ok=True)


def compared(before: Mpids, after: Mpids) -> tuple[int, int]:
    """How many came and how many went between two ascending memberships."""
    if not len(before) or not len(after):
        return len(after), len(before)
    places = np.searchsorted(before, after)
    places[places == len(before)] = 0
    common = int(np.count_nonzero(before[places] == after))
    return len(after) - common, len(before) - common


def united(memberships: Iterable[Mpids]) -> int:
    """How many different mpids some memberships hold."""
    found = [each for each in memberships if len(each)]
    return len(np.unique(np.concatenate(found))) if found else 0


def holds(members: Mpids, mpid: int) -> bool:
    """Whether an ascending membership holds an mpid."""
    at = int(np.searchsorted(members, mpid))
    return at < len(members) and int(members[at]) == mpid
