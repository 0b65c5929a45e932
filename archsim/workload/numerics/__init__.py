"""The forward graph evaluated in numpy: what is counted is what the file says.

`covers` pairs the workload's ops with the file's nodes, `values` holds and folds tensors, a family
of kernels per kind of operator (gathered in `registry`) computes, `products` multiplies matrices as
they are counted and compares, and `evaluator` runs it all.  To add an operator, add a `Kernel` to a
family's `KERNELS`.
"""

from archsim.workload.numerics.evaluator import Evaluation, Evaluator, evaluate
from archsim.workload.numerics.products import MiscountError
from archsim.workload.numerics.registry import KERNELS
from archsim.workload.numerics.weights import with_weights

__all__ = ["KERNELS", "Evaluation", "Evaluator", "MiscountError", "evaluate", "with_weights"]
