"""The answer: an estimate and a baseline put together into the result contract."""

from archsim.result.energy import EnergyRow
from archsim.result.evaluate import Evaluation, evaluate

__all__ = ["EnergyRow", "Evaluation", "evaluate"]
