"""`oars score LR SR`: how COMPASS judges one enhancement."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from oars.config import BadConfig, RewardClientConfig, load_profile
from oars.deployment import DEFAULT_PROFILE, deploy_path
from reward_server.errors import NoCompass

if TYPE_CHECKING:
    from services.results.transition import Scorer

# Two pictures of one scene may differ this much in aspect ratio, from rounding their sides.
_ASPECT_TOLERANCE = 0.05
_MEANINGS = {
    "fidelity": ("F", "fidelity to the input, 0 to 1"),
    "q_lr": ("Q_LR", "quality of the input, 1 to 5"),
    "q_sr": ("Q_SR", "quality of the output, 1 to 5"),
    "confidence": ("conf", "probability that the judge put on scores"),
    "reward": ("R", "reward"),
}


def score(
    lr: Annotated[Path, typer.Argument(help="The input photo.", show_default=False)],
    sr: Annotated[Path, typer.Argument(help="The enhanced photo.", show_default=False)],
    judge: Annotated[
        str | None, typer.Option(help="Judge directory. Default: the served one, or the profile's.")
    ] = None,
    profile: Annotated[Path | None, typer.Option(help="Run profile whose `judge` is loaded. Default: tiny.")] = None,
    endpoint: Annotated[
        str | None, typer.Option(help="Ask this COMPASS: grpc[s]://, http[s]://, or openai+http[s]://HOST:PORT/v1.")
    ] = None,
    token_file: Annotated[
        Path | None, typer.Option(help="File with the bearer token. Default: OARS_COMPASS_TOKEN, if set.")
    ] = None,
    ca_file: Annotated[Path | None, typer.Option(help="CA bundle (PEM) used to verify the server certificate.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Judge the transition LR -> SR: fidelity, both qualities, and the reward."""
    from oars.imaging.image_io import read_image
    from services.results.transition import Verdict, verdict

    pictures = read_image(lr), read_image(sr)
    _check_same_scene((lr, sr), [pixels.shape for pixels in pictures])
    scorer = _scorer(judge, profile, _endpoint(endpoint, token_file, ca_file))
    result = verdict(*pictures, scorer)
    if not isinstance(result, Verdict):
        typer.echo(f"error: no score: {result.reason}: {result.detail}", err=True)
        raise typer.Exit(1)
    values = _in_order(result.readings) | {"reward": result.reward}
    if as_json:
        typer.echo(json.dumps(values | {"tiles": result.tiles, "judge": scorer.judge}))
        return
    for name, value in values.items():
        symbol, meaning = _MEANINGS.get(name, (name, ""))
        typer.echo(f"{symbol:5} {value:6.3f}  {meaning}".rstrip())
    typer.echo(f"judge: {scorer.judge}" + (f"; means over {result.tiles} tiles" if result.tiles > 1 else ""))


def _in_order(readings: Mapping[str, float]) -> dict[str, float]:
    """Those of COMPASS first; the gRPC wire keeps no order."""
    return {name: readings[name] for name in [*_MEANINGS, *sorted(readings)] if name in readings}


def _scorer(judge: str | None, profile: Path | None, endpoint: RewardClientConfig | None) -> "Scorer":
    """Choose the scorer: the one named; else the COMPASS that listens on this machine; else the default profile's
    judge.

    Raises BadJudge, BadConfig, BadReward, BadSetting, NoCompass.
    """
    from services.launch.serving import local_endpoint
    from services.results.transition import LocalScorer, ServedScorer

    overrides = None if judge is None else [f"judge.path={judge}"]
    config = load_profile(profile or deploy_path(DEFAULT_PROFILE), overrides)
    reward = config.reward.model_dump(include={"function", "parameters"})
    if endpoint is not None:
        return ServedScorer(endpoint.model_copy(update=reward), config.judge)
    if judge is None and profile is None:
        try:
            return ServedScorer(RewardClientConfig(endpoint=local_endpoint(), attempts=1, **reward), config.judge)
        except NoCompass:
            pass  # the judge of the profile answers then
    return LocalScorer(config.judge, config.reward)


def _endpoint(url: str | None, token_file: Path | None, ca_file: Path | None) -> RewardClientConfig | None:
    """Raises BadConfig."""
    if url is None:
        return None
    try:
        return RewardClientConfig(endpoint=url, token_file=token_file, ca_file=ca_file)
    except ValidationError as error:
        raise BadConfig(f"endpoint: {url!r} is none of grpc[s]://, http[s]://, openai+http[s]://") from error


def _check_same_scene(paths: tuple[Path, Path], shapes: list[tuple[int, ...]]) -> None:
    """Raises BadImage if the second picture cannot be an enlargement of the first."""
    from oars.imaging.image_io import BadImage

    (height, width, _), (tall, wide, _) = shapes
    if abs((wide * height) / (tall * width) - 1) > _ASPECT_TOLERANCE:
        raise BadImage(f"{paths[1]}: {wide}x{tall} px is no enlargement of {paths[0]}, {width}x{height} px")
