"""SFT weights of the user's own (`stages.cold_start.weights`), checked by their headers before a cluster starts."""

from oars.config import RunConfig
from oars.errors import naming
from oars.miniature import resolve_model
from oars.model_files import MissingModel, check_model
from oars.model_sizes import weight_shapes

_FIELD = "stages.cold_start.weights"


def check_sft_weights(config: RunConfig) -> None:
    """A diffusers transformer, whole, with the base's tensors; nothing where none is named. Raises MissingModel."""
    if (directory := config.stages.cold_start.weights) is None:
        return
    with naming(_FIELD, MissingModel):
        check_model(directory)
    base = resolve_model(config.generator.path, "generator") / "transformer"
    ours, theirs = weight_shapes(directory), weight_shapes(base)
    if different := sorted(name for name in ours | theirs if ours.get(name) != theirs.get(name)):
        name = different[0]
        raise MissingModel(
            f"{_FIELD}: {directory} is no transformer of {base}: {len(different)} tensors differ, {name} is "
            f"{ours.get(name, 'missing')}, not {theirs.get(name, 'there')}"
        )
