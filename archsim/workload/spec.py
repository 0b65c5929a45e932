"""What a workload's YAML file says: a network, and what ONNX does not carry of its training.

    description: ResNet-50 v1.5 on ImageNet
    network: {kind: resnet, block: bottleneck, layers: [3, 4, 6, 3]}
    training: {loss: cross_entropy, optimizer: momentum}
    references: ["He et al. 2015, arXiv:1512.03385"]

or, with a network of one's own:

    model: exports/translator.onnx     # relative to this file
    dims: {seq: 384}                   # sizes of symbolic dimensions
    shapes: {pixel_values: [1, 3, 224, 224]}
    batch: 32                          # samples of a training step
    counts: {decoder_loop: 20}         # what only a run would tell: iterations, elements found
    training:
      loss: cross_entropy
      loss_outputs: [logits, "aux_*"]  # default: every floating-point output
      frozen: ["backbone.*"]
      input_gradients: [pixel_values]
      recompute: ["*layers.?"]         # or all
      optimizer: adamw
    ties:
      tie: [[wte.weight, "onnx::MatMul_7"]]   # one tensor that the exporter wrote twice
      untie: ["*norm*.weight"]                # equal tensors that the exporter merged

`WORKLOAD_MODEL` is the type to validate such a file with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field, model_validator

from archsim.errors import did_you_mean
from archsim.fields import Component
from archsim.workload.network_spec import Count, Network
from archsim.workload.recompute import Recompute
from archsim.workload.ties import NO_TIES, Ties
from archsim.workload.training import Loss, Optimizer, TrainingOptions

if TYPE_CHECKING:
    from typing import Self

    import onnx


class TrainingSpec(Component):
    """How the network is trained; the command line may name another optimizer.

    `frozen` are globs over parameters, `loss_outputs` over outputs, `recompute` over the names of
    operators or modules (or `all`, or `none`); `input_gradients` names inputs of the network.
    """

    loss: Loss = "cross_entropy"
    loss_outputs: tuple[str, ...] = ()
    optimizer: Optimizer = "sgd"
    frozen: tuple[str, ...] = ()
    input_gradients: tuple[str, ...] = ()
    recompute: Recompute = "none"

    def options(self) -> TrainingOptions:
        """The same as options of `training_graph`."""
        return TrainingOptions(
            loss=self.loss,
            frozen=self.frozen,
            input_gradients=self.input_gradients,
            optimizer=self.optimizer,
            loss_outputs=self.loss_outputs,
            recompute=self.recompute,
        )


class TiesSpec(Component):
    """Which stored tensors are one parameter, where that differs from what the file stores.

    Each list of `tie` names stored tensors that are one (of one shape, or transposed); a stored
    tensor that a glob of `untie` matches becomes a parameter of its own for each operator that
    reads it.
    """

    tie: tuple[Annotated[tuple[str, ...], Field(min_length=2)], ...] = ()
    untie: tuple[str, ...] = ()

    def ties(self) -> Ties:
        """The same for the importer."""
        return Ties(self.tie, self.untie) if self.tie or self.untie else NO_TIES


class WorkloadSpec(Component):
    """A network, its default dimensions, how it is trained, and where it is from.

    Either `network`, which archsim builds, or `model`, the path of an ONNX file relative to this
    one.  `name` is the file's, unless it says another.  `dims` and `shapes` bind symbolic dimensions
    (all of them but the batch, where archsim builds the network); `batch` is the number of samples
    of a training step; `counts` says, by the names of nodes, how often a loop runs or how many
    elements a search finds.
    """

    name: str = ""
    description: str = ""
    network: Network | None = None
    model: str | None = None
    dims: dict[str, Count] = Field(default_factory=dict)
    shapes: dict[str, tuple[Count, ...]] = Field(default_factory=dict)
    batch: Count | None = None
    counts: dict[str, Count] = Field(default_factory=dict)
    training: TrainingSpec = Field(default_factory=TrainingSpec)
    ties: TiesSpec = Field(default_factory=TiesSpec)
    references: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _one_network(self) -> Self:
        if (self.network is None) == (self.model is None):
            found = "both 'network' and 'model'" if self.model else "neither 'network' nor 'model'"
            raise ValueError(
                f"{found}; expected one of them: a network that archsim builds, such as"
                " network: {kind: lenet}, or the path of an ONNX file, such as model: net.onnx"
            )
        return self

    @model_validator(mode="after")
    def _every_symbol_has_a_default(self) -> Self:
        if self.network is None or self.shapes:
            return self
        symbols = self.network.symbols
        for name in self.dims:
            if name not in symbols:
                hint = did_you_mean(name, symbols) or "It has none besides the batch."
                raise ValueError(
                    f"the network '{self.network.kind}' has no symbolic dimension '{name}'. {hint}"
                )
        missing = [name for name in symbols if name not in self.dims]
        if missing:
            raise ValueError(
                f"the network '{self.network.kind}' needs a default for the dimension"
                f" '{missing[0]}': add dims: {{{missing[0]}: 128}}"
            )
        return self

    def build(self) -> onnx.ModelProto:
        """Write the network as an ONNX model; the same specification gives the same bytes.

        Raises `TypeError` if the network is a file.
        """
        if self.network is None:
            raise TypeError(f"'{self.name}' is read from {self.model}")
        return self.network.build(self.name or self.network.kind)


WORKLOAD_MODEL = WorkloadSpec
