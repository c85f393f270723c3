"""I5 as far as the token goes: whatever holders and the minter do, the balances sum to genesis - burned + minted."""

from __future__ import annotations

import boa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.contracts.network.harness import MINTER
from tests.support.actors import OWNER, PROVIDER, RENTER
from tests.support.suite import compiled

SUPPLY = 1_000
HOLDERS = (OWNER, PROVIDER, RENTER)
who = st.sampled_from(range(3))
amount = st.integers(0, 1_200)
kind = st.sampled_from(["transfer", "transferFrom", "burn", "burnFrom", "mint"])
steps = st.lists(st.tuples(kind, who, who, amount), max_size=25)


@settings(max_examples=40, deadline=None)
@given(steps)
def test_supply__is_the_sum_of_balances(acts: list[tuple[str, int, int, int]]) -> None:
    with boa.env.anchor():
        token = compiled("incentives/ComputeToken.vy").deploy(MINTER.address, OWNER.address, SUPPLY)
        for holder in HOLDERS:
            token.approve(MINTER.address, 2**256 - 1, sender=holder.address)
        model, supply = [SUPPLY, 0, 0], SUPPLY
        for act, a, b, n in acts:
            owner, to = HOLDERS[a].address, HOLDERS[b].address
            if act == "mint":
                token.mint(to, n, sender=MINTER.address)
                model[b] += n
                supply += n
                continue
            call = {
                "transfer": lambda o=owner, t=to, n=n: token.transfer(t, n, sender=o),
                "transferFrom": lambda o=owner, t=to, n=n: token.transferFrom(o, t, n, sender=MINTER.address),
                "burn": lambda o=owner, n=n: token.burn(n, sender=o),
                "burnFrom": lambda o=owner, n=n: token.burnFrom(o, n, sender=MINTER.address),
            }[act]
            if n > model[a]:
                with boa.reverts():
                    call()
                continue
            call()
            model[a] -= n
            if act.startswith("burn"):
                supply -= n
            else:
                model[b] += n
        assert [token.balanceOf(h.address) for h in HOLDERS] == model
        assert token.totalSupply() == sum(model) == supply
