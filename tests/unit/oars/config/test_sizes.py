"""The sizes that the config assumes of a model are those of its files; a judge elsewhere has bounds of its own."""

import json

from oars.config import JudgeConfig, RunConfig
from oars.config.sizes import generator_token, judge_fault, judge_token
from oars.miniature import MINIATURE, miniature_path


def test_the_miniatures_tokens_are_those_of_its_files() -> None:
    vae = json.loads((miniature_path("generator") / "vae" / "config.json").read_text())
    assert generator_token(MINIATURE) == 2 * 2 ** len(vae["temperal_downsample"])
    picture = json.loads((miniature_path("judge") / "processor_config.json").read_text())["image_processor"]
    side = picture["patch_size"] * picture["merge_size"]
    assert judge_token(MINIATURE) == (side, picture["size"]["shortest_edge"] ** 0.5)


def test_a_small_picture_takes_as_many_tokens_as_the_processor_makes_of_it() -> None:
    data = RunConfig().data.model_copy(update={"crop": 64, "evaluation_crop": 64})
    assert judge_fault(data, JudgeConfig(path="/judge", max_model_len=178), 24) is None
    assert "takes 178 tokens" in str(judge_fault(data, JudgeConfig(path="/judge", max_model_len=177), 24))


def test_a_judge_elsewhere_has_bounds_of_its_own() -> None:
    config = RunConfig.model_validate({"data": {"crop": 1536}, "reward": {"endpoint": "grpc://judge:9000"}})
    assert config.data.crop == 1536
