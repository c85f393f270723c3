"""The GPUs here beside what the chain says of a node: fingerprints, class, VRAM. For `hearth check`.

A fingerprint that the registry holds for the node settles which card it is. One that it does not hold may have been
registered with a salt, so then class and VRAM have to do; they are compared in any case.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from keepers.cli import units
from keepers.protocol.errors import HearthError
from keepers.protocol.units import field

if TYPE_CHECKING:
    from keepers.chain.ports import BlockRef
    from keepers.gpu.nvml import Identity
    from keepers.sdk.reads import Reads

GPU_KIND = 0  # of a hardware class


@dataclass(frozen=True)
class Card:
    """A GPU of this machine. `memory_mib` is None for a declared stand-in, `class_name` "" where ours has no name."""

    uuid: str
    shown: str
    class_name: str
    memory_mib: int | None

    @classmethod
    def of(cls, identity: Identity) -> Card:
        """From what NVML says."""
        from keepers.gpu.classes import classify

        known = classify(identity.name, identity.pci_device, identity.memory_mib, identity.pci_vendor)
        shown = f"GPU {identity.index} ({identity.name}, {identity.memory_mib:,} MiB)"
        return cls(identity.uuid, shown, known.name if known else "", identity.memory_mib)


@dataclass(frozen=True)
class Registered:
    """What the registry says of a node: its GPUs, and of its class kind, name and GiB of VRAM."""

    node: int
    gpus: int
    kind: int
    class_name: str
    vram_gib: int


def cards_here(indexes: str = "") -> list[Card]:
    """The GPUs that NVML shows, of indexes like "0,1"; all by default. Raises H3101 to H3108."""
    from keepers.cli.hardware import identities_here

    wanted = [int(index) for index in indexes.split(",")] if indexes else None
    return [Card.of(identity) for identity in identities_here(wanted)]


def cards_of(stand_in: str, indexes: str) -> list[Card]:
    """The GPUs of a node as [agent] has them: a declared stand-in (CLASS:COUNT:LABEL), or indexes of this machine's."""
    from keepers.gpu.stand_in import StandIn

    if not stand_in:
        return cards_here(indexes)
    model, count, label = stand_in.split(":")
    return [Card(uuid, uuid, model, None) for uuid in StandIn(model, int(count), label).uuids()]


def registered(reads: Reads, index: int, at: BlockRef) -> Registered:
    """A node as it is registered. Raises H1005 where there is none."""
    node = reads.node(index, at)
    name, kind, _, vram, *_ = reads.suite.registry.class_of(node.class_id, at=at)
    return Registered(index, node.gpus, int(kind), str(name), int(vram))


def owners(reads: Reads, cards: Sequence[Card], at: BlockRef) -> dict[str, int]:
    """UUID -> the registry's word of its fingerprint, unsalted."""
    from keepers.gpu.fingerprint import fingerprint

    calls = [reads.suite.registry.view("gpu_owner", fingerprint(card.uuid)) for card in cards]
    words = reads.reader.read_many(calls, at)
    return {card.uuid: int(word) for card, word in zip(cards, words, strict=True)}


def compare(wanted: Registered, cards: Sequence[Card], owners: Mapping[str, int]) -> tuple[str, str]:
    """(outcome, line) of a node. `owners`: UUID -> the registry's word of its fingerprint (node + 1 @0, 0 = free).

    Raises H3109 that names the card which does not fit.
    """
    if wanted.kind != GPU_KIND:
        return "ok", f"node {wanted.node} is of {wanted.class_name}, no GPU class"
    for card in cards:
        holder = field(owners[card.uuid], 0, 32)
        if holder not in (0, wanted.node + 1):
            raise _differ(f"{card.shown} is registered in node {holder - 1}, not in node {wanted.node}", wanted)
    known = [card for card in cards if owners[card.uuid]]
    if len(known) > wanted.gpus or len(cards) < wanted.gpus:
        raise _differ(f"node {wanted.node} is registered with {wanted.gpus} GPUs, {len(cards)} answer here", wanted)
    mine = known if len(known) == wanted.gpus else list(cards)
    for card in mine:
        _fits(card, wanted)
    what = f"node {wanted.node}: {wanted.gpus} x {wanted.class_name}"
    if len(known) == wanted.gpus:
        return "ok", f"{what}, fingerprints and VRAM as registered"
    return "warn", (
        f"{what}: {wanted.gpus - len(known)} of their fingerprints are not on chain (a salt, or other cards of the"
        " class); class and VRAM agree"
    )


def unregistered(cards: Sequence[Card], owners: Mapping[str, int]) -> tuple[str, str]:
    """(outcome, line) before there is a node: nobody may hold a fingerprint of these cards. Raises H3109."""
    for card in cards:
        holder, free = field(owners[card.uuid], 0, 32), field(owners[card.uuid], 32, 64)
        if holder:
            when = f", free from {units.say_when(free)} on" if free else ""
            raise HearthError(
                "H3109",
                f"{card.shown} stands in node {holder - 1} already{when}",
                why=("a GPU stands in one node at a time; anyone may have taken its fingerprint first",),
                next=("hearth node list --all", "hearth node register --salt TEXT"),
            )
    return "ok", f"fingerprints of {len(cards)} GPUs registered by nobody"


def _fits(card: Card, wanted: Registered) -> None:
    from keepers.gpu.classes import memory_fits

    if card.class_name and card.class_name != wanted.class_name:
        raise _differ(
            f"node {wanted.node} is registered as {wanted.class_name}, {card.shown} is {card.class_name}", wanted
        )
    if card.memory_mib is not None and not memory_fits(card.memory_mib, wanted.vram_gib):
        raise _differ(f"{wanted.class_name} has {wanted.vram_gib} GiB of VRAM, {card.shown} has not", wanted)


def _differ(message: str, wanted: Registered) -> HearthError:
    return HearthError(
        "H3109",
        message,
        why=("class and GPUs of a node never change: another machine is another node",),
        next=(
            "hearth config set agent.gpus '[\"0,1\"]' names the GPUs of each node",
            f"hearth node retire {wanted.node}, then hearth node register",
        ),
    )
