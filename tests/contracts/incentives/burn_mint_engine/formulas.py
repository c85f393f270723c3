"""What the tests of money share: the formulas of docs/protocol.md written again, a purse filled, another hub."""

from tests.contracts.market.support import DEPLOYER
from tests.support.actors import STRANGER
from tests.support.constants import Parameters
from tests.support.suite import compiled

R = 2 * 10**12

FEE, ATT, BLD, PEG, CAP = 400, 3_000, 2_000, 9_500, 9_900


def worth(y, k, r=R, peg=PEG, cap=CAP):
    return min(y * 10**12 // r * peg // 10_000, k * cap // 10_000)


def expected(y, k, r=R, fee=FEE):
    """fee, minted, attesters, builders of one provider's tally (docs/protocol.md, "redeem")."""
    f = -(-y * fee // 10_000)
    parts = [f * s // 10_000 for s in (ATT, BLD)]
    ks = [k * a // y for a in parts]
    return f, worth(y - f, k - sum(ks), r), *(worth(a, ka, r) for a, ka in zip(parts, ks, strict=True))


def periods(w, key=1):
    return [p for p in range(5) if w.escrow.tally(key, p)]


def fund(w, amount, who):
    """`who` holds `amount` token wei and the engine may burn them."""
    w.token.transfer(who.address, amount, sender=DEPLOYER.address)
    w.token.approve(w.engine.address, amount, sender=who.address)


def new_hub(price, last=0):
    """A hub of the engine's calendar that reported `last` and set its price then."""
    hub = compiled("mocks/HubForEscrow.vy").deploy(sender=STRANGER.address)
    hub.set_last(last, last)
    hub.set_price(price, price, Parameters().end(last), 0)
    return hub
