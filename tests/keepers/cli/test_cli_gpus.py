"""The GPUs of a machine beside what is registered of its node: which card, which class, how much memory."""

from __future__ import annotations

import pytest

from keepers.cli.gpus import Card, Registered, cards_of, compare, unregistered
from keepers.gpu.nvml import Identity
from keepers.protocol.errors import HearthError

NODE = Registered(node=3, gpus=2, kind=0, class_name="RTX-4090-24GB", vram_gib=24)
MINE, FREE, OTHER = 4, 0, 9  # the registry's words: node + 1


def card(number: int, name: str = "NVIDIA GeForce RTX 4090", device: int = 0x2684, memory: int = 24_564) -> Card:
    uuid = f"GPU-{number:08x}-0000-1111-2222-333333333333"
    return Card.of(Identity(number, name, uuid, 0x10DE, device, memory, False, False))


def owned(cards: list[Card], *words: int) -> dict[str, int]:
    return {one.uuid: word for one, word in zip(cards, words, strict=True)}


def test_compare__fingerprints_of_the_node__ok() -> None:
    cards = [card(0), card(1)]
    outcome, said = compare(NODE, cards, owned(cards, MINE, MINE))
    assert outcome == "ok"
    assert said == "node 3: 2 x RTX-4090-24GB, fingerprints and VRAM as registered"


def test_compare__another_card_of_the_machine_that_is_registered_nowhere__no_matter() -> None:
    cards = [card(0), card(1, "NVIDIA H100 80GB HBM3", 0x2330, 81_559), card(2)]
    assert compare(NODE, cards, owned(cards, MINE, FREE, MINE))[0] == "ok"


def test_compare__no_fingerprint_on_chain__class_and_memory_decide() -> None:
    """A salt, or an exchanged card of the same class: not wrong, and not sure."""
    cards = [card(0), card(1)]
    outcome, said = compare(NODE, cards, owned(cards, FREE, FREE))
    assert outcome == "warn"
    assert "2 of their fingerprints are not on chain" in said
    outcome, said = compare(NODE, cards, owned(cards, MINE, FREE))
    assert (outcome, "1 of their fingerprints" in said) == ("warn", True)


@pytest.mark.parametrize(
    ("cards", "words", "message"),
    [
        ([card(0), card(1)], (MINE, OTHER), "GPU 1 .* is registered in node 8, not in node 3"),
        ([card(0)], (MINE,), "registered with 2 GPUs, 1 answer here"),
        ([card(0), card(1), card(2)], (MINE, MINE, MINE), "registered with 2 GPUs, 3 answer here"),
        ([card(0), card(1, "NVIDIA H100 80GB HBM3", 0x2330, 81_559)], (MINE, FREE), "is H100-SXM5-80GB"),
        ([card(0), card(1, memory=12_000)], (MINE, MINE), "has 24 GiB of VRAM, GPU 1 .* has not"),
        ([card(0), card(1, "Graphics Device", 0x1, 8_192)], (FREE, FREE), "has 24 GiB of VRAM, GPU 1 .* has not"),
    ],
    ids=["another node's", "one missing", "one too many", "another class", "less memory", "unknown to us"],
)
def test_compare__what_does_not_fit__is_named(cards: list[Card], words: tuple[int, ...], message: str) -> None:
    with pytest.raises(HearthError, match=message) as refused:
        compare(NODE, cards, owned(cards, *words))
    assert refused.value.code == "H3109"
    assert any("hearth node retire 3" in step for step in refused.value.next)


def test_compare__stand_ins_and_other_kinds() -> None:
    stands = cards_of("RTX-4090-24GB:2:alpha", "")
    assert compare(NODE, stands, owned(stands, MINE, MINE))[0] == "ok"
    wrong = cards_of("T4-16GB:2:alpha", "")
    with pytest.raises(HearthError, match="is T4-16GB"):
        compare(NODE, wrong, owned(wrong, MINE, MINE))
    cpu = Registered(3, 1, 1, "CPU-64", 0)
    assert compare(cpu, [], {})[0] == "ok"


def test_unregistered__nobody_may_have_them() -> None:
    cards = [card(0), card(1)]
    assert unregistered(cards, owned(cards, FREE, FREE)) == ("ok", "fingerprints of 2 GPUs registered by nobody")
    with pytest.raises(HearthError, match=r"GPU 1 .* stands in node 8 already$") as refused:
        unregistered(cards, owned(cards, FREE, OTHER))
    assert "hearth node register --salt TEXT" in refused.value.next
    with pytest.raises(HearthError, match="free from 2027-01-15 08:00:00 UTC on"):
        unregistered(cards, owned(cards, FREE, 1_800_000_000 << 32 | OTHER))
