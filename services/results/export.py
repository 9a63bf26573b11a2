"""A finished run's model as a directory that needs nothing of ours: a diffusers pipeline with the aligned transformer,
the LoRA as files for diffusers and ComfyUI, `restore.py` with the network that pre-restores, and a model card.

Weights are copied file by file; no tensor but the LoRA's is read.
"""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

from learner.adapters import evaluated_adapter
from oars.alignment.messages import PolicySnapshot
from oars.config import RunConfig, load_profile
from oars.files import fingerprint, sha256, write_directory
from oars.generator.families import family_in
from oars.generator.lora_files import write_lora
from oars.miniature import MINIATURE, resolve_model
from oars.report.model_card import ModelFacts, model_card
from oars.report.summary import Summary, read_or_unfinished
from oars.restorers import portable
from oars.restorers.weights import weight_files
from oars.safetensors_metadata import copy_with_metadata
from services.run.checkpoints import Checkpoints
from services.run.run_directory import CONFIG, BadRun
from services.run.weights import ALIGNED, run_weights

_LICENCE = re.compile(r"^license:\s*(\S+)\s*$", re.MULTILINE)
_MINIATURE_LICENCE, _UNKNOWN_LICENCE = "apache-2.0", "other"
CARD = "README.md"


def export_run(run: Path, out: Path, licence: str | None) -> ModelFacts:
    """Write `out`, whole or not at all. `licence` None: the one that the base model's card states.

    Raises BadRun, BadSummary, MissingModel, MissingNetwork, BadCheckpoint.
    """
    config = load_profile(run / CONFIG)
    base, adapter = resolve_model(config.generator.path, "generator"), run_adapter(run, config)
    aligned, summary = run_weights(run, ALIGNED), read_or_unfinished(run)
    facts = _facts(run, config, base, adapter, licence)
    network = () if facts.pre_restoration == "none" else weight_files(facts.pre_restoration)
    write_directory(out, _writer(config, base, aligned, adapter, facts, summary, network))
    return facts


def run_adapter(run: Path, config: RunConfig) -> PolicySnapshot:
    """The adapter that the run merged, from its last checkpoint. Raises BadRun, BadCheckpoint."""
    newest = Checkpoints(run / "checkpoints", config.control.keep_checkpoints).newest("step")
    if newest is None:
        raise BadRun(f"run {run.name!r} has no checkpoint: it has not finished")
    return evaluated_adapter(newest)


def _facts(run: Path, config: RunConfig, base: Path, adapter: PolicySnapshot, licence: str | None) -> ModelFacts:
    return ModelFacts(
        run_id=run.name,
        version=adapter.version,
        pipeline=family_in(base).pipeline_class.__name__,
        base_model=base.name if config.generator.path != MINIATURE else MINIATURE,
        base_digest=fingerprint(base / "transformer"),
        lora_on=config.stages.rl_on,
        config_digest=sha256(run / CONFIG),
        licence=licence or stated_licence(base, config.generator.path),
        prompt=config.generator.prompt,
        scale=config.data.scale,
        steps=config.sampler.inference_steps,
        cfg=config.sampler.inference_cfg,
        negative_prompt=config.sampler.negative_prompt,
        pre_restoration=config.generator.pre_restoration,
        show_lr=config.generator.show_lr,
        text_image_area=config.generator.text_image_area,
    )


def stated_licence(directory: Path, path: str) -> str:
    """What the front matter of a model's card says; `other` without one."""
    if path == MINIATURE:
        return _MINIATURE_LICENCE
    card = directory / CARD
    found = _LICENCE.search(card.read_text(encoding="utf-8", errors="replace")) if card.is_file() else None
    return found[1] if found else _UNKNOWN_LICENCE


def _writer(
    config: RunConfig,
    base: Path,
    aligned: Path,
    adapter: PolicySnapshot,
    facts: ModelFacts,
    summary: Summary,
    network: tuple[Path, ...],
) -> Callable[[Path], None]:
    def write(directory: Path) -> None:
        shutil.copytree(base, directory, dirs_exist_ok=True, ignore=shutil.ignore_patterns("transformer", ".*", CARD))
        _copy_weights(aligned, directory / "transformer", facts.metadata())
        family, lora = family_in(base), config.generator.lora
        write_lora(directory / "lora", adapter, lora, family.comfyui_prefix, facts.metadata())
        shutil.copy(family.restore_script, directory / "restore.py")
        if network:
            _carry_network(network, directory / "pre_restoration")
        (directory / "oars.json").write_text(facts.json(), encoding="utf-8")
        (directory / CARD).write_text(model_card(facts, summary), encoding="utf-8")

    return write


def _copy_weights(source: Path, target: Path, metadata: dict[str, str]) -> None:
    target.mkdir()
    for file in sorted(source.iterdir()):
        if file.suffix == ".safetensors":
            copy_with_metadata(file, target / file.name, metadata)
        else:
            shutil.copy(file, target / file.name)


def _carry_network(files: tuple[Path, ...], target: Path) -> None:
    """The published files unchanged, and the code that runs them in torch."""
    shutil.copytree(Path(portable.__file__).parent, target, ignore=shutil.ignore_patterns("__pycache__"))
    for file, name in zip(files, portable.FILES, strict=True):
        shutil.copyfile(file, target / name)
