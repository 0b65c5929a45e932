"""How long a float32 training step takes in numpy, beside PyTorch on the same machine.

PYTHONPATH=. python benchmarks/numerics.py [--torch PYTHON] [--runs N] [--profile NETWORK]

A step is forward, cross entropy, backward and plain SGD; medians of processor time, one thread each.  PyTorch runs in
the interpreter that `--torch` names (by default this one, if it has torch) as a second process, in
turns with this one: both see the same machine.  `--profile` prints where a step's time goes.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

SHAPES = {
    "mlp": (64, 784),
    "lenet": (64, 1, 28, 28),
    "vgg8": (8, 3, 32, 32),
    "resnet18": (64, 3, 32, 32),
}
# So small that weights stay where they began: steps on random labels would diverge in time.
RATE = 1e-4
ROUNDS = 3


def median_ms(step: Callable[[], object], runs: int) -> float:
    """Median processor time of `runs` steps after two that warm up."""
    for _ in range(2):
        step()
    times = []
    for _ in range(runs):
        start = time.process_time()
        step()
        times.append(time.process_time() - start)
    return 1e3 * statistics.median(times)


def numpy_step(name: str) -> Callable[[], object]:
    """A training step of the network in numpy."""
    from archsim.cotraining.numerics.backend import FloatBackend
    from archsim.cotraining.numerics.losses import softmax_cross_entropy
    from archsim.cotraining.numerics.network import Network, merge_gradients
    from archsim.workload.builders.lenet import lenet
    from archsim.workload.builders.mlp import mlp
    from archsim.workload.builders.resnet import resnet
    from archsim.workload.builders.vgg import vgg
    from archsim.workload.executable import executable
    from archsim.workload.executable_start import fresh_parameters

    models = {
        "mlp": lambda: mlp("mlp", widths=(784, 256, 128, 10), activation="relu"),
        "lenet": lambda: lenet("lenet", classes=10, activation="relu", pooling="max"),
        "vgg8": lambda: vgg(
            "vgg8",
            image=(3, 32),
            stages=((128, 128), (256, 256), (512, 512)),
            hidden=(1024,),
            classes=10,
            bias=False,
        ),
        "resnet18": lambda: resnet(
            "resnet18", block="basic", layers=(2, 2, 2, 2), classes=10, side=32
        ),
    }
    graph = executable(models[name]())
    rng = np.random.default_rng(0)
    parameters = fresh_parameters(graph, rng)
    network = Network(graph)
    images = rng.normal(size=SHAPES[name]).astype(np.float32)
    labels = rng.integers(0, 10, SHAPES[name][0])

    def step() -> None:
        backend = FloatBackend(graph, parameters)
        outputs, tape = network.forward(parameters, {"x": images}, backend, rng)
        _, gradient = softmax_cross_entropy(outputs["logits"], labels)
        digital = network.backward(tape, {"logits": gradient})
        for parameter, change in merge_gradients(digital, backend.gradients()).items():
            parameters[parameter] -= np.float32(RATE) * change
        parameters.update(tape.statistics)

    return step


TORCH = """
import json, statistics, sys, time
import torch
from torch import nn
torch.set_num_threads(1)
name, runs, shape = sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])

class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.short = nn.Identity() if same else nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
    def forward(self, x):
        y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(y + self.short(x))

def vgg():
    layers, channels = [], 3
    for width in (128, 256, 512):
        for _ in range(2):
            layers += [nn.Conv2d(channels, width, 3, 1, 1, bias=False), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8192, 1024, bias=False), nn.ReLU(),
                         nn.Linear(1024, 10, bias=False))

def resnet():
    layers, channels = [], 64
    for stage, width in enumerate((64, 128, 256, 512)):
        for index in range(2):
            layers.append(Block(channels, width, 2 if stage and not index else 1))
            channels = width
    return nn.Sequential(nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
        nn.MaxPool2d(3, 2, 1), *layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, 10))

NETS = {
    "mlp": lambda: nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 128), nn.ReLU(),
                                 nn.Linear(128, 10)),
    "lenet": lambda: nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 5), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84),
        nn.ReLU(), nn.Linear(84, 10)),
    "vgg8": vgg,
    "resnet18": resnet,
}
net = NETS[name]()
x, y = torch.randn(shape), torch.randint(0, 10, (shape[0],))
optimizer = torch.optim.SGD(net.parameters(), lr=1e-4)
times = []
for _ in range(runs + 2):
    start = time.process_time()
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(x), y).backward()
    optimizer.step()
    times.append(time.process_time() - start)
print(1e3 * statistics.median(times[2:]))
"""


def torch_ms(python: str, name: str, runs: int) -> float | None:
    """Median time of PyTorch's step, or None if that interpreter has no torch."""
    command = [python, "-c", TORCH, name, str(runs), json.dumps(SHAPES[name])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        if "No module named 'torch'" in done.stderr:
            return None
        raise RuntimeError(done.stderr)
    return float(done.stdout)


def sgemm_gflops() -> float:
    """The rate of a float32 product of 512 x 512 matrices."""
    a = np.ones((512, 512), np.float32)
    return 2 * 512**3 / (1e6 * median_ms(lambda: a @ a, 50))


def profile(name: str) -> None:
    """Print where the time of ten steps goes."""
    import cProfile
    import pstats

    step = numpy_step(name)
    step()
    profiler = cProfile.Profile()
    profiler.enable()
    for _ in range(10):
        step()
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(15)


def main() -> None:
    """Measure every network, both programs in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torch", default=sys.executable, help="an interpreter with torch")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--profile", choices=SHAPES)
    options = parser.parse_args()
    if options.profile:
        profile(options.profile)
        return
    print(f"sgemm on one thread: {sgemm_gflops():.0f} GFLOP/s, numpy {np.__version__}")
    print(f"{'network':10} {'batch':>5} {'numpy ms':>9} {'torch ms':>9} {'ratio':>6}")
    for name, shape in SHAPES.items():
        runs = options.runs * (20 if name == "mlp" else 1)
        step = numpy_step(name)
        ours, theirs = [], []
        for _ in range(ROUNDS):
            ours.append(median_ms(step, runs))
            theirs.append(torch_ms(options.torch, name, runs))
        mine = statistics.median(ours)
        known = [entry for entry in theirs if entry is not None]
        other = statistics.median(known) if known else None
        shown = f"{other:9.2f} {mine / other:6.2f}" if other else f"{'-':>9} {'-':>6}"
        print(f"{name:10} {shape[0]:5} {mine:9.2f} {shown}")


if __name__ == "__main__":
    main()
