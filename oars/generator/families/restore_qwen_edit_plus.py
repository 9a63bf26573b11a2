"""Restore a photo with an exported model in plain diffusers: `python restore.py PHOTO OUT.png`.

An export carries this file. It needs torch, diffusers, transformers and Pillow, and reads the `oars.json` beside it:
prompts, scale, steps, guidance, and the area of the pictures that the text encoder sees. Where the
model was trained on photos that a network had restored before, the folder `pre_restoration` holds that network.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import QwenImageEditPlusPipeline
from diffusers.pipelines.qwenimage import pipeline_qwenimage_edit_plus as edit_plus
from PIL import Image

HERE = Path(__file__).parent
SIDE = 32
"""Pixels; the pipeline rounds the sides of its input to multiples of this."""


def load(directory: Path = HERE, dtype: torch.dtype = torch.float32) -> QwenImageEditPlusPipeline:
    """The pipeline, on the CPU."""
    pipeline = QwenImageEditPlusPipeline.from_pretrained(directory, dtype=dtype)
    pipeline.text_encoder.register_forward_pre_hook(_mark_picture_tokens, with_kwargs=True)
    return pipeline


def restore(pipeline: QwenImageEditPlusPipeline, photo: Image.Image, facts: dict[str, Any], **options: Any) -> Any:
    """The enlarged photo, a PIL image. `options` go to the pipeline (generator, latents, num_inference_steps ...)."""
    width, height = (side * facts["scale"] // SIDE * SIDE for side in photo.size)
    # The model was trained with its input at the size of its output; the pipeline would take a size of its own.
    edit_plus.VAE_IMAGE_SIZE = width * height
    edit_plus.CONDITION_IMAGE_SIZE = facts["text_image_area"]
    return pipeline(
        image=[each.resize((width, height), Image.Resampling.BICUBIC) for each in _pictures(photo, facts)],
        prompt=facts["prompt"],
        width=width,
        height=height,
        true_cfg_scale=facts["cfg"],
        negative_prompt=facts["negative_prompt"] if facts["cfg"] > 1 else None,
        **{"num_inference_steps": facts["steps"], **options},
    ).images[0]


def _mark_picture_tokens(encoder: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """transformers 5 numbers the positions of picture tokens by row and column only if it is told which they are, and
    diffusers does not tell it."""
    if kwargs.get("pixel_values") is not None:
        kwargs["mm_token_type_ids"] = (kwargs["input_ids"] == encoder.config.image_token_id).int()
    return args, kwargs


def _pictures(photo: Image.Image, facts: dict[str, Any]) -> list[Image.Image]:
    """What the editor sees, at any size."""
    photo = photo.convert("RGB")
    if facts["pre_restoration"] == "none":
        return [photo]
    from pre_restoration import pre_restored  # the folder beside this file

    restored = Image.fromarray(pre_restored(np.asarray(photo)))
    return [restored, photo] if facts["show_lr"] else [restored]


if __name__ == "__main__":
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load(dtype=torch.bfloat16 if device == "cuda" else torch.float32).to(device)
    restore(model, Image.open(sys.argv[1]), json.loads((HERE / "oars.json").read_text())).save(sys.argv[2])
