"""After the replay: leases, money and effort, read from the chain's events and receipts alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from keepers.chain.attestations import Attestations
from keepers.chain.contracts import Suite
from keepers.chain.deployment import Deployment
from keepers.chain.ports import Event, Reader
from keepers.protocol.counters import Leaf, unproven
from keepers.protocol.leases import Money as Balances
from keepers.protocol.leases import Reason, Terms
from keepers.replay.orders import Take
from keepers.replay.report import Effort, LeaseRow, Money
from keepers.replay.wire import ChainTransport

if TYPE_CHECKING:
    from keepers.replay.inputs import Traces

PAGE = 100  # blocks whose receipts are asked for in one round trip


def read_leases(
    reader: Reader, first: int, jobs_of: Mapping[int, Take], owner_of: Sequence[int], traces: Traces, day: int
) -> list[LeaseRow]:
    """A row a lease in the order of their `Opened` events; times back in the trace's clock. `day`: chain time at which
    the first day began."""
    names = ("Opened", "ToppedUp", "Settled", "Stopped", "Finished")
    by_lease: dict[int, list[Event]] = defaultdict(list)
    for event in reader.events(first, reader.head().number, "LeaseEscrow", names):
        by_lease[int(event["id"])].append(event)
    rows: list[LeaseRow] = []
    shift = traces.jobs.first_s - day
    views = [Suite.over(reader).escrow.view("money", lease) for lease in by_lease]
    held = dict(zip(by_lease, reader.read_many(views, reader.head()), strict=True)) if views else {}
    for lease, events in by_lease.items():
        taken = jobs_of[lease]
        terms = Terms.unpack(int(events[0]["terms"]))
        stopped = next((e for e in events if e.name == "Stopped"), None)
        settled = [e for e in events if e.name == "Settled"]
        rows.append(
            LeaseRow(
                job_id=taken.order.job_id,
                node_id=traces.nodes.nodes[terms.node].node_id,
                provider=terms.provider,
                gpus=terms.gpus,
                rate_wei=terms.rate,
                start_s=terms.start + shift,
                stop_s=terms.start + shift + (int(stopped["after"]) if stopped else terms.duration),
                reason=Reason(int(stopped["reason"])).name if stopped else Reason.RUNNING.name,
                deposited_wei=sum(int(e["credits"]) for e in events if e.name in ("Opened", "ToppedUp")),
                paid_wei=sum(int(e["credits"]) for e in settled),
                returned_wei=sum(int(e["refund"]) for e in events if e.name in ("Stopped", "Finished")),
                held_wei=Balances.unpack(int(held[lease])).credits,
                settled_seconds=max((int(e["seconds"]) for e in settled), default=0),
            )
        )
        if owner_of[terms.node] != terms.provider:
            raise AssertionError(f"lease {lease:#x} names provider {terms.provider} for node {terms.node}")
    return rows


def read_money(reader: Reader, record: Deployment, first: int) -> tuple[Money, str]:
    """Sums over all events, and what is wrong with the supply (empty when it adds up to the wei)."""
    head = reader.head()
    suite = Suite.over(reader)

    def events(contract: str, *names: str) -> list[Event]:
        return reader.events(first, head.number, contract, names)

    burned = sum(int(e["burned"]) for e in events("BurnMintEngine", "Bought"))
    redeemed = events("BurnMintEngine", "Redeemed")
    minted = sum(int(e["minted"]) for e in redeemed)
    refunded = sum(int(e["minted"]) for e in events("BurnMintEngine", "Refunded"))
    pots = sum(int(e["amount"]) for e in events("BurnMintEngine", "PotPaid"))
    bounties = sum(int(e["bounty"]) for e in events("LeaseEscrow", "Settled"))
    fees = sum(int(e["fee"]) for e in redeemed)
    nodes = len(events("NodeRegistry", "NodeRegistered"))
    node_fee = int(record.parameters["registry_fee_wei"])
    genesis = int(record.parameters["supply_wei"])
    expected = genesis - burned - nodes * node_fee + minted + refunded + pots
    supply = suite.token.totalSupply(at=head)
    fault = "" if supply == expected else f"supply is {supply}, the events make it {expected}"
    return Money(bounties, fees, burned, minted + refunded + pots), fault


def read_effort(
    wire: ChainTransport,
    reader: Reader,
    record: Deployment,
    first: int,
    follower: Attestations,
    nodes: int,
    answers: int,
    virtual_s: int,
    real_s: float,
) -> Effort:
    """Transactions and gas from the first block of the deployment on, and those of the reports; challenges from the
    leaves of the last report. `answers`: how many were signed."""
    head = reader.head().number
    reports = {"0x" + e.tx_hash.hex() for e in reader.events(first, head, "AttestationHub", ("Report", "Voided"))}
    transactions = gas = report_gas = 0
    for page in range(first, head + 1, PAGE):
        numbers = range(page, min(page + PAGE, head + 1))
        for receipts in wire.calls([("eth_getBlockReceipts", (hex(n),)) for n in numbers]):
            for receipt in receipts:
                used = int(receipt["gasUsed"], 16)
                transactions += 1
                gas += used
                if receipt["transactionHash"] in reports:
                    report_gas += used
    last = follower.header(follower.last)
    missing = sum(unproven(last, Leaf.unpack(follower.leaf(node, follower.last))) for node in range(nodes))
    return Effort(
        len(reports), report_gas, transactions, gas, virtual_s, real_s, last.challenged_epochs, answers, missing
    )
