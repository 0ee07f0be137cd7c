"""A decision_id says what was decided, and only the service can have written it."""

from __future__ import annotations

import json
import string
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olearn_core.errors import TokenError
from olearn_core.events import NAME_LENGTH, decode_outcome, encode_outcome
from olearn_core.tokens import (
    LONGEST_BYTES,
    NONCE_BYTES,
    REFUSALS,
    Decided,
    SigningKey,
    eligible_hash,
    key_numbers,
    sign,
    verify,
)

PROPERTY = settings(derandomize=True, deadline=None, max_examples=100)
ALPHABET = string.ascii_letters + string.digits + "-_"
KEY = SigningKey(7, b"a secret of this service")
OTHER = SigningKey(8, b"a secret of this service, too")
KEYS = {key.number: key for key in (KEY, OTHER)}
DECIDED = Decided(
    nonce=bytes(range(NONCE_BYTES)),
    propensity=0.25,
    view_version=12_345,
    issued_at_seconds=1_772_366_400,
    eligible_hash=eligible_hash(["a", "b"]),
    tenant="acme",
    task_type="résumé",
    agent="研究者",
)
TOKEN = sign(KEY, DECIDED)

names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=NAME_LENGTH)
decisions = st.builds(
    Decided,
    nonce=st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES),
    propensity=st.floats(0, 1),
    view_version=st.integers(0, 2**64 - 1),
    issued_at_seconds=st.integers(0, 2**32 - 1),
    eligible_hash=st.binary(min_size=8, max_size=8),
    tenant=names,
    task_type=names,
    agent=names,
)


def assert_refused(token: str, keys: dict[int, SigningKey] = KEYS) -> TokenError:
    """Assert that a token is refused, and with no other error."""
    with pytest.raises(TokenError) as caught:
        verify(keys, token)
    assert len(token) < 20 or token not in str(caught.value)
    return caught.value


def decoded(token: str) -> bytes:
    """Return the bytes of a token."""
    return urlsafe_b64decode(token + "=" * (-len(token) % 4))


def encoded(data: bytes) -> str:
    """Return bytes as a token's text."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


# ---- round trip


@PROPERTY
@given(decisions, st.sampled_from([KEY, OTHER]))
def test_a_token_says_what_was_decided(decided: Decided, key: SigningKey) -> None:
    """The propensity to the last bit."""
    assert verify(KEYS, sign(key, decided)) == decided


@PROPERTY
@given(decisions)
def test_a_token_is_64_bytes_and_its_names(decided: Decided) -> None:
    size = sum(len(name.encode()) for name in decided[5:])
    assert len(decoded(sign(KEY, decided))) <= 64 + size


@PROPERTY
@given(decisions)
def test_a_token_passes_through_urls_headers_and_outcomes(decided: Decided) -> None:
    """With the longest names too."""
    token = sign(KEY, decided)
    assert set(token) <= set(ALPHABET)
    fields = {"agent_name": decided.agent, "success": True, "decision_id": token}
    assert decode_outcome(encode_outcome(fields)).decision_id == token


@PROPERTY
@given(decisions)
def test_no_token_is_longer_than_1664_bytes(decided: Decided) -> None:
    assert len(decoded(sign(KEY, decided))) <= LONGEST_BYTES == 1_664


def test_names_beyond_what_an_outcome_may_have_are_not_signed() -> None:
    name = "🤖" * (NAME_LENGTH + 10)
    with pytest.raises(TokenError, match="too long"):
        sign(KEY, DECIDED._replace(tenant=name, task_type=name, agent=name))


def test_a_signed_token_beyond_the_longest_is_refused() -> None:
    payload = decoded(TOKEN)[:-16] + bytes(LONGEST_BYTES)
    assert assert_refused(encoded(payload + KEY.signature(payload))).refusal == "malformed"


def test_the_longest_token_fits_into_an_outcome() -> None:
    name = "🤖" * NAME_LENGTH
    longest = DECIDED._replace(tenant=name, task_type=name, agent=name)
    token = sign(KEY, longest)
    assert verify(KEYS, token) == longest
    fields = {"agent_name": "a", "success": True, "decision_id": token}
    assert decode_outcome(encode_outcome(fields)).decision_id == token


def test_a_decision_is_signed_the_same_way_every_time() -> None:
    assert sign(KEY, DECIDED) == TOKEN
    assert sign(KEY, DECIDED._replace(nonce=bytes(NONCE_BYTES))) != TOKEN


def test_the_parts_of_names_do_not_run_together() -> None:
    one, other = (DECIDED._replace(tenant=t, task_type=s) for t, s in (("ab", "c"), ("a", "bc")))
    assert sign(KEY, one) != sign(KEY, other)
    assert verify(KEYS, sign(KEY, one)).tenant == "ab"


# ---- refused


def test_any_changed_character_is_refused() -> None:
    """The last one too, whose low bits base64 does not read."""
    for position in range(len(TOKEN)):
        for character in ALPHABET:
            if character != TOKEN[position]:
                assert_refused(TOKEN[:position] + character + TOKEN[position + 1 :])


@pytest.mark.parametrize("length", [0, 1, 2])
def test_every_length_of_names_is_safe_from_changes_at_the_end(length: int) -> None:
    """Base64 ends on two, three or four characters."""
    token = sign(KEY, DECIDED._replace(agent="a" * (length + 1)))
    for character in ALPHABET:
        if character != token[-1]:
            assert_refused(token[:-1] + character)


def test_any_flipped_bit_is_refused() -> None:
    data = decoded(TOKEN)
    for position in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[position] ^= 1 << bit
            assert_refused(encoded(bytes(changed)))


def test_a_token_cut_or_drawn_out_anywhere_is_refused() -> None:
    for length in range(len(TOKEN)):
        assert_refused(TOKEN[:length])
        assert_refused(TOKEN[length:][1:])
        assert_refused(encoded(decoded(TOKEN)[: length * 3 // 4]))
    for character in ALPHABET:
        assert_refused(TOKEN + character)
        assert_refused(character + TOKEN)


@pytest.mark.parametrize(
    "foreign", ["=", "==", "====", " ", "\n", "!!!!", "\0", "é", "\ud800", "...."]
)
@pytest.mark.parametrize("position", [0, 10, len(TOKEN)])
def test_characters_that_are_no_base64url_are_refused(foreign: str, position: int) -> None:
    """A decoder that passes over them would make many tokens of one."""
    assert_refused(TOKEN[:position] + foreign + TOKEN[position:])


def test_the_other_alphabet_of_base64_is_refused() -> None:
    decided = DECIDED._replace(nonce=b"\xfb\xff" * 6)
    token = sign(KEY, decided)
    assert {"-", "_"} <= set(token)
    assert_refused(token.replace("-", "+").replace("_", "/"))


def test_a_key_that_is_not_known_is_refused() -> None:
    assert "key" in str(assert_refused(TOKEN, {OTHER.number: OTHER}))
    assert_refused(TOKEN, {})


def test_a_key_of_the_same_number_with_another_secret_is_refused() -> None:
    assert_refused(TOKEN, {KEY.number: SigningKey(KEY.number, b"guessed")})


def test_a_token_cannot_be_moved_to_another_key() -> None:
    data = bytearray(decoded(TOKEN))
    data[1] = OTHER.number
    assert_refused(encoded(bytes(data)))


def test_keys_are_rotated_by_number() -> None:
    """An old key's tokens are good as long as it is there."""
    fresh = sign(OTHER, DECIDED)
    assert verify(KEYS, TOKEN) == verify(KEYS, fresh) == DECIDED
    assert_refused(TOKEN, {OTHER.number: OTHER})


@pytest.mark.parametrize(
    ("token", "refusal"),
    [
        ("nonsense", "malformed"),
        ("!", "malformed"),
        (TOKEN[:40], "malformed"),
        (sign(SigningKey(99, b"x"), DECIDED), "unknown_key"),
        (sign(SigningKey(KEY.number, b"x"), DECIDED), "tampered"),
    ],
)
def test_each_kind_of_refusal_has_its_name(token: str, refusal: str) -> None:
    assert assert_refused(token).refusal == refusal
    assert refusal in REFUSALS


# ---- which keys outcomes ask for, before anything is verified


@PROPERTY
@given(decisions, st.integers(0, 255))
def test_the_key_s_number_is_read_from_an_outcome_s_bytes(decided: Decided, number: int) -> None:
    token = sign(SigningKey(number, b"x"), decided)
    fields = {"agent_name": "a", "success": True, "decision_id": token}
    assert key_numbers(encode_outcome(fields)) == {number}
    assert key_numbers(json.dumps(fields, indent=1).encode()) == {number}


@PROPERTY
@given(st.binary(max_size=100) | st.builds(lambda t: b'{"decision_id": "' + t, st.binary()))
def test_any_bytes_may_be_asked_for_their_keys(value: bytes) -> None:
    assert key_numbers(value) <= set(range(256))


def test_an_outcome_without_a_token_asks_for_no_key() -> None:
    assert key_numbers(b'{"agent_name": "a", "decision_id": null}') == set()
    assert key_numbers(b'{"decision_id": "nonsense"}') == set()


# ---- refused formats


def test_another_format_is_refused() -> None:
    data = bytearray(decoded(TOKEN)[:-16])
    data[0] = 2
    assert "format" in str(assert_refused(encoded(bytes(data) + KEY.signature(bytes(data)))))


@PROPERTY
@given(st.text(max_size=200) | st.binary(max_size=200).map(encoded))
def test_any_text_is_refused(token: str) -> None:
    assert_refused(token)


@PROPERTY
@given(
    st.lists(
        st.tuples(st.integers(0, len(TOKEN)), st.integers(0, 9), st.text(ALPHABET, max_size=5)),
        min_size=1,
        max_size=4,
    )
)
def test_any_damage_is_refused(edits: list[tuple[int, int, str]]) -> None:
    token = TOKEN
    for start, removed, inserted in edits:
        token = token[:start] + inserted + token[start + removed :]
    if token != TOKEN:
        assert_refused(token)


@PROPERTY
@given(decisions, st.data())
def test_no_bytes_of_a_token_can_be_changed(decided: Decided, data: Any) -> None:
    signed = bytearray(decoded(sign(KEY, decided)))
    position = data.draw(st.sampled_from(range(len(signed))))
    signed[position] ^= data.draw(st.integers(1, 255))
    assert_refused(encoded(bytes(signed)))


# ---- eligible agents


@PROPERTY
@given(st.lists(names, unique=True, max_size=6), st.randoms(use_true_random=False))
def test_the_hash_of_the_eligible_agents_ignores_their_order(
    agents: list[str], chance: Any
) -> None:
    shuffled = chance.sample(agents, len(agents))
    assert eligible_hash(shuffled) == eligible_hash(agents)
    assert eligible_hash([*agents, *agents]) == eligible_hash(agents)
    assert len(eligible_hash(agents)) == 8


def test_other_sets_of_agents_have_other_hashes() -> None:
    sets = [[], ["a"], ["b"], ["a", "b"], ["ab"], ["a", "b", "c"], ["a", "bc"], ["é"]]
    assert len({eligible_hash(agents) for agents in sets}) == len(sets)


# ---- keys


def test_a_key_does_not_show_its_secret() -> None:
    for text in (repr(KEY), str(KEY), f"{KEY}", repr({"keys": [KEY]})):
        assert "secret" not in text
        assert "number=7" in text


@pytest.mark.parametrize(
    ("number", "secret"), [(-1, b"x"), (256, b"x"), (0, b""), (0, b"hidden" * 11)]
)
def test_a_key_has_a_number_of_one_byte_and_a_secret_of_1_to_64(number: int, secret: bytes) -> None:
    """With an empty secret anybody could sign."""
    with pytest.raises(ValueError, match="0-255") as caught:
        SigningKey(number, secret)
    assert "hidden" not in str(caught.value)


def test_keys_at_the_edges_sign() -> None:
    for key in (SigningKey(0, b"x"), SigningKey(255, b"x" * 64)):
        assert verify({key.number: key}, sign(key, DECIDED)) == DECIDED
