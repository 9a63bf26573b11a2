"""The policy: a transformer's weights plus LoRA adapters by role.

Roles: `current` is trained, `old` samples and is what gets published, `ema` is evaluated, and the reference is the
transformer with every adapter off. Invariants: every adapter tensor that is installed is bound to a parameter of the
model, or `AdapterMismatch` is raised and nothing changes; `digest` is computed from the tensors as they sit in the
model.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import torch
from diffusers import DiffusionPipeline, ModelMixin
from peft import LoraConfig as PeftLoraConfig
from torch import Tensor, nn

from oars.alignment.messages import Conditioning, PolicySnapshot
from oars.config import GeneratorConfig, LoraConfig
from oars.generator.families import family_in, family_of
from oars.generator.flags import check_flags
from oars.generator.lora_files import add_lora
from oars.generator.merge import AdapterMismatch
from oars.miniature import resolve_model
from oars.model_files import SAFETENSORS, check_weights
from oars.precision import compute_dtype, computing_in, computing_in_float32
from oars.seeds import derive_seed, seeded_noise

Role = Literal["current", "old", "ema"]
ROLES: tuple[Role, ...] = ("current", "old", "ema")


def load_pipeline(config: GeneratorConfig, weights: Path | None = None) -> DiffusionPipeline:
    """The pipeline directory named by the config, on the CPU, with its own transformer or that of `weights`.

    Weights are held in the precision of their arithmetic; the VAE's in float32, whose rounding would show in the
    pictures.
    """
    directory = resolve_model(config.path, "generator")
    family, computed = family_in(directory), compute_dtype(config.dtype)
    dtypes = {"default": torch.float32} | dict.fromkeys(family.encoders, computed)
    return family.pipeline_class.from_pretrained(directory, dtype=dtypes, transformer=load_transformer(config, weights))


def load_transformer(
    config: GeneratorConfig, weights: Path | None = None, dtype: torch.dtype | None = None
) -> ModelMixin:
    """The base transformer, or that of `weights`: a diffusers transformer directory, such as SFT weights, or the file
    of a LoRA on the base. Held in `dtype`; None: in the precision of its arithmetic.

    Raises MissingModel, UnknownFlag, AdapterMismatch.
    """
    if weights is not None:
        check_weights(weights)
    base = resolve_model(config.path, "generator")
    lora = weights if weights and weights.suffix == SAFETENSORS else None
    directory = base / "transformer" if weights is None or lora else weights
    model = family_in(base).transformer_class
    check_flags(directory, model)
    transformer = model.from_pretrained(directory, dtype=dtype or compute_dtype(config.dtype))
    return add_lora(transformer, lora) if lora else transformer


class Policy:
    """A transformer with adapters. Adapters are float32, as the optimiser wants them; the base rests in the config's
    dtype, in which arithmetic runs under autocast: 20 G parameters take 41 GB, not 82."""

    def __init__(self, transformer: ModelMixin, config: GeneratorConfig, roles: tuple[Role, ...], seed: int) -> None:
        self._dtype = compute_dtype(config.dtype)
        self.transformer = transformer.requires_grad_(False).to(self._dtype)
        self.roles = roles
        for role in roles:
            add_adapter(transformer, config.lora, role, seed)

    @property
    def device(self) -> torch.device:
        return self.transformer.device

    def velocity(self, x_t: Tensor, t: Tensor, conditioning: list[Conditioning], role: Role | None) -> Tensor:
        """v_theta(x_t, t | LR): x_t [B, N, C], t [B] in (0, 1], one conditioning a sample -> float32 [B, N, C]. Role
        None: adapter off."""
        with self.using(role):
            return predict_velocity(self.transformer, x_t, t, conditioning, self._dtype)

    @contextmanager
    def using(self, role: Role | None) -> Iterator[None]:
        """Route forward passes through one adapter, or through none; which parameters are trained stays as it was."""
        if not self.roles:
            yield
            return
        trained = [parameter for parameter in self.transformer.parameters() if parameter.requires_grad]
        if role is None:
            self.transformer.disable_adapters()
        else:
            self.transformer.enable_adapters()
            self.transformer.set_adapter(role)
        self.transformer.requires_grad_(False)
        for parameter in trained:
            parameter.requires_grad_(True)
        yield

    def named_parameters(self, role: Role) -> dict[str, nn.Parameter]:
        """The role's adapter tensors by a name that does not contain the role."""
        marker = f".{role}."
        return {n.replace(marker, "."): p for n, p in self.transformer.named_parameters() if marker in n}

    def digest(self, role: Role) -> str:
        return tensors_digest({name: p.detach() for name, p in self.named_parameters(role).items()})

    def snapshot(self, role: Role, version: int) -> PolicySnapshot:
        tensors = {name: p.detach().float().cpu().clone() for name, p in self.named_parameters(role).items()}
        return PolicySnapshot(version, tensors_digest(tensors), tensors)

    @torch.no_grad()
    def install(self, snapshot: PolicySnapshot, role: Role) -> int:
        """Copy the snapshot into the role's adapter; returns the number of bound tensors, never 0."""
        bound = self.named_parameters(role)
        if not bound or bound.keys() != snapshot.tensors.keys():
            missing, unknown = bound.keys() - snapshot.tensors.keys(), snapshot.tensors.keys() - bound.keys()
            raise AdapterMismatch(
                f"version {snapshot.version}: {len(bound.keys() & snapshot.tensors.keys())} tensors bind, "
                f"{len(missing)} missing, {len(unknown)} unknown, e.g. {next(iter(missing | unknown), 'no adapter')}"
            )
        for name, parameter in bound.items():
            parameter.copy_(snapshot.tensors[name])
        if (installed := self.digest(role)) != snapshot.digest:
            raise AdapterMismatch(f"version {snapshot.version}: installed {installed}, announced {snapshot.digest}")
        return len(bound)

    @torch.no_grad()
    def fingerprint(self, role: Role) -> str:
        """Digest of the role's velocity at one fixed point of a 2 x 2 grid, in float32, so that any change shows."""
        config = self.transformer.config
        x_t, image = (
            seeded_noise((1, 4, config.in_channels), "fingerprint"),
            seeded_noise((4, config.in_channels), "image"),
        )
        prompt = seeded_noise(family_of(self.transformer).embedding_shape(self.transformer), "prompt")
        conditioning = Conditioning(prompt, image, (2, 2))
        with self.using(role), computing_in_float32(self.transformer):
            t = torch.full((1,), 0.5, device=self.device)
            v = predict_velocity(self.transformer, x_t.to(self.device), t, [conditioning], torch.float32)
        return tensors_digest({"velocity": v})

    @torch.no_grad()
    def blend(self, target: Role, source: Role, eta: float) -> None:
        """target <- eta * target + (1 - eta) * source."""
        sources = self.named_parameters(source)
        for name, parameter in self.named_parameters(target).items():
            parameter.lerp_(sources[name], 1.0 - eta)


def add_adapter(transformer: ModelMixin, lora: LoraConfig, role: str, seed: int) -> None:
    """A fresh adapter, A Gaussian and B zero, the same for every role and every process with this seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed("lora", seed))
        transformer.add_adapter(
            PeftLoraConfig(
                r=lora.rank, lora_alpha=lora.alpha, target_modules=list(lora.targets), init_lora_weights="gaussian"
            ),
            adapter_name=role,
        )
    for name, parameter in transformer.named_parameters():
        if f".{role}." in name:  # peft makes an adapter in its base layer's dtype
            parameter.data = parameter.data.float()


def predict_velocity(
    transformer: nn.Module, x_t: Tensor, t: Tensor, conditioning: list[Conditioning], dtype: torch.dtype
) -> Tensor:
    """One forward pass over B samples of one grid. x_t [B, N, C], t [B], one conditioning a sample -> [B, N, C]."""
    image = torch.stack([c.image_latents for c in conditioning]).to(x_t)
    model = getattr(transformer, "module", transformer)  # under DeepSpeed's wrapper
    inputs = family_of(model).inputs(model, x_t, t, conditioning)
    with computing_in(dtype, x_t.device.type):
        output: Tensor = transformer(
            hidden_states=torch.cat([x_t, image], dim=1), timestep=t, return_dict=False, **inputs
        )[0]
    return output[:, : x_t.shape[1]].float()


def tensors_digest(tensors: dict[str, Tensor]) -> str:
    """sha256 over names, shapes and float32 bytes, in name order; first 16 hex digits."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].detach().float().cpu().contiguous()
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()[:16]
