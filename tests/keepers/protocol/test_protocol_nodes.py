"""Words of the registry, and the bound beyond which a node is jailed (docs/protocol.md §4)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepers.protocol.nodes import Node, Provider, Status, deserves_jail


@given(
    st.integers(0, 2**24 - 1),
    st.lists(st.integers(0, 2**16 - 1), min_size=4, max_size=4),
    st.sampled_from(Status),
    st.lists(st.integers(0, 2**32 - 1), min_size=4, max_size=4),
)
def test_a_node_word_lies_as_the_interface_says(
    provider: int, shorts: list[int], status: Status, epochs: list[int]
) -> None:
    node = Node(provider, *shorts, status, *epochs)
    word = node.pack()
    assert word >> 232 == provider and word & (2**32 - 1) == 0
    assert [word >> at & 0xFFFF for at in (216, 200, 184, 168)] == shorts
    assert word >> 160 & 0xFF == status and [word >> at & 0xFFFFFFFF for at in (128, 96, 32, 64)] == epochs
    assert Node.unpack(word) == node and Node.unpack(0) == Node()


def test_a_provider_word_lies_as_the_interface_says() -> None:
    provider = Provider(2**160 - 1, 3, 2**64 - 1)
    assert provider.pack() == (2**160 - 1) << 96 | 3 << 64 | (2**64 - 1)
    assert Provider.unpack(provider.pack()) == provider


@pytest.mark.parametrize(
    ("word", "name"),
    [
        (Node(provider=2**24), "provider"),
        (Node(since=2**32), "since"),
        (Node(opt_in=2**32), "opt-in"),
        (Node(fault=2**32), "fault"),
        (Provider(2**160), "operator"),
    ],
)
def test_a_field_too_wide_is_named(word: Node | Provider, name: str) -> None:
    with pytest.raises(ValueError, match=name):
        word.pack()


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(ValueError, match="6"):
        Node.unpack(6 << 160)


def test_free_gpus_are_those_that_no_lease_holds() -> None:
    assert Node(gpus=8, reserved=3).free == 5


def test_jail_needs_more_than_144_slots_of_fault_or_3_missed_challenges() -> None:
    assert not deserves_jail(144 * 300, 2, 300)
    assert deserves_jail(144 * 300 + 1, 0, 300)
    assert deserves_jail(0, 3, 300)
