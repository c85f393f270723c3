"""Renting: offers, quotes, a plan that shows everything first, and a lease's life from the renter's side."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from fractions import Fraction

from keepers.chain.ports import BlockRef
from keepers.protocol.credits import COVER_BPS, Balance, covers, part
from keepers.protocol.errors import HearthError
from keepers.protocol.hashing import keccak
from keepers.protocol.leases import least_prepaid
from keepers.protocol.matching import Offer, Wish, explain, rank
from keepers.protocol.messages import Take, pack_nodes
from keepers.protocol.units import BPS, WAD
from keepers.sdk.base import Base, Progress, struct, tokens_text
from keepers.sdk.limits import DAY
from keepers.sdk.names import rate_wei, resolve_gpu
from keepers.sdk.offers import OfferCheck, load
from keepers.sdk.session import Step
from keepers.sdk.types import HOUR, LeaseView, OfferBook, OfferRow, Quote, RentPlan

TAKE_VALID_S = 600  # how long a planned take may wait for its block
ANY_TIME = 2**40 - 1  # the latest deadline that a take can have
SLIPPAGE_BPS = 100  # how much worse than shown a plan may have become when it is signed
NAMED = "rent-key-"  # in the outbox: a rent with an idempotency key


class Renting(Base):
    """The renter's verbs."""

    # ---- looking for GPUs

    def offers(self, place: str = "") -> OfferBook:
        """The signed asks at `place` (default: the configured one), each checked against the chain."""
        where = place or self._offers
        if not where:
            raise HearthError(
                "H4201",
                "no place with offers is configured",
                why=("offers are signed asks in a folder or at a URL",),
                next=("--offers FOLDER or URL", "hearth config set renter.offers FOLDER"),
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
        """Price a rent at the newest block. Raises H42xx where it could not be taken now, H5004 above a limit."""
        at = self.head()
        closed = self.reads.entries(at)
        if closed:
            raise HearthError("H5007", f"nothing can be rented now: {closed}")
        prepaid = prepaid_s if prepaid_s is not None else min(duration_s, row.sheet.prepay)
        self._in_range(row, gpus, duration_s, prepaid)
        self.limits.check_rate(row.rate_wei)
        me = self.address
        named = int.from_bytes(keccak(f"{me}:{idempotency_key}".encode()), "big") if idempotency_key else 0
        salt = named or secrets.randbits(256)
        # A repeated key must be the same message, so its deadline cannot move with the clock.
        deadline = ANY_TIME if idempotency_key else at.timestamp + TAKE_VALID_S
        take = Take(me, row.signed.digest, pack_nodes([row.node]), gpus, duration_s, prepaid, deadline, salt)
        deposit, bond = self.suite.market.quote(struct(row.signed.ask), struct(take), at=at)
        self.limits.check_lease(deposit)
        self._check_day(deposit, at)
        wallet = self.reads.wallet(me, at)
        price = self.reads.price(at).low
        burn = self._burn_for(max(0, deposit - wallet.credits_wei), price)
        if burn > wallet.token_wei:
            raise HearthError(
                "H5003",
                f"{tokens_text(burn)} tokens are needed, {me} holds {tokens_text(wallet.token_wei)}",
                why=(f"the deposit is ${deposit / WAD:.4f}, the purse has ${wallet.credits_wei / WAD:.4f}",),
                next=(
                    f"send {tokens_text(burn - wallet.token_wei)} tokens to {me} on chain {self.deployment.chain_id}",
                    "or prepay less: --prepay",
                ),
            )
        held, backing = wallet.credits_wei, wallet.backing_wei
        moved = min(deposit, held)
        if moved and not covers(Balance(deposit, part(held, backing, moved) + burn), price):
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
            _action(idempotency_key) if idempotency_key else f"rent-{take.lease_id(self.market_domain):x}",
        )

    def again(self, plan: RentPlan, slippage_bps: int = SLIPPAGE_BPS, idempotency_key: str = "") -> RentPlan:
        """The same plan at the newest block, to be asked for right before signing.

        Raises H4204 (exit 6) where it would burn more than `slippage_bps` above what `plan` showed, and whatever `plan`
        raises.
        """
        new = self.plan(
            plan.row,
            gpus=plan.gpus,
            duration_s=plan.duration_s,
            prepaid_s=plan.prepaid_s,
            idempotency_key=idempotency_key,
        )
        was, now = tokens_text(plan.burn_wei), tokens_text(new.burn_wei)
        if new.burn_wei * BPS > plan.burn_wei * (BPS + slippage_bps) or new.deposit_wei > plan.deposit_wei:
            raise HearthError(
                "H4204",
                f"the plan has become worse: {now} tokens instead of {was}",
                why=(f"more than {slippage_bps / 100:g} % above what was shown; nothing was sent",),
                next=("the same command shows the plan at today's price", "--slippage PERCENT"),
            )
        return new

    def rented(self, idempotency_key: str) -> LeaseView | None:
        """The lease that an earlier `rent` with this key opened, waited for; None where there was none."""
        done = self.session.known(_action(idempotency_key), "take")
        if done is None:
            return None
        me = self.address.lower()
        mine = [e for e in self.reads.opened() if e.block_number == done.block and str(e["renter"]).lower() == me]
        named = [e for e in mine if "0x" + e.tx_hash.hex() == done.tx] or mine
        return self.status(hex(named[0]["id"])) if named else None

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
        call = self.suite.market.take(struct(signed.ask), struct(take), signed.signature, b"", [])
        action = plan.action or f"rent-{plan.lease_id:x}"
        named = action.startswith(NAMED)
        if not named or self.session.known(action, "take") is None:
            self.session.run(action, [*steps, Step("take", call)], progress, once=named)
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
            raise HearthError("H1005", "a top-up pays for at least one second")
        at = self.head()
        room = self.suite.escrow.room(view.lease_id, at=at)
        wanted = min(room, seconds * view.terms.per_second)
        if wanted == 0:
            raise HearthError(
                "H5002",
                f"lease {view.ordinal} is paid as far ahead as its terms allow",
                next=(f"hearth status {view.ordinal}",),
            )
        action = f"topup-{view.lease_id:x}-{key or secrets.token_hex(8)}"
        if key and self.session.known(action, "top-up") is not None:
            return self.status(hex(view.lease_id))
        self.limits.check_lease(view.money.credits + view.money.settled * view.terms.per_second + wanted)
        self._check_day(wanted, at)
        wallet = self.reads.wallet(self.address, at)
        burn = self._burn_for(max(0, wanted - wallet.credits_wei), self.reads.price(at).low)
        self._afford(burn, wallet)
        steps = self._approve(burn if wallet.allowance_wei < burn else 0) + self._buy(
            burn, max(0, wanted - wallet.credits_wei)
        )
        steps.append(Step("top-up", self.suite.escrow.top_up(view.lease_id, wanted)))
        self.session.run(action, steps, progress, once=bool(key))
        return self.status(hex(view.lease_id))

    def close(self, lease: str | int, progress: Progress | None = None) -> LeaseView:
        """Stop a lease. What can no longer be owed comes home at once, the rest when the last report is final."""
        view = self.status(lease)
        if view.terms.stopped:
            return view
        if view.renter != self.address.lower():
            raise HearthError(
                "H1104",
                f"lease {view.ordinal} is closed by its renter {view.renter}, this key is {self.address}",
                next=(f"hearth node notice {view.ordinal}", f"hearth node leave {view.ordinal}", "hearth status"),
            )
        self.session.run(f"close-{view.lease_id:x}", [Step("stop", self.suite.escrow.stop(view.lease_id, 0))], progress)
        return self.status(hex(view.lease_id))

    # ---- helpers

    def _check_day(self, more_wei: int, at: BlockRef) -> None:
        if self.limits.per_day_usd is not None:
            self.limits.check_day(self.reads.deposited_since(self.address, at.timestamp - DAY), more_wei)

    def _in_range(self, row: OfferRow, gpus: int, duration: int, prepaid: int) -> None:
        least = least_prepaid(row.sheet, self.calendar.slot)
        if not 0 < gpus <= row.free_gpus:
            raise HearthError("H4203", f"node {row.node} has {row.free_gpus} free GPUs, not {gpus}")
        if not row.min_duration_s <= duration <= row.max_duration_s:
            raise HearthError("H4203", f"the ask is for {row.min_duration_s} to {row.max_duration_s} s, not {duration}")
        if not least <= prepaid <= min(duration, row.sheet.prepay):
            raise HearthError(
                "H4203",
                f"between {least} and {min(duration, row.sheet.prepay)} s can be prepaid here, not {prepaid}",
            )

    def _get(self, url: str) -> bytes:
        if self._fetch is None:
            raise HearthError("H4201", f"offers at {url} cannot be fetched here", next=("give a folder of offers",))
        return self._fetch(url)


def _action(idempotency_key: str) -> str:
    """The name in the outbox of a rent that its caller has named."""
    return NAMED + keccak(idempotency_key.encode()).hex()[:32]


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
