"""Section D of the attack list: outgoing requests of users' making. One test, or more, for each row, with real sockets."""

from __future__ import annotations

import asyncio
import gzip
import ssl
import subprocess
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohappyeyeballs
import pytest
import pytest_asyncio

from antiphon.core.errors import AntiphonError, BadRequest, UrlRefused, UrlTooLarge, UrlUnreachable
from antiphon.core.runtime import system_runtime
from antiphon.outgoing.allowance import Allowance
from antiphon.outgoing.client import Caps, GuardedClient, Request
from antiphon.outgoing.guard import Guard
from antiphon.outgoing.url import parse_url
from antiphon.testing.web_site import FakeNames, Page, Seen, Trap, WebSite

QUICK = Caps(total_s=5, connect_s=2, head_s=2, idle_s=1, max_bytes=200_000, grace_s=0.3, least_bytes_s=1000)


def client(allow: str = "", names: FakeNames | None = None) -> GuardedClient:
    return GuardedClient(Guard(Allowance.parse(allow), names), system_runtime(), user_agent="Antiphon-test")


async def fetched(client: GuardedClient, url: str, caps: Caps = QUICK, **request: Any) -> tuple[int, bytes]:
    async with client.open(Request(url=url, purpose=request.pop("purpose", "url"), **request), caps) as answer:
        return answer.status, await answer.content()


@pytest_asyncio.fixture
async def trap() -> AsyncIterator[Trap]:
    async with Trap().set() as trap:
        yield trap


@pytest_asyncio.fixture
async def site() -> AsyncIterator[WebSite]:
    async with WebSite({"/": Page(body=b"here")}).serving() as site:
        yield site


@pytest.fixture
def connections(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every address that a connection was begun to."""
    begun: list[str] = []
    start = aiohappyeyeballs.start_connection

    async def recorded(addr_infos: Any, **how: Any) -> Any:
        begun.extend(str(info[4][0]) for info in addr_infos)
        return await start(addr_infos, **how)

    monkeypatch.setattr(aiohappyeyeballs, "start_connection", recorded)
    return begun


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """(of a server called secure.example, of a client that trusts it)."""
    folder: Path = tmp_path_factory.mktemp("tls")
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "2",
               "-subj", "/CN=secure.example", "-addext", "subjectAltName=DNS:secure.example"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    return server, ssl.create_default_context(cafile=str(certificate))


# --- D1: every form of loopback, private, link-local, metadata, mapped and decimal address -> no packet ------------------

LOOPBACK_HOSTS = [
    "127.0.0.1", "127.0.0.2", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.0.0.1", "0177.0.0.1", "017700000001", "0x7f.1",
    "127.000.000.001", "0", "0.0.0.0", "0x0", "localhost", "LOCALHOST", "localhost.", "[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::127.0.0.1]",
    "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[64:ff9b::127.0.0.1]", "[64:ff9b:1::7f00:1]",
    "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[::1%25lo]", "[::1%lo]", "１２７.０.０.１", "127。0。0。1", "127．0．0．1", "①②⑦.⓪.⓪.①",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "127%2e0%2e0%2e1", "%31%32%37.0.0.1", "127.0.0.1.", "127.0.0.1%00.example.org",
]  # fmt: skip
OTHER_HOSTS = [
    "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200",
    "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255", "192.88.99.1", "0.1.2.3", "[fe80::1]", "[fec0::1]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[2001:db8::1]",
    "[3fff::1]", "[2002:c0a8:101::1]", "[2001::1]", "[64:ff9b::a00:1]", "[::ffff:169.254.169.254]", "[::10.0.0.1]", "[100::1]",
    "[5f00::1]", "[4000::1]", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376",
]  # fmt: skip


@pytest.mark.parametrize("host", LOOPBACK_HOSTS)
async def test_d1_no_form_of_loopback_sends_a_packet(trap: Trap, connections: list[str], host: str):
    with pytest.raises((UrlRefused, BadRequest)):
        await fetched(client(), f"http://{host}:{trap.port}/")
    assert (trap.packets, connections) == (0, [])


@pytest.mark.parametrize("host", OTHER_HOSTS)
async def test_d1_no_private_or_special_address_sends_a_packet(connections: list[str], host: str):
    for scheme in ("http", "https"):
        with pytest.raises((UrlRefused, BadRequest)):
            await fetched(client(), f"{scheme}://{host}/")
    assert connections == []


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["10.1.2.3"], ["::1"], ["93.184.216.34", "127.0.0.1"], ["2606:2800::1", "fe80::1"], ["169.254.169.254"]],
)
async def test_d1_a_name_that_leads_inside_sends_no_packet(trap: Trap, connections: list[str], addresses: list[str]):
    """One bad address among good ones is enough: the next answer could have it first."""
    with pytest.raises(UrlRefused) as caught:
        await fetched(client(names=FakeNames(inside_example=[addresses])), f"http://inside.example:{trap.port}/")
    assert (trap.packets, connections) == (0, [])
    assert not any(address in f"{caught.value.message} {caught.value.data}" for address in addresses), "told what the name is"


@pytest.mark.parametrize("scheme", ["file", "ftp", "gopher", "data", "javascript", "jar", "dict", "ws", "unix", "HTTP+UNIX"])
async def test_d1_only_http_and_https(trap: Trap, scheme: str):
    with pytest.raises(BadRequest):
        await fetched(client(), f"{scheme}://127.0.0.1:{trap.port}/etc/passwd")
    assert trap.packets == 0


async def test_d1_ports_of_other_protocols_are_not_asked(connections: list[str]):
    for port in (22, 25, 110, 143, 6379, 11211):
        with pytest.raises(UrlRefused):
            await fetched(client(names=FakeNames(out_example=[["93.184.216.34"]])), f"http://out.example:{port}/")
    assert connections == []


# --- D2: DNS rebinding -> one resolve, pinned ------------------------------------------------------------------------------


async def test_d2_a_name_is_resolved_once_and_the_connection_is_pinned(site: WebSite, connections: list[str]):
    """The second answer would lead elsewhere: it is never asked for. (The first one is allowed by name, D6.)"""
    names = FakeNames(rebind_example=[["127.0.0.1"], ["127.0.0.2"]])
    answer = await fetched(client(f"url:rebind.example:{site.port}", names), f"http://rebind.example:{site.port}/")
    assert answer == (200, b"here")
    assert (names.asked, connections) == (["rebind.example"], ["127.0.0.1"])
    assert site.seen[0].headers["host"] == f"rebind.example:{site.port}"


async def test_d2_a_name_that_changes_between_hops_is_checked_at_each(site: WebSite, trap: Trap):
    site.pages["/"] = Page(status=302, headers={"Location": f"http://rebind.example:{site.port}/next"})
    names = FakeNames(rebind_example=[["127.0.0.1"], ["169.254.169.254"]])
    with pytest.raises(UrlRefused):
        await fetched(client(f"url:rebind.example:{site.port}", names), f"http://rebind.example:{site.port}/")
    assert (site.targets, names.asked) == (["/"], ["rebind.example"] * 2)


async def test_d2_the_system_is_not_asked_behind_the_resolvers_back(site: WebSite, monkeypatch: pytest.MonkeyPatch):
    async def never(*_: Any, **__: Any) -> Any:
        raise AssertionError("asked the system for a name")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never, raising=False)
    names = FakeNames(pinned_example=[["127.0.0.1"]])
    assert (await fetched(client(f"url:pinned.example:{site.port}", names), f"http://pinned.example:{site.port}/"))[0] == 200


# --- D3: redirects -> each hop checked, <= 5, credentials dropped ----------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost", "2130706433", "[::ffff:127.0.0.1]"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_d3_a_redirect_inside_sends_no_packet(site: WebSite, trap: Trap, host: str, status: int):
    site.pages["/"] = Page(status=status, headers={"Location": f"http://{host}:{trap.port}/secret"})
    with pytest.raises(UrlRefused):
        await fetched(client(site.allowed()), site.url + "/")
    assert (trap.packets, site.targets) == (0, ["/"])


async def test_d3_five_redirects_are_followed_and_a_sixth_is_not(site: WebSite):
    for n in range(6):
        site.pages[f"/{n}"] = Page(status=302, headers={"Location": f"/{n + 1}"})
    site.pages["/6"] = Page(body=b"end")
    assert await fetched(client(site.allowed()), site.url + "/1") == (200, b"end")
    with pytest.raises(UrlRefused, match="more than 5"):
        await fetched(client(site.allowed()), site.url + "/0")


async def test_d3_credentials_stay_with_their_origin(site: WebSite):
    async with WebSite({"/": Page(body=b"there")}).serving() as other:
        site.pages |= {
            "/": Page(status=302, headers={"Location": "/same"}),
            "/same": Page(status=302, headers={"Location": other.url + "/", "Set-Cookie": "stolen=1; Path=/"}),
        }
        allow = f"{site.allowed()},{other.allowed()}"
        headers = {"Authorization": "Bearer one", "Cookie": "a=b", "X-Api-Key": "two", "X-Plain": "kept"}
        got = await fetched(client(allow), site.url + "/", headers=headers, credentials={"X-Own": "three"})
    assert got == (200, b"there")
    for seen in site.seen:
        assert {"authorization", "cookie", "x-api-key", "x-own", "x-plain"} <= set(seen.headers)
    assert not {"authorization", "cookie", "x-api-key", "x-own"} & set(other.seen[0].headers)
    assert other.seen[0].headers["x-plain"] == "kept"


async def test_d3_a_body_goes_to_no_other_origin(site: WebSite):
    async with WebSite({"/": Page(body=b"there")}).serving() as other:
        site.pages["/"] = Page(status=307, headers={"Location": other.url + "/"})
        with pytest.raises(UrlRefused):
            await fetched(client(f"{site.allowed()},{other.allowed()}"), site.url + "/", method="POST", body=b"secret")
        site.pages["/"] = Page(status=303, headers={"Location": other.url + "/"})
        await fetched(client(f"{site.allowed()},{other.allowed()}"), site.url + "/", method="POST", body=b"secret")
    (seen,) = other.seen
    assert (seen.method, seen.body) == ("GET", b"")


async def test_d3_no_way_back_from_https(site: WebSite, tls: tuple[ssl.SSLContext, ssl.SSLContext]):
    server_tls, client_tls = tls
    async with WebSite({"/": Page(status=302, headers={"Location": site.url + "/"})}).serving(tls=server_tls) as secure:
        secure.host = "secure.example"
        guarded = GuardedClient(
            Guard(Allowance.parse(f"url:secure.example:{secure.port},{site.allowed()}"), FakeNames(secure_example=[["127.0.0.1"]])),
            system_runtime(), user_agent="t", tls=client_tls,
        )  # fmt: skip
        with pytest.raises(UrlRefused, match="https to http"):
            await fetched(guarded, secure.url + "/")
        assert (len(secure.seen), site.seen) == (1, [])
        with pytest.raises(UrlUnreachable, match="certificate"):
            await fetched(
                client(f"url:secure.example:{secure.port}", FakeNames(secure_example=[["127.0.0.1"]])), secure.url + "/"
            )


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "http://user:secret@h/", "http:\\\\127.0.0.1\\", "//[::1", "http://a b/"]
)
async def test_d3_a_redirect_to_nonsense_is_refused(site: WebSite, target: str):
    site.pages["/"] = Page(status=302, headers={"Location": target})
    with pytest.raises(UrlRefused) as caught:
        await fetched(client(site.allowed()), site.url + "/")
    assert "secret" not in str(caught.value)


# --- D4: parser differences -> one parser --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "http://good.example@127.0.0.1:{p}/", "http://127.0.0.1:{p}@good.example/", "http://good.example#@127.0.0.1:{p}/",
        "http://127.0.0.1:{p}#@good.example/", "http://127.0.0.1:{p}\\@good.example/", "http://good.example\\@127.0.0.1:{p}/",
        "http://127.0.0.1:{p}\t.good.example/", "http://good.example\n@127.0.0.1:{p}/", "http://127.0.0.1:{p}%2f@good.example/",
        "http://good.example:80@127.0.0.1:{p}/", "http://good.example:{p}:80/", "http:127.0.0.1:{p}/", "http:/127.0.0.1:{p}/",
        "http:///127.0.0.1:{p}/", "http:\\\\127.0.0.1:{p}/", "//127.0.0.1:{p}/", " http://127.0.0.1:{p}/", "http://127.0.0.1 :{p}/",
        "http://[::1]good.example:{p}/", "http://[::1]:{p}:80/", "http://good.example;127.0.0.1:{p}/", "http://127.0.0.1：{p}/",
        "http://good.example／@127.0.0.1:{p}/", "http://good.example＃@127.0.0.1:{p}/", "http://①②⑦.0.0.1:{p}/", "http://good.example?@127.0.0.1:{p}/",
        "http://127.0.0.1\u2024:{p}/", "http://0x7f.1:{p}/", "http://127.0.0.1:{p}\x00.good.example/", "http://go\u00adod.example:{p}@127.0.0.1/",
    ],
)  # fmt: skip
async def test_d4_what_is_checked_is_what_is_connected_to(trap: Trap, connections: list[str], text: str):
    """Whatever part of it another parser takes for the host: only the host that was checked is ever asked for."""
    names = FakeNames(good_example=[["127.0.0.2"]])
    with pytest.raises(AntiphonError):
        await fetched(client(names=names), text.replace("{p}", str(trap.port)))
    assert (trap.packets, connections) == (0, [])
    assert set(names.asked) <= {"good.example"}


def test_d4_what_is_kept_of_a_url_has_one_meaning():
    for text, wanted in {
        "HTTP://EXAMPLE.org:80/a/../b/./c?x=1#frag": "http://example.org/b/c?x=1",
        "https://example.org.:443": "https://example.org/",
        "http://bücher.example/ü?ä": "http://xn--bcher-kva.example/%C3%BC?%C3%A4",
        "http://ｅｘａｍｐｌｅ。org/": "http://example.org/",
        "http://example.org/%7Ea/%2e%2E/%2f": "http://example.org/%2F",
        "http://[2001:DB8:0:0:0:0:0:1]:8080/": "http://[2001:db8::1]:8080/",
    }.items():
        assert str(parse_url(text)) == wanted
        assert str(parse_url(wanted)) == wanted


# --- D5: endless, slow or inflating answers -> caps ------------------------------------------------------------------------------

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"


async def test_d5_an_endless_answer_is_cut(site: WebSite):
    async def endless(_r: asyncio.StreamReader, writer: asyncio.StreamWriter, _: Seen) -> None:
        writer.write(HEAD + b"\r\n")
        while True:
            writer.write(b"x" * 4096)
            await writer.drain()

    site.pages["/"] = endless
    with pytest.raises(UrlTooLarge):
        await fetched(client(site.allowed()), site.url + "/")


async def test_d5_a_declared_size_is_believed_only_when_it_is_too_large(site: WebSite):
    site.pages["/"] = Page(headers={"Content-Length": str(10**12)})
    with pytest.raises(UrlTooLarge):
        await fetched(client(site.allowed()), site.url + "/")
    site.pages["/"] = Page(headers={"Content-Length": "100"}, body=b"less")
    with pytest.raises(UrlUnreachable, match="broke off"):
        await fetched(client(site.allowed()), site.url + "/")


@pytest.mark.parametrize(
    ("encoding", "bomb"),
    [
        ("gzip", gzip.compress(b"\0" * 2**24)),
        ("deflate", zlib.compress(b"\0" * 2**24)),
        ("gzip", gzip.compress(b"\0" * 2**21) * 8),
    ],
)
async def test_d5_an_answer_that_inflates_is_cut(site: WebSite, encoding: str, bomb: bytes):
    site.pages["/"] = Page(body=bomb, headers={"Content-Encoding": encoding})
    with pytest.raises(UrlTooLarge, match="times"):
        await fetched(client(site.allowed()), site.url + "/", Caps(max_bytes=2**30))


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "compress"])
async def test_d5_an_encoding_that_was_not_asked_for_is_refused(site: WebSite, encoding: str):
    site.pages["/"] = Page(body=b"x", headers={"Content-Encoding": encoding})
    with pytest.raises(UrlUnreachable):
        await fetched(client(site.allowed()), site.url + "/")


async def test_d5_a_dripping_body_is_given_up(site: WebSite):
    async def drip(_r: asyncio.StreamReader, writer: asyncio.StreamWriter, _: Seen) -> None:
        writer.write(HEAD + b"\r\n")
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    site.pages["/"] = drip
    began = asyncio.get_running_loop().time()
    with pytest.raises(UrlUnreachable, match="too slowly"):
        await fetched(client(site.allowed()), site.url + "/")
    assert asyncio.get_running_loop().time() - began < 4


async def test_d5_dripping_headers_are_given_up(site: WebSite):
    async def drip(_r: asyncio.StreamReader, writer: asyncio.StreamWriter, _: Seen) -> None:
        writer.write(HEAD)
        while True:
            writer.write(b"X-More: y\r\n")
            await writer.drain()
            await asyncio.sleep(0.1)

    site.pages["/"] = drip
    with pytest.raises(UrlUnreachable, match="in time"):
        await fetched(client(site.allowed()), site.url + "/", Caps(total_s=5, head_s=0.8, idle_s=1))


@pytest.mark.parametrize(
    "head",
    [b"X-Long: " + b"y" * 20_000 + b"\r\n\r\n", b"".join(b"X-%d: y\r\n" % n for n in range(500)) + b"\r\n"],
    ids=["long", "many"],
)
async def test_d5_endless_headers_are_refused(site: WebSite, head: bytes):
    async def large(_r: asyncio.StreamReader, writer: asyncio.StreamWriter, _: Seen) -> None:
        writer.write(HEAD + head)
        await writer.drain()

    site.pages["/"] = large
    with pytest.raises(UrlUnreachable):
        await fetched(client(site.allowed()), site.url + "/")


async def test_d5_silence_and_a_whole_exchange_have_a_limit(site: WebSite):
    async def silent(_r: asyncio.StreamReader, writer: asyncio.StreamWriter, _: Seen) -> None:
        writer.write(HEAD + b"\r\nx")
        await writer.drain()
        await asyncio.sleep(30)

    site.pages["/"] = silent
    with pytest.raises(UrlUnreachable):
        await fetched(client(site.allowed()), site.url + "/", Caps(total_s=5, idle_s=0.3))
    with pytest.raises(UrlUnreachable, match="took longer than"):
        await fetched(client(site.allowed()), site.url + "/", Caps(total_s=0.3, idle_s=5))


# --- D6: an administrator may allow a local model server for that purpose and port only ---------------------------------------


async def test_d6_what_is_allowed_is_allowed_for_that_purpose_and_port_only(site: WebSite, trap: Trap):
    guarded = client(f"model:127.0.0.1:{site.port}")
    assert await fetched(guarded, site.url + "/", purpose="model") == (200, b"here")
    site.seen.clear()
    for purpose in ("url", "webhook", "mcp", "oidc"):
        with pytest.raises(UrlRefused):
            await fetched(guarded, site.url + "/", purpose=purpose)
    for other in (
        f"http://127.0.0.1:{trap.port}/",
        f"http://127.0.0.2:{site.port}/",
        f"http://localhost:{site.port}/",
        f"http://[::1]:{site.port}/",
    ):
        with pytest.raises(UrlRefused):
            await fetched(guarded, other, purpose="model")
    assert (site.seen, trap.packets) == ([], 0)


async def test_d6_an_allowed_name_does_not_open_the_metadata_service(connections: list[str]):
    names = FakeNames(model_example=[["169.254.169.254"]])
    with pytest.raises(UrlRefused):
        await fetched(client("model:model.example:80", names), "http://model.example/", purpose="model")
    assert connections == []


@pytest.mark.parametrize(
    "text", ["model", "model:host", "everything:h:80", "url:h:x", "url::80", "url:a b:80", "[1]", '["url:h:80"']
)
def test_d6_a_wrong_entry_is_told(text: str):
    with pytest.raises(BadRequest, match="ANTIPHON_OUTGOING_ALLOW"):
        Allowance.parse(text)


def test_d6_both_spellings_of_the_setting():
    listed = Allowance.parse('["url:Intranet.example:8080", "model:[::1]:11434"]')
    assert listed == Allowance.parse("url:intranet.example:8080, model:[::1]:11434")
    assert listed.permits("url", parse_url("https://intranet.example:8080/x"))


# --- the environment -----------------------------------------------------------------------------------------------------------


async def test_no_proxy_of_the_environment_is_used(site: WebSite, trap: Trap, monkeypatch: pytest.MonkeyPatch):
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{trap.port}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert await fetched(client(site.allowed()), site.url + "/") == (200, b"here")
    assert trap.packets == 0
    assert site.seen[0].headers["user-agent"] == "Antiphon-test"
