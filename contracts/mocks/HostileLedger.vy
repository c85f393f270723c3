# pragma version 0.4.3
"""
@title A ledger that lies
@license AGPL-3.0-only
@notice Speaks the ENGINE functions of ILeaseEscrow and answers whatever the test told it; may try to call the engine back.
        For tests only.
"""

interface Engine:
    def buy(amount: uint256, least: uint256) -> uint256: nonpayable

tally: uint256
debited: uint256
paid: uint256[2]
victim: address
registry: address


@external
def set_tally(word: uint256):
    self.tally = word


@external
def set_debit(backing: uint256):
    self.debited = backing


@external
def set_paid(credits: uint256, backing: uint256):
    self.paid = [credits, backing]


@external
def set_reenter(engine: address):
    self.victim = engine


@external
def set_registry(registry: address):
    self.registry = registry


@internal
def _hook():
    if self.victim != empty(address):
        extcall Engine(self.victim).buy(1, 0)


@external
def credit(owner: address, credits: uint256, backing: uint256):
    self._hook()


@external
def debit(owner: address, credits: uint256) -> uint256:
    self._hook()
    return self.debited


@external
def pay_in(id: uint256, credits: uint256, backing: uint256, by: address) -> (uint256, uint256):
    self._hook()
    return self.paid[0], self.paid[1]


@external
@view
def REGISTRY() -> address:
    return self.registry


@external
def take(key: uint256, period: uint256) -> uint256:
    self._hook()
    return self.tally
