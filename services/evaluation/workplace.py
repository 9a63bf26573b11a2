"""The directory of an evaluation: filled beside its place, picture by picture, and then given its name as a whole.

    OUT/<benchmark>/lr/<picture>.png  hr/<picture>.png               the inputs: a benchmark folder again
    OUT/<benchmark>/models/<model>/<picture>.png  <picture>.json     an output, and what was measured of it
    OUT/settings.json  results.json  pictures.parquet  table.md  table.html  table.tex

What a kill leaves is gone on with. An evaluation that is finished can be extended by models, metrics and pictures: its
files are linked into the new directory. Settings that inputs depend on must then be those of before.
"""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, RootModel

from oars.errors import UserError
from oars.files import check_folder, partial_directory, publish_directory, remove_partial, write_text
from oars.imaging.crops import Pair
from oars.imaging.image_io import Pixels, read_image, write_png
from oars.json_files import read_json
from oars.names import printable

SETTINGS = "settings.json"


class BadWorkplace(UserError, ValueError):
    """A directory that cannot be gone on with; the message is one line naming it."""


class _Settings(RootModel[dict[str, Any]]):
    """settings.json: what the inputs depend on."""


class Answers(BaseModel):
    """What was found out about an output."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    asked: str
    """Digest of the question: metrics by name, or the judge."""
    values: dict[str, float]
    """What has no value is not there."""


class Cell(BaseModel):
    """One output as it was made and measured."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    made: str
    """Digest of all that the output depends on."""
    seconds: float
    """Wall clock of the enlargement."""
    metrics: Answers | None = None
    """None: not measured yet."""
    readings: Answers | None = None
    """COMPASS; None: not judged."""


@dataclass(frozen=True)
class Workplace:
    """Paths and files of an evaluation that is being made."""

    out: Path

    @property
    def root(self) -> Path:
        return partial_directory(self.out)

    def begin(self, settings: dict[str, Any]) -> None:
        """Raises BadWorkplace where OUT is no evaluation, or one with other settings; NotWritable."""
        if self.out.is_file():
            raise BadWorkplace(f"{printable(self.out)}: is a file; choose another --out")
        if not self.root.exists() and self.out.exists() and any(self.out.iterdir()):
            if not (self.out / SETTINGS).is_file():
                raise BadWorkplace(f"{printable(self.out)}: holds something else; choose another --out")
            shutil.copytree(self.out, self.root, copy_function=os.link)
        check_folder(self.root)
        remove_partial(self.root)
        path = self.root / SETTINGS
        before = read_json(path, _Settings, BadWorkplace).root if path.is_file() else {}
        for name in sorted(before.keys() & settings.keys()):
            if before[name] != settings[name]:
                raise BadWorkplace(
                    f"{printable(self.out)}: was made with {name} {before[name]}, not {settings[name]}; choose "
                    "another --out"
                )
        write_text(path, json.dumps(before | settings, indent=1) + "\n")

    def publish(self) -> None:
        publish_directory(self.out)

    def keep_input(self, benchmark: str, pair: Pair) -> None:
        """The LR last: an input that has one is whole."""
        if pair.gt is not None:
            write_png(self._input(benchmark, "hr", pair.image_id), pair.gt)
        write_png(self._input(benchmark, "lr", pair.image_id), pair.lr)

    def has_input(self, benchmark: str, picture: str) -> bool:
        return self._input(benchmark, "lr", picture).is_file()

    def input(self, benchmark: str, picture: str) -> Pair:
        gt = self._input(benchmark, "hr", picture)
        lr = read_image(self._input(benchmark, "lr", picture))
        return Pair(picture, lr, read_image(gt) if gt.is_file() else None)

    def output(self, benchmark: str, model: str, picture: str) -> Path:
        return self.root / benchmark / "models" / model / f"{picture}.png"

    def cell(self, benchmark: str, model: str, picture: str) -> Cell | None:
        """Raises BadWorkplace."""
        path = self._cell(benchmark, model, picture)
        return read_json(path, Cell, BadWorkplace) if path.is_file() else None

    def keep_output(self, benchmark: str, model: str, picture: str, pixels: Pixels, cell: Cell) -> None:
        """The picture before its cell: a cell that is there has its picture."""
        self._cell(benchmark, model, picture).unlink(missing_ok=True)
        write_png(self.output(benchmark, model, picture), pixels)
        self.keep_cell(benchmark, model, picture, cell)

    def keep_cell(self, benchmark: str, model: str, picture: str, cell: Cell) -> None:
        write_text(self._cell(benchmark, model, picture), cell.model_dump_json())

    def _cell(self, benchmark: str, model: str, picture: str) -> Path:
        return self.output(benchmark, model, picture).with_name(f"{picture}.json")

    def _input(self, benchmark: str, kind: str, picture: str) -> Path:
        return self.root / benchmark / kind / f"{picture}.png"
