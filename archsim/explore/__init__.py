"""Design-space exploration: the space of a study, its limits, and its Pareto front."""
