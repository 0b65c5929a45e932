"""A colour for each kind of operator, on light and on dark ground."""

from __future__ import annotations

from types import MappingProxyType

from archsim.workload.graph import OpKind

# After Okabe and Ito (2008), "Color universal design"; what moves data or costs little is grey.
LIGHT = MappingProxyType(
    {
        OpKind.WEIGHT_MATMUL: "#0072b2",
        OpKind.DYNAMIC_MATMUL: "#b84300",
        OpKind.EMBEDDING: "#009e73",
        OpKind.NORMALISATION: "#b36aa2",
        OpKind.SOFTMAX: "#d18f00",
        OpKind.REDUCTION: "#8a7a00",
        OpKind.ELEMENTWISE: "#2f9fd8",
        OpKind.POOLING: "#5c318b",
        OpKind.MOVEMENT: "#8b929b",
        OpKind.LOSS: "#c0392b",
    }
)
DARK = MappingProxyType(
    {
        OpKind.WEIGHT_MATMUL: "#3b98df",
        OpKind.DYNAMIC_MATMUL: "#e0702f",
        OpKind.EMBEDDING: "#00b386",
        OpKind.NORMALISATION: "#e29ac3",
        OpKind.SOFTMAX: "#e7a120",
        OpKind.REDUCTION: "#cfc03a",
        OpKind.ELEMENTWISE: "#86d0f7",
        OpKind.POOLING: "#a987d6",
        OpKind.MOVEMENT: "#79818b",
        OpKind.LOSS: "#ef6a5a",
    }
)


def paint(kind: OpKind) -> str:
    """The CSS class of a kind."""
    return f"k-{kind.value.replace('_', '-')}"


def css() -> str:
    """Colours as CSS variables for both grounds, and a rule for each kind."""
    light = ";".join(f"--{paint(kind)}:{colour}" for kind, colour in LIGHT.items())
    dark = ";".join(f"--{paint(kind)}:{colour}" for kind, colour in DARK.items())
    rules = "".join(f".{paint(kind)}{{--hue:var(--{paint(kind)})}}" for kind in OpKind)
    return (
        f"svg{{--ground:#fff;--ink:#1c2126;--pale:#59636e;--edge:#7d8690;{light}}}"
        "@media (prefers-color-scheme:dark){svg{--ground:#15181c;--ink:#e8eaed;--pale:#a7b0ba;"
        f"--edge:#87919c;{dark}}}}}{rules}"
    )
