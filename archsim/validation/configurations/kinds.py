"""All kinds of published configurations; a new kind is one file and one name here."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import Discriminator

from archsim.validation.configurations.adder_tree_macro import AdderTreeMacroKind
from archsim.validation.configurations.advantage import Advantage
from archsim.validation.configurations.digital_macro import DigitalMacroKind
from archsim.validation.configurations.macro import MacroKind
from archsim.validation.configurations.neurosim_mlp import NeurosimMlpKind
from archsim.validation.configurations.pipelined_training import PipelinedTraining
from archsim.validation.configurations.priced_architecture import PricedArchitecture
from archsim.validation.configurations.rollup import Rollup
from archsim.validation.configurations.tiled_network import TiledNetworkKind
from archsim.validation.configurations.training_run import TrainingRun
from archsim.validation.configurations.unconfigured import Unconfigured

Configuration: TypeAlias = Annotated[
    AdderTreeMacroKind
    | Advantage
    | DigitalMacroKind
    | MacroKind
    | NeurosimMlpKind
    | PipelinedTraining
    | PricedArchitecture
    | Rollup
    | TiledNetworkKind
    | TrainingRun
    | Unconfigured,
    Discriminator("kind"),
]
