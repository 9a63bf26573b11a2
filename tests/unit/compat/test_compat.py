"""The private parts that we use are still there: a failure names the library and the part, so that its new version is
no riddle."""

import pydoc
from typing import Any

import pytest

PRIVATE = [
    ("ray", "ray._common.utils", "reset_ray_address"),
    ("ray", "ray._private.authentication.authentication_token_setup", "enable_token_auth_by_default"),
    ("ray", "ray._private.authentication.authentication_token_setup", "ensure_token_if_auth_enabled"),
    ("ray", "ray._private.authentication.authentication_token_setup", "maybe_enable_token_auth_if_token_available"),
    ("ray", "ray._private.internal_api", "memory_summary"),
    ("ray", "ray._private.runtime_env.packaging", "GCS_STORAGE_MAX_SIZE"),
    ("ray", "ray._private.runtime_env.packaging", "_dir_travel"),
    ("ray", "ray._private.runtime_env.packaging", "_get_excludes"),
    ("ray", "ray._private.utils", "read_ray_address"),
    ("ray", "ray.serve._private.constants", "SERVE_CONTROLLER_NAME"),
    ("ray", "ray.serve._private.constants", "SERVE_NAMESPACE"),
    ("ray", "ray.serve._private.controller", "ServeController.graceful_shutdown"),
    ("ray", "ray.serve.context", "_get_global_client"),
    ("ray", "ray.util.metrics", "Counter._record"),
    ("uvicorn", "uvicorn.protocols.http.h11_impl", "H11Protocol.handle_events"),
    ("vllm", "vllm.v1.engine.async_llm", "AsyncLLM"),
    ("vllm", "vllm.v1.engine.exceptions", "EngineDeadError"),
    ("vllm", "vllm.v1.engine.exceptions", "EngineGenerateError"),
    ("vllm", "vllm.v1.metrics.loggers", "StatLoggerBase"),
    ("diffusers", "diffusers", "QwenImageEditPlusPipeline._pack_latents"),
    ("deepspeed", "deepspeed.ops", "__compatible_ops__"),
]


@pytest.mark.parametrize(("library", "module", "name"), PRIVATE, ids=lambda part: part.rsplit(".", 1)[-1])
def test_a_private_part_is_still_there(library: str, module: str, name: str) -> None:
    changed = f"{library} changed {module}.{name}: mend the compat module of {library}"
    assert pydoc.locate(f"{module}.{name}") is not None, changed


def test_a_deployment_takes_a_version_in_the_way_that_we_give_it() -> None:
    from ray import serve

    from reward_server.compat.ray import VERSIONED

    @serve.deployment
    class Answer:
        pass

    deployment: Any = Answer
    assert deployment.options(version="a", **VERSIONED).version == "a", (
        "ray changed the option for a deployment's version"
    )
