"""The private part of DeepSpeed: `tests/unit/compat` fails with "deepspeed changed X" when it goes."""

import deepspeed

_SHARED_MEMORY = "deepspeed_shm_comm"


def use_gloo() -> None:
    """Keep DeepSpeed from compiling its shared-memory all-reduce on a CPU, which takes two minutes; gloo serves too."""
    deepspeed.ops.__compatible_ops__[_SHARED_MEMORY] = False
