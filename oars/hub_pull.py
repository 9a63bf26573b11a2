"""Fetches a model of a hub: what it is first, then its files, verified by the hub's own digests and recorded.

Files are collected beside the model's directory, which appears when all of them are verified and on disk. What is
complete there is not fetched again. `HF_ENDPOINT` names a mirror.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HTTPError
from huggingface_hub.hf_api import ModelInfo, RepoSibling

from oars.errors import UserError
from oars.files import partial_directory, publish_directory, sha256, write_text
from oars.hub import HubModel

# Configs, weights, tokenizers, licence and model card; not the same weights again in other formats.
FILES = ("*.json", "*.safetensors", "*.txt", "*.jinja", "*.model", "LICENSE*", "*.md")


class HubFailed(UserError, ConnectionError):
    """A hub that does not answer, or does not have what was asked for; the message is one line."""


class BadDownload(UserError, ValueError):
    """A file that is not what the hub says it is."""


@dataclass(frozen=True)
class Offer:
    """What the hub has, before anything is fetched."""

    model: HubModel
    """With its commit."""
    licence: str
    files: tuple[RepoSibling, ...]

    @property
    def gb(self) -> float:
        return sum(file.size or 0 for file in self.files) / 1e9


def offer(model: HubModel) -> Offer:
    """Raises HubFailed."""
    with _one_line(model):
        info = HfApi(endpoint=_endpoint()).model_info(model.repo, revision=model.revision, files_metadata=True)
    return Offer(
        model.at(str(info.sha)), _licence(info), tuple(file for file in info.siblings or () if _is_wanted(file))
    )


def pull(offer: Offer) -> Path:
    """The model's directory, fetched or there already. Raises HubFailed, BadDownload."""
    model, aside = offer.model, partial_directory(offer.model.directory)
    if model.record.is_file():
        return model.directory
    with _one_line(model):
        snapshot_download(
            model.repo,
            revision=model.revision,
            local_dir=aside,
            allow_patterns=[file.rfilename for file in offer.files],
            endpoint=_endpoint(),
        )
    digests = {file.rfilename: _verified(aside / file.rfilename, file) for file in offer.files}
    shutil.rmtree(aside / ".cache", ignore_errors=True)  # the hub client's own notes
    publish_directory(model.directory)
    record = {"repo": model.repo, "commit": model.revision, "licence": offer.licence, "sha256": digests}
    write_text(model.record, json.dumps(record, indent=2) + "\n")
    return model.directory


def _is_wanted(file: RepoSibling) -> bool:
    return any(Path(file.rfilename).match(pattern) for pattern in FILES)


def _licence(info: ModelInfo) -> str:
    card: Any = info.card_data
    return str(getattr(card, "license_name", None) or getattr(card, "license", None) or "not stated")


def _verified(path: Path, file: RepoSibling) -> str:
    """The file's SHA-256. Raises BadDownload, and removes the file, if it is not the hub's."""
    digest = sha256(path)
    expected, found = (file.lfs.sha256, digest) if file.lfs else (file.blob_id, _git_blob(path))
    if expected is not None and found != expected:
        path.unlink()
        raise BadDownload(f"{file.rfilename}: digest {found}, the hub says {expected}: it was removed; pull again")
    return digest


def _git_blob(path: Path) -> str:
    """The id that git gives to a file's content."""
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _endpoint() -> str | None:
    return os.environ.get("HF_ENDPOINT")


@contextmanager
def _one_line(model: HubModel) -> Iterator[None]:
    try:
        yield
    except (OSError, HTTPError) as error:
        raise HubFailed(f"{model}: {' '.join(str(error).split())[:300]}") from error
