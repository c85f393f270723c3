"""`hearth replay`: the production roles on virtual time against a real local chain, driven by a trace.

inputs   what the files say, and who takes what        town     keys, contracts, registered nodes
life     the clock, and all roles on it                renter   takes and stops
bill     what must be paid, from the trace alone       books    what was paid, from the chain alone
"""

from __future__ import annotations

import random
import time
from pathlib import Path

from keepers.localnet.anvil import ROOT, Anvil
from keepers.localnet.network import LocalNetwork, new_folder
from keepers.protocol.errors import HearthError
from keepers.protocol.units import WAD
from keepers.replay import bill as second_opinion
from keepers.replay.books import read_effort, read_leases, read_money
from keepers.replay.inputs import EPOCH, SLOT, Inputs, Traces, read_traces
from keepers.replay.life import Life, Progress
from keepers.replay.rates import FIXED_USD_PER_HOUR
from keepers.replay.renter import tokens_to_burn
from keepers.replay.report import Report
from keepers.replay.town import BASE, PRICE_USD, Town, settle_down
from keepers.replay.wire import ChainTransport

GAS_LIMIT = 10**9  # of a block: a second may hold all the takes of a burst


class Replay:
    """One replay. `progress(done, total, text)` hears how far it is; `root` is the repository with the contracts."""

    def __init__(
        self,
        inputs: Inputs,
        progress: Progress = lambda done, total, text: None,
        root: Path = ROOT,
        folder: Path | None = None,
    ) -> None:
        self.inputs, self._progress, self._root = inputs, progress, root
        self._folder = folder

    def run(self) -> Report:
        """Live it. Raises HearthError for bad input, and H9001 where the network does not do what it must."""
        started = time.monotonic()
        traces = read_traces(self.inputs)
        bill = second_opinion.expected(
            self.inputs.nodes,
            self.inputs.jobs,
            fixed_usd=FIXED_USD_PER_HOUR,
            slot=SLOT,
            node_limit=self.inputs.node_limit,
            from_day=self.inputs.from_day,
            days=self.inputs.days,
            outages=self.inputs.outages,
            prices=self.inputs.prices,
        )
        folder = self._folder or new_folder(self._root)
        self._progress(0, 1, "chain and contracts")
        rng = random.Random(self.inputs.seed)
        # Blocks hold whatever a second brings, in the order in which it was sent.
        options = ["--order", "fifo", "--gas-limit", str(GAS_LIMIT)]
        with Anvil.start(log=folder / "anvil.log", timestamp=BASE + 60, options=options, root=self._root) as anvil:
            wire = ChainTransport(anvil.port)
            network = LocalNetwork(folder, anvil, self._root)
            tokens = tokens_to_burn(traces) // WAD + 1
            town = settle_down(
                wire,
                network,
                traces.nodes.nodes,
                traces.rates,
                self.inputs.attesters,
                tokens,
                rng,
            )
            life = Life(traces, town, wire, folder, rng, self._progress)
            try:
                life.live()
                return self._report(traces, bill, town, life, time.monotonic() - started)
            finally:
                life.close()

    def _report(self, traces: Traces, bill: second_opinion.Bill, town: Town, life: Life, real: float) -> Report:
        reader, first = life.ports.reader, town.record.first_block
        leases = read_leases(reader, first, life.renter.jobs_of, town.owner_of, traces, life.day)
        money, supply_fault = read_money(reader, town.record, first)
        if supply_fault:
            raise HearthError("H9001", "the supply does not add up", why=(supply_fault,))
        virtual = life.clock.now() - (BASE + EPOCH)
        return Report(
            gpus_of={node.node_id: node.gpus for node in traces.nodes.nodes},
            jobs=traces.jobs.count,
            leases=leases,
            bill=bill,
            unmatched={u.order.job_id: dict(u.why) for u in traces.unmatched},
            skipped=traces.skipped,
            rates=list(traces.rates.values()),
            money=money,
            effort=read_effort(
                life.wire,
                reader,
                town.record,
                first,
                life.ports.attestations,
                len(town.node_keys),
                life.answers(),
                virtual,
                round(real, 1),
            ),
            parameters={
                "slot_s": SLOT,
                "epoch_s": EPOCH,
                "token_usd": PRICE_USD,
                "attesters": self.inputs.attesters,
                "from_day": self.inputs.from_day,
                "days": self.inputs.days,
                "warm_up_epochs": life.warm_up_epochs,
                "outages": self.inputs.outages is not None,
                "prices": self.inputs.prices is not None,
            },
            seed=self.inputs.seed,
        )
