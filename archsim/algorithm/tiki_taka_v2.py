"""Tiki-Taka version 2: a digital low-pass filter between the fast and the slow array."""

from __future__ import annotations

from typing import Literal

from archsim.algorithm.buffered import BufferedTransfer


class TikiTakaV2(BufferedTransfer):
    """One number H per weight between A and C (Gokmen 2021, reference `alg.TTv2`)."""

    kind: Literal["tiki_taka_v2"]
