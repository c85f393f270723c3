"""A backend that lies."""

from __future__ import annotations

from keepers.gpu.backends import Round
from keepers.gpu.backends.cpu import CpuBackend


class Spoilt(CpuBackend):
    """Tells the truth in its self-test and lies afterwards: the product of the second round is another's."""

    honest = 2

    def round(self, ka: bytes) -> Round:
        self.honest -= 1
        return super().round(ka if self.honest >= 0 else bytes(32))

    def row(self, ka: bytes, row: int) -> bytes:
        return super().row(ka if self.honest >= 0 else bytes(32), row)
