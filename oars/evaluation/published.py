"""The paper's own figures (its table on RealSR), to stand beside ours: another model, on other data.

They are of Qwen-Image-Edit-2509, after SFT and aligned. A benchmark named `realsr` gets the column.
"""

PUBLISHED = {
    "realsr": {
        "psnr": (22.71, 22.36),
        "ssim": (0.6462, 0.6481),
        "lpips": (0.3100, 0.3095),
        "dists": (0.2203, 0.2244),
        "liqe": (3.815, 4.305),
        "musiq": (68.57, 71.41),
        "maniqa": (0.490, 0.528),
        "qinsight": (3.545, 3.701),
        "topiq_nr": (0.640, 0.680),
    }
}
"""Benchmark -> metric -> (SFT, OARS)."""
COLUMN = "paper's SFT / OARS (other model, other data)"
