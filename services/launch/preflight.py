"""Checks the files that a run needs, before a cluster starts or a model loads.

`oars align` asks where its cluster will be this machine's, the driver always, the doctor for each by itself.
"""

from oars.compass.data.run_pictures import LEAST_PHOTOS
from oars.compass.reward import Reward
from oars.config import RunConfig
from oars.imaging.photos import NoPhotos
from oars.imaging.survey import Survey, survey
from oars.miniature import resolve_model
from oars.restorers.weights import weight_files
from oars.sft_weights import check_sft_weights
from reward_server.checkpoint import find_judge
from services.control.measured_fidelity import fidelity_is_measured, judge_labels
from services.reward_modeling.refresh_settings import check_refresh


def check_run(config: RunConfig) -> Survey:
    """Everything, the judge among it unless it is served elsewhere. Raises the user's errors of the parts."""
    reward = Reward.load(config.reward.function, config.reward.parameters)
    if config.reward.endpoint is None:
        find_judge(config.judge)
    if fidelity_is_measured(config, reward):
        judge_labels(config.judge)
    return check_inputs(config)


def check_inputs(config: RunConfig) -> Survey:
    """The generator, the photos, the metrics by name and the judge's refresh. Raises MissingModel, TooManyPictures,
    MissingNetwork, NoPhotos, NoMetric, BadConfig."""
    if config.metrics:
        # Loading torch takes seconds, which a run without such metrics need not wait for.
        from oars.metrics.by_name import check_metrics

        check_metrics(config.metrics)
    directory = resolve_model(config.generator.path, "generator")
    if config.generator.show_lr:
        # Loading diffusers takes seconds, which a run with one picture need not wait for.
        from oars.generator.families import check_pictures, family_in

        check_pictures(family_in(directory), config.generator)
    check_sft_weights(config)
    check_refresh(config)
    if config.generator.pre_restoration != "none":
        weight_files(config.generator.pre_restoration)
    found = survey(config.data, config.seed)
    check_shown(config, len(found.train))
    return found


def check_shown(config: RunConfig, photos: int) -> None:
    """That FR-RL shows as many of its training photos as the refresh needs. Raises NoPhotos."""
    stage = config.stages.fr_rl
    if config.stages.refresh and min(photos, crops := stage.steps * stage.groups) < LEAST_PHOTOS:
        raise NoPhotos(
            f"stages.refresh: pictures of {LEAST_PHOTOS} photos are needed, and FR-RL would show {crops} crops "
            f"(stages.fr_rl: steps x groups) of {photos} photos (data.photos)"
        )
