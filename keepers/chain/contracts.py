"""The eleven contracts as typed Python: a view is a read pinned to a block, everything else builds a `Call`.

Nothing here sends, encodes or knows an address; so the same wrappers stand over a real chain and over the reference
model. Argument names, units and layouts are those of `contracts/interfaces/I<Contract>.vyi`; a test compares both.
Read many at once with `reader.read_many([escrow.view("terms", id), …], at)`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, cast

from keepers.chain.ports import BlockRef, Call, Reader

Struct = tuple[Any, ...]
# Events of LeaseEscrow after which a lease's terms or money read otherwise.
LEASE_EVENTS = ("Opened", "ToppedUp", "Anchored", "Settled", "NoticeGiven", "Stopped", "Finished")


class Contract:
    """A contract of the suite, by name, over any `Reader`."""

    NAME: ClassVar[str] = ""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def _read(self, function: str, *args: Any, at: BlockRef) -> Any:
        return self._reader.read(Call(self.NAME, function, args), at)

    def _call(self, function: str, *args: Any) -> Call:
        return Call(self.NAME, function, args)

    def view(self, function: str, *args: Any) -> Call:
        """A view as a `Call`, for `Reader.read_many`."""
        return Call(self.NAME, function, args)


class ComputeToken(Contract):
    """ERC-20 of the network. Amounts in wei (1e-18 token)."""

    NAME = "ComputeToken"

    def balanceOf(self, owner: str, *, at: BlockRef) -> int:
        return cast("int", self._read("balanceOf", owner, at=at))

    def allowance(self, owner: str, spender: str, *, at: BlockRef) -> int:
        return cast("int", self._read("allowance", owner, spender, at=at))

    def totalSupply(self, *, at: BlockRef) -> int:
        return cast("int", self._read("totalSupply", at=at))

    def transfer(self, to: str, amount: int) -> Call:
        return self._call("transfer", to, amount)

    def transferFrom(self, owner: str, to: str, amount: int) -> Call:
        return self._call("transferFrom", owner, to, amount)

    def approve(self, spender: str, amount: int) -> Call:
        return self._call("approve", spender, amount)

    def permit(self, owner: str, spender: str, amount: int, deadline: int, v: int, r: bytes, s: bytes) -> Call:
        return self._call("permit", owner, spender, amount, deadline, v, r, s)

    def burn(self, amount: int) -> Call:
        return self._call("burn", amount)

    def burnFrom(self, owner: str, amount: int) -> Call:
        return self._call("burnFrom", owner, amount)

    def mint(self, to: str, amount: int) -> Call:
        return self._call("mint", to, amount)

    def nonces(self, owner: str, *, at: BlockRef) -> int:
        return cast("int", self._read("nonces", owner, at=at))

    def name(self, *, at: BlockRef) -> str:
        return cast("str", self._read("name", at=at))

    def symbol(self, *, at: BlockRef) -> str:
        return cast("str", self._read("symbol", at=at))

    def decimals(self, *, at: BlockRef) -> int:
        return cast("int", self._read("decimals", at=at))

    def DOMAIN_SEPARATOR(self, *, at: BlockRef) -> bytes:
        return cast("bytes", self._read("DOMAIN_SEPARATOR", at=at))


class StakingPool(Contract):
    """The only holder of stake. Amounts in gwei (1e-9 token), units 1e-9 USD; words as in `IStakingPool.vyi`."""

    NAME = "StakingPool"

    def own(self, p: int, *, at: BlockRef) -> int:
        return cast("int", self._read("own", p, at=at))

    def need(self, p: int, *, at: BlockRef) -> int:
        return cast("int", self._read("need", p, at=at))

    def unbonding(self, p: int, *, at: BlockRef) -> int:
        return cast("int", self._read("unbonding", p, at=at))

    def stake_of(self, p: int, who: str, *, at: BlockRef) -> int:
        return cast("int", self._read("stake_of", p, who, at=at))

    def ticket_of(self, p: int, who: str, i: int, *, at: BlockRef) -> int:
        return cast("int", self._read("ticket_of", p, who, i, at=at))

    def required(self, p: int, *, at: BlockRef) -> int:
        return cast("int", self._read("required", p, at=at))

    def stake_price(self, *, at: BlockRef) -> int:
        return cast("int", self._read("stake_price", at=at))

    def last_below(self, p: int, *, at: BlockRef) -> int:
        return cast("int", self._read("last_below", p, at=at))

    def open_pool(self, provider: int, owner: str) -> Call:
        return self._call("open_pool", provider, owner)

    def set_owner(self, provider: int, owner: str) -> Call:
        return self._call("set_owner", provider, owner)

    def set_units(self, provider: int, units: int) -> Call:
        return self._call("set_units", provider, units)

    def set_stake_price(self, price: int) -> Call:
        return self._call("set_stake_price", price)

    def stake_own(self, provider: int, amount: int) -> Call:
        return self._call("stake_own", provider, amount)

    def unstake_own(self, provider: int, shares: int) -> Call:
        return self._call("unstake_own", provider, shares)

    def withdraw(self, provider: int, who: str, ticket: int) -> Call:
        return self._call("withdraw", provider, who, ticket)

    def poke(self, provider: int) -> Call:
        return self._call("poke", provider)

    def lock(self, provider: int, bond: int, price: int) -> Call:
        return self._call("lock", provider, bond, price)

    def end_bond(self, provider: int, shares: int, taken: int, to: str, limit: int) -> Call:
        return self._call("end_bond", provider, shares, taken, to, limit)

    def slash(self, provider: int, units: int, finder: str) -> Call:
        return self._call("slash", provider, units, finder)

    def ceiling(self, p: int, *, at: BlockRef) -> int:
        return cast("int", self._read("ceiling", p, at=at))


class NodeRegistry(Contract):
    """Providers, classes and nodes; words as in `INodeRegistry.vyi`."""

    NAME = "NodeRegistry"

    def node(self, i: int, *, at: BlockRef) -> int:
        return cast("int", self._read("node", i, at=at))

    def provider(self, p: int, *, at: BlockRef) -> int:
        return cast("int", self._read("provider", p, at=at))

    def owner_of(self, p: int, *, at: BlockRef) -> str:
        return cast("str", self._read("owner_of", p, at=at))

    def payout(self, p: int, *, at: BlockRef) -> str:
        return cast("str", self._read("payout", p, at=at))

    def key_of(self, i: int, e: int, *, at: BlockRef) -> str:
        return cast("str", self._read("key_of", i, e, at=at))

    def count(self, *, at: BlockRef) -> int:
        return cast("int", self._read("count", at=at))

    def provider_count(self, *, at: BlockRef) -> int:
        return cast("int", self._read("provider_count", at=at))

    def class_of(self, class_id: int, *, at: BlockRef) -> Struct:
        return cast("Struct", self._read("class_of", class_id, at=at))

    def class_count(self, *, at: BlockRef) -> int:
        return cast("int", self._read("class_count", at=at))

    def class_word(self, arg0: int, *, at: BlockRef) -> int:
        return cast("int", self._read("class_word", arg0, at=at))

    def gpu_owner(self, fingerprint: bytes, *, at: BlockRef) -> int:
        return cast("int", self._read("gpu_owner", fingerprint, at=at))

    def add_class(self, row: Struct) -> Call:
        return self._call("add_class", row)

    def close_class(self, class_id: int) -> Call:
        return self._call("close_class", class_id)

    def register_provider(self, operator: str, payout: str, metadata: str) -> Call:
        return self._call("register_provider", operator, payout, metadata)

    def set_operator(self, provider: int, operator: str) -> Call:
        return self._call("set_operator", provider, operator)

    def set_payout(self, provider: int, payout: str) -> Call:
        return self._call("set_payout", provider, payout)

    def set_metadata(self, provider: int, metadata: str) -> Call:
        return self._call("set_metadata", provider, metadata)

    def transfer_provider(self, provider: int, to: str) -> Call:
        return self._call("transfer_provider", provider, to)

    def accept_provider(self, provider: int) -> Call:
        return self._call("accept_provider", provider)

    def register_node(
        self, provider: int, class_id: int, region: int, fingerprints: Sequence[bytes], key: str, sig: bytes
    ) -> Call:
        return self._call("register_node", provider, class_id, region, fingerprints, key, sig)

    def rotate_key(self, node: int, key: str, sig: bytes) -> Call:
        return self._call("rotate_key", node, key, sig)

    def retire_node(self, node: int) -> Call:
        return self._call("retire_node", node)

    def opt_in(self, node: int) -> Call:
        return self._call("opt_in", node)

    def opt_out(self, node: int) -> Call:
        return self._call("opt_out", node)

    def reserve(self, node: int, gpus: int) -> Call:
        return self._call("reserve", node, gpus)

    def bump_generation(self, provider: int, by: str) -> Call:
        return self._call("bump_generation", provider, by)

    def release(self, node: int, gpus: int) -> Call:
        return self._call("release", node, gpus)

    def set_status(self, node: int, status: int, since: int, clean: int) -> Call:
        return self._call("set_status", node, status, since, clean)

    def fault(self, node: int) -> Call:
        return self._call("fault", node)

    def node_of_key(self, arg0: str, *, at: BlockRef) -> int:
        return cast("int", self._read("node_of_key", arg0, at=at))

    def pending_owner_of(self, arg0: int, *, at: BlockRef) -> str:
        return cast("str", self._read("pending_owner_of", arg0, at=at))


class AttestationHub(Contract):
    """Reports, roots and the price word; words as in `IAttestationHub.vyi`."""

    NAME = "AttestationHub"

    def price(self, *, at: BlockRef) -> int:
        return cast("int", self._read("price", at=at))

    def period_price(self, p: int, *, at: BlockRef) -> int:
        return cast("int", self._read("period_price", p, at=at))

    def period_word(self, p: int, *, at: BlockRef) -> int:
        return cast("int", self._read("period_word", p, at=at))

    def usable(self, e: int, *, at: BlockRef) -> tuple[bytes, int]:
        return cast("tuple[bytes, int]", self._read("usable", e, at=at))

    def usable_at(self, e: int, *, at: BlockRef) -> int:
        return cast("int", self._read("usable_at", e, at=at))

    def last_epoch(self, *, at: BlockRef) -> int:
        return cast("int", self._read("last_epoch", at=at))

    def newest_usable(self, *, at: BlockRef) -> int:
        return cast("int", self._read("newest_usable", at=at))

    def ring_word(self, e: int, *, at: BlockRef) -> bytes:
        return cast("bytes", self._read("ring_word", e, at=at))

    def meta(self, e: int, *, at: BlockRef) -> int:
        return cast("int", self._read("meta", e, at=at))

    def counters(self, *, at: BlockRef) -> int:
        return cast("int", self._read("counters", at=at))

    def seed(self, e: int, *, at: BlockRef) -> tuple[int, int]:
        return cast("tuple[int, int]", self._read("seed", e, at=at))

    def draw(self, e: int, *, at: BlockRef) -> int:
        return cast("int", self._read("draw", e, at=at))

    def committee(self, e: int, *, at: BlockRef) -> tuple[int, str, int]:
        return cast("tuple[int, str, int]", self._read("committee", e, at=at))

    def quorum(self, n: int, *, at: BlockRef) -> int:
        return cast("int", self._read("quorum", n, at=at))

    def cancels(self, e: int, *, at: BlockRef) -> int:
        return cast("int", self._read("cancels", e, at=at))

    def check_ins(self, arg0: int, arg1: int, *, at: BlockRef) -> int:
        return cast("int", self._read("check_ins", arg0, arg1, at=at))

    def cancel(self, root: bytes, header: int) -> Call:
        return self._call("cancel", root, header)

    def check_in(self, node: int) -> Call:
        return self._call("check_in", node)

    def set_committee(self, start: int, seats: Sequence[str], endpoints: Sequence[str]) -> Call:
        return self._call("set_committee", start, seats, endpoints)

    def set_price_bound(self, bps: int) -> Call:
        return self._call("set_price_bound", bps)

    def set_guardian(self, guardian: str) -> Call:
        return self._call("set_guardian", guardian)

    def open_entries(self) -> Call:
        return self._call("open_entries")

    def pause_entries(self) -> Call:
        return self._call("pause_entries")

    def unpause(self) -> Call:
        return self._call("unpause")

    def post(self, data: bytes) -> Call:
        return self._call("post", data)

    def report(
        self,
        e: int,
        previous: bytes,
        root: bytes,
        facts: int,
        parts: Sequence[bytes],
        data: bytes,
        who: int,
        sigs: bytes,
    ) -> Call:
        return self._call("report", e, previous, root, facts, parts, data, who, sigs)

    def report_void(self, hi: int, root: bytes, header: int, view: int, who: int, sigs: bytes) -> Call:
        return self._call("report_void", hi, root, header, view, who, sigs)

    def guardian(self, *, at: BlockRef) -> str:
        return cast("str", self._read("guardian", at=at))

    def paused_at(self, *, at: BlockRef) -> int:
        return cast("int", self._read("paused_at", at=at))

    def close_period(self, p: int) -> Call:
        return self._call("close_period", p)


class NodeStanding(Contract):
    """Proven leaves turned into node status."""

    NAME = "NodeStanding"

    def read_leaf(
        self, e: int, header: int, node: int, leaf: int, proof: Sequence[bytes], t: int, *, at: BlockRef
    ) -> tuple[int, int, int, int]:
        return cast("tuple[int, int, int, int]", self._read("read_leaf", e, header, node, leaf, proof, t, at=at))

    def activate(self, node: int, header: int, leaf: int, proof: Sequence[bytes]) -> Call:
        return self._call("activate", node, header, leaf, proof)

    def jail(
        self,
        node: int,
        header_a: int,
        leaf_a: int,
        proof_a: Sequence[bytes],
        header_b: int,
        leaf_b: int,
        proof_b: Sequence[bytes],
    ) -> Call:
        return self._call("jail", node, header_a, leaf_a, proof_a, header_b, leaf_b, proof_b)

    def unjail(self, node: int, header: int, leaf: int, proof: Sequence[bytes]) -> Call:
        return self._call("unjail", node, header, leaf, proof)


class LeaseEscrow(Contract):
    """Purses, leases and tallies; words as in `ILeaseEscrow.vyi`. Credits in wei of a USD."""

    NAME = "LeaseEscrow"

    def terms(self, id: int, *, at: BlockRef) -> int:
        return cast("int", self._read("terms", id, at=at))

    def money(self, id: int, *, at: BlockRef) -> int:
        return cast("int", self._read("money", id, at=at))

    def party(self, id: int, *, at: BlockRef) -> int:
        return cast("int", self._read("party", id, at=at))

    def sheet(self, i: int, *, at: BlockRef) -> int:
        return cast("int", self._read("sheet", i, at=at))

    def sheet_count(self, *, at: BlockRef) -> int:
        return cast("int", self._read("sheet_count", at=at))

    def purse(self, owner: str, *, at: BlockRef) -> int:
        return cast("int", self._read("purse", owner, at=at))

    def tally(self, key: int, period: int, *, at: BlockRef) -> int:
        return cast("int", self._read("tally", key, period, at=at))

    def until(self, id: int, *, at: BlockRef) -> int:
        return cast("int", self._read("until", id, at=at))

    def room(self, id: int, *, at: BlockRef) -> int:
        return cast("int", self._read("room", id, at=at))

    def due(self, id: int, header: int, leaf: int, proof: Sequence[bytes], *, at: BlockRef) -> tuple[int, int]:
        return cast("tuple[int, int]", self._read("due", id, header, leaf, proof, at=at))

    def open(self, id: int, terms: int, renter: str, bond: int, credits: int, price: int, ask: bytes) -> Call:
        return self._call("open", id, terms, renter, bond, credits, price, ask)

    def bar(self, id: int) -> Call:
        return self._call("bar", id)

    def credit(self, owner: str, credits: int, backing: int) -> Call:
        return self._call("credit", owner, credits, backing)

    def debit(self, owner: str, credits: int) -> Call:
        return self._call("debit", owner, credits)

    def pay_in(self, id: int, credits: int, backing: int, by: str) -> Call:
        return self._call("pay_in", id, credits, backing, by)

    def take(self, key: int, period: int) -> Call:
        return self._call("take", key, period)

    def add_sheet(self, notice: int, min_seconds: int, prepay: int, dark_limit: int, table: int) -> Call:
        return self._call("add_sheet", notice, min_seconds, prepay, dark_limit, table)

    def top_up(self, id: int, credits: int) -> Call:
        return self._call("top_up", id, credits)

    def anchor(self, id: int, header: int, leaf: int, proof: Sequence[bytes]) -> Call:
        return self._call("anchor", id, header, leaf, proof)

    def settle(self, id: int, header: int, leaf: int, proof: Sequence[bytes], payee: int) -> Call:
        return self._call("settle", id, header, leaf, proof, payee)

    def settle_first(
        self,
        id: int,
        header: int,
        leaf: int,
        proof: Sequence[bytes],
        payee: int,
        header0: int,
        leaf0: int,
        proof0: Sequence[bytes],
    ) -> Call:
        return self._call("settle_first", id, header, leaf, proof, payee, header0, leaf0, proof0)

    def settle_many(
        self, ids: Sequence[int], header: int, leaves: Sequence[int], proof: Sequence[bytes], payee: int
    ) -> Call:
        return self._call("settle_many", ids, header, leaves, proof, payee)

    def stop(self, id: int, sibling: int) -> Call:
        return self._call("stop", id, sibling)

    def give_notice(self, id: int) -> Call:
        return self._call("give_notice", id)

    def free_bond(self, id: int) -> Call:
        return self._call("free_bond", id)

    def stop_dark(
        self, id: int, header0: int, leaf0: int, proof0: Sequence[bytes], header: int, leaf: int, proof: Sequence[bytes]
    ) -> Call:
        return self._call("stop_dark", id, header0, leaf0, proof0, header, leaf, proof)

    def finish(self, id: int, header: int, leaf: int, proof: Sequence[bytes]) -> Call:
        return self._call("finish", id, header, leaf, proof)


class LeaseMarket(Contract):
    """Signed messages become leases. Structs are tuples in the order of `ILeaseMarket.vyi`."""

    NAME = "LeaseMarket"

    def ask_digest(self, ask: Struct, *, at: BlockRef) -> bytes:
        return cast("bytes", self._read("ask_digest", ask, at=at))

    def take_digest(self, take: Struct, *, at: BlockRef) -> bytes:
        return cast("bytes", self._read("take_digest", take, at=at))

    def quote(self, ask: Struct, take: Struct, *, at: BlockRef) -> tuple[int, int]:
        return cast("tuple[int, int]", self._read("quote", ask, take, at=at))

    def take(self, ask: Struct, take: Struct, ask_sig: bytes, take_sig: bytes, lapsed: Sequence[int]) -> Call:
        return self._call("take", ask, take, ask_sig, take_sig, lapsed)

    def cancel(self, take: Struct) -> Call:
        return self._call("cancel", take)

    def cancel_all(self, provider: int) -> Call:
        return self._call("cancel_all", provider)


class BurnMintEngine(Contract):
    """The only gate between tokens (wei) and credits (wei of a USD)."""

    NAME = "BurnMintEngine"

    def outstanding(self, ledger: str, *, at: BlockRef) -> int:
        return cast("int", self._read("outstanding", ledger, at=at))

    def pots(self, *, at: BlockRef) -> tuple[int, int]:
        return cast("tuple[int, int]", self._read("pots", at=at))

    def quote(self, amount: int, *, at: BlockRef) -> int:
        return cast("int", self._read("quote", amount, at=at))

    def set_fee(self, fee: int, attesters: int, builders: int) -> Call:
        return self._call("set_fee", fee, attesters, builders)

    def set_peg(self, peg: int) -> Call:
        return self._call("set_peg", peg)

    def set_builders(self, builders: str) -> Call:
        return self._call("set_builders", builders)

    def set_hub(self, hub: str) -> Call:
        return self._call("set_hub", hub)

    def buy(self, amount: int, least: int) -> Call:
        return self._call("buy", amount, least)

    def pay(self, lease: int, amount: int, least: int) -> Call:
        return self._call("pay", lease, amount, least)

    def refund(self, credits: int, least: int) -> Call:
        return self._call("refund", credits, least)

    def redeem(self, key: int, periods: Sequence[int]) -> Call:
        return self._call("redeem", key, periods)

    def redeem_from(self, ledger: str, key: int, periods: Sequence[int]) -> Call:
        return self._call("redeem_from", ledger, key, periods)

    def pay_builders(self) -> Call:
        return self._call("pay_builders")

    def builders(self, *, at: BlockRef) -> str:
        return cast("str", self._read("builders", at=at))

    def hub(self, *, at: BlockRef) -> str:
        return cast("str", self._read("hub", at=at))

    def hub_of(self, period: int, *, at: BlockRef) -> str:
        return cast("str", self._read("hub_of", period, at=at))

    def fee_of(self, period: int, *, at: BlockRef) -> int:
        return cast("int", self._read("fee_of", period, at=at))

    def peg(self, *, at: BlockRef) -> int:
        return cast("int", self._read("peg", at=at))

    def peg_of(self, period: int, *, at: BlockRef) -> int:
        return cast("int", self._read("peg_of", period, at=at))

    def shares(self, *, at: BlockRef) -> tuple[int, int]:
        return cast("tuple[int, int]", self._read("shares", at=at))

    def buy_into(self, ledger: str, amount: int, least: int) -> Call:
        return self._call("buy_into", ledger, amount, least)

    def pay_into(self, ledger: str, lease: int, amount: int, least: int) -> Call:
        return self._call("pay_into", ledger, lease, amount, least)

    def refund_from(self, ledger: str, credits: int, least: int) -> Call:
        return self._call("refund_from", ledger, credits, least)


class ReportRefuter(Contract):
    """False reports, taken back by proof (`protocol.refute` builds it)."""

    NAME = "ReportRefuter"

    def committed_at(self, arg0: bytes, *, at: BlockRef) -> int:
        return cast("int", self._read("committed_at", arg0, at=at))

    def fault_of(self, arg0: int, arg1: int, *, at: BlockRef) -> int:
        return cast("int", self._read("fault_of", arg0, arg1, at=at))

    def state(self, e: int, *, at: BlockRef) -> str:
        return cast("str", self._read("state", e, at=at))

    def commit(self, commitment: bytes) -> Call:
        return self._call("commit", commitment)

    def refute(self, report: Struct, part: int, group: int, data: bytes, leaves: bytes, siblings: bytes) -> Call:
        return self._call("refute", report, part, group, data, leaves, siblings)

    def refute_checkin(
        self,
        node: int,
        slot: int,
        header: int,
        leaf: int,
        proof: Sequence[bytes],
        header_before: int,
        root_before: bytes,
    ) -> Call:
        return self._call("refute_checkin", node, slot, header, leaf, proof, header_before, root_before)


class AttesterCommittee(Contract):
    """Bonded seats; words as in `IAttesterCommittee.vyi`. Bonds in wei."""

    NAME = "AttesterCommittee"

    def seat_of(self, who: str, *, at: BlockRef) -> int:
        return cast("int", self._read("seat_of", who, at=at))

    def seats(self, *, at: BlockRef) -> Sequence[str]:
        return cast("Sequence[str]", self._read("seats", at=at))

    def pending(self, *, at: BlockRef) -> tuple[Sequence[str], int]:
        return cast("tuple[Sequence[str], int]", self._read("pending", at=at))

    def state(self, who: str, *, at: BlockRef) -> str:
        return cast("str", self._read("state", who, at=at))

    def endpoint(self, arg0: str, *, at: BlockRef) -> str:
        return cast("str", self._read("endpoint", arg0, at=at))

    def committed_at(self, arg0: bytes, *, at: BlockRef) -> int:
        return cast("int", self._read("committed_at", arg0, at=at))

    def punished(self, arg0: int, arg1: int, *, at: BlockRef) -> int:
        return cast("int", self._read("punished", arg0, arg1, at=at))

    def propose(self, seats: Sequence[str]) -> Call:
        return self._call("propose", seats)

    def join(self, amount: int, endpoint: str) -> Call:
        return self._call("join", amount, endpoint)

    def set_endpoint(self, endpoint: str) -> Call:
        return self._call("set_endpoint", endpoint)

    def leave(self) -> Call:
        return self._call("leave")

    def withdraw(self) -> Call:
        return self._call("withdraw")

    def commit(self, commitment: bytes) -> Call:
        return self._call("commit", commitment)

    def apply(self) -> Call:
        return self._call("apply")

    def prove_equivocation(self, index: int, first: Struct, second: Struct) -> Call:
        return self._call("prove_equivocation", index, first, second)

    def punish(self, e: int, cancels: int) -> Call:
        return self._call("punish", e, cancels)


class ComputeChallenge(Contract):
    """Wrong products, refuted by one entry (`protocol.challenge` builds it); words as in `IComputeChallenge.vyi`."""

    NAME = "ComputeChallenge"

    def committed_at(self, arg0: bytes, *, at: BlockRef) -> int:
        return cast("int", self._read("committed_at", arg0, at=at))

    def fault_of(self, arg0: int, *, at: BlockRef) -> int:
        return cast("int", self._read("fault_of", arg0, at=at))

    def is_challenged(self, e: int, node: int, *, at: BlockRef) -> bool:
        return cast("bool", self._read("is_challenged", e, node, at=at))

    def seeds(self, e: int, *, at: BlockRef) -> tuple[int, int]:
        return cast("tuple[int, int]", self._read("seeds", e, at=at))

    def keys(
        self, node: int, epoch: int, gpu: int, round: int, previous: bytes, row: int, col: int, *, at: BlockRef
    ) -> tuple[int, int]:
        return cast("tuple[int, int]", self._read("keys", node, epoch, gpu, round, previous, row, col, at=at))

    def dot(self, a: int, b: int, n: int, *, at: BlockRef) -> int:
        return cast("int", self._read("dot", a, b, n, at=at))

    def commit(self, commitment: bytes) -> Call:
        return self._call("commit", commitment)

    def refute(
        self,
        node: int,
        epoch: int,
        root: bytes,
        sig: bytes,
        gpu: int,
        round: int,
        row: int,
        col: int,
        chunk: bytes,
        path: Sequence[bytes],
        previous: bytes,
        list_path: Sequence[bytes],
    ) -> Call:
        return self._call("refute", node, epoch, root, sig, gpu, round, row, col, chunk, path, previous, list_path)


@dataclass(frozen=True, slots=True)
class Suite:
    """All of them over one reader."""

    token: ComputeToken
    pool: StakingPool
    registry: NodeRegistry
    hub: AttestationHub
    standing: NodeStanding
    escrow: LeaseEscrow
    market: LeaseMarket
    engine: BurnMintEngine
    refuter: ReportRefuter
    committee: AttesterCommittee
    challenge: ComputeChallenge

    @classmethod
    def over(cls, reader: Reader) -> Suite:
        """The suite as that reader sees it."""
        return cls(
            token=ComputeToken(reader),
            pool=StakingPool(reader),
            registry=NodeRegistry(reader),
            hub=AttestationHub(reader),
            standing=NodeStanding(reader),
            escrow=LeaseEscrow(reader),
            market=LeaseMarket(reader),
            engine=BurnMintEngine(reader),
            refuter=ReportRefuter(reader),
            committee=AttesterCommittee(reader),
            challenge=ComputeChallenge(reader),
        )
