"""Operator families: one file each, with a table `OPERATORS` of the operators it understands."""
