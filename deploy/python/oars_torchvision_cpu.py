"""Lets CUDA-built torchvision and torchaudio wheels live beside a CPU build of torch.

Package indexes offer only CUDA builds of the two. With CPU torch, torchvision's C++ extension cannot be loaded, so two
operators are never declared and importing torchvision fails, although its transforms need neither; torchaudio fails
likewise, and transformers imports it wherever it is installed. So, right before torchvision is first imported, the hook
below declares the two schemas if the extension does not load by itself; and a torchaudio that needs the CUDA runtime
that torch lacks is made to look absent. Where both load by themselves nothing is done.

This is a module of its own at the top of site-packages, run by `oars_torchvision_cpu.pth` in every interpreter of the
environment, because child processes of vLLM and Ray import torchvision before any of our code runs. Standard library
only; torch is imported no earlier than torchvision would import it.
"""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

# Wheels that need CUDA's runtime, with the libraries that tell. vLLM and transformers import both if they look present.
_CUDA_ONLY = {"torchaudio": "lib/_torchaudio*.so", "torchcodec": "libtorchcodec_image*.so"}
_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: list[object] = []


class _Prepare(MetaPathFinder):
    """Finds nothing itself: sees the import of torch or torchvision coming, prepares, steps aside."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name == "torch" and (torch_dir := _package_dir("torch")):
            _hide_packages_that_need_cuda(torch_dir)
        elif name == "torchvision" and (torchvision_dir := _package_dir("torchvision")):
            sys.meta_path.remove(self)
            _declare_missing_operators(torchvision_dir)
        return None


def _package_dir(name: str) -> Path | None:
    spec = PathFinder.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _hide_packages_that_need_cuda(torch_dir: Path) -> None:
    if any((torch_dir / "lib").glob("libc10_cuda*")):
        return
    for name, libraries in _CUDA_ONLY.items():
        directory = None if name in sys.modules else _package_dir(name)
        if directory and any(b"libc10_cuda" in library.read_bytes() for library in directory.glob(libraries)):
            sys.modules[name] = None  # type: ignore[assignment]  # the documented way to make an import fail


def _declare_missing_operators(torchvision_dir: Path) -> None:
    import torch

    for extension in torchvision_dir.glob("_C*.so"):
        try:
            torch.ops.load_library(extension)
            return
        except OSError:
            # The extension's CUDA libraries are absent: the case this module is for.
            pass
    if not _declared:
        _declared.append(library := torch.library.Library("torchvision", "FRAGMENT"))
        for schema in _SCHEMAS:
            library.define(schema)


def install() -> None:
    """Idempotent: site-packages may be processed twice, by an editable and by a plain installation."""
    if not any(isinstance(finder, _Prepare) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Prepare())
