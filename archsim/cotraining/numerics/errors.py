"""What can go wrong in a run that no check of the network can foresee."""

from __future__ import annotations

from typing import Literal

Direction = Literal["forward", "backward"]


class NonFiniteError(ArithmeticError):
    """A node made infinite or undefined numbers of finite ones.

    `node` and `op_type` are the first such node, `matrix` the first of its matrices, or None.
    """

    def __init__(
        self, node: str, op_type: str, direction: Direction, matrix: str | None = None
    ) -> None:
        self.node = node
        self.op_type = op_type
        self.direction: Direction = direction
        self.matrix = matrix
        what = "an output" if direction == "forward" else "a gradient"
        held = f", matrix '{matrix}'" if matrix else ""
        super().__init__(
            f"{what} of the node '{node}' ({op_type}{held}) is not finite although what enters it "
            "is: the training diverges."
        )
