"""Providing: provider, stake, nodes, signed asks; and a lease's end from the provider's side."""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from keepers.protocol.errors import HearthError
from keepers.protocol.messages import Ask, RegisterNode, RotateKey, address_text, fingerprints_hash, pack_nodes
from keepers.protocol.nodes import Provider
from keepers.protocol.stake import Own, shares_for, value_of
from keepers.protocol.units import GWEI
from keepers.sdk.base import Base, Progress, tokens_text
from keepers.sdk.reads import parameter
from keepers.sdk.session import Signer, Step
from keepers.sdk.types import LeaseView, SignedAsk, StakeView


class Providing(Base):
    """The provider's verbs."""

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
            raise HearthError("H1005", "the smallest stake is 0.000000001 token")
        action = f"stake-{provider}-{key or secrets.token_hex(8)}"
        if key and self.session.known(action, "stake") is not None:
            return self.stake(provider)
        pool = self.deployment.address("StakingPool")
        at = self.head()
        have = self.suite.token.balanceOf(self.address, at=at)
        if have < amount_gwei * GWEI:
            raise HearthError(
                "H5003",
                f"{tokens_text(amount_gwei * GWEI)} tokens are needed, {self.address} holds {tokens_text(have)}",
                next=(
                    f"send {tokens_text(amount_gwei * GWEI - have)} tokens to {self.address} on chain"
                    f" {self.deployment.chain_id}",
                ),
            )
        steps = []
        if self.suite.token.allowance(self.address, pool, at=at) < amount_gwei * GWEI:
            steps.append(Step("approve-stake", self.suite.token.approve(pool, amount_gwei * GWEI)))
        steps.append(Step("stake", self.suite.pool.stake_own(provider, amount_gwei)))
        self.session.run(action, steps, progress, once=bool(key))
        return self.stake(provider)

    def remove_stake(self, provider: int, shares: int, progress: Progress | None = None, key: str = "") -> StakeView:
        """Begin to unbond shares that no lease locks; a ticket names when they can be withdrawn."""
        action = f"unstake-{provider}-{key or secrets.token_hex(8)}"
        if key and self.session.known(action, "unstake") is not None:
            return self.stake(provider)
        free = self.stake(provider).free_shares
        if not 0 < shares <= free:
            own = Own.unpack(self.suite.pool.own(provider, at=self.head()))
            worth = value_of(free, own.assets, own.shares)
            raise HearthError(
                "H5006",
                f"at most {tokens_text(worth * GWEI)} tokens can be unbonded now",
                why=("bonds of leases lock the others",),
                next=("hearth stake show",),
            )
        call = self.suite.pool.unstake_own(provider, shares)
        self.session.run(action, [Step("unstake", call)], progress, once=bool(key))
        return self.stake(provider)

    def shares_of(self, provider: int, amount_gwei: int) -> int:
        """Own shares that are worth `amount_gwei` now, rounded down."""
        own = Own.unpack(self.suite.pool.own(provider, at=self.head()))
        return shares_for(amount_gwei, own.assets, own.shares) if own.assets else 0

    def ripe(self, provider: int, ticket: int) -> int:
        """Gwei of a ticket that can be withdrawn now. Raises H1005 where there is none, H5010 for one not yet."""
        known = {number: (gwei, release) for number, gwei, release in self.stake(provider).tickets}
        if ticket not in known:
            raise HearthError("H1005", f"provider {provider} has no ticket {ticket}", next=("hearth stake show",))
        gwei, release = known[ticket]
        now = self.head().timestamp
        if release > now:
            raise HearthError("H5010", f"ticket {ticket} matures in {release - now} s", next=("hearth stake show",))
        return gwei

    def withdraw(self, provider: int, ticket: int, progress: Progress | None = None) -> StakeView:
        """Withdraw a mature ticket to its owner."""
        self.ripe(provider, ticket)
        call = self.suite.pool.withdraw(provider, self.stake(provider).owner, ticket)
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
        prints = fingerprints_hash(list(fingerprints))
        message = RegisterNode(provider, self.address, class_id, region, prints, node_key.address)
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

    def key_from_next(self, node: int) -> str:
        """The key with which a node signs from the next epoch on, lower case."""
        at = self.head()
        epoch = max(self.reads.node(node, at).first, self.calendar.epoch(at.timestamp) + 1)
        return self.suite.registry.key_of(node, epoch, at=at).lower()

    def rotate_key(self, node: int, new_key: Signer, progress: Progress | None = None) -> int:
        """Replace a node's key, with the new key's consent; the first epoch that it signs. Only the provider's owner.

        Repeating it returns the same epoch. Raises H1104 (exit 4) for another's node, H1005 for a key that was used.
        """
        word = self.reads.node(node)
        new = new_key.address.lower()
        if self.key_from_next(node) != new:
            at = self.head()
            self.require_owner(word.provider, f"node {node} is of provider {word.provider}: its owner", "its key")
            used = self.suite.registry.node_of_key(new, at=at)
            if used:
                raise HearthError(
                    "H1005",
                    f"{new} is or was the key of node {used - 1}: a key stands once, for ever",
                    next=("hearth key new NAME",),
                )
            signature = new_key.sign_digest(RotateKey(node, new_key.address).digest(self.registry_domain))
            call = self.suite.registry.rotate_key(node, new_key.address, signature)
            self.session.run(f"rotate-{node}-{new}", [Step("rotate-key", call)], progress)
        first, head = self.deployment.first_block, self.head().number
        events = self.reader.events(first, head, "NodeRegistry", ("NodeKeyRotated",))
        since = [int(e["since"]) for e in events if e["node"] == node and str(e["new"]).lower() == new]
        return since[-1] if since else word.first

    def require_owner(self, provider: int, whose: str, what: str) -> None:
        """Raises H1104 (exit 4) unless this key owns the provider, whose owner alone rotates `what`."""
        me, owner = self.address.lower(), self.stake(provider).owner.lower()
        if me != owner:
            raise HearthError(
                "H1104",
                f"{whose} {owner} rotates {what}",
                why=(f"this key is {me}",),
                next=("use a config with the owner's key: -c FILE",),
            )

    def operators(self, provider: int) -> tuple[str, ...]:
        """Every address that is or was a provider's operator, lower case, the present one last."""
        first, head = self.deployment.first_block, self.head().number
        events = self.reader.events(first, head, "NodeRegistry", ("ProviderOperatorSet",))
        former = [str(e["old"]).lower() for e in events if e["provider"] == provider]
        return (*former, address_text(self.reads.provider(provider).operator))

    def rotate_operator(self, provider: int, new: str, progress: Progress | None = None) -> Provider:
        """Make another key the provider's operator: every ask that was signed before is void. Only the owner.

        Repeating it does nothing. Raises H1104 (exit 4) for another's provider.
        """
        word = self.reads.provider(provider)
        if address_text(word.operator) != new.lower():
            self.require_owner(provider, f"provider {provider}'s owner", "its operator key")
            call = self.suite.registry.set_operator(provider, new)
            action = f"operator-{provider}-{word.generation}-{new.lower()}"
            self.session.run(action, [Step("set-operator", call)], progress)
        return self.reads.provider(provider)

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
            )
        word, signer = self.reads.provider(provider), self.ask_signer
        operator = address_text(word.operator)
        if operator != signer.address.lower():
            raise HearthError(
                "H1104",
                f"provider {provider}'s asks are signed by {operator}, this key is {signer.address}",
                next=("hearth config set operator.keystore FILE", "use a config with the operator's key: -c FILE"),
            )
        self.check_sheet(sheet)
        try:
            packed = pack_nodes(sorted(set(nodes)))
        except ValueError as error:
            raise HearthError("H1005", str(error), next=("sign one ask for each part of them",)) from None
        ask = Ask(
            provider,
            packed,
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
        return SignedAsk(ask, signer.sign_digest(digest), digest)

    def check_sheet(self, sheet: int) -> None:
        """Raises H1005 where there is no term sheet of that number."""
        count = self.suite.escrow.sheet_count(at=self.head())
        if not 0 <= sheet < count:
            last = f"the escrow has {count}, from 0 on"
            raise HearthError("H1005", f"there is no term sheet {sheet}", why=last, next="--sheet with one of them")

    def drain(self, provider: int, progress: Progress | None = None) -> None:
        """Withdraw every ask of a provider at once; running leases go on."""
        generation = self.reads.provider(provider).generation
        call = self.suite.market.cancel_all(provider)
        self.session.run(f"drain-{provider}-{generation}", [Step("cancel-all", call)], progress)

    def notice(self, lease: str | int, progress: Progress | None = None) -> LeaseView:
        """End a lease with the notice of its sheet: full pay until then, no forfeit. Operator or owner only."""
        view = self._hosted(lease, owner_only=False)
        if view.terms.stopped or view.terms.notice:
            return view
        call = self.suite.escrow.give_notice(view.lease_id)
        self.session.run(f"notice-{view.lease_id:x}", [Step("give-notice", call)], progress)
        return self.status(hex(view.lease_id))

    def leave(self, lease: str | int, progress: Progress | None = None) -> LeaseView:
        """Stop a lease at once as its host, HOST_EXIT: the bond is forfeited. Only the provider's owner can."""
        view = self._hosted(lease, owner_only=True)
        if view.terms.stopped:
            return view
        self.session.run(f"leave-{view.lease_id:x}", [Step("stop", self.suite.escrow.stop(view.lease_id, 0))], progress)
        return self.status(hex(view.lease_id))

    def _hosted(self, lease: str | int, owner_only: bool) -> LeaseView:
        """The lease, if this key may end it as its host. Raises H1104 (exit 4) with the key that may."""
        view = self.status(lease)
        p, me = view.terms.provider, self.address.lower()
        owner = self.stake(p).owner.lower()
        operator = address_text(self.reads.provider(p).operator)
        if me == owner or (me == operator and not owner_only):
            return view
        raise HearthError(
            "H1104",
            f"lease {view.ordinal} is on a node of provider {p}: its owner {owner}"
            + (" alone may leave it" if owner_only else f" or operator {operator} may give notice"),
            why=(f"this key is {me}",),
            next=(f"hearth node notice {view.ordinal}",) if me == operator else ("hearth node list",),
        )

    def retire(self, node: int, progress: Progress | None = None) -> None:
        """Retire a node that holds no lease, for ever."""
        word = self.reads.node(node)
        if word.reserved:
            raise HearthError(
                "H2302",
                f"node {node} still holds {word.reserved} leased GPUs",
                next=("hearth node drain", "wait for its leases to end"),
            )
        self.session.run(f"retire-{node}", [Step("retire-node", self.suite.registry.retire_node(node))], progress)

    def opt(self, node: int, into: bool, progress: Progress | None = None) -> None:
        """Opt a node in for availability pay, or out, from the next epoch on: it then owes an answer in every
        challenged epoch in which a GPU of it is free. Raises HearthError with the registry's reason."""
        registry = self.suite.registry
        call = registry.opt_in(node) if into else registry.opt_out(node)
        name = "opt-in" if into else "opt-out"
        # a node may go in and out again: one action an epoch
        epoch = self.deployment.clock().epoch(self.head().timestamp)
        self.session.run(f"{name}-{node}-{epoch}", [Step(name, call)], progress)

    def _node_of_key(self, key: str) -> int | None:
        first, head = self.deployment.first_block, self.head().number
        for event in self.reader.events(first, head, "NodeRegistry", ("NodeRegistered",)):
            if str(event["key"]).lower() == key.lower():
                return int(event["node"])
        return None
