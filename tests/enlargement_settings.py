"""Settings of `oars upscale` on the tiny generator."""

from oars.config import RunConfig
from services.results.enlargements import Settings


def settings_of(config: RunConfig, candidates: int = 1, judge: str | None = None) -> Settings:
    return Settings(
        generator="tiny",
        weights_digest="",
        scale=4,
        model_scale=4,
        sampler=config.sampler,
        colour="low_pass",
        seed=0,
        candidates=candidates,
        judge=judge,
    )
