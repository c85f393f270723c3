"""Hearth as a library: what a renter and a provider can do, each action planned first and sent once.

h = Hearth.from_config()
q = h.quote(gpu="RTX-4090", count=2, duration_s=12 * 3600, max_usd_per_gpu_hour="0.50")
if q.best is None: raise SystemExit(q.why())
lease = h.rent(h.plan(q.best, gpus=2, duration_s=12 * 3600))
print(h.status(lease).state)
"""

from __future__ import annotations

import difflib
import re
import secrets
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from keepers.chain.contracts import Suite
from keepers.chain.deployment import Deployment
from keepers.chain.ports import BlockRef, Call, Reader
from keepers.protocol.credits import COVER_BPS
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.protocol.matching import Offer, Wish, explain, rank
from keepers.protocol.messages import Ask, Domain, RegisterNode, Take, fingerprints_hash, pack_nodes
from keepers.protocol.stake import Own, shares_for
from keepers.protocol.units import BPS, GWEI, PRICE_ONE, WAD, mul_div_ceil
from keepers.sdk.offers import OfferCheck, load
from keepers.sdk.reads import Reads, parameter
from keepers.sdk.session import Session, Signer, Step
from keepers.sdk.types import (
    HOUR,
    Done,
    Earnings,
    LeaseView,
    OfferBook,
    OfferRow,
    Quote,
    Receipt,
    RentPlan,
    SignedAsk,
    StakeView,
    Wallet,
)

if TYPE_CHECKING:
    from keepers.runtime.settings import Settings

TAKE_VALID_S = 600  # how long a planned take may wait for its block
Progress = Callable[[str, str], object]


class Hearth:
    """One network, one key (or none: then everything can be looked at and nothing sent)."""

    def __init__(
        self,
        reader: Reader,
        deployment: Deployment,
        *,
        session: Session | None = None,
        signer: Signer | None = None,
        offers: str = "",
        fetch: Callable[[str], bytes] | None = None,
        recover: Callable[[bytes, bytes], str] | None = None,
    ) -> None:
        self.reader, self.deployment = reader, deployment
        self.suite = Suite.over(reader)
        self.reads = Reads(reader, deployment)
        self.calendar = deployment.clock()
        self._session, self._signer = session, signer
        self._offers, self._fetch = offers, fetch
        self._recover = recover
        self.market_domain = Domain(deployment.chain_id, deployment.address("LeaseMarket"))
        self.registry_domain = Domain(deployment.chain_id, deployment.address("NodeRegistry"))

    @classmethod
    def from_config(cls, settings: Settings | None = None, **flags: Any) -> Hearth:
        """The same config, keys and errors as the command's. `flags` win over the environment and the files."""
        from keepers.sdk.connect import connect

        return connect(settings, **flags)

    # ---- who

    @property
    def address(self) -> str:
        """The key that acts. Raises H1101 (exit 4) where there is none."""
        return self.session.address

    @property
    def session(self) -> Session:
        """The way to send. Raises H1101 (exit 4) without a key."""
        if self._session is None:
            raise HearthError(
                "H1101",
                "this needs a key, and none is configured",
                why=("nothing can be signed without one",),
                next=("hearth key new", "hearth config set key FILE"),
                exit_code=4,
            )
        return self._session

    @property
    def signer(self) -> Signer:
        """The key that signs messages. Raises H1101 (exit 4) without one."""
        if self._signer is None:
            raise HearthError(
                "H1101", "this needs a key that signs, and none is configured", next=("hearth key new",), exit_code=4
            )
        return self._signer

    # ---- looking

    def head(self) -> BlockRef:
        """The block that the next answers are of."""
        return self.reader.head()

    def wallet(self, address: str | None = None) -> Wallet:
        """What an address holds (default: the key's)."""
        return self.reads.wallet(address or self.address)

    def status(self, lease: str | int) -> LeaseView:
        """A lease by number or id."""
        return self.reads.lease(lease)

    def leases(self, renter: str | None = None) -> list[LeaseView]:
        """All leases of a renter (default: the key's)."""
        return self.reads.leases_of(renter or self.address)

    def receipt(self, lease: str | int) -> Receipt:
        """Everything that moved money in a lease."""
        return self.reads.receipt(lease)

    def stake(self, provider: int) -> StakeView:
        """A provider's stake."""
        return self.reads.stake(provider)

    def earnings(self, key: int) -> Earnings:
        """A provider's tallies (or those of an address, as a number)."""
        return self.reads.earnings(key)

    def offers(self, place: str = "") -> OfferBook:
        """The signed asks at `place` (default: the configured one), each checked against the chain."""
        where = place or self._offers
        if not where:
            raise HearthError(
                "H4201",
                "no place with offers is configured",
                why=("offers are signed asks in a folder or at a URL",),
                next=("--offers FOLDER or URL", "hearth config set offers FOLDER"),
            )
        found, left_out = load(where, self.market_domain, self._get)
        check = OfferCheck(self.reader, self.suite, self._signer_of)
        return check.book(found, left_out, self.head())

    def quote(
        self,
        *,
        gpu: str = "",
        count: int = 1,
        duration_s: int = HOUR,
        max_usd_per_gpu_hour: str | Fraction | None = None,
        regions: Sequence[int] = (),
        place: str = "",
    ) -> Quote:
        """What fits, cheapest first, and what ruled the others out. Raises H4203 for a GPU that nobody has."""
        book = self.offers(place)
        names = sorted({row.class_name for row in book.rows} | set(self.reads.classes().values()))
        wish = Wish(
            gpus=count,
            duration=duration_s,
            now=self.head().timestamp,
            models=resolve_gpu(gpu, names) if gpu else None,
            regions=frozenset(regions) or None,
            max_rate=None if max_usd_per_gpu_hour is None else rate_wei(max_usd_per_gpu_hour),
        )
        keep = [(row, _offer(row)) for row in book.rows]
        by_offer = {id(offer): row for row, offer in keep}
        ranked = rank([offer for _, offer in keep], wish)
        rows = tuple(by_offer[id(offer)] for offer in ranked)
        return Quote(rows, explain([o for _, o in keep], wish), book.left_out, book.block, count, duration_s)

    # ---- renting

    def plan(
        self, row: OfferRow, *, gpus: int, duration_s: int, prepaid_s: int | None = None, idempotency_key: str = ""
    ) -> RentPlan:
        """Price a rent at the newest block. Raises H42xx/H43xx where it could not be taken now."""
        at = self.head()
        closed = self.reads.entries(at)
        if closed:
            raise HearthError("H5007", f"nothing can be rented now: {closed}", retryable=True, exit_code=6)
        prepaid = prepaid_s if prepaid_s is not None else min(duration_s, row.sheet.prepay)
        self._in_range(row, gpus, duration_s, prepaid)
        me = self.address
        salt = (
            int.from_bytes(keccak(f"{me}:{idempotency_key}".encode()), "big")
            if idempotency_key
            else secrets.randbits(256)
        )
        # A repeated key must be the same message, so its deadline cannot move with the clock.
        deadline = 2**40 - 1 if idempotency_key else at.timestamp + TAKE_VALID_S
        take = Take(me, row.signed.digest, pack_nodes([row.node]), gpus, duration_s, prepaid, deadline, salt)
        deposit, bond = self.suite.market.quote(_struct(row.signed.ask), _struct(take), at=at)
        wallet = self.reads.wallet(me, at)
        price = self.reads.price(at).low
        burn = self._burn_for(max(0, deposit - wallet.credits_wei), price)
        if burn > wallet.token_wei:
            raise HearthError(
                "H5003",
                f"{_tokens(burn)} tokens are needed, {me} holds {_tokens(wallet.token_wei)}",
                why=(f"the deposit is ${deposit / WAD:.4f}, the purse has ${wallet.credits_wei / WAD:.4f}",),
                next=(
                    f"send {_tokens(burn - wallet.token_wei)} tokens to {me} on chain {self.deployment.chain_id}",
                    "or prepay less: --prepay",
                ),
            )
        held, backing = wallet.credits_wei, wallet.backing_wei
        moved = min(deposit, held)
        if moved and (backing * moved // held + burn) * price * BPS < deposit * COVER_BPS * PRICE_ONE:
            raise HearthError(
                "H5003",
                "the credits in the purse have lost too much backing for a deposit",
                why=(f"their backing is worth less than {COVER_BPS / 100:.0f} % of them at today's price",),
                next=("hearth wallet refund all", "hearth wallet buy"),
            )
        return RentPlan(
            row,
            gpus,
            duration_s,
            prepaid,
            salt,
            deadline,
            take.lease_id(self.market_domain),
            deposit,
            bond,
            held,
            burn,
            burn if wallet.allowance_wei < burn else 0,
            price,
        )

    def rent(self, plan: RentPlan, progress: Progress | None = None) -> LeaseView:
        """Carry a plan out: approve, buy what is missing, take. Repeating it opens nothing twice."""
        signed = plan.row.signed
        take = Take(
            self.address,
            signed.digest,
            pack_nodes([plan.row.node]),
            plan.gpus,
            plan.duration_s,
            plan.prepaid_s,
            plan.deadline_at,
            plan.salt,
        )
        steps = self._approve(plan.approve_wei) + self._buy(plan.burn_wei, max(0, plan.deposit_wei - plan.purse_wei))
        # The renter sends its own message: the market asks for no signature of it then.
        call = self.suite.market.take(_struct(signed.ask), _struct(take), signed.signature, b"", [])
        self.session.run(f"rent-{plan.lease_id:x}", [*steps, Step("take", call)], progress)
        return self.status(hex(plan.lease_id))

    def topup(self, lease: str | int, seconds: int, progress: Progress | None = None, key: str = "") -> LeaseView:
        """Pay `seconds` more in advance, buying what the purse lacks; never past the end of the term."""
        view = self.status(lease)
        if view.state != "RUNNING":
            raise HearthError(
                "H5002",
                f"lease {view.ordinal} is {view.state.lower()}: it takes no money any more",
                next=("hearth offers",),
            )
        if seconds <= 0:
            raise HearthError("H1005", "a top-up pays for at least one second", exit_code=2)
        at = self.head()
        room = self.suite.escrow.room(view.lease_id, at=at)
        wanted = min(room, seconds * view.terms.per_second)
        if wanted == 0:
            raise HearthError(
                "H5002",
                f"lease {view.ordinal} is paid as far ahead as its terms allow",
                next=(f"hearth status {view.ordinal}",),
            )
        wallet = self.reads.wallet(self.address, at)
        burn = self._burn_for(max(0, wanted - wallet.credits_wei), self.reads.price(at).low)
        self._afford(burn, wallet)
        steps = self._approve(burn if wallet.allowance_wei < burn else 0) + self._buy(
            burn, max(0, wanted - wallet.credits_wei)
        )
        steps.append(Step("top-up", self.suite.escrow.top_up(view.lease_id, wanted)))
        self.session.run(f"topup-{view.lease_id:x}-{key or secrets.token_hex(8)}", steps, progress)
        return self.status(hex(view.lease_id))

    def close(self, lease: str | int, progress: Progress | None = None) -> LeaseView:
        """Stop a lease. What can no longer be owed comes home at once, the rest when the last report is final."""
        view = self.status(lease)
        if view.terms.stopped:
            return view
        self.session.run(f"close-{view.lease_id:x}", [Step("stop", self.suite.escrow.stop(view.lease_id, 0))], progress)
        return self.status(hex(view.lease_id))

    # ---- money

    def buy(self, credits_wei: int, progress: Progress | None = None, key: str = "") -> Wallet:
        """Burn as many tokens as `credits_wei` of credits cost now."""
        at = self.head()
        closed = self.reads.entries(at)
        if closed:
            raise HearthError("H5007", f"nothing can be bought now: {closed}", retryable=True, exit_code=6)
        if credits_wei <= 0:
            raise HearthError("H1005", "the smallest purchase is 0.000000000000000001 USD of credits", exit_code=2)
        wallet = self.reads.wallet(self.address, at)
        burn = self._burn_for(credits_wei, self.reads.price(at).low)
        self._afford(burn, wallet)
        steps = self._approve(burn if wallet.allowance_wei < burn else 0) + self._buy(burn, credits_wei)
        self.session.run(f"buy-{key or secrets.token_hex(8)}", steps, progress)
        return self.wallet()

    def refund(self, credits_wei: int | None = None, progress: Progress | None = None, key: str = "") -> Wallet:
        """Turn credits of the purse back into tokens (all of them by default), less the spread."""
        wallet = self.wallet()
        amount = wallet.credits_wei if credits_wei is None else credits_wei
        if not 0 < amount <= wallet.credits_wei:
            raise HearthError(
                "H5006", f"the purse holds {wallet.credits_wei / WAD:.4f} USD of credits, not {amount / WAD:.4f}"
            )
        self.session.run(
            f"refund-{key or secrets.token_hex(8)}", [Step("refund", self.suite.engine.refund(amount, 0))], progress
        )
        return self.wallet()

    def redeem(self, key: int, progress: Progress | None = None) -> list[Done]:
        """Redeem every tally of `key` whose period has closed, to the key's payout; nothing to do is an empty list."""
        periods = [tally.period for tally in self.earnings(key).tallies if tally.closed]
        done: list[Done] = []
        for first in range(0, len(periods), 32):
            part = periods[first : first + 32]
            name = f"redeem-{key:x}-{part[0]}-{part[-1]}-{len(part)}"
            done += self.session.run(name, [Step("redeem", self.suite.engine.redeem(key, part))], progress)
        return done

    # ---- providing

    def register_provider(
        self, operator: str, payout: str, metadata: str = "", progress: Progress | None = None
    ) -> int:
        """Become a provider; the id. A key that already owns one gets that."""
        mine = self.reads.providers_of(self.address)
        if mine:
            return mine[-1]
        call = self.suite.registry.register_provider(operator, payout, metadata)
        self.session.run("provider", [Step("register-provider", call)], progress)
        return self.reads.providers_of(self.address)[-1]

    def add_stake(self, provider: int, amount_gwei: int, progress: Progress | None = None, key: str = "") -> StakeView:
        """Stake from the key's tokens."""
        if amount_gwei <= 0:
            raise HearthError("H1005", "the smallest stake is 0.000000001 token", exit_code=2)
        pool = self.deployment.address("StakingPool")
        at = self.head()
        have = self.suite.token.balanceOf(self.address, at=at)
        if have < amount_gwei * GWEI:
            raise HearthError(
                "H5003",
                f"{_tokens(amount_gwei * GWEI)} tokens are needed, {self.address} holds {_tokens(have)}",
                next=(
                    f"send {_tokens(amount_gwei * GWEI - have)} tokens to {self.address} on chain"
                    f" {self.deployment.chain_id}",
                ),
            )
        steps = []
        if self.suite.token.allowance(self.address, pool, at=at) < amount_gwei * GWEI:
            steps.append(Step("approve-stake", self.suite.token.approve(pool, amount_gwei * GWEI)))
        steps.append(Step("stake", self.suite.pool.stake_own(provider, amount_gwei)))
        self.session.run(f"stake-{provider}-{key or secrets.token_hex(8)}", steps, progress)
        return self.stake(provider)

    def remove_stake(self, provider: int, shares: int, progress: Progress | None = None, key: str = "") -> StakeView:
        """Begin to unbond shares that no lease locks; a ticket names when they can be withdrawn."""
        free = self.stake(provider).free_shares
        if not 0 < shares <= free:
            raise HearthError(
                "H1005", f"{free} shares are free, not {shares}", why=("bonds of leases lock the others",)
            )
        call = self.suite.pool.unstake_own(provider, shares)
        self.session.run(f"unstake-{provider}-{key or secrets.token_hex(8)}", [Step("unstake", call)], progress)
        return self.stake(provider)

    def shares_of(self, provider: int, amount_gwei: int) -> int:
        """Own shares that are worth `amount_gwei` now, rounded down."""
        own = Own.unpack(self.suite.pool.own(provider, at=self.head()))
        return shares_for(amount_gwei, own.assets, own.shares) if own.assets else 0

    def withdraw(self, provider: int, ticket: int, progress: Progress | None = None) -> StakeView:
        """Withdraw a mature ticket to its owner."""
        view = self.stake(provider)
        known = {number: release for number, _, release in view.tickets}
        if ticket not in known:
            raise HearthError("H1005", f"provider {provider} has no ticket {ticket}", next=("hearth stake show",))
        if known[ticket] > self.head().timestamp:
            raise HearthError(
                "H1005", f"ticket {ticket} matures in {known[ticket] - self.head().timestamp} s", retryable=True
            )
        call = self.suite.pool.withdraw(provider, view.owner, ticket)
        self.session.run(f"withdraw-{provider}-{ticket}", [Step("withdraw", call)], progress)
        return self.stake(provider)

    def register_node(
        self,
        provider: int,
        class_id: int,
        fingerprints: Sequence[bytes],
        node_key: Signer,
        region: int = 0,
        progress: Progress | None = None,
    ) -> int:
        """Register a machine whose key signs its consent; its index. Repeating it returns the same node."""
        known = self._node_of_key(node_key.address)
        if known is not None:
            return known
        message = RegisterNode(provider, class_id, region, fingerprints_hash(list(fingerprints)), node_key.address)
        signature = node_key.sign_digest(message.digest(self.registry_domain))
        fee = parameter(self.deployment, "registry_fee_wei")
        registry = self.deployment.address("NodeRegistry")
        steps = []
        if self.suite.token.allowance(self.address, registry, at=self.head()) < fee:
            steps.append(Step("approve-fee", self.suite.token.approve(registry, fee)))
        call = self.suite.registry.register_node(
            provider, class_id, region, list(fingerprints), node_key.address, signature
        )
        self.session.run(f"node-{node_key.address}", [*steps, Step("register-node", call)], progress)
        found = self._node_of_key(node_key.address)
        if found is None:
            raise HearthError("H9001", "the node was registered, and its event cannot be found")
        return found

    def sign_ask(
        self,
        provider: int,
        nodes: Sequence[int],
        rate: int,
        *,
        sheet: int,
        expiry_at: int,
        min_duration_s: int = 0,
        max_duration_s: int = 2**32 - 1,
        class_id: int = 0,
    ) -> SignedAsk:
        """A standing offer signed by the operator's key: no transaction, no gas. `nodes` empty = any of `class_id`."""
        if not 0 < rate < 2**64:
            raise HearthError(
                "H4205",
                "the smallest price is 1 wei of a USD a GPU-second (0.0000000000000036 USD per GPU-hour)",
                exit_code=2,
            )
        word = self.reads.provider(provider)
        if word.operator != self.signer.address.lower():
            raise HearthError(
                "H1104",
                f"provider {provider}'s asks are signed by {word.operator}, this key is {self.signer.address}",
                next=("use the operator's key: --key", "hearth node operator"),
                exit_code=4,
            )
        if sheet >= self.suite.escrow.sheet_count(at=self.head()):
            raise HearthError("H1005", f"there is no term sheet {sheet}", next=("hearth network show",))
        ask = Ask(
            provider,
            pack_nodes(list(nodes)),
            class_id,
            rate,
            min_duration_s,
            max_duration_s,
            sheet,
            expiry_at,
            word.generation,
            secrets.randbits(256),
        )
        digest = ask.digest(self.market_domain)
        return SignedAsk(ask, self.signer.sign_digest(digest), digest)

    def drain(self, provider: int, progress: Progress | None = None) -> None:
        """Withdraw every ask of a provider at once; running leases go on."""
        generation = self.reads.provider(provider).generation
        call = self.suite.market.cancel_all(provider)
        self.session.run(f"drain-{provider}-{generation}", [Step("cancel-all", call)], progress)

    def retire(self, node: int, progress: Progress | None = None) -> None:
        """Retire a node that holds no lease, for ever."""
        word = self.reads.node(node)
        if word.reserved:
            raise HearthError(
                "H2900",
                f"node {node} still holds {word.reserved} leased GPUs",
                next=("hearth node drain", "wait for its leases to end"),
            )
        self.session.run(f"retire-{node}", [Step("retire-node", self.suite.registry.retire_node(node))], progress)

    # ---- helpers

    def _node_of_key(self, key: str) -> int | None:
        first, head = self.deployment.first_block, self.head().number
        for event in self.reader.events(first, head, "NodeRegistry", ("NodeRegistered",)):
            if str(event["key"]).lower() == key.lower():
                return int(event["node"])
        return None

    def _in_range(self, row: OfferRow, gpus: int, duration: int, prepaid: int) -> None:
        least = max(row.sheet.min_seconds, self.calendar.slot)
        if not 0 < gpus <= row.free_gpus:
            raise HearthError("H4203", f"node {row.node} has {row.free_gpus} free GPUs, not {gpus}", exit_code=5)
        if not row.min_duration_s <= duration <= row.max_duration_s:
            raise HearthError(
                "H4203", f"the ask is for {row.min_duration_s} to {row.max_duration_s} s, not {duration}", exit_code=5
            )
        if not least <= prepaid <= min(duration, row.sheet.prepay):
            raise HearthError(
                "H4203",
                f"between {least} and {min(duration, row.sheet.prepay)} s can be prepaid here, not {prepaid}",
                exit_code=5,
            )

    def _burn_for(self, credits: int, price: int) -> int:
        """Fewest tokens (wei) whose burn buys at least `credits`: the inverse of floor(floor(T·p)·(1 - s))."""
        if credits == 0:
            return 0
        spread = parameter(self.deployment, "spread_bps")
        before_spread = mul_div_ceil(credits, BPS, BPS - spread)
        return mul_div_ceil(before_spread, PRICE_ONE, price)

    def _afford(self, burn: int, wallet: Wallet) -> None:
        if burn > wallet.token_wei:
            raise HearthError(
                "H5003",
                f"{_tokens(burn)} tokens are needed, {wallet.address} holds {_tokens(wallet.token_wei)}",
                next=(
                    f"send {_tokens(burn - wallet.token_wei)} tokens to {wallet.address} on chain"
                    f" {self.deployment.chain_id}",
                ),
            )

    def _approve(self, amount: int) -> list[Step]:
        engine = self.deployment.address("BurnMintEngine")
        return [Step("approve", self.suite.token.approve(engine, amount))] if amount else []

    def _buy(self, burn: int, least: int) -> list[Step]:
        return [Step("buy", self.suite.engine.buy(burn, least))] if burn else []

    def _get(self, url: str) -> bytes:
        if self._fetch is None:
            raise HearthError("H4201", f"offers at {url} cannot be fetched here")
        return self._fetch(url)

    def _signer_of(self, digest: bytes, signature: bytes) -> str:
        if self._recover is not None:
            return self._recover(digest, signature)
        from keepers.wire.signatures import BadSignature, recover

        try:
            return recover(digest, signature)
        except BadSignature as error:
            raise ValueError(str(error)) from None


def rate_wei(usd_per_gpu_hour: str | Fraction) -> int:
    """Credits (wei) a GPU-second of a price in USD per GPU-hour, rounded down. Raises H4205 below 1 wei."""
    rate = int(Fraction(usd_per_gpu_hour) * WAD / HOUR)
    if not 0 < rate < 2**64:
        raise HearthError(
            "H4205",
            f"{usd_per_gpu_hour} USD per GPU-hour is no price",
            why=("a price is above 0 and below 66,000 USD; the smallest is 0.0000000000000036 USD per GPU-hour",),
            exit_code=2,
        )
    return rate


def resolve_gpu(text: str, names: Sequence[str]) -> frozenset[str]:
    """Class names meant by `RTX-4090`, `4090` or `NVIDIA GeForce RTX 4090`. Raises H4203 with suggestions."""
    words = [w for w in re.split(r"[\s_\-]+", text.upper()) if w not in ("", "NVIDIA", "GEFORCE", "TESLA", "GPU")]
    found = frozenset(name for name in names if _in_order(words, name.upper().split("-")))
    if words and found:
        return found
    short = {re.sub(r"-\d+GB$", "", name) for name in names}
    near = difflib.get_close_matches("-".join(words), sorted(short), n=3, cutoff=0.5)
    raise HearthError(
        "H4203",
        f"no class of this network is called {text!r}",
        why=(f"known: {', '.join(sorted(names)) or 'none'}",),
        next=tuple(f"--gpu {name}" for name in near),
        exit_code=5,
    )


def _in_order(words: Sequence[str], parts: Sequence[str]) -> bool:
    rest = iter(parts)
    return all(word in rest for word in words)


def _offer(row: OfferRow) -> Offer:
    return Offer(
        node=row.node,
        provider=row.provider,
        class_id=row.class_id,
        model=row.class_name,
        region=row.region,
        free_gpus=row.free_gpus,
        rate=row.rate_wei,
        min_duration=row.min_duration_s,
        max_duration=row.max_duration_s,
        sheet=row.sheet_id,
        expiry=row.expiry_at,
    )


def _struct(message: Ask | Take) -> tuple[Any, ...]:
    """A message as the tuple of its fields, in the order of its type."""
    return tuple(vars(message).values())


def _tokens(wei: int) -> str:
    return f"{wei / WAD:,.4f}"


__all__ = ["Call", "Hearth", "rate_wei", "resolve_gpu"]
