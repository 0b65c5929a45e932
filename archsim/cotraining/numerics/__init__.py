"""Forward and backward of a network's operators in numpy.

A family file holds the operators of one kind, gathered in `registry`; an operator is a function from
a `Call` to a `Result`, which holds its outputs and the function that turns their gradients into
those of the inputs.  Products by stationary matrices go through a `MatrixBackend` (`backend`):
float32, or analog tiles.  `network` runs a graph, `losses` has the losses.  To add an operator, add
an `Operator` to a family's `OPERATORS`, and cases to its tests: the contract test asks for them.
"""
