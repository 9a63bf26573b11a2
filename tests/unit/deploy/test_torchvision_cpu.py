"""The hook that lets torchvision load beside CPU torch: works in child processes, idle where it is not needed."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

SOURCE = Path(__file__).parents[3] / "deploy" / "python" / "oars_torchvision_cpu.py"


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A fresh copy of the module, not the one that this interpreter started with."""
    spec = importlib.util.spec_from_file_location("hook_under_test", SOURCE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    return module


def test_torchvision_loads_in_a_child_of_a_child_process() -> None:
    inner = "import torchvision.transforms.v2 as v2; print(v2.Resize(4).size)"
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], check=True)"
    result = subprocess.run([sys.executable, "-c", outer], capture_output=True, text=True)
    assert (result.returncode, result.stdout.strip()) == (0, "[4]"), result.stderr


def test_starting_an_interpreter_imports_no_torch() -> None:
    code = "import sys; assert 'oars_torchvision_cpu' in sys.modules and 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_installing_twice_adds_one_finder(hook: ModuleType) -> None:
    before = len(sys.meta_path)
    hook.install()
    hook.install()
    assert len(sys.meta_path) == before + 1


def test_declares_nothing_where_the_extension_loads(
    hook: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    loaded: list[Path] = []
    monkeypatch.setattr(torch.ops, "load_library", loaded.append)
    extension = tmp_path / "_C.so"
    extension.touch()
    hook._declare_missing_operators(tmp_path)
    assert loaded == [extension]
    assert hook._declared == []


def _wheel(root: Path, package: str, library: str, content: bytes) -> Path:
    path = root / package / library
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    return root / package


@pytest.mark.parametrize(
    ("package", "library"), [("torchaudio", "lib/_torchaudio.so"), ("torchcodec", "libtorchcodec_image0.so")]
)
@pytest.mark.parametrize(
    ("torch_library", "links", "hidden"),
    [
        ("lib/libc10.so", b"..libc10_cuda.so..", True),
        ("lib/libc10.so", b"..libc10.so..", False),
        ("lib/libc10_cuda.so", b"..libc10_cuda.so..", False),
    ],
)
def test_hides_a_package_only_where_it_cannot_load(
    hook: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    library: str,
    torch_library: str,
    links: bytes,
    hidden: bool,
) -> None:
    torch_dir = _wheel(tmp_path, "torch", torch_library, b"")
    directory = _wheel(tmp_path, package, library, links)
    monkeypatch.setattr(hook, "_package_dir", {package: directory}.get)
    monkeypatch.setattr(sys, "modules", {name: module for name, module in sys.modules.items() if name != package})
    hook._hide_packages_that_need_cuda(torch_dir)
    assert (package in sys.modules) is hidden
