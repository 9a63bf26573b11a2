"""What a run needs of the files on this machine, checked before a cluster starts or a model loads.

`oars align` asks where its cluster will be this machine's, the driver always, the doctor for each by itself.
"""

from pathlib import Path

from oars.config import RunConfig
from oars.generator.sizes import check_sides
from oars.imaging.survey import Survey, survey
from oars.miniature import resolve_model
from reward_server.checkpoint import judge_directory


def check_run(config: RunConfig) -> Survey:
    """Everything, the judge among it unless it is served elsewhere. Raises the user's errors of the parts."""
    if config.reward.endpoint is None:
        judge_directory(config.judge.path)
    return check_inputs(config)


def check_inputs(config: RunConfig) -> Survey:
    """The generator and the photos. Raises MissingModel, BadConfig, NoPhotos."""
    generator_directory(config)
    return survey(config.data)


def generator_directory(config: RunConfig) -> Path:
    """Whole, and of a token size that divides the sides of the run's pictures. Raises MissingModel, BadConfig."""
    directory = resolve_model(config.generator.path, "generator")
    data = config.data
    check_sides(
        directory,
        {"data.crop": data.crop, "data.evaluation_crop": data.evaluation_crop, "sampler.tile": config.sampler.tile},
    )
    return directory
