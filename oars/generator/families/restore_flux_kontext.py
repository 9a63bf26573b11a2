"""Restore a photo with an exported model in plain diffusers: `python restore.py PHOTO OUT.png`.

An export carries this file. It needs torch, diffusers, transformers and Pillow, and reads the `oars.json` beside it:
prompts, scale, steps and guidance. Where the model was trained on photos that a network had restored before, the
folder `pre_restoration` holds that network.
"""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import FluxKontextPipeline
from PIL import Image

HERE = Path(__file__).parent


def load(directory: Path = HERE, dtype: torch.dtype = torch.float32) -> FluxKontextPipeline:
    """The pipeline, on the CPU."""
    return FluxKontextPipeline.from_pretrained(directory, torch_dtype=dtype)


def restore(pipeline: FluxKontextPipeline, photo: Image.Image, facts: dict[str, Any], **options: Any) -> Any:
    """The enlarged photo, a PIL image. `options` go to the pipeline (generator, latents, num_inference_steps ...)."""
    token = 2 * pipeline.vae_scale_factor
    width, height = (side * facts["scale"] // token * token for side in photo.size)
    # The model was trained with its input at the size of its output; the pipeline would take a size of its own.
    return pipeline(
        image=_condition(photo, facts).resize((width, height), Image.Resampling.BICUBIC),
        prompt=facts["prompt"],
        width=width,
        height=height,
        max_area=width * height,
        _auto_resize=False,
        guidance_scale=2.5,
        true_cfg_scale=facts["cfg"],
        negative_prompt=facts["negative_prompt"] if facts["cfg"] > 1 else None,
        **{"num_inference_steps": facts["steps"], **options},
    ).images[0]


def _condition(photo: Image.Image, facts: dict[str, Any]) -> Image.Image:
    """What the editor sees, at any size."""
    photo = photo.convert("RGB")
    if facts["pre_restoration"] == "none":
        return photo
    from pre_restoration import pre_restored  # the folder beside this file

    return Image.fromarray(pre_restored(np.asarray(photo)))


if __name__ == "__main__":
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load(dtype=torch.bfloat16 if device == "cuda" else torch.float32).to(device)
    restore(model, Image.open(sys.argv[1]), json.loads((HERE / "oars.json").read_text())).save(sys.argv[2])
