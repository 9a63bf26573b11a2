"""The LoRA that a generator comes with: `NAME_aligned.safetensors` beside its directory NAME, as `oars export` writes
`lora/diffusers.safetensors`, trained on the generator's own weights."""

from pathlib import Path

from oars.files import fingerprint
from oars.model_files import MissingModel, check_weights
from oars.safetensors_metadata import read_metadata


def aligned_lora(generator: Path) -> Path | None:
    """The file, if there is one. Raises MissingModel where it is cut short, or is of another generator."""
    path = generator.with_name(f"{generator.name}_aligned.safetensors")
    if not path.is_file():
        return None
    check_weights(path)
    if read_metadata(path).get("oars.base_digest") != fingerprint(generator / "transformer"):
        raise MissingModel(f"{path}: trained on other weights than those of {generator}; remove it, or export it again")
    return path
