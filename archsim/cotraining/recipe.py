"""A recipe: everything about a training that neither the network nor the hardware says.

data: digits
epochs: 30
batch: 10
learning_rate: {kind: constant, rate: 0.1}
optimizer: {kind: sgd}
seeds: 3
targets: [0.95]
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from archsim.cotraining.data import Normalisation
from archsim.cotraining.optimizer import DigitalOptimizer, Sgd
from archsim.cotraining.schedule import ConstantRate, Count, LearningRate
from archsim.fields import Component, Quantity
from archsim.hardware.spread import Spread
from archsim.tile_kernel.parameters import BoundManagement, NoiseManagement

Loss = Literal["cross_entropy", "mse"]
Initial = Literal["fresh", "uniform", "file"]
Copies = Literal["one", "mapped"]
Merge = Literal["minibatch", "sample"]
Share = Annotated[float, Quantity(above=0, maximum=1)]


class TileRecipe(Component):
    """How the arrays are read and updated, where that is not a matter of the hardware.

    `noise_management` scales inputs to the converter's range, `bound_management` repeats reads
    that exceed it (null: what the input encoding allows), `update_management` balances rows and
    columns, `length_management` shortens trains of small updates.  `merge: sample` applies the
    samples of a minibatch one after the other, `minibatch` as one update (faster; steps depend on
    the weights at its start).  `weight_scale` is the weight that half the conductance range stands
    for.  `copies: mapped` trains every copy of a matrix that the mapping keeps equal by averaging on
    its own share of the vectors, and averages them as `mapping.sync_interval` says; `one` trains one
    array that takes every update, which is as many times faster.  `unknown_spread` fills in what nobody has published of a device's spread: an assumption.
    """

    noise_management: NoiseManagement = "abs_max"
    bound_management: BoundManagement | None = None
    update_management: bool = True
    length_management: bool = True
    merge: Merge = "minibatch"
    copies: Copies = "one"
    weight_scale: Annotated[float, Quantity(above=0, maximum=1e3)] = 1.0
    unknown_spread: Spread = Spread(
        step_devices=0.1,
        bounds_devices=0.05,
        asymmetry_devices=0.01,
        bounds_cycles=0.0,
        step_cycles=0.3,
        write_noise=0.0,
    )


class Recipe(Component):
    """How a network is trained, on the tiles and in float32 alike.

    `data` is `digits`, a folder or a file (relative to the working directory).  `normalisation`
    scales inputs: `unit` to full scale 1, `standard` further to mean 0 and deviation 1 of the
    training set.  `train_samples` and `test_samples` take the first so many; null takes all.
    `learning_rate` is that of weight matrices, on the tiles and in float32, which both take plain
    stochastic gradient descent (the tiles in the form of the architecture's `algorithm`);
    `optimizer` is that of all other parameters.  Samples that do not fill a minibatch are left out
    of an epoch.  `initial: file` starts from the weights of the file, `fresh` draws them, `uniform`
    draws weights and biases between -1/sqrt(inputs) and +1/sqrt(inputs).  How batch normalisation
    is done is the architecture's `schedule.batchnorm`.  The network is judged after every
    `test_every` epochs, through the same tiles.  With `stop_at_targets` training ends where all
    `targets` (shares of correct test answers) have been reached.
    """

    description: str = ""
    data: str = "digits"
    normalisation: Normalisation = "unit"
    train_samples: Count | None = None
    test_samples: Count | None = None
    loss: Loss = "cross_entropy"
    epochs: Count = 10
    batch: Count = 10
    learning_rate: LearningRate = ConstantRate(kind="constant", rate=0.1)
    optimizer: DigitalOptimizer = Sgd(kind="sgd")
    seeds: Annotated[int, Quantity(integer=True, minimum=1, maximum=1000)] = 3
    first_seed: Annotated[int, Quantity(integer=True, minimum=0, maximum=1e6)] = 0
    initial: Initial = "fresh"
    test_every: Count = 1
    test_batch: Count = 500
    targets: tuple[Share, ...] = ()
    stop_at_targets: bool = False
    checkpoint_s: Annotated[float, Quantity("s", above=0, maximum=1e6)] = 60.0
    tiles: TileRecipe = Field(default_factory=TileRecipe)
    references: tuple[str, ...] = ()


RECIPE_MODEL = Recipe
