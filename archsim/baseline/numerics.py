"""What a training step is computed in: number formats and digital optimizers.

Bytes are those of mixed-precision training as its libraries do it: float32 master weights and
optimizer state, half-precision activations, gradients and working copy of the weights
(Micikevicius et al., Mixed Precision Training, ICLR 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from archsim.errors import InputError, did_you_mean

MASTER_BYTES = 4  # master weights and optimizer state are float32 in every precision


class Precision(StrEnum):
    """The number format of matrix products; all of them accumulate in float32."""

    FP32 = "fp32"
    TF32 = "tf32"  # float32 storage, products on tensor cores with 10 mantissa bits
    AMP = "amp"  # fp16 or bf16 storage and products, float32 master weights

    @property
    def activation_bytes(self) -> int:
        """Bytes of an activation, a gradient or a working weight."""
        return 2 if self is Precision.AMP else 4

    @property
    def weight_copy_bytes(self) -> int:
        """Bytes of a weight's working copy beside the master weight."""
        return 2 if self is Precision.AMP else 0


class Optimizer(StrEnum):
    """A digital optimizer, priced by the state that it keeps and the arithmetic per weight."""

    SGD = "sgd"
    MOMENTUM = "momentum"
    ADAM = "adam"
    ADAMW = "adamw"


@dataclass(frozen=True, slots=True)
class OptimizerCost:
    """Words of float32 state and scalar operations per trained parameter."""

    state_words: int
    operations: int
    special_operations: int


# Counted from the update formulas; weight decay is one multiply-add more.
_COSTS: dict[Optimizer, OptimizerCost] = {
    Optimizer.SGD: OptimizerCost(state_words=0, operations=4, special_operations=0),
    Optimizer.MOMENTUM: OptimizerCost(state_words=1, operations=6, special_operations=0),
    Optimizer.ADAM: OptimizerCost(state_words=2, operations=14, special_operations=2),
    Optimizer.ADAMW: OptimizerCost(state_words=2, operations=15, special_operations=2),
}


def optimizer_cost(optimizer: Optimizer) -> OptimizerCost:
    """State and arithmetic of `optimizer` per trained parameter."""
    return _COSTS[optimizer]


def optimizer_traffic_bytes(optimizer: Optimizer, precision: Precision) -> int:
    """Bytes per trained parameter and step: gradient in, master weight and state in and out.

    Under mixed precision the new working copy is written too: that is the cast of the weights.
    """
    words_in_and_out = 1 + optimizer_cost(optimizer).state_words
    return (
        precision.activation_bytes
        + 2 * MASTER_BYTES * words_in_and_out
        + precision.weight_copy_bytes
    )


ChoiceT = TypeVar("ChoiceT", bound=StrEnum)


def parse_choice(kind: type[ChoiceT], text: str, what: str) -> ChoiceT:
    """The member of `kind` that `text` names; `InputError` with the choices if none does."""
    try:
        return kind(text)
    except ValueError:
        names = [member.value for member in kind]
        hint = did_you_mean(text, names)
        known = "" if hint.startswith("Known") else f" Known: {', '.join(sorted(names))}."
        raise InputError(f"'{text}' is no {what}.", remedy=hint + known) from None
