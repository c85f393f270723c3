"""The outbox on a fake chain in this process: fees, replacement, reorgs, refusals, drops. No sockets."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from keepers.chain.codec import Codec
from keepers.chain.heads import Finality
from keepers.chain.keys import LocalSigner
from keepers.chain.ports import Call, Send, TxState
from keepers.chain.rpc import ChainRpc, EndpointPool, RpcReader
from keepers.chain.rpc_errors import BadAnswer, NotConnected
from keepers.outbox.outbox import Outbox
from keepers.outbox.policy import Policy
from keepers.outbox.queue import Queue
from keepers.protocol.errors import HearthError
from keepers.store.engine import Store
from keepers.store.migrations import open_store
from tests.keepers.outbox.daemon import HOLDER, SECRET, TOKEN
from tests.keepers.outbox.fake_chain import CHAIN_ID, GWEI, POISON, FakeChain, Refusal

ADDRESS = LocalSigner(SECRET).address


class Stage:
    """An outbox, its chain and a clock that the test moves."""

    def __init__(self, store: Store, policy: Policy, depth: int = 2) -> None:
        self.chain = FakeChain(automine=False)
        self.time = 1_000_000
        self.counted: list[tuple[str, str]] = []
        self.refuse: Callable[[str], Exception | None] = lambda method: None
        pool = EndpointPool(["http://chain"], CHAIN_ID, connect=lambda *_: self, sleep=lambda s: None)
        self.rpc = ChainRpc(pool)
        self.store = store
        self.codec = Codec({"ComputeToken": TOKEN})
        self.reader = RpcReader(self.rpc, self.codec, Finality("depth", depth))
        self.outbox = Outbox(
            store, self.rpc, self.reader, LocalSigner(SECRET), self.codec, CHAIN_ID, lambda: self.time,
            policy=policy, observer=self,
        )  # fmt: skip

    def replaced(self, kind: str) -> None:
        self.counted.append(("replaced", kind))

    def dropped(self, kind: str) -> None:
        self.counted.append(("dropped", kind))

    def post(self, requests: Sequence[tuple[str, list[Any]]]) -> list[Mapping[str, Any]]:
        """The wire: `refuse` gives a Refusal (the endpoint's own error) or any other exception for a method."""
        answers: list[Mapping[str, Any]] = []
        for method, params in requests:
            fault = self.refuse(method)
            if fault is not None and not isinstance(fault, Refusal):
                raise fault
            try:
                if fault is not None:
                    raise fault
                answers.append({"result": self.chain.answer(method, params)})
            except Refusal as refusal:
                answers.append({"error": {"code": refusal.code, "message": refusal.message, "data": refusal.data}})
        return answers

    def close(self) -> None:
        """Nothing is open."""

    def step(self, seconds: int = 0) -> int:
        self.time += seconds
        return self.outbox.step(self.reader.heads.poll())

    def put(self, name: str, amount: int = 1, **more: Any) -> None:
        call = Call("ComputeToken", "transfer", (HOLDER, amount))
        self.outbox.enqueue(Send(f"test:{name}:transfer", more.pop("kind", "transfer"), call, **more))

    def state(self, name: str) -> TxState:
        found = self.outbox.status(f"test:{name}:transfer")
        assert found is not None
        return found.state

    def reason(self, name: str) -> str:
        found = self.outbox.status(f"test:{name}:transfer")
        assert found is not None
        return found.reason


@pytest.fixture
def make() -> Any:
    stores: list[Store] = []

    def made(depth: int = 2, **policy: Any) -> Stage:
        store = open_store("sqlite://", threaded=False)
        stores.append(store)
        return Stage(store, Policy(**policy), depth)

    yield made
    for store in stores:
        store.close()


def test_step__queued_row__sent_mined_and_done_at_finality(make: Any) -> None:
    stage = make()
    stage.put("a", 5)
    assert stage.state("a") is TxState.QUEUED
    stage.step()
    assert stage.state("a") is TxState.PENDING and len(stage.chain.pool) == 1
    stage.chain.mine()
    stage.step()
    assert stage.state("a") is TxState.MINED
    stage.chain.mine(2)
    stage.step()
    sent = stage.outbox.status("test:a:transfer")
    assert sent.state is TxState.DONE and sent.settled
    assert (sent.block_number, sent.gas_used, sent.nonce, sent.attempts) == (1, 40_000, 0, 1)
    assert len(stage.chain.effects()) == 1


def test_enqueue__same_key_again__first_row_and_one_effect(make: Any) -> None:
    stage = make(depth=0)
    for _ in range(3):
        stage.put("a", 5)
        stage.step()
        stage.chain.mine()
    stage.step()
    assert stage.state("a") is TxState.DONE and len(stage.chain.effects()) == 1


def test_enqueue__same_key_other_call__refused_by_name(make: Any) -> None:
    stage = make()
    stage.put("a", 5)
    with pytest.raises(HearthError, match="already stands in the outbox") as caught:
        stage.put("a", 6)
    assert caught.value.code == "H2016" and caught.value.exit_code == 2


def test_enqueue__key_without_three_parts__refused(make: Any) -> None:
    with pytest.raises(HearthError, match="role:subject:action"):
        make().outbox.enqueue(Send("nonsense", "k", Call("ComputeToken", "burn", (1,))))


def test_enqueue__in_callers_transaction_that_fails__no_row(make: Any) -> None:
    stage = make()

    def work(connection: Any) -> None:
        stage.outbox.enqueue(Send("test:a:burn", "burn", Call("ComputeToken", "burn", (1,))), connection)
        raise ValueError("the role's own row does not fit")

    with pytest.raises(ValueError, match="does not fit"):
        stage.store.write(work)
    assert stage.outbox.status("test:a:burn") is None


def test_step__base_fee_above_cap__waits_with_a_reason_then_goes(make: Any) -> None:
    stage = make(max_fee=3 * GWEI, tip=GWEI // 10)
    stage.chain.base_fee = 5 * GWEI
    stage.put("a")
    stage.step()
    assert stage.state("a") is TxState.QUEUED
    assert stage.reason("a") == "fee 5.100 gwei is above the cap of 3.000 gwei"
    assert not stage.chain.pool
    stage.chain.base_fee = GWEI
    stage.chain.mine()
    stage.step()
    assert stage.state("a") is TxState.PENDING and stage.reason("a") == ""


def test_step__not_mined_in_time__replaced_by_eleven_percent_until_the_cap(make: Any) -> None:
    stage = make(max_fee=3 * GWEI, tip=GWEI // 10, bump_after=60, resend_after=1_000)
    stage.put("a")
    stage.step()
    seen = [next(iter(stage.chain.pool.values()))]
    for _ in range(6):
        stage.step(60)
        tx = next(iter(stage.chain.pool.values()))
        if tx.hash != seen[-1].hash:
            seen.append(tx)
    assert len(seen) == 4, "2.1, 2.34, 2.59, 2.88 gwei; the next would pass 3"
    for before, after in itertools.pairwise(seen):
        assert after.max_fee * 100 >= before.max_fee * 111 and after.tip * 100 >= before.tip * 111
        assert after.nonce == before.nonce and after.max_fee <= 3 * GWEI
    assert "would pass the cap" in stage.reason("a") and stage.state("a") is TxState.PENDING
    assert stage.counted == [("replaced", "transfer")] * 3
    stage.chain.mine()
    stage.step()
    assert stage.state("a") is TxState.MINED and len(stage.chain.effects()) == 1


def test_step__earlier_attempt_is_the_one_mined__found_by_its_own_hash(make: Any) -> None:
    stage = make(depth=0, bump_after=60, resend_after=1_000)
    stage.put("a")
    stage.step()
    first = next(iter(stage.chain.pool.values()))
    stage.step(60)
    stage.chain.pool = {(first.sender, first.nonce): first}
    stage.chain.mine()
    stage.step()
    sent = stage.outbox.status("test:a:transfer")
    assert sent.state is TxState.DONE and sent.tx_hash == first.hash and sent.attempts == 2


def test_step__replacements_used_up__waits_with_a_reason(make: Any) -> None:
    stage = make(bump_after=10, max_bumps=2, resend_after=1_000)
    stage.put("a")
    for _ in range(6):
        stage.step(10)
    assert stage.outbox.status("test:a:transfer").attempts == 3
    assert "no replacement is left" in stage.reason("a")


def test_step__estimate_reverts__parked_with_the_decoded_reason_and_others_go_on(make: Any) -> None:
    stage = make(depth=0)
    stage.put("bad")
    with stage.store.engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.exec_driver_sql("UPDATE outbox_rows SET data = ?", (POISON + b"x",))
        connection.commit()
    stage.put("good", 2)
    stage.step()
    assert stage.state("bad") is TxState.REFUSED and stage.reason("bad") == "escrow: not running"
    assert stage.state("good") is TxState.PENDING
    stage.chain.mine()
    stage.step()
    assert stage.state("good") is TxState.DONE
    assert stage.chain.nonce(ADDRESS) == 1, "a parked row leaves no gap"


def test_step__fails_in_the_block__failed_with_the_decoded_reason_and_may_be_asked_again(make: Any) -> None:
    stage = make(depth=0)
    stage.put("a")
    with stage.store.engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.exec_driver_sql("UPDATE outbox_rows SET data = ?", (b"\xfe",))
        connection.commit()
    stage.step()
    stage.chain.mine()
    stage.step()
    sent = stage.outbox.status("test:a:transfer")
    assert sent.state is TxState.FAILED and "overflow" in sent.reason
    stage.put("a", again=True)
    assert stage.outbox.status("test:a:transfer").nonce is None
    stage.step()
    stage.chain.mine()
    stage.step()
    sent = stage.outbox.status("test:a:transfer")
    assert sent.state is TxState.DONE and sent.nonce == 1


def test_spent__mined_rows__gas_paid_and_since_when(make: Any) -> None:
    stage = make()
    assert stage.outbox.queue.spent(0) == (0, 0)
    stage.put("a")
    stage.step()
    stage.chain.mine()
    stage.step(5)
    row = stage.outbox.status("test:a:transfer")
    spent, first = stage.outbox.queue.spent(0)
    assert row is not None and row.gas_used and spent >= row.gas_used and first == stage.time
    assert stage.outbox.queue.spent(stage.time + 1) == (0, 0)


def test_step__insufficient_funds__keeps_the_nonce_and_goes_on_after_a_top_up(make: Any) -> None:
    stage = make(depth=0, funds_wait=30, resend_after=20)
    stage.chain.balance = 1
    stage.put("a")
    stage.step()
    assert stage.state("a") is TxState.PENDING and stage.outbox.status("test:a:transfer").code == "H2013"
    stage.step(200)
    assert stage.outbox.status("test:a:transfer").attempts == 1, "no dearer attempt for lack of money"
    stage.chain.balance = 10**18
    stage.step(40)
    stage.chain.mine()
    stage.step()
    assert stage.state("a") is TxState.DONE and len(stage.chain.effects()) == 1


@pytest.mark.attack("D13")
def test_step__answer_lost_after_execution__maybe_sent_and_one_effect(make: Any) -> None:
    stage = make(depth=0)
    lost = [True]

    def refuse(method: str) -> Exception | None:
        if method == "eth_sendRawTransaction" and lost.pop() if lost else False:
            return BadAnswer("chain", "no answer", method)
        return None

    stage.refuse = refuse
    stage.put("a")
    stage.step()
    sent = stage.outbox.status("test:a:transfer")
    assert sent.state is TxState.PENDING and sent.code == "H2010" and sent.reason.startswith("unclear")
    stage.step(30)
    stage.chain.mine()
    stage.step()
    assert stage.state("a") is TxState.DONE and len(stage.chain.effects()) == 1


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 5])
@pytest.mark.attack("T60")
def test_step__reorg_removes_the_block__sent_again_with_the_same_nonce(make: Any, depth: int, keep: bool) -> None:
    stage = make(depth=10)
    stage.put("a")
    stage.step()
    stage.chain.mine(depth)
    stage.step()
    assert stage.state("a") is TxState.MINED
    stage.chain.reorg(depth, keep)
    for _ in range(3):
        stage.step()
        stage.chain.mine()
    stage.chain.mine(12)
    stage.step()
    assert stage.state("a") is TxState.DONE
    assert len(stage.chain.effects()) == 1 and stage.chain.nonce(ADDRESS) == 1


@pytest.mark.attack("T60")
def test_step__receipt_hidden_by_a_lagging_endpoint__waits(make: Any) -> None:
    stage = make()
    stage.put("a")
    stage.step()
    stage.chain.mine()
    stage.step()
    stage.chain.hide_receipts = True
    stage.chain.mine(5)
    for _ in range(3):
        stage.step(100)
        assert stage.state("a") is TxState.MINED
    stage.chain.hide_receipts = False
    stage.step()
    assert stage.state("a") is TxState.DONE


def test_step__nonce_used_by_a_foreign_transaction__sent_again_with_another_nonce(make: Any) -> None:
    stage = make(depth=1, foreign_after=30)
    stage.put("a")
    stage.step()
    ours = stage.chain.pool.pop((ADDRESS, 0))
    stage.chain.pool[ADDRESS, 0] = dataclasses.replace(ours, data=b"", hash=b"f" * 32)
    stage.chain.mine(3)
    stage.step()
    assert stage.state("a") is TxState.PENDING
    stage.step(31)
    stage.step()
    assert stage.outbox.status("test:a:transfer").nonce == 1
    stage.chain.mine(3)
    stage.step()
    assert stage.state("a") is TxState.DONE and len(stage.chain.effects()) == 1


def test_enqueue__supersedes__older_queued_row_dropped(make: Any) -> None:
    stage = make(max_fee=GWEI // 2)
    stage.put("old", 1, supersedes="price")
    stage.put("other", 1)
    stage.put("new", 2, supersedes="price")
    assert stage.state("old") is TxState.DROPPED and "superseded by" in stage.reason("old")
    assert stage.state("new") is TxState.QUEUED and stage.state("other") is TxState.QUEUED


def test_enqueue__supersedes_a_stuck_row__its_nonce_is_purged_by_an_empty_transaction(make: Any) -> None:
    stage = make(depth=0, bump_after=60, resend_after=1_000)
    stage.put("old", 1, supersedes="price")
    stage.step()
    stage.put("new", 2, supersedes="price")
    stage.step(60)
    empty = stage.chain.pool[ADDRESS, 0]
    assert empty.data == b"" and empty.to == ADDRESS and empty.gas == 21_000
    stage.chain.mine()
    stage.step()
    assert stage.state("old") is TxState.DROPPED and stage.state("new") is TxState.DONE
    assert len(stage.chain.effects()) == 1 and ("dropped", "transfer") in stage.counted


def test_step__deadline_passed__refused_unsent(make: Any) -> None:
    stage = make(max_fee=GWEI // 2)
    stage.put("a", not_after=stage.time + 10)
    stage.step()
    assert stage.state("a") is TxState.QUEUED
    stage.step(11)
    assert stage.state("a") is TxState.REFUSED and stage.reason("a") == "its time has passed"


def test_step__after__waits_for_the_first_and_falls_with_it(make: Any) -> None:
    stage = make(depth=0)
    stage.put("first", 1)
    stage.put("second", 2, after="test:first:transfer", priority=1)
    stage.step()
    assert stage.state("second") is TxState.QUEUED
    stage.chain.mine()
    stage.step()
    assert stage.state("second") is TxState.PENDING
    stage.put("late", 3, not_after=stage.time - 1)
    stage.put("orphan", 4, after="test:late:transfer")
    stage.step()
    stage.step()
    assert stage.state("orphan") is TxState.REFUSED and "came to nothing" in stage.reason("orphan")


def test_step__node_calls_it_invalid__nonce_purged_and_row_refused(make: Any) -> None:
    stage = make(depth=0)
    first = [True]

    def refuse(method: str) -> Exception | None:
        if method == "eth_sendRawTransaction" and first:
            first.clear()
            return Refusal("intrinsic gas too low")
        return None

    stage.refuse = refuse
    stage.put("a")
    stage.put("b", 2)
    stage.step()
    stage.step()
    stage.chain.mine()
    stage.step()
    assert stage.state("a") is TxState.REFUSED and stage.reason("a") == "intrinsic gas too low"
    assert stage.state("b") is TxState.DONE, "the rows behind it went on"


def test_step__no_endpoint__raises_and_nothing_is_lost(make: Any) -> None:
    stage = make(depth=0)
    stage.put("a")
    head = stage.reader.heads.poll()
    stage.refuse = lambda method: NotConnected("chain", OSError("refused"))
    with pytest.raises(HearthError) as caught:
        stage.outbox.step(head)
    assert caught.value.code == "H2001" and stage.state("a") is TxState.QUEUED
    stage.refuse = lambda method: None
    stage.step(20)
    stage.chain.mine()
    stage.step()
    assert stage.state("a") is TxState.DONE


def test_queue__rows_and_open_by_kind__for_lists_and_metrics(make: Any) -> None:
    stage = make(max_fee=1)
    stage.put("a", kind="settle")
    stage.time += 5
    stage.put("b", 2, kind="settle")
    assert stage.outbox.queue.open_by_kind() == {"settle": (2, 1_000_000)}
    assert [row.key for row in stage.outbox.rows([TxState.QUEUED])] == ["test:b:transfer", "test:a:transfer"]
    assert stage.outbox.rows([TxState.DONE]) == []
    assert stage.outbox.status("test:none:transfer") is None


def test_step__foreign_transaction_above_all_of_ours__next_row_takes_the_nonce_after_it(make: Any) -> None:
    stage = make(depth=0)
    stage.put("a")
    stage.step()
    ours = stage.chain.pool[ADDRESS, 0]
    stage.chain.pool[ADDRESS, 1] = dataclasses.replace(ours, nonce=1, data=b"", hash=b"f" * 32)
    stage.chain.mine()
    stage.put("b", 2)
    stage.step()
    assert stage.outbox.status("test:b:transfer").nonce == 2


def test_step__estimate_lacks_funds__asked_again_only_after_the_wait(make: Any) -> None:
    stage = make(funds_wait=30)
    asked: list[str] = []

    def refuse(method: str) -> Exception | None:
        asked.append(method)
        return Refusal("insufficient funds for transfer") if method == "eth_estimateGas" else None

    stage.refuse = refuse
    stage.put("a")
    for _ in range(3):
        stage.step(10)
    assert asked.count("eth_estimateGas") == 1 and stage.outbox.status("test:a:transfer").code == "H2013"
    stage.step(10)
    assert asked.count("eth_estimateGas") == 2


def test_step__estimate_refused_for_good__the_rows_behind_it_go_on(make: Any) -> None:
    stage = make(depth=0)
    bad = [True]

    def refuse(method: str) -> Exception | None:
        if method == "eth_estimateGas" and bad:
            bad.clear()
            return Refusal("gas required exceeds allowance (30000000)")
        return None

    stage.refuse = refuse
    stage.put("a")
    stage.put("b", 2)
    stage.step()
    assert stage.state("a") is TxState.QUEUED and stage.state("b") is TxState.PENDING
    assert stage.reason("a") == "its gas cannot be estimated: gas required exceeds allowance (30000000)"
    stage.step(30)
    assert stage.state("a") is TxState.PENDING and stage.reason("a") == ""


def test_step__after__goes_as_soon_as_the_first_is_mined(make: Any) -> None:
    stage = make(depth=10)
    stage.put("first", 1)
    stage.put("second", 2, after="test:first:transfer")
    stage.step()
    stage.chain.mine()
    stage.step()
    assert stage.state("first") is TxState.MINED and stage.state("second") is TxState.PENDING


def test_step__last_second_of_its_time__still_sent(make: Any) -> None:
    stage = make()
    stage.put("a", not_after=stage.time)
    stage.step()
    assert stage.state("a") is TxState.PENDING


def test_step__purge_that_is_not_mined__replaced_by_a_purge(make: Any) -> None:
    stage = make(bump_after=60, resend_after=1_000)
    stage.put("a", not_after=stage.time + 10)
    stage.step()
    for _ in range(2):
        stage.step(60)
        assert stage.chain.pool[ADDRESS, 0].data == b""
    assert stage.outbox.status("test:a:transfer").attempts == 3


def test_step__replacements_used_up_and_late__nonce_purged_all_the_same(make: Any) -> None:
    stage = make(depth=0, bump_after=10, max_bumps=1, resend_after=1_000)
    stage.put("a", not_after=stage.time + 25)
    for _ in range(3):
        stage.step(10)
    assert stage.chain.pool[ADDRESS, 0].data == b"", "its time has passed"
    stage.chain.mine()
    stage.step()
    assert stage.state("a") is TxState.REFUSED and not stage.chain.effects()


def test_step__replacements_used_up_while_the_chain_stood__goes_on_once_the_base_fee_has_risen(make: Any) -> None:
    stage = make(depth=0, bump_after=10, max_bumps=1, resend_after=1_000)
    stage.put("a")
    for _ in range(3):
        stage.step(10)
    assert "no replacement is left" in stage.reason("a")
    stage.chain.base_fee = 10 * GWEI
    stage.chain.mine()
    stage.step(10)
    assert stage.chain.pool[ADDRESS, 0].max_fee > 10 * GWEI
    stage.chain.mine()
    stage.step()
    assert stage.state("a") is TxState.DONE


def test_step__many_rows__no_more_in_flight_than_allowed(make: Any) -> None:
    stage = make(in_flight=2)
    for name in "abc":
        stage.put(name)
    stage.step()
    stage.step()
    assert len(stage.chain.pool) == 2 and stage.state("c") is TxState.QUEUED
    stage.chain.mine()
    stage.step()
    assert stage.state("c") is TxState.PENDING


def test_step__receipt_missed_once_before_a_reorg__not_counted_as_foreign_after_it(make: Any) -> None:
    stage = make(depth=1, foreign_after=60)
    stage.put("a")
    stage.step()
    stage.chain.mine()
    stage.chain.hide_receipts = True
    stage.step()  # used, and no receipt: since now
    stage.chain.reorg(1, keep=True)
    del stage.chain.blocks[-1], stage.chain.salts[-1]  # the fork has not mined it yet
    stage.chain.blocks[-1].clear()
    stage.chain.pool.clear()
    stage.step(30)
    stage.step(30)
    assert stage.chain.pool, "handed over again"
    stage.chain.mine(3)
    stage.step(30)
    assert stage.state("a") is TxState.PENDING, "its receipt is missing since this moment, not for 90 s"
    stage.chain.hide_receipts = False
    stage.step()
    assert stage.state("a") is TxState.DONE and len(stage.chain.effects()) == 1


def test_step__receipt_of_a_block_that_is_not_the_chains__not_final(make: Any) -> None:
    stage = make(depth=1)
    stage.put("a")
    stage.step()
    stage.chain.mine()
    stage.step()
    mined = stage.outbox.status("test:a:transfer").tx_hash
    kept = stage.chain.answer("eth_getTransactionReceipt", ["0x" + mined.hex()])
    stage.chain.mine(3)
    stage.chain.salts[1] = 77  # another block stands there; the endpoint still gives the receipt of the old one
    stage.chain.rpc_eth_getTransactionReceipt = lambda tx_hash: kept
    stage.step()
    assert stage.state("a") is TxState.MINED
    stage.chain.salts[1] = 0
    stage.step()
    assert stage.state("a") is TxState.DONE


def test_step__nonce_used_by_a_foreign_transaction_that_is_not_final__waits(make: Any) -> None:
    stage = make(depth=10, foreign_after=30)
    stage.put("a")
    stage.step()
    ours = stage.chain.pool.pop((ADDRESS, 0))
    stage.chain.pool[ADDRESS, 0] = dataclasses.replace(ours, data=b"", hash=b"f" * 32)
    stage.chain.mine()
    for _ in range(4):
        stage.step(31)
        assert stage.outbox.status("test:a:transfer").nonce == 0, "a reorg may still bring ours"
    stage.chain.mine(10)
    stage.step()
    stage.step()
    assert stage.outbox.status("test:a:transfer").nonce == 1


@pytest.mark.parametrize("shown_at", [2, 3])
def test_step__receipts_late_on_this_endpoint__never_taken_for_foreign(make: Any, shown_at: int) -> None:
    stage = make(depth=0, foreign_after=60)
    stage.put("a")
    stage.step()
    stage.chain.mine()
    stage.chain.hide_receipts = True
    looks: list[str] = []

    def refuse(method: str) -> Exception | None:
        if method == "eth_getTransactionReceipt":
            looks.append(method)
            stage.chain.hide_receipts = len(looks) < shown_at
        return None

    stage.refuse = refuse
    stage.step()
    stage.step(59 if shown_at == 2 else 61)
    stage.step()
    assert stage.state("a") is TxState.DONE and stage.outbox.status("test:a:transfer").nonce == 0
    assert len(stage.chain.effects()) == 1


def test_step__used_nonce_without_a_receipt_for_a_short_time__waits(make: Any) -> None:
    stage = make(depth=0, foreign_after=60)
    stage.put("a")
    stage.step()
    stage.chain.mine()
    stage.chain.hide_receipts = True
    stage.step()
    stage.step(59)
    assert stage.state("a") is TxState.PENDING and stage.outbox.status("test:a:transfer").nonce == 0


@pytest.mark.parametrize("field", ["value", "signer"])
def test_enqueue__same_key_other_money_or_key__refused(make: Any, field: str) -> None:
    stage = make()
    stage.put("a", 5)
    with pytest.raises(HearthError) as caught:
        if field == "value":
            stage.put("a", 5, value=1)
        else:
            other = Queue(stage.store, "0x" + "77" * 20, stage.codec, lambda: 0)
            other.enqueue(Send("test:a:transfer", "transfer", Call("ComputeToken", "transfer", (HOLDER, 5))))
    assert caught.value.code == "H2016"


def test_enqueue__ended_row__opened_again_only_where_that_is_asked(make: Any) -> None:
    stage = make()
    stage.put("a", not_after=stage.time - 1)
    stage.step()
    assert stage.state("a") is TxState.REFUSED
    stage.put("a")
    assert stage.state("a") is TxState.REFUSED
    stage.put("a", again=True)
    assert stage.state("a") is TxState.QUEUED


def test_enqueue__supersedes_a_row_that_is_late_already__ends_as_late(make: Any) -> None:
    stage = make(depth=0, bump_after=60, resend_after=1_000)
    stage.put("old", 1, supersedes="price", not_after=stage.time + 5)
    stage.step()
    stage.step(10)
    stage.put("new", 2, supersedes="price")
    stage.step(60)
    stage.chain.mine()
    stage.step()
    assert stage.state("old") is TxState.REFUSED and stage.reason("old") == "its time has passed"


def test_step__superseded_row_whose_nonce_a_foreign_transaction_took__never_sent_again(make: Any) -> None:
    stage = make(depth=0, foreign_after=30, bump_after=1_000, resend_after=1_000)
    stage.put("old", 1, supersedes="price")
    stage.step()
    ours = stage.chain.pool.pop((ADDRESS, 0))
    stage.chain.pool[ADDRESS, 0] = dataclasses.replace(ours, data=b"", hash=b"f" * 32)
    stage.chain.mine()
    stage.put("new", 2, supersedes="price")
    for _ in range(4):
        stage.step(31)
        stage.chain.mine()
    assert stage.state("old") is TxState.DROPPED and ("dropped", "transfer") in stage.counted
    assert stage.state("new") is TxState.DONE and len(stage.chain.effects()) == 1


def test_step__failed_in_the_block__its_reason_is_asked_of_the_block_before(make: Any) -> None:
    stage = make(depth=0)
    stage.put("a")
    with stage.store.engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        connection.exec_driver_sql("UPDATE outbox_rows SET data = ?", (b"\xfe",))
        connection.commit()
    asked: list[Any] = []
    answer = stage.chain.rpc_eth_call
    stage.chain.rpc_eth_call = lambda tx, at: (asked.append(at), answer(tx, at))[1]
    stage.step()
    stage.chain.mine(2)
    stage.step()
    assert [at["blockHash"] for at in asked] == ["0x" + stage.chain.hash(0).hex()]
