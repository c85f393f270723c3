"""The committed vectors against keepers.protocol, read as any other implementation would read them."""

from __future__ import annotations

from typing import Any

import pytest

from keepers.protocol import challenge, counters, credits, leases, merge, merkle, messages, price, stake
from keepers.protocol.counters import Header, Leaf
from keepers.protocol.credits import Balance, FeeTerms
from keepers.protocol.epochs import Calendar
from keepers.protocol.hashing import keccak, word
from keepers.protocol.leases import Money, Sheet, Terms
from keepers.protocol.price import PriceWord
from keepers.protocol.records import Record, parse_part
from keepers.protocol.uptime_tree import UptimeTree
from keepers.simulate.refuter import SignedReport, judge
from tests.vectors import generate
from tests.vectors.generate import load, number, raw


def rows(name: str, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = load(name)[key]
    assert found, f"{name}.json has no {key}"
    return found


def numbers(row: dict[str, Any]) -> dict[str, int]:
    return {k: v if isinstance(v, bool) else int(v) for k, v in row.items()}


def test_generator_is_deterministic_and_the_files_are_current() -> None:
    assert generate.main(["--check"]) == 0


@pytest.mark.parametrize("name", sorted(generate.FILES))
def test_every_file_holds_text_only(name: str) -> None:
    def walk(value: Any) -> bool:
        if isinstance(value, dict):
            return all(walk(v) for v in value.values())
        if isinstance(value, list):
            return all(walk(v) for v in value)
        return isinstance(value, (str, bool))

    assert walk(load(name))


def test_leaves_are_read() -> None:
    for row in map(numbers, rows("uptime_leaf", "reads")):
        header, leaf = Header.unpack(row["header"]), Leaf.unpack(row["leaf"])
        assert counters.mask_of(header, leaf) == row["mask"]
        assert counters.down_seconds(header, leaf, row["offset"], row["slot"]) == row["down"]
        assert counters.fault_seconds(header, leaf, row["offset"], row["slot"]) == row["fault"]
        assert counters.unproven(header, leaf) == row["unproven"] and leaf.missed == row["missed"]


def test_records_are_applied() -> None:
    for row in rows("uptime_leaf", "applies"):
        before, header = Header.unpack(number(row["before"])), Header.unpack(number(row["header"]))
        after = counters.apply(Leaf.unpack(number(row["leaf"])), Record.decode(raw(row["record"])), before, header)
        assert after.pack() == number(row["after"])


def test_trees_proofs_and_multiproofs() -> None:
    data = load("merkle")
    for row in data["leaves"]:
        assert merkle.leaf_hash(number(row["index"]), number(row["word"])) == raw(row["hash"])
    for row in data["depths"]:
        assert merkle.depth_of(number(row["count"])) == number(row["depth"])
    for tree in data["trees"]:
        for proof in tree["proofs"]:
            siblings = [raw(s) for s in proof["siblings"]]
            assert merkle.root_from_proof(number(proof["index"]), number(proof["word"]), siblings) == raw(tree["root"])
    for row in data["multiproofs"]:
        indices = [number(i) for i in row["indices"]]
        hashes = [merkle.leaf_hash(i, number(w)) for i, w in zip(indices, row["words"], strict=True)]
        siblings = [raw(s) for s in row["siblings"]]
        root = merkle.root_from_multiproof(indices, hashes, number(row["depth"]), siblings)
        assert root == raw(row["root"])
        assert counters.ring_word(root, number(row["header"])) == raw(row["ring_word"])
    for row in data["lifted"]:
        assert merkle.lift(raw(row["root"]), number(row["depth"]), number(row["to"])) == raw(row["lifted"])
    assert [raw(z) for z in data["zero"]] == list(merkle.ZERO)
    assert raw(data["genesis_ring_word"]) == keccak(keccak(bytes(64)) + word(0))


def test_a_reader_of_the_reports_rebuilds_every_root() -> None:
    data = load("reports")
    domain = messages.Domain(number(data["domain"]["chain_id"]), data["domain"]["contract"])
    tree = UptimeTree()
    for row in data["reports"]:
        header = Header.unpack(number(row["header"]))
        assert tree.ring_word == raw(row["previous"])
        found = [r for p in row["parts"] for group in parse_part(raw(p["data"]))[0] for r in group]
        tree.apply_report(header, found)
        assert (tree.root, tree.ring_word) == (raw(row["root"]), raw(row["ring_word"]))
        x = keccak(b"".join(keccak(raw(p["data"])) + raw(p["root"]) for p in row["parts"]))
        assert x == raw(row["records"])
        signed = messages.Report(
            number(row["generation"]), header.epoch, raw(row["previous"]), raw(row["root"]), number(row["facts"]), x
        )
        assert signed.digest(domain) == raw(row["digest"])
    void = data["void"]
    assert tree.ring_word == raw(void["previous"])
    tree.void(number(void["last"]))
    assert (tree.header.pack(), tree.ring_word) == (number(void["header"]), raw(void["ring_word"]))
    for row in data["quorum"]:
        n = number(row["n"])
        assert (merge.faults(n), merge.quorum(n)) == (number(row["f"]), number(row["q"]))
    for row in data["records"]:
        record = Record.decode(raw(row["bytes"]))
        assert (record.index, record.x, record.u, record.mask) == tuple(
            number(row[k]) for k in ("index", "x", "u", "mask")
        )


def test_messages() -> None:
    data = load("messages")
    domain = messages.Domain(number(data["domain"]["chain_id"]), data["domain"]["contract"])
    assert domain.separator == raw(data["domain"]["separator"])
    kinds = {k.TYPE: k for k in messages.Message.__subclasses__()}
    assert {row["type"] for row in data["messages"]} == set(kinds)
    for row in data["messages"]:
        values = []
        for kind, name in messages.members(row["type"]):
            text = row["fields"][name]
            values.append(text if kind == "address" else raw(text) if kind == "bytes32" else number(text))
        message = kinds[row["type"]](*values)
        assert message.struct_hash() == raw(row["struct_hash"]) and message.digest(domain) == raw(row["digest"])


def test_leases_settle_step_by_step() -> None:
    data = load("accrual")
    calendar = Calendar(**numbers(data["calendar"]))
    assert len(data["leases"]) > 10
    for row in data["leases"]:
        terms = Terms.unpack(number(row["terms"]))
        anchor = row["anchor"]
        header, leaf = Header.unpack(number(anchor["header"])), Leaf.unpack(number(anchor["leaf"]))
        base = leases.base_of(terms, calendar, header.epoch, header, leaf)
        assert base == number(anchor["base"])
        paid = 0
        for step in row["steps"]:
            header, leaf = Header.unpack(number(step["header"])), Leaf.unpack(number(step["leaf"]))
            money = Money.unpack(number(step["money"]))
            stop = leases.effective_stop(terms, money)
            assert leases.due_seconds(terms, stop, base, calendar, header, leaf) == number(step["due"])
            assert money.settled >= number(step["due"]) or number(step["pays"]) == 0
            paid += number(step["pays"])
        assert paid == number(row["paid"])


def test_lease_formulas() -> None:
    for row in map(numbers, rows("accrual", "until")):
        terms, money = Terms.unpack(row["terms"]), Money.unpack(row["money"])
        assert (leases.until(terms, money), leases.effective_stop(terms, money)) == (row["until"], row["stop"])
    for row in map(numbers, rows("accrual", "due")):
        dark = max(0, row["down"] + 2**31 - row["anchor"])
        assert max(0, row["t"] - row["start"] - dark) == row["due"]
    for row in map(numbers, rows("accrual", "room")):
        sheet = Sheet(0, 0, row["prepay"])
        assert leases.room(Terms.unpack(row["terms"]), Money.unpack(row["money"]), sheet, row["now"]) == row["room"]
    for row in map(numbers, rows("accrual", "bond")):
        assert leases.bond_gwei(Sheet.unpack(row["sheet"]), row["per_second"], 1, row["low"]) == row["gwei"]
    for row in map(numbers, rows("accrual", "forfeit")):
        assert leases.forfeit_shares(row["bond"], Sheet.unpack(row["sheet"]), row["elapsed"]) == row["shares"]
    for row in map(numbers, rows("accrual", "limit")):
        assert leases.damage_limit(row["paid"], row["high"]) == row["gwei"]


def test_credits() -> None:
    for row in map(numbers, rows("credits", "part")):
        assert credits.part(row["credits"], row["backing"], row["x"]) == row["part"]
    for row in map(numbers, rows("credits", "buy")):
        assert credits.buy(row["tokens"], row["low"], row["spread"]) == row["credits"]
    for row in map(numbers, rows("credits", "covers")):
        assert credits.covers(Balance(row["credits"], row["backing"]), row["low"]) == bool(row["covers"])
    for row in map(numbers, rows("credits", "bounty")):
        got = credits.bounty(Balance(row["credits"], row["backing"]), row["bps"])
        assert (got.credits, got.backing) == (row["bounty"], row["bounty_backing"])
    for row in map(numbers, rows("credits", "redeem")):
        terms = FeeTerms(row["fee_bps"], row["attesters_bps"], row["builders_bps"], row["peg"], row["cap"])
        r = credits.redeem(Balance(row["credits"], row["backing"]), row["price"], terms)
        assert (r.fee, r.minted, r.attesters, r.builders) == tuple(
            row[k] for k in ("fee", "minted", "attesters", "builders")
        )
    for row in map(numbers, rows("credits", "refund")):
        moved = Balance(row["credits"], row["backing"])
        assert credits.refund(moved, row["high"], row["spread"]) == row["minted"]
    for row in map(numbers, rows("credits", "tally_keys")):
        assert credits.tally_key(row["key"], row["period"]) == row["slot"]


def test_prices_and_stake() -> None:
    for row in map(numbers, rows("prices", "steps")):
        word_after = price.next_word(
            PriceWord.unpack(row["word"]), row["median"], row["bound"], row["stamp"], bool(row["renew"])
        )
        assert word_after.pack() == row["next"]
    for row in map(numbers, rows("prices", "first")):
        assert price.first_word(row["price"], row["stamp"]).pack() == row["word"]
    for row in map(numbers, rows("stake", "buckets")):
        assets, shares = row["assets"], row["shares"]
        assert stake.is_dead(assets, shares) == bool(row["dead"])
        assert stake.shares_for(row["amount"], assets, shares) == row["shares_for"]
        assert stake.value_of(row["held"], assets, shares) == row["value"]
        assert stake.bond_shares(stake.Own(assets, shares), row["amount"]) == row["cover"]
        assert stake.required(row["units"], row["stake_price"]) == row["required"]
        tickets = stake.Unbonding(row["unbonding"], row["unbonding_shares"])
        cut = stake.slash_cut(row["amount"], assets, tickets, row["claims"], True)
        assert (cut.active, cut.unbonding, cut.reward) == (row["slash_own"], row["slash_unbonding"], row["reward"])


def test_refutations() -> None:
    """The reference model's refuter takes each proof, and each commitment is the hash that it looks up."""
    for row in rows("refutations", "refutations"):
        data, root = raw(row["data"]), raw(row["root"])
        parts = [keccak(data), root]
        signed = SignedReport(
            1, number(row["header"]), root, number(row["facts"]), parts, number(row["header_before"]),
            raw(row["root_before"]),
        )  # fmt: skip
        part, group = number(row["part"]), number(row["group"])
        leaves, siblings = raw(row["leaves"]), raw(row["siblings"])
        if row["kind"] != "length":
            assert judge(signed, part, group, data, leaves, siblings)
        claim = word(number(row["finder"])) + raw(row["digest"]) + word(part) + word(group)
        assert keccak(claim + keccak(leaves) + keccak(siblings)) == raw(row["commitment"])


def test_challenge() -> None:
    data = load("challenge")
    for row in data["entries"]:
        q = {k: number(v) for k, v in row.items() if not v.startswith("0x")}
        ka = challenge.key_a(q["seed"], q["node"], q["gpu"], q["round"], raw(row["previous"]))
        kb = challenge.key_b(q["seed_b"], q["class_id"])
        a, b = challenge.line_key(ka, q["row"]), challenge.line_key(kb, q["col"])
        assert (ka, kb, a, b) == tuple(raw(row[k]) for k in ("key_a", "key_b", "row_key", "column_key"))
        assert challenge.dot(a, b, q["n"]) == q["entry"]
    for row in data["lists"]:
        assert challenge.list_levels([raw(r) for r in row["roots"]])[-1][0] == raw(row["root"])
    row = data["commitment"]
    place = challenge.Place(*(number(row[k]) for k in ("gpu", "round", "row")))
    got = challenge.commitment(number(row["finder"]), raw(row["digest"]), place, number(row["col"]))
    assert got == raw(row["commitment"])
