"""Remarks on a training graph for its reader."""

from __future__ import annotations

from archsim.workload.digital_training import Ending
from archsim.workload.gradients import Scope
from archsim.workload.graph import Note
from archsim.workload.training_types import TrainingOptions


def remarks(scope: Scope, options: TrainingOptions) -> tuple[Note, ...]:
    """Where the loss is taken, and what of it the network does itself."""
    notes: list[Note] = []
    for head in scope.heads:
        if head.ending is not Ending.SCORES:
            notes.append(
                Note(
                    "fused_loss",
                    f"The output '{head.output}' ends in a softmax, so the cross entropy gives the "
                    f"gradient of its input '{head.tensor}' at once.",
                )
            )
        if head.computed:
            notes.append(
                Note(
                    "loss_in_file",
                    f"The network computes its own loss '{head.output}'; no other is added.",
                )
            )
    if len(scope.heads) > 1 and not any(head.computed for head in scope.heads):
        names = ", ".join(f"'{head.output}'" for head in scope.heads)
        notes.append(
            Note("several_outputs", f"The loss ({options.loss}) is taken on each of: {names}.")
        )
    return tuple(notes)
