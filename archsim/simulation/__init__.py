"""Counts times costs on a schedule: lowering, task costs, the analytic fidelity."""
