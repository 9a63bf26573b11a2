"""The miniature judge: a Qwen3-VL small enough for a CPU."""
