"""Random sequences of calls on the reference model and on the bytecode, compared after every step.

A step is (kind, seed): the kind says which call is made, the seed chooses its arguments from the state that it finds.
So any part of a sequence is a sequence, and a failing one can be shrunk. After each step outcome, return value, events
and every word that the model changed are compared, and the invariants of docs/protocol.md §10 are checked by number.

calls        what a step makes, what is remembered          base         both suites, comparing, choosing
words        which view shows which store                   invariants   §9 by number
consensus · governance · network · staking · credits · market · leases    who calls what, room by room
bootstrap    the market in which a sequence begins          sequences    making and shrinking them
"""

from __future__ import annotations

from tests.model.driver.bootstrap import bootstrap
from tests.model.driver.calls import Call, Mismatch
from tests.model.driver.credits import Credits
from tests.model.driver.governance import Governance
from tests.model.driver.leases import Leases
from tests.model.driver.network import Network
from tests.model.driver.sequences import WEIGHTS, failing, sequence, shrink
from tests.model.driver.staking import Staking


class Driver(Governance, Network, Staking, Credits, Leases):
    """Two suites side by side, the people who use them, and the generator of their calls."""

    def __init__(self) -> None:
        super().__init__()
        bootstrap(self)
        self.keep()


__all__ = ["WEIGHTS", "Call", "Driver", "Mismatch", "failing", "sequence", "shrink"]
