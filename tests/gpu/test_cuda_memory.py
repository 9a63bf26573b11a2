"""A process that is capped runs out of its own share, not of its neighbours'."""

import pytest
import torch

from oars.device import cap_device_memory


@pytest.mark.gpu(1)
def test_a_tensor_beyond_the_share_is_refused() -> None:
    total = torch.cuda.get_device_properties(0).total_memory
    cap_device_memory(0.1)
    try:
        torch.empty(total // 20, dtype=torch.uint8, device="cuda")
        with pytest.raises(torch.OutOfMemoryError):
            torch.empty(total // 5, dtype=torch.uint8, device="cuda")
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
