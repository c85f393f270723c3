"""Keys: signatures against eth_account, keystores, files that others can read."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from keepers.chain.keys import (
    ORDER,
    LocalSigner,
    TxFields,
    keystore_address,
    new_signer,
    open_keystore,
    write_keystore,
)
from keepers.chain.masking import mask_text, mask_url
from keepers.chain.private_files import read_secret
from keepers.protocol.errors import HearthError
from keepers.wire.signatures import recover

SECRET = bytes(range(1, 33))


@given(secret=st.integers(1, ORDER - 1), digest=st.binary(min_size=32, max_size=32))
def test_sign_digest__any_key__recovers_to_its_address_with_low_s(secret: int, digest: bytes) -> None:
    signer = LocalSigner(secret.to_bytes(32, "big"))
    signature = signer.sign_digest(digest)
    assert recover(digest, signature) == signer.address
    assert signature[64] in (27, 28) and int.from_bytes(signature[32:64], "big") <= ORDER // 2


@settings(max_examples=25)
@given(
    nonce=st.integers(0, 2**32), value=st.integers(0, 2**90), gas=st.integers(21_000, 10**7),
    max_fee=st.integers(0, 2**60), data=st.binary(max_size=200),
)  # fmt: skip
def test_sign_transaction__any_fields__bytes_of_eth_account(
    nonce: int, value: int, gas: int, max_fee: int, data: bytes
) -> None:
    to = "0x" + "12" * 20
    ours = LocalSigner(SECRET).sign_transaction(TxFields(31_337, nonce, to, data, value, gas, max_fee, max_fee // 3))
    theirs = Account.from_key(SECRET).sign_transaction(
        {
            "type": 2, "chainId": 31_337, "nonce": nonce, "to": to, "data": data, "value": value, "gas": gas,
            "maxFeePerGas": max_fee, "maxPriorityFeePerGas": max_fee // 3,
        }
    )  # fmt: skip
    assert ours == bytes(theirs.raw_transaction)


def test_signer__printed_or_pickled__gives_nothing_away() -> None:
    signer = LocalSigner(SECRET)
    assert repr(signer) == f"LocalSigner({signer.address})" and SECRET.hex() not in repr(signer)
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(signer)
    assert not hasattr(signer, "__dict__")


@pytest.mark.parametrize("secret", [bytes(32), ORDER.to_bytes(32, "big"), b"short"])
def test_signer__no_valid_secret__refused(secret: bytes) -> None:
    with pytest.raises(HearthError, match="no valid secp256k1"):
        LocalSigner(secret)


def test_keystore__written_and_opened__also_by_eth_account(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "node.json"
    signer, secret = new_signer()
    assert write_keystore(path, secret, "correct horse") == signer.address
    assert path.stat().st_mode & 0o777 == 0o600
    assert keystore_address(path) == signer.address
    assert open_keystore(path, "correct horse").address == signer.address
    assert bytes(Account.decrypt(path.read_text(), "correct horse")) == secret
    assert secret.hex() not in path.read_text()
    with pytest.raises(HearthError, match="never overwritten"):
        write_keystore(path, secret, "other")


def test_open_keystore__password_file__read_without_its_line_break(tmp_path: Path) -> None:
    path, word = tmp_path / "k.json", tmp_path / "k.pass"
    address = write_keystore(path, SECRET, "pa ss")
    word.write_text("pa ss\n")
    word.chmod(0o600)
    assert open_keystore(path, password_file=word).address == address


def test_open_keystore__what_can_go_wrong__named_with_exit_code_4(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    write_keystore(path, SECRET, "right")

    def code(**how: object) -> str:
        with pytest.raises(HearthError) as caught:
            open_keystore(how.pop("path", path), **how)  # type: ignore[arg-type]
        assert caught.value.exit_code == 4 and "right" not in str(caught.value)
        return caught.value.code

    assert code(password="wrong") == "H1102"
    assert code() == "H1101"
    assert code(path=tmp_path / "none.json", password="x") == "H1101"
    junk = tmp_path / "junk.json"
    junk.write_text("[]")
    junk.chmod(0o600)
    assert code(path=junk, password="x") == "H1101"
    forged = json.loads(path.read_text()) | {"address": "00" * 20}
    lying = tmp_path / "lying.json"
    lying.write_text(json.dumps(forged))
    lying.chmod(0o600)
    assert code(path=lying, password="right") == "H1102"
    path.chmod(0o644)
    assert code(password="right") == "H1103"


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("crypto", "x"),
        ("crypto", None),
        ("kdf", "md5"),
        ("kdfparams", []),
        ("kdfparams", {"n": 3, "r": 8, "p": 1, "dklen": 32, "salt": "00"}),
        ("kdfparams", {"n": 2**40, "r": 8, "p": 1, "dklen": 32, "salt": "00"}),
        ("kdfparams", {"n": "many", "r": 8, "p": 1, "dklen": 32, "salt": "00"}),
        ("kdfparams", {"n": 2, "r": 8, "p": 1, "dklen": 32, "salt": "zz"}),
        ("mac", 1),
        ("ciphertext", 7),
        ("cipherparams", {}),
    ],
)
def test_open_keystore__damaged__is_not_called_a_wrong_password(tmp_path: Path, where: str, value: object) -> None:
    path = tmp_path / "k.json"
    write_keystore(path, SECRET, "right")
    content = json.loads(path.read_text())
    (content if where == "crypto" else content["crypto"])[where] = value
    path.write_text(json.dumps(content))
    with pytest.raises(HearthError, match="no keystore of version 3") as caught:
        open_keystore(path, "right")
    assert (caught.value.code, caught.value.exit_code) == ("H1101", 4)


def test_keystore_address__none_or_nested_too_deep__named(tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    write_keystore(path, SECRET, "right")
    content = json.loads(path.read_text())
    for wrong in ("", "0x12", 5):
        path.write_text(json.dumps(content | {"address": wrong}))
        with pytest.raises(HearthError, match="names no account"):
            keystore_address(path)
    path.write_text("[" * 60_000)
    with pytest.raises(HearthError, match="no keystore of version 3"):
        keystore_address(path)


def test_read_secret__open_to_others_or_no_file__refused(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("s")
    path.chmod(0o640)
    with pytest.raises(HearthError, match="can be read by others") as caught:
        read_secret(path)
    assert caught.value.code == "H1103" and caught.value.next[0] == f"chmod 600 {path}"
    with pytest.raises(HearthError, match="no regular file"):
        read_secret(tmp_path)
    path.write_bytes(b"x" * (1 << 17))
    path.chmod(0o600)
    with pytest.raises(HearthError, match="holds no secret"):
        read_secret(path)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:pw@rpc.example:8545/x", "https://***@rpc.example:8545/x"),
        ("https://rpc.example/v3/0123456789abcdef0123456789abcdef", "https://rpc.example/v3/***"),
        ("https://rpc.example/?apikey=abc&x=1", "https://rpc.example/?apikey=***&x=***"),
        ("http://127.0.0.1:8545", "http://127.0.0.1:8545"),
        ("http://[::1]:8545/a", "http://[::1]:8545/a"),
        ("nonsense", "***"),
    ],
)
def test_mask_url__tokens_and_passwords__hidden(url: str, shown: str) -> None:
    assert mask_url(url) == shown


def test_mask_text__urls_and_keys_in_a_sentence__hidden_and_hashes_kept() -> None:
    hash_ = "0x" + "ab" * 32
    text = mask_text(f"tx {hash_} via https://h/0123456789abcdef0123456789 private key: 0x{'cd' * 32}")
    assert hash_ in text and "0123456789abcdef" not in text and "cd" * 32 not in text
