"""What this process may take of the GPU that it shares."""

import torch


def cap_device_memory(share: float) -> None:
    """Let this process's tensors take at most `share` of its GPU, without a GPU nothing.

    A process that wants more raises torch's OutOfMemoryError itself, instead of making its neighbours raise it.
    """
    if share < 1 and torch.cuda.is_available():
        torch.cuda.set_per_process_memory_fraction(share)
