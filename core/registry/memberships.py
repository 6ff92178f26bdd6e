"""Memberships on disk: one small file a calculation, its ascending mpids as packed differences; whole or not there."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from core.errors import RegistryError
from core.files import whole_file

Mpids = npt.NDArray[np.int64]


class MembershipFiles:
    """A folder of memberships, `NUMBER.parquet` each."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, number: int, members: Mpids) -> str:
        """Keep ascending mpids for a calculation; the name under which they are read."""
        self.folder.mkdir(parents=True, exist_ok=True)
        name = f"{number}.parquet"
        table = pa.table({"mpid": members})
        with whole_file(self.folder / name) as unfinished:
            pq.write_table(
                table,
                unfinished,
                compression="zstd",
                use_dictionary=False,
                column_encoding={"mpid": "DELTA_BINARY_PACKED"},
                write_statistics=False,
            )
        return name

    def read(self, name: str) -> Mpids | None:
        """The mpids of a name, ascending; None where the file is gone. RegistryError where it is damaged."""
        path = self.folder / name
        if not path.exists():
            return None
        try:
            members: Mpids = pq.read_table(path, memory_map=False).column("mpid").to_numpy()
        except (OSError, pa.ArrowException) as error:
            raise RegistryError(
                f"The membership {path} cannot be read: {error}.", "Remove it, then calculate."
            ) from None
        return members

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
