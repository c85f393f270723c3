"""`SignBook.sign_once`: the row of the sign log is on the disk before the signature exists.

A seat that was killed between the two signs the same digest again, never another one.
"""

from __future__ import annotations

from keepers.roles.attester.signlog import SignLog
from keepers.runtime.crashpoints import cp
from keepers.wire.signatures import DigestSigner


class SignBook:
    """The one door to the seat's key."""

    def __init__(self, log: SignLog) -> None:
        self.log = log
        self._views: dict[int, frozenset[int]] = {}

    def sign_once(
        self, kind: str, epoch: int, view: int, digest: bytes, signer: DigestSigner, now: int, opens: float
    ) -> bytes:
        """65 bytes r‖s‖v over `digest` at a place that opens at `opens` (network time).

        Raises AlreadySigned where the log has another digest, or where an earlier self may have signed one.
        """
        cp("attester.sign.before-row")
        self.log.record(kind, epoch, view, digest, now, opens)
        cp("attester.sign.after-row")
        self._views.pop(epoch, None)
        signature = signer.sign_digest(digest)
        cp("attester.sign.after-signature")
        return signature

    def views(self, epoch: int) -> frozenset[int]:
        """Views of an epoch in which this seat has signed a report."""
        if epoch not in self._views:
            self._views = {epoch: self.log.views(epoch)}  # one epoch is worked on at a time
        return self._views[epoch]
