"""The embedded judge from random weights, by the very commands that anyone makes one with: curate, annotate, train."""

import asyncio
import shutil
from pathlib import Path

from oars.compass.self_test import write_self_test
from oars.compass.training.files import JudgeFiles
from oars.config.annotation import load_annotation
from oars.config.curation import CurationConfig, GeneratorEnhancerConfig, load_curation
from oars.config.judge_training import load_training
from oars.deployment import deploy_path
from services.launch.cluster import cluster
from services.reward_modeling.annotation import Annotation
from services.reward_modeling.curation import curate
from services.reward_modeling.training import keep_config, train_judge
from services.run.progress import progress


def build_judge(out: Path, work: Path, seed: int) -> None:
    """Make `out / "judge"` with data from `out / "generator"`; what is finished under `work` is not made again."""
    data = with_generator(load_curation(deploy_path("compass/laptop.yaml")), out / "generator")
    training = load_training(deploy_path("compass/train-scratch.yaml"), [f"seed={seed}"])
    files = JudgeFiles((work / "training").absolute(), (work / "data").absolute())
    keep_config(training, files)
    with cluster(max(2, training.cpus) + 2, None), progress() as shown:
        curate(data, files.data, shown)
        Annotation(load_annotation(deploy_path("compass/annotation.yaml")), files.data, shown).run()
        asyncio.run(train_judge(training, files, shown))
    shutil.copytree(files.judge, out / "judge", dirs_exist_ok=True)
    write_self_test(out / "judge")


def with_generator(config: CurationConfig, generator: Path) -> CurationConfig:
    """The config with every generator enhancer on the weights in `generator`."""
    path = str(generator.absolute())
    enhancers = tuple(
        enhancer.model_copy(update={"generator": enhancer.generator.model_copy(update={"path": path})})
        if isinstance(enhancer, GeneratorEnhancerConfig)
        else enhancer
        for enhancer in config.enhancers
    )
    return config.model_copy(update={"enhancers": enhancers})
