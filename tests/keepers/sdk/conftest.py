"""The SDK on the reference model: three active nodes, a renter with a key, offers in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from keepers.chain.deployment import Deployment
from keepers.chain.ports import BlockRef, Call, Send, Sent, TxState
from keepers.protocol.messages import Ask, Take
from keepers.protocol.nodes import Status
from keepers.protocol.units import WAD
from keepers.sdk.client import Hearth
from keepers.sdk.offers import to_json
from keepers.sdk.session import Session
from keepers.sdk.types import SignedAsk
from keepers.simulate.committee import Statement
from tests.keepers.roles import world_chain
from tests.keepers.roles.town import OWNER, Town, key, number, record

RATE = 10**14
VIEWS: dict[str, Callable[..., Any]] = {
    "NodeRegistry.provider": lambda w, p: w.registry.providers[p].pack(),
    "NodeRegistry.node_of_key": lambda w, key: w.registry.node_of_key[key],
    "NodeRegistry.owner_of": lambda w, p: w.registry.owners[p],
    "NodeRegistry.class_count": lambda w: w.registry._counts["classes"],
    "NodeRegistry.class_of": lambda w, c: tuple(vars(w.registry.classes[list(w.registry.classes)[c]]).values()),
    "StakingPool.unbonding": lambda w, p: w.pool.tickets[p].pack(),
    "BurnMintEngine.shares": lambda w: w.engine.shares,
    "LeaseEscrow.sheet_count": lambda w: w.escrow.sheet_count,
    "LeaseEscrow.purse": lambda w, who: w.escrow.purses[who].pack(),
    "LeaseMarket.quote": lambda w, ask, take: w.market.quote(Ask(*ask), _take(take)),
    "AttestationHub.paused_at": lambda w: w.hub._numbers["paused_at"],
    "ComputeToken.balanceOf": lambda w, who: w.token.balance[who],
    "ComputeToken.allowance": lambda w, who, spender: w.token.allowed[who, spender],
}


def _take(values: tuple[Any, ...]) -> Take:
    return Take(*values)


class Outbox:
    """A sender that mines each row at once, as the model's own does, and knows the market's structs."""

    def __init__(self, market: Market, address: str) -> None:
        self._market, self.address = market, address
        self.rows: dict[str, Sent] = {}

    def enqueue(self, send: Send, tx: Any = None) -> Sent:
        known = self.rows.get(send.key)
        if known is not None and known.state is TxState.DONE:
            return known
        chain = self._market.town.chain
        chain.world.warp(max(chain.world.now, self._market.town.clock.now()))
        args = tuple(self._argument(value) for value in send.call.args)
        who = {} if str(send.call) == "StakingPool.withdraw" else {"sender": int(self.address, 16)}
        contract = world_chain.NAMES[send.call.contract]
        try:
            chain.world.call(contract, send.call.function, *args, **who)
        except Exception as error:
            self.rows[send.key] = Sent(send.key, TxState.REFUSED, reason=str(error), code="H2900")
            return self.rows[send.key]
        block = chain.mine(chain.world.now)
        self.rows[send.key] = Sent(send.key, TxState.DONE, tx_hash=block.hash, block_number=block.number, gas_used=1)
        self._market.sent.append(send.call)
        return self.rows[send.key]

    def status(self, wanted: str) -> Sent | None:
        return self.rows.get(wanted)

    @staticmethod
    def _argument(value: Any) -> Any:
        if isinstance(value, tuple) and len(value) == 3:
            return Statement(*value)
        if isinstance(value, tuple):
            return Ask(*value) if len(value) == 10 else _take(value)
        if isinstance(value, str) and value.startswith("0x"):
            return int(value, 16)
        return value


@dataclass
class Market:
    """`hearth` is the renter's SDK, `folder` holds offers, `sent` every call that was mined."""

    town: Town
    deployment: Deployment
    folder: Path
    sent: list[Call]

    def person(self, signer: Any) -> Hearth:
        """The SDK with a key."""
        session = Session(Outbox(self, signer.address), lambda: None, lambda: None, lambda: 0.0)
        return Hearth(self.town.chain, self.deployment, session=session, signer=signer, offers=str(self.folder))

    def __post_init__(self) -> None:
        self.hearth = self.person(key("renter"))

    def operator(self, node: int) -> Hearth:
        """The owner and operator of a node's provider."""
        return self.person(self.town.operators[node])

    def offer(self, node: int, rate: int = RATE, name: str = "", **changes: Any) -> SignedAsk:
        """A signed ask for a node, written into the folder."""
        operator = self.operator(node)
        expiry = changes.pop("expiry_at", operator.head().timestamp + 10**6)
        signed = operator.sign_ask(node, [node], rate, sheet=0, expiry_at=expiry, **changes)
        self.write(name or f"{node}-{rate}", to_json(signed, operator.market_domain))
        return signed

    def write(self, name: str, text: str) -> None:
        """A file among the offers."""
        (self.folder / f"{name}.json").write_text(text, encoding="utf-8")

    def status(self, node: int, status: Status) -> None:
        """Set a node's status, as NodeStanding would."""
        world = self.town.world
        world.call("registry", "set_status", node, status, 1, 1, sender=world_chain.ADDRESSES["standing"])
        self.mine()

    def mine(self, seconds: int = 0) -> BlockRef:
        """A block, `seconds` after the last."""
        return self.town.chain.mine(max(self.town.clock.now(), self.town.world.now) + seconds)


def market_of(town: Town, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Market:
    """A town's nodes active, a renter with 10,000 tokens and no credits, and an empty folder for offers."""
    for name, view in VIEWS.items():
        monkeypatch.setitem(world_chain.VIEWS, name, view)
    p = town.parameters
    plain = record([seat.address for seat in town.seat_keys], p)
    extra = {
        "max_age_s": p.market_max_age,
        "spread_bps": p.spread,
        "registry_fee_wei": p.registry_fee,
        "seat_bond_wei": str(p.seat_bond),
        "seat_notice_s": p.notice,
        "unbonding_s": p.unbonding,
    }
    deployment = plain.model_copy(update={"parameters": {**plain.parameters, **extra}})
    offers = folder / "offers"
    offers.mkdir()
    made = Market(town, deployment, offers, [])
    town.world.call("token", "transfer", number(key("renter")), 10_000 * WAD, sender=OWNER)
    for node in range(town.nodes):
        made.status(node, Status.ACTIVE)
    return made


@pytest.fixture
def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Market:
    """Three active nodes of 2 GPUs each, a renter with 10,000 tokens and no credits."""
    return market_of(Town(), tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    """Lease 1 of node 0 (2 GPUs, 12 h): attested for 2 epochs, then dark past its limit of 15 min; books closed.

    Nobody may change it: it is lived through once for all tests of a file.
    """
    with pytest.MonkeyPatch.context() as patch:
        town = Town(dark_limit=900)
        made = market_of(town, tmp_path_factory.mktemp("ended"), patch)
        town.run_epochs(3)
        made.offer(0)
        best = made.hearth.quote(gpu="4090", count=2, duration_s=12 * 3_600).best
        assert best is not None
        made.hearth.rent(made.hearth.plan(best, gpus=2, duration_s=12 * 3_600))
        town.run_epochs(2)
        town.agent.beater.muted.add(0)
        town.run_epochs(6)
        made.mine()
        yield made
