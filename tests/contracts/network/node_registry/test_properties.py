"""A random life of the registry beside plain lists: units, indices, keys, GPUs and owners are what the calls made."""

from __future__ import annotations

import boa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.network.harness import MIN_STAKE, RETIRED, STANDING, Trio
from tests.support.actors import OTHER_PROVIDER, PROVIDER, Actor, keccak, node_key, words

ACTORS = (PROVIDER, OTHER_PROVIDER)
acts = st.one_of(
    # provider, GPUs drawn from a common box of eight, so that they meet
    st.tuples(st.just("register"), st.integers(0, 1), st.lists(st.integers(0, 7), min_size=1, max_size=3)),
    st.tuples(st.just("retire"), st.integers(0, 5), st.just(())),
    st.tuples(st.just("swap"), st.integers(0, 1), st.just(())),
    st.tuples(st.just("wait"), st.sampled_from([1, 3_600, 4 * 86_400, 9 * 86_400]), st.just(())),
    st.tuples(st.just("activate"), st.integers(0, 5), st.just(())),
)


@settings(max_examples=30, deadline=None)
@given(st.lists(acts, max_size=20))
def test_life__is_the_models(_trio: Trio, steps: list[tuple[str, int, list[int]]]) -> None:
    with boa.env.anchor():
        trio = _trio.fresh()
        q, registry = trio.parameters, trio.registry
        owners: list[Actor] = [PROVIDER, OTHER_PROVIDER]
        for owner in owners:
            trio.provider(owner)
            trio.allow_fee(owner)
            trio.token.approve(registry.address, 2**256 - 1, sender=owner.address)
            trio.fund(owner, 100 * q.fee_node)
        nodes: list[dict[str, int | list[int] | None]] = []
        stands: dict[int, int] = {}  # GPU -> node
        free: dict[int, int] = {}  # node -> second from which its GPUs are free again

        for act, x, gpus in steps:
            if act == "wait":
                trio.wait(x)
            elif act == "register":
                i = len(nodes)
                arguments = trio.signed(x, 0, 1, [keccak(b"box" + words(g)) for g in gpus], node_key(1_000 + i))
                taken = [g for g in gpus if g in stands and trio.now < free.get(stands[g], 2**40)]
                if taken or len(set(gpus)) < len(gpus):
                    with boa.reverts("registry: GPU stands in a node"):
                        registry.register_node(*arguments, sender=owners[x].address)
                    continue
                assert registry.register_node(*arguments, sender=owners[x].address) == i
                nodes.append({"provider": x, "gpus": gpus, "retired": None})
                stands |= dict.fromkeys(gpus, i)
            elif act == "retire" and x < len(nodes) and nodes[x]["retired"] is None:
                registry.retire_node(x, sender=owners[int(str(nodes[x]["provider"]))].address)
                nodes[x]["retired"] = trio.epoch
                free[x] = q.end(trio.epoch) + q.cooldown
            elif act == "swap":
                to = ACTORS[1 - ACTORS.index(owners[x])]
                registry.transfer_provider(x, to.address, sender=owners[x].address)
                registry.accept_provider(x, sender=to.address)
                owners[x] = to
            elif act == "activate" and x < len(nodes) and nodes[x]["retired"] is None and trio.status(x)[0] == 1:
                registry.set_status(x, 2, trio.epoch, trio.epoch, sender=STANDING.address)

        assert registry.count() == len(nodes)
        for p in (0, 1):
            live = [n for n in nodes if n["provider"] == p and n["retired"] is None]
            units = MIN_STAKE * sum(len(n["gpus"]) for n in live)  # type: ignore[arg-type]
            assert trio.units(p) == units == registry.provider(p) & (2**64 - 1)
            assert registry.owner_of(p) == owners[p].address
        for i, n in enumerate(nodes):
            assert registry.key_of(i, 2**31) == node_key(1_000 + i).address
            if n["retired"] is not None:
                assert trio.status(i)[:2] == (RETIRED, n["retired"])
        for g, i in stands.items():
            word = registry.gpu_owner(keccak(b"box" + words(g)))
            gone = i in free and trio.now >= free[i]
            assert word == (0 if gone else free.get(i, 0) << 32 | i + 1)
