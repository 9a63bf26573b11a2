"""Parameters of the full-size models: Qwen-Image-Edit-2509 with Qwen2.5-VL-7B, and Qwen3-VL-8B."""

from oars.device_memory import Sizes

FULL = Sizes(
    transformer=20_430_401_088,
    text_encoder=8_292_166_656,
    vae=126_892_531,
    lora=94_371_840,
    sft_lora=377_487_360,
    judge=8_767_123_696,
    kv_bytes=147_456,
)
