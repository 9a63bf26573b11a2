"""The manifests are what KubeRay, Ray Serve and our own configs accept, and fit together."""

import json
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel
from ray.serve.schema import ServeDeploySchema

from oars.config import GatewayConfig, JudgeConfig, load_profile
from oars.deployment import deploy_path
from oars.report.summary import Summary, write_summary
from reward_server.engine import ANSWERS_S
from services.launch import driver
from services.launch.addresses import NoCluster
from services.run.errors import BAD_INPUT
from services.run.run_directory import claimed

SCHEMAS = Path(__file__).parents[3] / "data" / "kuberay"
CONFIGS: dict[str, type[BaseModel]] = {"compass": JudgeConfig, "compass-gateway": GatewayConfig}


def manifest(name: str) -> dict[str, Any]:
    return yaml.safe_load(deploy_path(f"kuberay/{name}.yaml").read_text())


def serve_configs() -> dict[str, dict[str, Any]]:
    plain = yaml.safe_load(deploy_path("serve/compass.yaml").read_text())
    return {"serve": plain, "kuberay": yaml.safe_load(manifest("compass")["spec"]["serveConfigV2"])}


@pytest.mark.parametrize("name", sorted(path.stem for path in deploy_path("kuberay").glob("*.yaml")))
def test_a_manifest_satisfies_kuberays_schema(name: str) -> None:
    content = manifest(name)
    schema = json.loads((SCHEMAS / f"{content['kind'].lower()}.v1.schema.json").read_text())
    assert list(jsonschema.Draft202012Validator(schema).iter_errors(content)) == []


def test_the_schema_refuses_an_unknown_field() -> None:
    content = manifest("compass")
    content["spec"]["rayClusterConfig"]["headGroupSpecs"] = {}
    schema = json.loads((SCHEMAS / "rayservice.v1.schema.json").read_text())
    with pytest.raises(jsonschema.ValidationError, match="headGroupSpecs"):
        jsonschema.Draft202012Validator(schema).validate(content)


@pytest.mark.parametrize("where", ["serve", "kuberay"])
def test_the_serve_config_is_one_and_its_args_are_our_fields(where: str) -> None:
    config = ServeDeploySchema.model_validate(serve_configs()[where])
    assert {application.name for application in config.applications} == set(CONFIGS)
    for application in config.applications:
        CONFIGS[application.name].model_validate(application.args)
    [judge] = [application for application in config.applications if application.name == "compass"]
    [deployment] = judge.deployments
    bounds = deployment.autoscaling_config
    assert deployment.max_ongoing_requests == 3 * bounds["target_ongoing_requests"]
    # Ray's own default, half a second, lets the engine run dry while requests queue.
    assert deployment.request_router_config["max_backoff_s"] <= 0.05
    assert 1 <= bounds["min_replicas"] <= bounds["max_replicas"]
    assert bounds["downscale_delay_s"] >= 10 * bounds["upscale_delay_s"], "a judge is slow to come back"


@pytest.mark.parametrize("where", ["serve", "kuberay"])
def test_a_replica_or_an_engine_that_hangs_is_given_up_within_half_a_minute(where: str) -> None:
    """Serve does so after three unanswered checks in a row; the engine's silence is noticed before the replica's."""
    [judge] = [
        application for application in serve_configs()[where]["applications"] if application["name"] == "compass"
    ]
    [options] = judge["deployments"]
    assert options["health_check_timeout_s"] > ANSWERS_S and 3 * options["health_check_timeout_s"] <= 30


def test_both_serve_configs_set_the_same_things() -> None:
    plain, kuberay = (
        {app["name"]: app["deployments"][0] for app in config["applications"]} for config in serve_configs().values()
    )
    differing = {"graceful_shutdown_wait_loop_s", "ray_actor_options"}
    for name in CONFIGS:
        assert set(plain[name]) ^ set(kuberay[name]) <= differing


def test_each_pool_that_the_profile_selects_has_its_workers() -> None:
    spec, profile = manifest("align")["spec"], load_profile(deploy_path("profiles/paper.yaml"))
    pools = {group["rayStartParams"]["labels"]: group for group in spec["rayClusterSpec"]["workerGroupSpecs"]}
    wanted = {"rollout": profile.rollout.workers, "learner": profile.learner.ranks, "judge": 1}
    for role, actors in wanted.items():
        resources = getattr(profile, role).resources
        group = pools[f"oars-pool={resources.label_selector['oars-pool']}"]
        limits = group["template"]["spec"]["containers"][0]["resources"]["limits"]
        assert group["replicas"] * limits["nvidia.com/gpu"] >= actors * resources.num_gpus
        assert limits["cpu"] >= resources.num_cpus


def entrypoint() -> list[str]:
    """The words of the command that KubeRay gives again when it retries."""
    return shlex.split(shlex.split(manifest("align")["spec"]["entrypoint"])[-1])


def test_the_entrypoint_is_a_command_of_ours_on_a_profile_of_ours() -> None:
    words = entrypoint()
    assert "services.launch.driver" in words
    for position, word in enumerate(words):
        if word == "--profile":
            assert deploy_path(words[position + 1].removeprefix("deploy/")).is_file()


def test_a_retry_of_the_entrypoint_goes_on_with_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = entrypoint()
    arguments = [word.replace("/runs", str(tmp_path)) for word in words[words.index("services.launch.driver") + 1 :]]
    arguments[arguments.index("--profile") + 1] = str(deploy_path())  # whose models and photos are here
    arrivals: list[str] = []

    def connect(run_id: str, address: str | None) -> None:
        arrivals.append(run_id)
        raise NoCluster("none here")

    monkeypatch.setattr(driver, "connect", connect)
    assert [driver.main(arguments), driver.main(arguments)] == [BAD_INPUT, BAD_INPUT]
    assert arrivals == ["paper", "paper"], "both come as far as the cluster, with the same run"
    with claimed(tmp_path / "paper"):
        assert driver.main(arguments) == BAD_INPUT
    assert driver.main([*arguments, "--set", "seed=9"]) == BAD_INPUT
    write_summary(Summary(run_id="paper", name="paper", status="succeeded", started_at=""), tmp_path / "paper")
    assert driver.main(arguments) == 0, "a run that has succeeded is left alone"
    assert len(arrivals) == 2
