"""What an export says of itself: `oars.json`, the metadata of its safetensors files, and the model card, README.md."""

import json
from dataclasses import asdict, dataclass

from oars.report.held_out import evaluated_models, headline, rows
from oars.report.names import MODELS
from oars.report.page import environment
from oars.report.summary import Summary
from oars.restorers.weights import LICENCES, SOURCES


@dataclass(frozen=True)
class ModelFacts:
    """Where an exported generator comes from, and what it has to be used with."""

    run_id: str
    version: int
    """Optimiser steps of RL behind the adapter."""
    pipeline: str
    """diffusers' class."""
    base_model: str
    base_digest: str
    """`oars.files.fingerprint` of the base transformer."""
    lora_on: str
    """`base` or `sft`: the weights that the LoRA was trained on."""
    config_digest: str
    """SHA-256 of the run's config.yaml."""
    licence: str
    prompt: str
    scale: int
    steps: int
    """Denoising steps."""
    cfg: float
    """Scale of true classifier-free guidance; 1 is without."""
    negative_prompt: str
    pre_restoration: str
    """Network that restores the photo before it conditions the editor; `none` without."""
    show_lr: bool
    """Whether the editor sees the photo itself, too, as its second picture."""
    text_image_area: int
    """Pixels of the picture that the text encoder sees."""

    def json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    def metadata(self) -> dict[str, str]:
        """For the header of a safetensors file: the fields of the ModelSpec standard, and ours."""
        return {
            "modelspec.sai_model_spec": "1.0.1",
            "modelspec.title": f"{self.base_model} aligned by {self.run_id}",
            "modelspec.architecture": self.pipeline,
            "modelspec.implementation": "https://github.com/huggingface/diffusers",
            "modelspec.license": self.licence,
            "modelspec.trigger_phrase": self.prompt,
        } | {f"oars.{name}": str(value) for name, value in asdict(self).items()}


def model_card(facts: ModelFacts, summary: Summary) -> str:
    """README.md of an exported generator: how to use it, the run's figures, and the reasons to doubt them."""
    alarms = [*summary.warnings]
    if summary.status != "succeeded":
        alarms.append(f"the run {summary.status}: {summary.reason or 'no reason given'}")
    return (
        environment()
        .get_template("model_card.md")
        .render(
            facts=facts,
            summary=summary,
            alarms=alarms,
            network_source=SOURCES.get(facts.pre_restoration),
            network_licence=LICENCES.get(facts.pre_restoration),
            headline=headline(summary),
            models=[MODELS[model] for model in evaluated_models(summary)],
            rows=rows(summary),
        )
    )


def judge_card(judge: str, digest: str, licence: str, training: dict[str, object]) -> str:
    """README.md of an exported judge; `training` is its `oars_judge.json`."""
    return (
        environment()
        .get_template("judge_card.md")
        .render(judge=judge, digest=digest, licence=licence, training=training)
    )
