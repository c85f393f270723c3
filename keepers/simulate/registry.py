"""NodeRegistry in memory: providers, classes, nodes. Source: docs/protocol.md §4; contracts/network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from keepers.protocol.epochs import Calendar
from keepers.protocol.messages import Domain, RegisterNode, RotateKey, address_text, fingerprints_hash
from keepers.protocol.nodes import MAX_MIN_STAKE, MAX_NODES, MAX_PROVIDERS, Node, Provider, Status
from keepers.protocol.units import M16, M32, M64
from keepers.simulate.pool import Pool
from keepers.simulate.state import Context, Event, Journal, Store, require
from keepers.simulate.token import Token

FAULT = 1  # the right that a grant can give


@dataclass(frozen=True)
class HardwareClass:
    """A row of the class table, in the order of the interface's struct; min_stake in 1e-9 USD a GPU."""

    name: str
    kind: int = 0
    tier: int = 0
    vram_gib: int = 0
    flags: int = 0
    compute_units: int = 0
    min_stake: int = 0
    n: int = 0
    rounds: int = 0
    deadline: int = 0
    closed: bool = False


@dataclass(frozen=True)
class Keys:
    """A node's key, the epoch since which it signs, when it was rotated (0 = never), the key before and its epoch."""

    key: int = 0
    since: int = 0
    rotated: int = 0
    previous: int = 0
    previous_since: int = 0


class Registry:
    """Who owns which machine, its class, capacity and life time."""

    def __init__(
        self,
        journal: Journal,
        context: Context,
        calendar: Calendar,
        token: Token,
        pool: Pool,
        peers: dict[str, int],
        owner: int,
        fee: int,
        answer_window: int,
        cooldown: int,
    ) -> None:
        self._journal = journal
        self._context = context
        self._calendar = calendar
        self._token = token
        self._pool = pool
        self._peers = peers
        self.address = peers["registry"]
        self.owner = owner
        self.fee = fee
        self.answer_window = answer_window
        self.cooldown = cooldown
        self.nodes: Store[int, Node] = Store(journal, Node())
        self.keys: Store[int, Keys] = Store(journal, Keys())
        self.node_of_key: Store[int, int] = Store(journal, 0)
        self.gpu: Store[bytes, int] = Store(journal, 0)
        self.providers: Store[int, Provider] = Store(journal, Provider())
        self.owners: Store[int, int] = Store(journal, 0)
        self.pending: Store[int, int] = Store(journal, 0)
        self.payouts: Store[int, int] = Store(journal, 0)
        self.classes: Store[int, HardwareClass | None] = Store(journal, None)
        self.grants: Store[int, int] = Store(journal, 0)
        self._counts: Store[str, int] = Store(journal, 0)

    @property
    def domain(self) -> Domain:
        """Where registrations and rotations are signed."""
        return Domain(self._context.chain_id, address_text(self.address))

    # ---- owner
    def add_class(self, row: HardwareClass, *, sender: int) -> int:
        """Adds a hardware class; returns its id."""
        require(sender == self.owner, "ownable: caller is not the owner")
        require(bool(row.name), "registry: class name")
        require(row.kind <= 4, "registry: class kind")
        require(row.tier <= 2, "registry: class tier")
        require(row.vram_gib <= M16, "registry: class VRAM")
        require(row.flags <= M16, "registry: class flags")
        require(row.compute_units <= M32, "registry: class compute units")
        require(row.min_stake <= MAX_MIN_STAKE, "registry: class stake")
        require(not row.closed, "registry: new class is closed")
        if row.rounds == 0:
            require(row.n == 0 and row.deadline == 0, "registry: liveness-only class")
        else:
            require(256 <= row.n <= 65_536 and row.n & (row.n - 1) == 0, "registry: class n")
            require(row.rounds <= M32 and row.rounds & (row.rounds - 1) == 0, "registry: class rounds")
            require(0 < row.deadline <= M32, "registry: class deadline")
        class_id = self._counts["classes"]
        require(class_id < 2**16, "registry: too many classes")
        self._counts["classes"] = class_id + 1
        self.classes[class_id] = row
        self._log("ClassAdded", class_id, tuple(vars(row).values()))
        return class_id

    def close_class(self, class_id: int, *, sender: int) -> None:
        """Closes a class to new nodes."""
        require(sender == self.owner, "ownable: caller is not the owner")
        row = self.classes[class_id]
        require(row is not None and not row.closed, "registry: no open class")
        assert row is not None
        self.classes[class_id] = replace(row, closed=True)
        self._log("ClassClosed", class_id)

    def set_grant(self, caller: int, rights: int, *, sender: int) -> None:
        """Gives or takes the right to fault nodes."""
        require(sender == self.owner, "ownable: caller is not the owner")
        require(caller != 0, "registry: grant to zero")
        require(rights <= FAULT, "registry: unknown right")
        old = self.grants[caller]
        self.grants[caller] = rights
        self._log("GrantSet", caller, old, rights)

    # ---- provider
    def register_provider(self, operator: int, payout: int, metadata: str, *, sender: int) -> int:
        """Makes the caller the owner of a new provider; returns its id, from 0."""
        require(operator != 0, "registry: operator is zero")
        require(payout != 0, "registry: payout is zero")
        p = self._counts["providers"]
        require(p < MAX_PROVIDERS, "registry: too many providers")
        self._counts["providers"] = p + 1
        self.owners[p] = sender
        self.providers[p] = Provider(operator)
        self.payouts[p] = payout
        self._log("ProviderRegistered", p, sender, operator, payout, metadata)
        self._pool.open_pool(p, sender, sender=self.address)
        return p

    def set_operator(self, provider: int, operator: int, *, sender: int) -> None:
        """Replaces the operator key; old asks are void."""
        self._check(provider, sender)
        require(operator != 0, "registry: new operator is zero")
        old = self.providers[provider]
        generation = _next_generation(old)
        self.providers[provider] = replace(old, operator=operator, generation=generation)
        self._log("ProviderOperatorSet", provider, old.operator, operator)
        self._log("GenerationBumped", provider, generation)

    def set_payout(self, provider: int, payout: int, *, sender: int) -> None:
        """Replaces the payout address."""
        self._check(provider, sender)
        require(payout != 0, "registry: new payout is zero")
        self._log("ProviderPayoutSet", provider, self.payouts[provider], payout)
        self.payouts[provider] = payout

    def set_metadata(self, provider: int, metadata: str, *, sender: int) -> None:
        """Announces a metadata URI."""
        self._check(provider, sender)
        self._log("ProviderMetadataSet", provider, metadata)

    def transfer_provider(self, provider: int, to: int, *, sender: int) -> None:
        """Offers the provider to another owner."""
        self._check(provider, sender)
        self.pending[provider] = to
        self._log("ProviderTransferStarted", provider, sender, to)

    def accept_provider(self, provider: int, *, sender: int) -> None:
        """Accepts an offered provider: the caller becomes owner, operator and payout address, old asks are void."""
        require(self.pending[provider] == sender, "registry: not offered to caller")
        self.pending[provider] = 0
        old, word, payout = self.owners[provider], self.providers[provider], self.payouts[provider]
        generation = _next_generation(word)
        self.owners[provider] = sender
        self.providers[provider] = replace(word, operator=sender, generation=generation)
        self.payouts[provider] = sender
        self._log("ProviderTransferred", provider, old, sender)
        self._log("ProviderOperatorSet", provider, word.operator, sender)
        self._log("ProviderPayoutSet", provider, payout, sender)
        self._log("GenerationBumped", provider, generation)
        self._pool.set_owner(provider, sender, sender=self.address)

    def register_node(
        self,
        provider: int,
        class_id: int,
        region: int,
        fingerprints: list[bytes],
        key: int,
        signature: bytes,
        *,
        sender: int,
    ) -> int:
        """Registers a machine; returns its index."""
        require(self.owners[provider] == sender, "registry: not provider's owner")
        row = self.classes[class_id]
        require(row is not None and not row.closed, "registry: class not open")
        assert row is not None
        require(region <= M16, "registry: region")
        gpus = len(fingerprints)
        require(gpus != 0, "registry: no GPU")
        i = self.count
        require(i < MAX_NODES, "registry: too many nodes")
        self._counts["nodes"] = i + 1
        prints = fingerprints_hash(fingerprints)
        message = RegisterNode(provider, address_text(sender), class_id, region, prints, address_text(key))
        self._use_key(key, i, message.digest(self.domain), signature)
        first = self._calendar.epoch(self._context.now) + 1
        self.keys[i] = Keys(key, first)
        for fingerprint in fingerprints:
            require(fingerprint != bytes(32), "registry: empty fingerprint")
            taken = self.gpu[fingerprint]
            require(taken == 0 or self._is_free(self.nodes[taken - 1]), "registry: GPU stands in a node")
            self.gpu[fingerprint] = i + 1
        self.nodes[i] = Node(
            provider=provider,
            class_id=class_id,
            region=region,
            gpus=gpus,
            status=Status.PENDING,
            first=first,
            clean=first,
            since=first - 1,
        )
        units = self.providers[provider].units + row.min_stake * gpus
        require(units <= M64, "registry: stake units")
        self.providers[provider] = replace(self.providers[provider], units=units)
        self._log("NodeRegistered", i, provider, key, class_id, region, gpus, first, tuple(fingerprints))
        self._pool.set_units(provider, units, sender=self.address)
        if self.fee != 0:
            self._token.burn_from(sender, self.fee, sender=self.address)
        return i

    def rotate_key(self, node: int, key: int, signature: bytes, *, sender: int) -> None:
        """Replaces a node's signing key from the next epoch on."""
        self._check_node(node, sender)
        require(self.nodes[node].status != Status.RETIRED, "registry: key of a retired node")
        old = self.keys[node]
        now = self._context.now
        wait = self.answer_window + self._calendar.epoch_seconds
        require(old.rotated == 0 or now >= old.rotated + wait, "registry: rotated too recently")
        self._use_key(key, node, RotateKey(node, address_text(key)).digest(self.domain), signature)
        since = self._calendar.epoch(now) + 1
        self.keys[node] = Keys(key, since, now, old.key, old.since)
        self._log("NodeKeyRotated", node, old.key, key, since)

    def retire_node(self, node: int, *, sender: int) -> None:
        """Takes a node without open leases out for ever."""
        word = self.nodes[node]
        self._check_node(node, sender)
        require(word.status != Status.RETIRED, "registry: already retired")
        require(word.reserved == 0, "registry: a lease is open")
        epoch = self._calendar.epoch(self._context.now)
        self.nodes[node] = replace(word, status=Status.RETIRED, since=epoch)
        row = self.classes[word.class_id]
        assert row is not None
        provider = self.providers[word.provider]
        provider = replace(provider, units=provider.units - row.min_stake * word.gpus)
        self.providers[word.provider] = provider
        self._log("NodeRetired", node, epoch)
        self._pool.set_units(word.provider, provider.units, sender=self.address)

    def opt_in(self, node: int, *, sender: int) -> None:
        """From the next epoch on the node owes every answer. By owner or operator."""
        word = self.nodes[node]
        self._check_opt(word, sender)
        require(word.status not in (Status.NONE, Status.RETIRED), "registry: node cannot opt in")
        require(getattr(self.classes[word.class_id], "rounds", 0) != 0, "registry: class has no challenge")
        require(word.opt_in == 0, "registry: already opted in")
        since = self._calendar.epoch(self._context.now) + 1
        self.nodes[node] = replace(word, opt_in=since)
        self._log("OptInSet", node, 0, since)

    def opt_out(self, node: int, *, sender: int) -> None:
        """Undoes `opt_in` from the next epoch on."""
        word = self.nodes[node]
        self._check_opt(word, sender)
        require(word.opt_in != 0, "registry: not opted in")
        self.nodes[node] = replace(word, opt_in=0)
        self._log("OptInSet", node, word.opt_in, 0)

    # ---- market, escrow, standing, granted
    def reserve(self, node: int, gpus: int, *, sender: int) -> tuple[Node, Provider]:
        """Reserves GPUs of an Active node; returns its word before and its provider."""
        require(sender == self._peers["market"], "registry: caller is not market")
        word = self.nodes[node]
        require(word.status == Status.ACTIVE, "registry: node is not active")
        require(gpus != 0 and gpus <= word.gpus - word.reserved, "registry: not enough free GPUs")
        self.nodes[node] = replace(word, reserved=word.reserved + gpus)
        self._log("Reserved", node, word.reserved + gpus)
        return word, self.providers[word.provider]

    def bump_generation(self, provider: int, by: int, *, sender: int) -> None:
        """Voids every ask of the present generation."""
        require(sender == self._peers["market"], "registry: bump by market only")
        word = self.providers[provider]
        require(by in (word.operator, self.owners[provider]), "registry: not operator or owner")
        require(by != 0, "registry: nobody bumps")
        generation = _next_generation(word)
        self.providers[provider] = replace(word, generation=generation)
        self._log("GenerationBumped", provider, generation)

    def release(self, node: int, gpus: int, *, sender: int) -> None:
        """Frees GPUs of a lease that stopped."""
        require(sender == self._peers["escrow"], "registry: caller is not escrow")
        word = self.nodes[node]
        require(gpus <= word.reserved, "registry: not reserved")
        self.nodes[node] = replace(word, reserved=word.reserved - gpus)
        self._log("Reserved", node, word.reserved - gpus)

    def set_status(self, node: int, status: int, since: int, clean: int, *, sender: int) -> None:
        """A change that NodeStanding proved."""
        require(sender == self._peers["standing"], "registry: caller is not standing")
        word = self.nodes[node]
        old = word.status
        if status == Status.ACTIVE:
            require(old in (Status.PENDING, Status.JAILED, Status.FAULTED), "registry: cannot activate")
        else:
            require(status == Status.JAILED and old == Status.ACTIVE, "registry: cannot jail")
        require(since <= M32 and clean <= M32, "registry: epoch too large")
        self.nodes[node] = replace(word, status=Status(status), since=since, clean=clean)
        self._log("StatusSet", node, int(old), int(status), since, clean)

    def fault(self, node: int, *, sender: int) -> None:
        """An objective fault was proven."""
        require(bool(self.grants[sender] & FAULT), "registry: caller may not fault")
        word = self.nodes[node]
        require(word.status != Status.NONE, "registry: no such node")
        epoch = self._calendar.epoch(self._context.now)
        if word.status == Status.RETIRED:
            self.nodes[node] = replace(word, fault=epoch)
            return
        clean = epoch if word.status in (Status.JAILED, Status.FAULTED) else word.clean
        self.nodes[node] = replace(word, status=Status.FAULTED, since=epoch, clean=clean, fault=epoch)
        self._log("StatusSet", node, int(word.status), int(Status.FAULTED), epoch, clean)

    # ---- views
    @property
    def count(self) -> int:
        """Nodes ever registered."""
        return self._counts["nodes"]

    @property
    def provider_count(self) -> int:
        """Providers ever registered."""
        return self._counts["providers"]

    def key_of(self, node: int, epoch: int) -> int:
        """Key that signs for the node in an epoch; 0 before the oldest key that is kept."""
        keys = self.keys[node]
        if epoch >= keys.since:
            return keys.key
        return keys.previous if epoch >= keys.previous_since else 0

    def gpu_owner(self, fingerprint: bytes) -> int:
        """Node + 1 @0 | second from which the GPU is free again @32; 0 = free."""
        taken = self.gpu[fingerprint]
        if taken == 0 or self._is_free(self.nodes[taken - 1]):
            return 0
        node = self.nodes[taken - 1]
        return self._free_at(node) << 32 | taken if node.status == Status.RETIRED else taken

    def _check(self, provider: int, sender: int) -> None:
        require(self.owners[provider] == sender, "registry: not its owner")

    def _check_node(self, node: int, sender: int) -> None:
        require(self.nodes[node].status != Status.NONE, "registry: no node of this index")
        self._check(self.nodes[node].provider, sender)

    def _check_opt(self, word: Node, sender: int) -> None:
        by = (self.providers[word.provider].operator, self.owners[word.provider])
        require(sender in by, "registry: caller may not opt")

    def _use_key(self, key: int, node: int, digest: bytes, signature: bytes) -> None:
        require(key != 0, "registry: key is zero")
        require(self._context.recover(digest, signature) == key, "registry: not signed by the key")
        require(self.node_of_key[key] == 0, "registry: key was used before")
        self.node_of_key[key] = node + 1

    def _free_at(self, node: Node) -> int:
        return self._calendar.end(node.since) + self.cooldown

    def _is_free(self, node: Node) -> bool:
        return node.status == Status.RETIRED and self._context.now >= self._free_at(node)

    def _log(self, name: str, *values: Any) -> None:
        self._journal.events.append(Event("NodeRegistry", name, values))


def _next_generation(word: Provider) -> int:
    require(word.generation < M32, "registry: generations used up")
    return word.generation + 1
