"""Buffers, DRAM and links: capacity, bandwidth, energy per bit, static power."""

from archsim.hardware.memory.buffer import Buffer, EnteredBuffer, SramBuffer
from archsim.hardware.memory.dram import Dram, Link

__all__ = ["Buffer", "Dram", "EnteredBuffer", "Link", "SramBuffer"]
