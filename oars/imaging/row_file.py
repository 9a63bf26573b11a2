"""A picture on disk that is written row by row and read in bands, so that a large one needs no memory.

Raw uint8, in a file that is gone when it is closed. It reads like an array: `shape`, and slices of rows.
"""

import tempfile
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


class RowFile:
    """uint8 [height, width, channels]; `height` grows as rows are written."""

    def __init__(self, folder: Path, width: int, channels: int = 3) -> None:
        self._file = tempfile.NamedTemporaryFile(dir=folder, prefix=".rows.", suffix=".partial")  # noqa: SIM115
        self._width, self._channels, self._height = width, channels, 0

    @property
    def path(self) -> Path:
        return Path(self._file.name)

    @property
    def shape(self) -> tuple[int, int, int]:
        return self._height, self._width, self._channels

    def fill(self, bands: Iterable[Pixels]) -> Self:
        """Append bands [n, width, channels]; returns itself."""
        for band in bands:
            self._file.write(np.ascontiguousarray(band).tobytes())
            self._height += len(band)
        self._file.flush()
        return self

    def __getitem__(self, rows: slice) -> Pixels:
        start, stop, _ = rows.indices(self._height)
        row = self._width * self._channels
        pixels = np.fromfile(self.path, np.uint8, max(0, stop - start) * row, offset=start * row)
        return pixels.reshape(-1, self._width, self._channels)

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
