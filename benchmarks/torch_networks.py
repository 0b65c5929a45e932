"""Networks in PyTorch whose training step serves as a reference: built-in, own and Hugging Face.

Sizes are small, so that an export without its weights stays small too.  Nothing is downloaded:
weights are random.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

Example = tuple[torch.Tensor, ...]
Case = tuple[nn.Module, Example]


class UNet(nn.Module):
    """Two levels down and up, with concatenated skips."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = _double(3, 16), _double(16, 32), _double(32, 64)
        self.pool = nn.MaxPool2d(2)
        self.up1, self.up2 = (
            nn.ConvTranspose2d(64, 32, 2, stride=2),
            nn.ConvTranspose2d(32, 16, 2, stride=2),
        )
        self.fourth, self.fifth = _double(64, 32), _double(32, 16)
        self.head = nn.Conv2d(16, 2, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        a = self.first(x)
        b = self.second(self.pool(a))
        c = self.third(self.pool(b))
        d = self.fourth(torch.cat([self.up1(c), b], 1))
        return self.head(self.fifth(torch.cat([self.up2(d), a], 1)))


def _double(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


class LanguageModel(nn.Module):
    """A two-layer LSTM with its decoder tied to its embedding."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(200, 64)
        self.lstm = nn.LSTM(64, 64, num_layers=2, batch_first=True)
        self.head = nn.Linear(64, 200)
        self.head.weight = self.table.weight

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(self.table(ids))[0])


class GroupNormNet(nn.Module):
    """Convolutions with group and instance normalisation, SiLU and Mish."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1),
            nn.GroupNorm(4, 16),
            nn.SiLU(),
            nn.Conv2d(16, 16, 3, padding=1),
            nn.InstanceNorm2d(16, affine=True),
            nn.Mish(),
            nn.Conv2d(16, 8, 3),
            nn.GroupNorm(1, 8),
            nn.Hardswish(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 4),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


class Branches(nn.Module):
    """A frozen part, a branch cut by detach, one through integers, and one that nothing reads."""

    def __init__(self) -> None:
        super().__init__()
        self.frozen, self.used = nn.Linear(16, 16), nn.Linear(16, 16)
        self.scores, self.table = nn.Linear(16, 8), nn.Embedding(8, 16)
        self.head = nn.Linear(16, 4)
        for parameter in self.frozen.parameters():
            parameter.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        h = torch.relu(self.used(torch.relu(self.frozen(x))))
        chosen = self.scores(h).argmax(-1)  # integers carry no gradient
        return self.head(h + self.table(chosen))


class RmsNet(nn.Module):
    """Linear layers with torch's own RMSNorm, tanh-GELU and scaled-dot-product attention."""

    def __init__(self) -> None:
        super().__init__()
        self.norm, self.qkv = nn.RMSNorm(64), nn.Linear(64, 192)
        self.up, self.down = nn.Linear(64, 256), nn.Linear(256, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (
            part.unflatten(-1, (4, 16)).transpose(1, 2)
            for part in self.qkv(self.norm(x)).chunk(3, -1)
        )
        x = x + nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        return x + self.down(nn.functional.gelu(self.up(x), approximate="tanh"))


def _image(module: nn.Module, side: int) -> Case:
    return module, (torch.randn(2, 3, side, side),)


def _tokens(vocabulary: int, length: int = 48) -> torch.Tensor:
    return torch.randint(0, vocabulary, (2, length))


def _torchvision(name: str, side: int = 64) -> Case:
    import torchvision

    return _image(getattr(torchvision.models, name)(weights=None, num_classes=20), side)


class Wrapped(nn.Module):
    """A Hugging Face model that takes its inputs by position and gives its first output."""

    def __init__(self, model: nn.Module, *names: str) -> None:
        super().__init__()
        self.model, self.names = model, names

    def forward(self, *values: torch.Tensor) -> torch.Tensor:
        given = dict(zip(self.names, values, strict=True))
        return self.model(**given, return_dict=False)[0]


def _bert(attention: str) -> Case:
    from transformers import BertConfig, BertModel

    config = BertConfig(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=256,
        vocab_size=500,
        max_position_embeddings=64,
        attn_implementation=attention,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    ids = _tokens(500)
    model = BertModel(config, add_pooling_layer=False)
    return Wrapped(model, "input_ids", "attention_mask"), (ids, torch.ones_like(ids))


def _gpt2(attention: str, activation: str = "gelu_new") -> Case:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        n_embd=64,
        n_layer=2,
        n_head=4,
        vocab_size=500,
        n_positions=64,
        use_cache=False,
        activation_function=activation,
        attn_implementation=attention,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    return Wrapped(GPT2LMHeadModel(config), "input_ids"), (_tokens(500),)


def _llama(attention: str) -> Case:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=192,
        vocab_size=500,
        max_position_embeddings=64,
        use_cache=False,
        attn_implementation=attention,
    )
    return Wrapped(LlamaForCausalLM(config), "input_ids"), (_tokens(500),)


def _vit(attention: str) -> Case:
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=256,
        image_size=64,
        patch_size=8,
        num_labels=10,
        attn_implementation=attention,
    )
    return Wrapped(ViTForImageClassification(config), "pixel_values"), (torch.randn(2, 3, 64, 64),)


def _t5() -> Case:
    from transformers import T5Config, T5ForConditionalGeneration

    config = T5Config(
        d_model=64,
        d_ff=128,
        d_kv=16,
        num_layers=2,
        num_heads=4,
        vocab_size=500,
        use_cache=False,
        decoder_start_token_id=0,
        dropout_rate=0.0,
    )
    model = Wrapped(T5ForConditionalGeneration(config), "input_ids", "decoder_input_ids")
    return model, (_tokens(500, 40), _tokens(500, 24))


def _swin() -> Case:
    from transformers import SwinConfig, SwinForImageClassification

    config = SwinConfig(
        image_size=64,
        patch_size=4,
        embed_dim=24,
        depths=[2, 2],
        num_heads=[2, 4],
        window_size=4,
        num_labels=10,
        drop_path_rate=0.0,
    )
    return Wrapped(SwinForImageClassification(config), "pixel_values"), (torch.randn(2, 3, 64, 64),)


def _encoder() -> Case:
    layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True, dropout=0.0)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), (torch.randn(2, 32, 64),)


NETWORKS: Mapping[str, Callable[[], Case]] = {
    "resnet18": lambda: _torchvision("resnet18"),
    "resnet50": lambda: _torchvision("resnet50"),
    "mobilenet_v2": lambda: _torchvision("mobilenet_v2"),
    "mobilenet_v3_small": lambda: _torchvision("mobilenet_v3_small"),
    "efficientnet_b0": lambda: _torchvision("efficientnet_b0"),
    "convnext_tiny": lambda: _torchvision("convnext_tiny"),
    "densenet121": lambda: _torchvision("densenet121"),
    "squeezenet": lambda: _torchvision("squeezenet1_1"),
    "vgg11": lambda: _torchvision("vgg11"),
    "unet": lambda: _image(UNet(), 64),
    "group_norm": lambda: _image(GroupNormNet(), 32),
    "bert_sdpa": lambda: _bert("sdpa"),
    "bert_eager": lambda: _bert("eager"),
    "gpt2_sdpa": lambda: _gpt2("sdpa"),
    "gpt2_eager": lambda: _gpt2("eager"),
    "gpt2_fused_gelu": lambda: _gpt2("eager", "gelu_pytorch_tanh"),
    "llama_sdpa": lambda: _llama("sdpa"),
    "llama_eager": lambda: _llama("eager"),
    "vit_sdpa": lambda: _vit("sdpa"),
    "vit_eager": lambda: _vit("eager"),
    "swin": _swin,
    "t5": _t5,
    "transformer_encoder": _encoder,
    "rms_norm": lambda: (RmsNet(), (torch.randn(2, 32, 64),)),
    "lstm": lambda: (LanguageModel(), (_tokens(200, 20),)),
    "branches": lambda: (Branches(), (torch.randn(4, 16),)),
}


def build(name: str) -> Any:
    """The network `name` in training mode with its dropout off, and an example input."""
    torch.manual_seed(0)
    module, example = NETWORKS[name]()
    module.train()
    for part in module.modules():
        if isinstance(part, nn.Dropout) or type(part).__name__ == "StochasticDepth":
            part.eval()
    return module, example
