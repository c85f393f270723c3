# pragma version 0.4.3
# pragma nonreentrancy on
"""
@title A pool for tests of the hub
@license AGPL-3.0-only
@notice Remembers what the hub pushed, and how often; can be told to call back while it does.
"""

stake_price: public(uint256)
pushes: public(uint256)
pusher: public(address)
hook: Bytes[8192]
came_through: public(bool)
answer: public(Bytes[64])


@external
def set_hook(data: Bytes[8192]):
    """@notice Calldata for the next pusher, sent back to it from within the push, once."""
    self.hook = data


@external
@reentrant
def set_stake_price(price: uint256):
    self.stake_price = price
    self.pushes += 1
    self.pusher = msg.sender
    data: Bytes[8192] = self.hook
    if len(data) != 0:
        self.hook = b""
        ok: bool = False
        answer: Bytes[64] = b""
        ok, answer = raw_call(msg.sender, data, max_outsize=64, revert_on_failure=False)
        self.came_through = ok
        self.answer = answer
