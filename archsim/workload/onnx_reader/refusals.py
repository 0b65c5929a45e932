"""Operators that are refused on purpose, and why."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_STRINGS = "works on text, which belongs to the preparation of data"
_DATA = "decodes files, which belongs to the preparation of data"
_CLASSICAL = "is a model or a preparation of data outside neural networks"
_TRAINING = "describes training itself, which archsim derives"
_SCORES = "changes scores by a graph of its own; export the attention in primitives"
REFUSED: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        **{
            ("", op_type): _STRINGS
            for op_type in (
                "StringConcat",
                "StringNormalizer",
                "StringSplit",
                "RegexFullMatch",
                "TfIdfVectorizer",
            )
        },
        ("", "ImageDecoder"): _DATA,
        ("ai.onnx.preview", "FlexAttention"): _SCORES,
    }
)
# Domains that are refused as a whole.
REFUSED_DOMAINS: Mapping[str, str] = MappingProxyType(
    {
        "ai.onnx.ml": _CLASSICAL,
        "ai.onnx.preview.training": _TRAINING,
        "ai.onnx.training": _TRAINING,
    }
)


def refusal(domain: str, op_type: str) -> str | None:
    """Why an operator is refused on purpose, or None."""
    return REFUSED.get((domain, op_type)) or REFUSED_DOMAINS.get(domain)
