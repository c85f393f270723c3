# pragma version 0.4.3
# pragma nonreentrancy off
"""
@title HookWallet
@license AGPL-3.0-only
@notice A caller that is a contract: it makes any call it is told to, and while a token hooks it, it tries the armed call and
        counts how often it was tried and how often it went through.
"""

target: address
data: Bytes[1024]
tried: public(uint256)
succeeded: public(uint256)


@external
def arm(target: address, data: Bytes[1024]):
    self.target = target
    self.data = data
    self.tried = 0
    self.succeeded = 0


@external
def execute(target: address, data: Bytes[1024]) -> Bytes[64]:
    return raw_call(target, data, max_outsize=64)


@external
def on_token():
    if self.target == empty(address):
        return
    self.tried += 1
    success: bool = raw_call(self.target, self.data, revert_on_failure=False)
    if success:
        self.succeeded += 1
