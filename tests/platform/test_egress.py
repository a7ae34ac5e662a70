"""Which URLs may be called, what they read like in normal form, and how a refusal is worded."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from shared.domain.errors import Misconfigured
from shared.platform.egress import EgressPolicy, UrlRefused, parse_allow, vet_answers, vet_url

STRICT = EgressPolicy()
LOCAL = EgressPolicy(allow=frozenset({("127.0.0.1", 9099), ("receiver", 9100), ("::1", 9101)}))


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("https://hooks.example.com", "https://hooks.example.com/"),
        ("HTTPS://Hooks.Example.COM:443/In?a=B", "https://hooks.example.com/In?a=B"),
        ("https://hooks.example.com:8443/in", "https://hooks.example.com:8443/in"),
        ("https://hooks.example.com./in", "https://hooks.example.com/in"),
        ("https://hooks.example.com:/in", "https://hooks.example.com/in"),
        ("https://bücher.example/nachrichten", "https://xn--bcher-kva.example/nachrichten"),
        ("https://BÜCHER.example/über?q=ä", "https://xn--bcher-kva.example/%C3%BCber?q=%C3%A4"),
        ("https://новости.example。com/", "https://xn--b1amnebsh.example.com/"),
        ("https://xn--bcher-kva.example/", "https://xn--bcher-kva.example/"),
        ("https://my--app.example.com/%2e/a/../b", "https://my--app.example.com/%2e/a/../b"),
        ("https://8.8.8.8/in", "https://8.8.8.8/in"),
        ("https://[2606:4700:0:0:0:0:0:1111]/in", "https://[2606:4700::1111]/in"),
        ("https://1password.example/in", "https://1password.example/in"),
        ("https://hooks.example.com/in?", "https://hooks.example.com/in"),
        ("https://hooks.example.com?token=a+b%20c", "https://hooks.example.com/?token=a+b%20c"),
    ],
)
def test_a_permitted_url_has_one_normal_form(written: str, normal: str) -> None:
    """Case, trailing dot, default port and international letters are written one way; path and query are kept."""
    assert vet_url(written, STRICT).url == normal


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("", "length"),
        ("https://hooks.example.com/" + "a" * 2048, "length"),
        ("https://hooks.example.com/" + "ü" * 500, "length"),
        ("hooks.example.com/in", "form"),
        ("https:/hooks.example.com", "form"),
        ("https:hooks.example.com", "form"),
        ("//hooks.example.com/in", "form"),
        ("https://hooks.example.com/%zz", "form"),
        ("https://hooks.example.com/a%", "form"),
        ("http://hooks.example.com/in", "scheme"),
        ("ftp://hooks.example.com/in", "scheme"),
        ("file:///etc/passwd", "host"),
        ("javascript://hooks.example.com/%0aalert(1)", "scheme"),
        ("https://user:secret@hooks.example.com/", "credentials"),
        ("https://user@hooks.example.com/", "credentials"),
        ("http://user:secret@hooks.example.com/", "credentials"),
        ("https://hooks.example.com@169.254.169.254/", "credentials"),
        ("https://hooks.example.com/#part", "fragment"),
        ("https://hooks.example.com#@127.0.0.1/", "fragment"),
        ("https://hooks.example.com/a b", "character"),
        (" https://hooks.example.com/", "character"),
        ("https://hooks.example.com/\n", "character"),
        ("https://hooks.example.com/\r\nHost: inside", "character"),
        ("https://hooks\t.example.com/", "character"),
        ("https://hooks.example.com/\x00", "character"),
        ("https://hooks.example.com\\@127.0.0.1/", "character"),
        ("https://hooks.example.com/\u202etxt", "character"),
        ("https://hooks.exam\u00adple.com/", "character"),
        ("https://hooks.exam\u200bple.com/", "character"),
        ("https://hooks.example.com/{id}", "character"),
        ("https://hooks.example.com:80/in", "port"),
        ("https://hooks.example.com:22/in", "port"),
        ("https://hooks.example.com:6379/in", "port"),
        ("https://hooks.example.com:0/in", "port"),
        ("https://hooks.example.com:0443/in", "port"),
        ("https://hooks.example.com:65536/in", "port"),
        ("https://hooks.example.com:https/in", "port"),
        ("https://hooks.example.com:٤٤٣/in", "port"),
        ("https:///in", "host"),
        ("https://:443/in", "host"),
        ("https://hooks..example.com/", "host"),
        ("https://-hooks.example.com/", "host"),
        ("https://hooks_1.example.com/", "host"),
        ("https://hooks.example.com%2f.example.org/", "host"),
        ("https://" + "a" * 64 + ".example.com/", "host"),
        ("https://" + ".".join(["a" * 60] * 5) + ".com/", "host"),
        ("https://xn--a.example/", "host"),
        ("https://2606:4700::1111/in", "host"),
        ("https://[2606:4700::1111", "host"),
        ("https://[8.8.8.8]/", "host"),
        ("https://[fe80::1%25eth0]/", "host"),
        ("https://[v1.a]/", "host"),
        ("https://localhost/", "name"),
        ("https://LOCALHOST./", "name"),
        ("https://a.localhost/", "name"),
        ("https://redis/", "name"),
        ("https://metadata.google.internal/", "name"),
        ("https://printer.local/", "name"),
        ("https://nas.home.arpa/", "name"),
        ("https://2130706433/", "numeric host"),
        ("https://0x7f.1/", "numeric host"),
        ("https://0x7f000001/", "numeric host"),
        ("https://017700000001/", "numeric host"),
        ("https://0177.0.0.1/", "numeric host"),
        ("https://127.1/", "numeric host"),
        ("https://0/", "numeric host"),
        ("https://8.8.8.8.8/", "numeric host"),
        ("https://256.1.1.1/", "numeric host"),
        ("https://example.0x/", "numeric host"),
        ("https://127.0.0.1/", "address"),
        ("https://127.0.0.1./", "address"),
        ("https://169.254.169.254/latest/meta-data", "address"),
        ("https://①②⑦.⓪.⓪.①/", "address"),  # compatibility digits
        ("https://127。0。0。1/", "address"),
        ("https://[::1]/", "address"),
        ("https://[::ffff:10.0.0.1]/", "address"),
        ("https://[::ffff:7f00:1]/", "address"),
        ("https://[64:ff9b::a9fe:a9fe]/", "address"),
        ("https://[0:0:0:0:0:0:0:1]/", "address"),
    ],
)
def test_a_url_is_refused_by_the_rule_it_breaks(url: str, rule: str) -> None:
    """One rule each, so that its owner knows what to change."""
    with pytest.raises(UrlRefused) as refused:
        vet_url(url, STRICT)
    assert refused.value.rule == rule


def test_a_refusal_names_rule_address_and_setting() -> None:
    """It can be shown as it stands, and copied into the one setting that would help."""
    with pytest.raises(UrlRefused) as refused:
        vet_url("https://127.0.0.1:8443/in?token=secret", STRICT)
    message = str(refused.value)
    assert "rule 'address'" in message
    assert "127.0.0.1 is loopback (127.0.0.0/8, RFC 1122)" in message
    assert "WIRE_ENDPOINT_ALLOW=127.0.0.1:8443" in message
    assert "secret" not in message


def test_a_refusal_never_repeats_credentials() -> None:
    """What stands before the @ is somebody's password."""
    with pytest.raises(UrlRefused) as refused:
        vet_url("https://user:hunter2@hooks.example.com/", STRICT)
    assert "hunter2" not in str(refused.value) + refused.value.address
    assert refused.value.setting is None, "no setting permits credentials"


def test_the_allow_list_permits_exactly_its_pairs() -> None:
    """Plain HTTP, port, name and address are lifted for the pair that is listed, by its normal form."""
    assert vet_url("http://127.0.0.1:9099/hook", LOCAL).allowed
    assert vet_url("http://RECEIVER:9100/hook", LOCAL).url == "http://receiver:9100/hook"
    assert vet_url("http://[0::1]:9101/hook", LOCAL).host == "::1"


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9098/hook",
        "http://127.0.0.2:9099/hook",
        "http://localhost:9099/hook",
        "http://[::ffff:127.0.0.1]:9099/hook",
        "http://receiver:9099/hook",
        "http://127.1:9099/hook",
        "ftp://127.0.0.1:9099/hook",
        "http://user@127.0.0.1:9099/hook",
    ],
)
def test_the_allow_list_permits_nothing_else(url: str) -> None:
    """Not the next port, not another name or spelling for the same address, no other scheme."""
    with pytest.raises(UrlRefused):
        vet_url(url, LOCAL)


def test_plain_http_may_be_permitted_as_a_whole() -> None:
    """Then on its own port and the listed ones, and still for public addresses only."""
    policy = EgressPolicy(allow_http=True)
    assert vet_url("http://hooks.example.com/in", policy).url == "http://hooks.example.com/in"
    assert vet_url("http://hooks.example.com:8443/in", policy).port == 8443
    with pytest.raises(UrlRefused):
        vet_url("https://hooks.example.com:80/in", policy)
    with pytest.raises(UrlRefused):
        vet_url("http://10.0.0.1/in", policy)


def test_one_bad_answer_refuses_all_of_them() -> None:
    """The order of the answers makes no difference."""
    good = ["93.184.215.14", "2606:4700::1111"]
    assert vet_answers("hooks.example.com", 443, good, STRICT) == tuple(good)
    for mixed in (["10.0.0.1", *good], [*good, "10.0.0.1"]):
        with pytest.raises(UrlRefused, match=r"resolves to 10\.0\.0\.1, which is private"):
            vet_answers("hooks.example.com", 443, mixed, STRICT)


def test_the_answers_for_a_listed_pair_are_not_judged() -> None:
    """Its address may be whatever it is; the same name on another port is judged."""
    assert vet_answers("receiver", 9100, ["172.18.0.4"], LOCAL) == ("172.18.0.4",)
    with pytest.raises(UrlRefused):
        vet_answers("receiver", 9101, ["172.18.0.4"], LOCAL)


def test_the_allow_setting_is_a_list_of_pairs() -> None:
    """Spaces and empty entries do not matter; hosts are brought to normal form."""
    assert parse_allow("") == frozenset()
    assert parse_allow(" 127.0.0.1:9099, LocalHost.:9100 ,[0:0::1]:9101,") == frozenset(
        {("127.0.0.1", 9099), ("localhost", 9100), ("::1", 9101)}
    )


@pytest.mark.parametrize(
    "text", ["localhost", "localhost:", ":9099", "*:9099", "127.0.0.0/8:9099", "127.1:9099", "::1:9099", "a:0", "a:b"]
)
def test_an_allow_setting_that_is_no_pair_stops_the_start(text: str) -> None:
    """No wildcard, no block, no guess."""
    with pytest.raises(Misconfigured, match="WIRE_ENDPOINT_ALLOW"):
        parse_allow(text)


HOSTS = st.one_of(
    st.from_regex(r"[a-zA-Z0-9._\-]{1,30}", fullmatch=True),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda address: f"[{address}]"),
    st.text(max_size=12),
    st.integers(0, 2**32).map(str),
    st.integers(0, 2**32).map(hex),
)
URLS = st.builds(
    lambda scheme, host, port, rest: f"{scheme}://{host}{port}{rest}",
    st.sampled_from(["https", "HTTPS", "http", "ftp"]),
    HOSTS,
    st.sampled_from(["", ":", ":443", ":8443", ":22", ":9099"]),
    st.one_of(st.just(""), st.text(max_size=20).map("/".__add__), st.text(max_size=10).map("?".__add__)),
)


@given(st.one_of(URLS, st.text(max_size=60)))
def test_any_text_is_vetted_or_refused(url: str) -> None:
    """No input raises anything else, and what passes keeps the policy."""
    try:
        vetted = vet_url(url, STRICT)
    except UrlRefused:
        return
    assert vetted.scheme == "https"
    assert vetted.port in STRICT.ports
    assert vetted.url.isascii()
    assert not vetted.allowed


@given(URLS)
def test_what_is_vetted_is_what_the_client_will_call(url: str) -> None:
    """The HTTP client's own parser finds the same host and port, and vetting twice changes nothing."""
    try:
        vetted = vet_url(url, STRICT)
    except UrlRefused:
        return
    called = URL(vetted.url, encoded=True)
    assert (called.scheme, called.raw_host, called.port) == (vetted.scheme, vetted.host, vetted.port)
    assert called.raw_user is None
    assert str(called) == vetted.url
    assert vet_url(vetted.url, STRICT) == vetted
