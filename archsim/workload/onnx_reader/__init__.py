"""The ONNX reader: an ONNX file becomes a bound, understood `Workload`.

`loading` and `functions` make a model safe to look at, `nodes` puts its graph in order, `binding`
gives its inputs their shapes, `trace` folds constants and hands every other node to its operator
family (`families/`, gathered in `registry`), and `assembly` makes the workload of what they return.
To add an operator, add an entry to a family's `OPERATORS`.
"""

from archsim.workload.onnx_reader.reader import read_workload, workload_from_model
from archsim.workload.onnx_reader.registry import (
    OPERATORS,
    UnsupportedOperator,
    UnsupportedOperators,
)

__all__ = [
    "OPERATORS",
    "UnsupportedOperator",
    "UnsupportedOperators",
    "read_workload",
    "workload_from_model",
]
