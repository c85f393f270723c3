"""One key's way to the chain for somebody who waits: enqueue in order, pump the outbox, hand out what was mined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from keepers.chain.ports import Call, Send, Sender, Sent, TxState
from keepers.protocol.errors import HearthError, row_of
from keepers.sdk.types import Done

LATER = 8  # pauses before a step that needs a later second: two seconds, more than blocks of one second span


class Signer(Protocol):
    """A key that signs 32-byte digests as r ‖ s ‖ v."""

    @property
    def address(self) -> str:
        """Lower-case 0x… address."""
        ...

    def sign_digest(self, digest: bytes) -> bytes:
        """65 bytes, low s, v 27 or 28."""
        ...


@dataclass(frozen=True)
class Step:
    """One transaction of an action: `name` for people, `call` to send. Steps of an action go one after another.

    `later`: it counts only in a block of a later second than that of the step before, so some seconds are let pass.
    """

    name: str
    call: Call
    later: bool = False


class Session:
    """`pump()` does a piece of the outbox's work and returns soon; `pause()` waits a little between two pieces."""

    def __init__(
        self,
        sender: Sender,
        pump: Callable[[], object],
        pause: Callable[[], object],
        elapsed: Callable[[], float],
        timeout_s: float = 120.0,
        open_rows: Callable[[], Sequence[Sent]] = tuple,
    ) -> None:
        self._sender, self._pump, self._pause = sender, pump, pause
        self._elapsed, self._timeout = elapsed, timeout_s
        self._open_rows = open_rows

    @property
    def address(self) -> str:
        """Who pays the gas."""
        return self._sender.address

    def run(
        self,
        action: str,
        steps: Sequence[Step],
        progress: Callable[[str, str], object] | None = None,
        once: bool = True,
    ) -> list[Done]:
        """Send the steps one after another and wait until each is mined.

        `action` names what is wanted once, for ever: repeating it returns the first result and sends nothing twice.
        A step that never had an effect is tried again. Raises the outbox row's error (a revert, a refusal), or H2015
        (exit 8) where the outcome is still open when the time is up.
        `once` False: nothing but chance names the action (`verb-random`), so while an earlier one of that verb is
        still open this one is refused (H2011, exit 8) rather than sent a second time.
        """
        if not once:
            self._refuse_twice(action.rpartition("-")[0])
        done: list[Done] = []
        before = ""
        for step in steps:
            key = f"renter:{action}:{step.name}"
            for _ in range(LATER if step.later else 0):
                self._pause()
            row = self._sender.enqueue(Send(key, step.name, step.call, after=before, again=True))
            if progress:
                progress(step.name, row.state.value)
            done.append(self._mined(step.name, row))
            before = key
        return done

    def known(self, action: str, step: str) -> Done | None:
        """The step of an action that was asked for before, waited for if it is still open; None if it has no effect."""
        row = self._sender.status(f"renter:{action}:{step}")
        if row is None or row.state in (TxState.FAILED, TxState.REFUSED, TxState.DROPPED):
            return None
        return self._mined(step, row)

    def _refuse_twice(self, verb: str) -> None:
        self._pump()
        for row in self._open_rows():
            if row.state is not TxState.MINED and row.key.startswith(f"renter:{verb}-"):
                raise HearthError(
                    "H2011",
                    f"an earlier {verb.split('-')[0]} is still open: this one was not sent",
                    why=(row.reason or f"{row.key} is {row.state.value}",),
                    next=(f"hearth tx show {row.key}", "or name this one: --idempotency-key TEXT"),
                )

    def _mined(self, name: str, row: Sent) -> Done:
        start = self._elapsed()
        while row.state not in (TxState.MINED, TxState.DONE):
            if row.state in (TxState.FAILED, TxState.REFUSED, TxState.DROPPED):
                code = row.code or "H2014"  # of a refusal: its exit code and whether waiting helps come with it
                raise HearthError(
                    code,
                    f"{name} did not happen: {row.reason or row.state.value}",
                    why=(row_of(code).meaning,),
                    next=(row_of(code).remedy, f"hearth tx show {row.key}"),
                    tx="0x" + row.tx_hash.hex() if row.tx_hash else None,
                )
            if self._elapsed() - start > self._timeout:
                raise HearthError(
                    "H2015",
                    f"{name} is not mined after {self._timeout:.0f} s: its outcome is open",
                    why=(row.reason or f"state {row.state.value}",),
                    next=(f"hearth tx show {row.key}",),
                    tx="0x" + row.tx_hash.hex() if row.tx_hash else None,
                )
            self._pump()
            latest = self._sender.status(row.key)
            row = latest if latest is not None else row
            if row.state not in (TxState.MINED, TxState.DONE):
                self._pause()
        return Done(name, row.key, "0x" + row.tx_hash.hex(), row.block_number, row.gas_used)
