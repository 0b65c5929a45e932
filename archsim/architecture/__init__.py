"""The whole accelerator as one validated tree: hardware, update algorithm and policies."""

from archsim.architecture.architecture import Architecture

__all__ = ["Architecture"]
