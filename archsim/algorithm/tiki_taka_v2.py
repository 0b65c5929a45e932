"""Tiki-Taka version 2: a digital low-pass filter between the fast and the slow array."""

from __future__ import annotations

from typing import ClassVar, Literal

from archsim.algorithm.buffered import BufferedTransfer


class TikiTakaV2(BufferedTransfer):
    """Tiki-Taka with one digital number H per weight between the arrays A and C (Gokmen 2021)."""

    published: ClassVar[str] = "alg.TTv2"

    kind: Literal["tiki_taka_v2"]
