"""Networks written in PyTorch's functions (`f`), for tests that compare with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def lenet(f: Any, p: Mapping[str, Any], x: Any) -> Any:
    """LeNet-5 with rectifiers and max pooling, from its parameters by name."""
    for name, padding in (("conv1", 2), ("conv2", 0)):
        x = f.conv2d(x, p[f"{name}.weight"], p[f"{name}.bias"], padding=padding).relu()
        x = f.max_pool2d(x, 2)
    x = x.flatten(1)
    for name in ("fc1", "fc2"):
        x = f.linear(x, p[f"{name}.weight"], p[f"{name}.bias"]).relu()
    return f.linear(x, p["fc3.weight"], p["fc3.bias"])
