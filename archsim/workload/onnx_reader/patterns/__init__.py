"""Operators that exporters take apart, put together again.

A layer normalisation written as nine primitives costs and keeps what a layer normalisation costs
and keeps.  `fusion.fuse_patterns` is a pure pass over the pieces that the families made, before
they become ops: `structure` indexes them, `cone` finds subgraphs that compute one tensor from
another, `formulas` evaluates these on a few numbers, and each pattern (one file) says what its
operator computes.  A subgraph is what it computes: it is recognised by comparing numbers, so that
the order of operands and the choice of primitives do not matter.  A value that something outside
reads prevents fusing.  What is recognised is costed by the family's own rule for the fused
operator (`pricing`), as if the file held that.
"""
