"""The pieces of a network as a graph that shrinks while patterns are fused."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from collections.abc import Set as AbstractSet

from archsim.workload.onnx_reader.nodes import Node
from archsim.workload.onnx_reader.operators import Piece, Scope

Placed = tuple[Node, Piece]

# What hands its data on unchanged, whatever the type or shape.
_UNCHANGED = frozenset(
    {"Identity", "Cast", "CastLike", "Dropout", "Reshape", "Squeeze", "Unsqueeze", "Flatten"}
)
_LONGEST_CHAIN = 8


class Structure:
    """Pieces in order, who makes each tensor and who reads it.

    A piece is known by its index, which follows the order of the file; fusing leaves the fused
    piece at the index of the last one, so indices stay topological.
    """

    def __init__(self, pieces: Sequence[Placed], scope: Scope) -> None:
        self.scope = scope
        self._pieces: list[Placed | None] = list(pieces)
        self._producer: dict[str, int] = {}
        self._readers: dict[str, set[int]] = {}
        for index, (_, piece) in enumerate(pieces):
            self._connect(index, piece)
        shared: dict[str, int] = {}
        for node, _ in pieces:
            shared[node.name] = shared.get(node.name, 0) + 1
        self._whole = frozenset(name for name, count in shared.items() if count == 1)
        self._by_type: dict[str, set[int]] = {}
        for index in range(len(pieces)):
            self._by_type.setdefault(self.op_type(index), set()).add(index)

    def _connect(self, index: int, piece: Piece) -> None:
        for name in piece.outputs:
            self._producer[name] = index
        for name in piece.inputs:
            self._readers.setdefault(name, set()).add(index)

    def of_type(self, op_type: str) -> frozenset[int]:
        """The pieces of an operator that are there now."""
        return frozenset(self._by_type.get(op_type, ()))

    def has(self, index: int) -> bool:
        """Whether the piece at `index` is still there."""
        return self._pieces[index] is not None

    @property
    def pieces(self) -> list[Placed]:
        """The pieces that are still there, in order."""
        return [placed for placed in self._pieces if placed is not None]

    def node(self, index: int) -> Node:
        """The node that the piece at `index` comes from."""
        return self._placed(index)[0]

    def piece(self, index: int) -> Piece:
        """The piece at `index`."""
        return self._placed(index)[1]

    def _placed(self, index: int) -> Placed:
        placed = self._pieces[index]
        if placed is None:
            raise LookupError(index)
        return placed

    def op_type(self, index: int) -> str:
        """The operator of a piece of the default domain that is all of its node; else empty."""
        node = self.node(index)
        whole = node.name in self._whole and not self.piece(index).per_step
        return node.op_type if node.domain == "" and whole else ""

    def producer(self, tensor: str) -> int | None:
        """The piece that makes `tensor`, or None for an input of the network or a constant."""
        return self._producer.get(tensor)

    def made_by(self, tensor: str, *op_types: str) -> int | None:
        """The piece that makes `tensor` if it is of one of these operators."""
        index = self._producer.get(tensor)
        return index if index is not None and self.op_type(index) in op_types else None

    def readers(self, tensor: str) -> AbstractSet[int]:
        """The pieces that read `tensor`."""
        return self._readers.get(tensor, frozenset())

    def only_reader(self, tensor: str) -> int | None:
        """The one piece that reads `tensor`; None if several do, or the network gives it out."""
        found = self._readers.get(tensor, set())
        return next(iter(found)) if len(found) == 1 and tensor not in self.scope.results else None

    def closed(self, members: Collection[int], result: str) -> bool:
        """Whether nothing outside `members` reads what they make, `result` excepted."""
        for index in members:
            for tensor in self.piece(index).outputs:
                if tensor == result:
                    continue
                if tensor in self.scope.results or not self.readers(tensor) <= set(members):
                    return False
        return True

    def behind(self, tensor: str, op_types: Collection[str] = _UNCHANGED) -> tuple[str, list[int]]:
        """What `tensor` was before operators of `op_types` handed it on, and those pieces."""
        passed: list[int] = []
        while (index := self._producer.get(tensor)) is not None and len(passed) < _LONGEST_CHAIN:
            if self.op_type(index) not in op_types or len(self.piece(index).inputs) != 1:
                break
            passed.append(index)
            tensor = self.piece(index).inputs[0]
        return tensor, passed

    def replace(self, members: Collection[int], placed: Placed) -> None:
        """Put one piece in the place of `members`, where the last of them was."""
        for index in members:
            self._by_type[self.op_type(index)].discard(index)
            for name in self.piece(index).inputs:
                self._readers[name].discard(index)
            for name in self.piece(index).outputs:
                del self._producer[name]
            self._pieces[index] = None
        last = max(members)
        self._pieces[last] = placed
        self._connect(last, placed[1])
        self._by_type.setdefault(self.op_type(last), set()).add(last)
