"""A chain that holds one node with a challenge, judged as ComputeChallenge does, and a node that lies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

from keepers.chain.codec import CONTRACTS
from keepers.chain.deployment import Deployment
from keepers.chain.keys import LocalSigner
from keepers.chain.ports import BlockRef, Call, Event, Send, Sent, TxState
from keepers.protocol import challenge
from keepers.protocol.challenge import Place, Work
from keepers.protocol.hashing import keccak
from keepers.protocol.messages import Answer, Domain
from keepers.protocol.nodes import Node, Status
from keepers.protocol.stake import Own
from keepers.sdk.client import Hearth
from keepers.sdk.session import Session
from keepers.simulate.world import Parameters
from keepers.wire.codec import AskedRow, OpenedRow, ShownRow, SignedAnswer
from keepers.wire.refuting import Proof
from tests.keepers.roles.town import GENESIS, OWNER, SCALES, key
from tests.support.products import Answered

PARAMETERS = Parameters(
    genesis=GENESIS, holder=OWNER, owner=OWNER, guardian=OWNER, builders=OWNER, claim=7_200,
    escrow_abandon=5 * 86_400, hub_abandon=5 * 86_400, **SCALES,
)  # fmt: skip
NODE, EPOCH, SEED, SEED_B = 3, 30, 77, 55
CLASS, UNITS, GPUS = 1, 10**9, 2
WORK = Work(NODE, EPOCH, SEED, SEED_B, CLASS, 256, 2, 1)  # one GPU of two is free
WINDOW = 7_200


def _spoil(c: Any) -> None:
    c[7, 200] += 1


@cache
def answered(false: bool = True, node: int = NODE) -> Answered:
    """A node's answer; a false one has a wrong entry in round 1, row 7, column 200."""
    return Answered(replace(WORK, node=node), {(0, 1): _spoil} if false else {})


def deployment() -> Deployment:
    """The record of this network."""
    p = PARAMETERS
    return Deployment.model_validate(
        {
            "schema": "hearth.deployment/1",
            "suite_version": "0.1.0",
            "network": "bad-answers",
            "chain_id": 31_337,
            "local": True,
            "genesis_block_hash": "0x" + "00" * 32,
            "first_block": 0,
            "finality": {"kind": "depth", "value": 0},
            "calendar": {"genesis": p.genesis, "slot": p.slot, "epochs_per_period": p.epochs_per_period},
            "contracts": {name: {"address": f"0x{0xC0DE00 + i:040x}"} for i, name in enumerate(CONTRACTS)},
        }
    )


@dataclass
class Chain:
    """A reader, and an outbox that mines each row at once. `fault`: epoch of the node's last one; `others`: further
    nodes, with theirs."""

    deployment: Any = field(default_factory=deployment)
    now: int = 0
    fault: int = 0
    others: dict[int, int] = field(default_factory=dict)
    stake: int = 10**12  # gwei
    ceiling: int = 3 * GPUS * UNITS
    seeds: tuple[int, int] = (SEED, SEED_B)
    rounds: int = WORK.rounds
    commitments: dict[bytes, int] = field(default_factory=dict)
    log: list[Event] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    rows: dict[str, Sent] = field(default_factory=dict)
    stop: str = ""  # a function that no longer goes through
    stop_at: tuple[str, int] | None = None  # the same for one node

    def __post_init__(self) -> None:
        self.calendar = self.deployment.clock()
        self.now = self.calendar.end(EPOCH)
        self.address = key("finder").address.lower()

    @property
    def domain(self) -> Domain:
        return Domain(self.deployment.chain_id, self.deployment.address("ComputeChallenge"))

    # ---- reader

    def head(self) -> BlockRef:
        return BlockRef(self.now, keccak(b"%d" % self.now), self.now, bytes(32), 1)

    final = head

    def read(self, call: Call, at: BlockRef) -> Any:
        node = Node(provider=4, class_id=CLASS, gpus=GPUS, status=Status.ACTIVE, first=2).pack()
        views: dict[str, Any] = {
            "NodeRegistry.node": lambda i: node if i in (NODE, *self.others) else 0,
            "NodeRegistry.count": lambda: max(NODE, *self.others, 0) + 1,
            "NodeRegistry.key_of": lambda i, e: key(f"node {i}").address,
            "NodeRegistry.class_word": lambda c: UNITS << 192 | WORK.n << 96 | self.rounds << 64,
            "ComputeChallenge.seeds": lambda e: self.seeds,
            "ComputeChallenge.fault_of": lambda i: self.others.get(i, self.fault),
            "ComputeChallenge.ANSWER_WINDOW": lambda: WINDOW,
            "ComputeChallenge.committed_at": lambda c: self.commitments.get(c, 0),
            "StakingPool.own": lambda p: Own(self.stake, self.stake).pack(),
            "StakingPool.unbonding": lambda p: 0,
            "StakingPool.ceiling": lambda p: self.ceiling,
            "StakingPool.stake_price": lambda: 10**12,
        }
        return views[str(call)](*call.args)

    def read_many(self, calls: Sequence[Call], at: BlockRef) -> list[Any]:
        return [self.read(call, at) for call in calls]

    def events(self, first: int, last: int, contract: str | None = None, names: Sequence[str] = ()) -> list[Event]:
        return [e for e in self.log if first <= e.block_number <= last and (e.contract, e.name) == (contract, names[0])]

    # ---- outbox

    def enqueue(self, send: Send, tx: Any = None) -> Sent:
        known = self.rows.get(send.key)
        if known is not None and known.state is TxState.DONE:
            return known
        self.now += 2
        try:
            if send.call.function == self.stop or (send.call.function, send.call.args[0]) == self.stop_at:
                raise ValueError("the connection is gone")
            self.act(send.call)
        except ValueError as error:
            self.rows[send.key] = Sent(send.key, TxState.REFUSED, reason=str(error), code="H2900")
            return self.rows[send.key]
        self.sent.append(send.call.function)
        self.rows[send.key] = Sent(send.key, TxState.DONE, tx_hash=bytes(32), block_number=self.now, gas_used=1)
        return self.rows[send.key]

    def status(self, wanted: str) -> Sent | None:
        return self.rows.get(wanted)

    def act(self, call: Call) -> None:
        if call.function == "commit":
            assert call.args[0] not in self.commitments, "committed twice"
            self.commitments[call.args[0]] = self.now
            return
        node, epoch, root, sig, gpu, round_, row, col, chunk, path, previous, list_path = call.args
        shown = challenge.Refutation(Place(gpu, round_, row), col, chunk, tuple(path), previous, tuple(list_path))
        proof = Proof(SignedAnswer(node, epoch, SEED, SEED_B, root, sig), shown)
        committed = self.commitments.get(proof.commitment(self.address, self.domain), 0)
        if not 0 < committed < self.now:
            raise ValueError("challenge: not committed")
        said, right = challenge.verdict(replace(WORK, node=node), root, shown)
        if said == right:
            raise ValueError("challenge: element is right")
        if node == NODE:
            self.fault = self.calendar.epoch(self.now)
        else:
            self.others[node] = self.calendar.epoch(self.now)
        made = {"node": node, "epoch": epoch, "finder": self.address}
        for contract, name, args in (
            ("ComputeChallenge", "Refuted", made),
            ("StakingPool", "Slashed", {"finder": self.address, "reward": 400}),
        ):
            self.log.append(Event(contract, name, args, self.now, self.head().hash, len(self.log), b"", self.now))

    # ---- people

    def person(self, with_key: bool = True) -> Hearth:
        """The SDK of a finder."""
        session = Session(self, lambda: None, lambda: None, lambda: 0.0) if with_key else None  # type: ignore[arg-type]
        return Hearth(self, self.deployment, session=session)  # type: ignore[arg-type]

    def shown(
        self, false: bool = True, row: int = 7, round_: int = 1, signer: LocalSigner | None = None, node: int = NODE
    ) -> ShownRow:
        """A row of a node's answer, signed."""
        made = answered(false, node)
        opening = made.opening(0, round_, row)
        digest = Answer(node, EPOCH, SEED, SEED_B, made.root).digest(self.domain)
        signed = (signer or key(f"node {node}")).sign_digest(digest)
        answer = SignedAnswer(node, EPOCH, SEED, SEED_B, made.root, signed)
        opened = OpenedRow(
            node, EPOCH, made.root, AskedRow(0, round_, row), opening.row, b"".join(opening.path), opening.previous,
            b"".join(opening.list_path),
        )  # fmt: skip
        return ShownRow(answer, opened)
