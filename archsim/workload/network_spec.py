"""Families of networks that archsim builds itself, with their sizes.

A new family is one builder file in `builders/`, one class here, one entry in `Network`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, TypeAlias

from pydantic import Discriminator, Field, model_validator

from archsim.fields import Component, Quantity

if TYPE_CHECKING:
    from typing import Self

    import onnx

Count: TypeAlias = Annotated[int, Quantity(minimum=1, maximum=10**9, integer=True)]
Layers: TypeAlias = Annotated[int, Quantity(minimum=1, maximum=1000, integer=True)]


class NetworkSpec(Component):
    """A family of networks with its sizes; `symbols` are its symbolic dimensions less the batch."""

    symbols: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def build(self, name: str) -> onnx.ModelProto:
        """Write the network as an ONNX model whose graph is called `name`."""


class MlpSpec(NetworkSpec):
    """A multilayer perceptron: `widths` from the input to the output; `activation` between layers."""

    kind: Literal["mlp"] = "mlp"
    widths: Annotated[tuple[Count, ...], Field(min_length=2)] = (784, 256, 128, 10)
    activation: Literal["relu", "tanh", "sigmoid", "none"] = "relu"
    bias: bool = True

    def build(self, name: str) -> onnx.ModelProto:
        """Write the network as an ONNX model."""
        from archsim.workload.builders.mlp import mlp

        return mlp(name, widths=self.widths, activation=self.activation, bias=self.bias)


class LenetSpec(NetworkSpec):
    """LeNet-5 on 28 x 28 grey images."""

    kind: Literal["lenet"] = "lenet"
    classes: Count = 10
    activation: Literal["relu", "tanh"] = "relu"
    pooling: Literal["max", "average"] = "max"

    def build(self, name: str) -> onnx.ModelProto:
        """Write the network as an ONNX model."""
        from archsim.workload.builders.lenet import lenet

        return lenet(name, classes=self.classes, activation=self.activation, pooling=self.pooling)


class VggSpec(NetworkSpec):
    """Stages of 3 x 3 convolutions, each ended by 2 x 2 max pooling, then linear layers."""

    kind: Literal["vgg"] = "vgg"
    channels: Count = 3
    side: Count = 32
    stages: tuple[tuple[Count, ...], ...] = ((128, 128), (256, 256), (512, 512))
    hidden: tuple[Count, ...] = (1024,)
    classes: Count = 10
    bias: bool = False

    @model_validator(mode="after")
    def _halves(self) -> Self:
        pixels = 2 ** len(self.stages)
        if self.side % pixels:
            raise ValueError(
                f"side {self.side} is not divisible by {pixels}, as the halvings after"
                f" {len(self.stages)} stages need"
            )
        return self

    def build(self, name: str) -> onnx.ModelProto:
        """Write the network as an ONNX model."""
        from archsim.workload.builders.vgg import vgg

        return vgg(
            name,
            image=(self.channels, self.side),
            stages=self.stages,
            hidden=self.hidden,
            classes=self.classes,
            bias=self.bias,
        )


class ResnetSpec(NetworkSpec):
    """A residual network for images of `side` x `side` pixels; `layers` counts blocks per stage."""

    kind: Literal["resnet"] = "resnet"
    block: Literal["basic", "bottleneck"]
    layers: Annotated[tuple[Layers, ...], Field(min_length=1, max_length=8)]
    classes: Count = 1000
    side: Annotated[int, Quantity(minimum=32, maximum=65536, integer=True)] = 224

    def build(self, name: str) -> onnx.ModelProto:
        """Write the network as an ONNX model."""
        from archsim.workload.builders.resnet import resnet

        return resnet(
            name, block=self.block, layers=self.layers, classes=self.classes, side=self.side
        )


class TransformerSpec(NetworkSpec):
    """What every transformer has: `layers` of `width` with `heads` that share the width."""

    layers: Layers = 12
    width: Count = 768
    heads: Count = 12

    @model_validator(mode="after")
    def _divides(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"width {self.width} is not divisible by {self.heads} heads")
        return self


class BertSpec(TransformerSpec):
    """A BERT encoder with pooler; `inner` is the width of the feed-forward layer."""

    symbols: ClassVar[tuple[str, ...]] = ("seq",)
    kind: Literal["bert"] = "bert"
    inner: Count = 3072
    vocabulary: Count = 30522
    longest: Count = 512

    def build(self, name: str) -> onnx.ModelProto:
        """Write the network as an ONNX model."""
        from archsim.workload.builders.bert import bert

        return bert(
            name,
            layers=self.layers,
            width=self.width,
            heads=self.heads,
            inner=self.inner,
            vocabulary=self.vocabulary,
            longest=self.longest,
        )


class Gpt2Spec(TransformerSpec):
    """A GPT-2 decoder with tied head; `longest` is the longest sequence it has positions for."""

    symbols: ClassVar[tuple[str, ...]] = ("seq",)
    kind: Literal["gpt2"] = "gpt2"
    vocabulary: Count = 50257
    longest: Count = 1024

    def build(self, name: str) -> onnx.ModelProto:
        """Write the network as an ONNX model."""
        from archsim.workload.builders.gpt2 import gpt2

        return gpt2(
            name,
            layers=self.layers,
            width=self.width,
            heads=self.heads,
            vocabulary=self.vocabulary,
            longest=self.longest,
        )


class LstmSpec(NetworkSpec):
    """An LSTM language model of `layers` with `width` units."""

    symbols: ClassVar[tuple[str, ...]] = ("seq",)
    kind: Literal["lstm"] = "lstm"
    layers: Layers = 2
    width: Count = 650
    vocabulary: Count = 10000

    def build(self, name: str) -> onnx.ModelProto:
        """Write the network as an ONNX model."""
        from archsim.workload.builders.lstm import lstm_language_model

        return lstm_language_model(
            name, layers=self.layers, width=self.width, vocabulary=self.vocabulary
        )


class VitSpec(TransformerSpec):
    """A vision transformer on images of `side` x `side` pixels cut into `patch` x `patch`."""

    kind: Literal["vit"] = "vit"
    inner: Count = 3072
    patch: Count = 16
    side: Count = 224
    classes: Count = 1000

    @model_validator(mode="after")
    def _cuts(self) -> Self:
        if self.side % self.patch:
            raise ValueError(f"side {self.side} is not divisible by patch {self.patch}")
        return self

    def build(self, name: str) -> onnx.ModelProto:
        """Write the network as an ONNX model."""
        from archsim.workload.builders.vit import vit

        return vit(
            name,
            layers=self.layers,
            width=self.width,
            heads=self.heads,
            inner=self.inner,
            patch=self.patch,
            side=self.side,
            classes=self.classes,
        )


Network: TypeAlias = Annotated[
    MlpSpec | LenetSpec | VggSpec | ResnetSpec | BertSpec | Gpt2Spec | LstmSpec | VitSpec,
    Discriminator("kind"),
]
