"""Records of a curation: curation.yaml, the data card README.md, and manifest.json, which is written last."""

from pathlib import Path

import yaml

from oars.compass.data.curation import Shards
from oars.compass.data.dataset import CURATION, MANIFEST, SCHEMA_VERSION, Manifest, PhotoEntry, manifest_digest
from oars.compass.data.enhancers import entry_of
from oars.config.curation import CurationConfig
from oars.files import remove_partial, sha256, write_text
from oars.imaging.credits import credit_of

CARD = "README.md"


def write_record(config: CurationConfig, out: Path, planned: Shards) -> Manifest:
    """Seal the shards that `config` asks for; others that lie there are not listed and never read."""
    remove_partial(out)
    manifest = _manifest(config, out, planned)
    write_text(out / CURATION, yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False))
    write_text(out / CARD, _card(config, manifest))
    write_text(out / MANIFEST, manifest.model_dump_json(indent=1) + "\n")
    return manifest


def _manifest(config: CurationConfig, out: Path, planned: Shards) -> Manifest:
    files = [f"inputs/{shard}" for shard, _ in planned]
    files += [f"transitions/{enhancer.name}.{shard}" for enhancer in config.enhancers for shard, _ in planned]
    shards = {file: sha256(out / file) for file in sorted(files)}
    plans = [plan for _, plans in planned for plan in plans]
    counts = {"inputs": len(plans), "enhancers": len(config.enhancers)}
    for plan in plans:
        for key in (plan.kind, plan.split):
            counts[key] = counts.get(key, 0) + 1
    return Manifest(
        schema_version=SCHEMA_VERSION,
        digest=manifest_digest(shards),
        seed=config.seed,
        counts=counts,
        enhancers=tuple(entry_of(enhancer) for enhancer in config.enhancers),
        photos=tuple(_photos(planned)),
        shards=shards,
    )


def _photos(planned: Shards) -> list[PhotoEntry]:
    splits = {plan.photo.name: plan.split for _, plans in planned for plan in plans}
    credits = {name: credit_of(name) for name in splits}
    return [
        PhotoEntry(name=name, split=splits[name], licence=credits[name].licence, author=credits[name].author)
        for name in sorted(splits)
    ]


def _card(config: CurationConfig, manifest: Manifest) -> str:
    counts = manifest.counts
    low, high = config.synthetic.strength
    enhancers = [f"| {e.name} | {e.family} | {e.source} | {e.licence} |" for e in manifest.enhancers]
    photos = [f"| {p.name} | {p.split} | {p.author} | {p.licence} |" for p in manifest.photos]
    lines = [
        f"# {config.name}: transitions for training COMPASS",
        "",
        f"{counts['inputs']} low-quality inputs ({counts.get('synthetic', 0)} degraded from photos by the Real-ESRGAN "
        f"pipeline at strength {low:g} to {high:g}, {counts.get('real', 0)} real ones without ground truth) times "
        f"{counts['enhancers']} enhancers; x{config.scale}, outputs of {config.crop} px. Seed {config.seed}.",
        "",
        f"Manifest digest: `{manifest.digest}`. Images are PNG inside Parquet, lossless. `curation.yaml` remakes this "
        "directory byte for byte where the same package versions are installed.",
        "",
        "Splits are by photo: no pixel of an evaluation photo is in another split. The pictures stand under the terms "
        "of their photos and of the enhancers that made them.",
        "",
        "## Enhancers",
        "| name | family | source | licence |",
        "|---|---|---|---|",
        *enhancers,
        "",
        "## Photos",
        "| name | split | author | licence |",
        "|---|---|---|---|",
        *photos,
        "",
        "## Limits",
        "Few photos, most of them of nature; windows with texture are preferred over flat ones, so skies and defocused "
        "backgrounds are rare. Real inputs are what their source calls real, without a reference to check them by.",
    ]
    return "\n".join(lines) + "\n"
