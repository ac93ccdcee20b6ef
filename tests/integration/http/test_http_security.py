"""The rows of docs/security.md that concern HTTP credentials: A1, A2, A3, A11, and DNS rebinding under `--no-auth`."""

from __future__ import annotations

import pytest

from antiphon.server.bindings import API, BINDINGS

COOKIE = {"Cookie": "antiphon_session=cookie-of-ann"}


def _foreign_origins(house) -> list[str]:
    own = house.url
    return [
        "https://evil.example", "null", f"{own}.evil.example", f"{own}@evil.example", own.replace("http:", "https:"),
        own.rsplit(":", 1)[0] + ":1", own.replace("127.0.0.1", "127.0.0.1.nip.io"), own + "/", "http://127.0.0.1", "", " " + own[:-1],
    ]  # fmt: skip


async def test_a1_a_cookie_needs_the_exact_origin(house, http):
    for origin in [*_foreign_origins(house), None]:
        headers = {**COOKIE, **({"Origin": origin} if origin is not None else {})}
        async with http.post(f"{house.url}/api/v1/workspaces", json={"name": "N"}, headers=headers) as answer:
            assert (answer.status, (await answer.json())["error"]["code"]) == (403, "forbidden"), origin
    assert house.calls == []
    for own in (house.url, house.url.replace("127.0.0.1", "localhost")):
        headers = {**COOKIE, "Origin": own, "Sec-Fetch-Site": "same-origin"}
        async with http.post(f"{house.url}/api/v1/workspaces", json={"name": "N"}, headers=headers) as answer:
            # `localhost` and 127.0.0.1 are both ours, but two sites for a browser
            assert answer.status == 201


async def test_a11_cross_site_forms_are_refused_on_every_route_that_changes_state(house, http):
    """With the cookie, as a browser would send it, for every binding; also when the page forges the Origin's look."""
    for binding in BINDINGS:
        if not binding.changes_state:
            continue
        path = API + binding.path
        for name in ("workspace_id", "document_id", "session_id", "user_id", "run_id", "key_id"):
            path = path.replace(f"{{{name}}}", "ws_1")
        for forged in (
            {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
            {"Origin": house.url, "Sec-Fetch-Site": "cross-site"}, {"Origin": house.url, "Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site"},
        ):  # fmt: skip
            async with http.request(
                binding.method, house.url + path, data="a=b", headers={**COOKIE, **forged, "Content-Type": "text/plain"}
            ) as answer:
                assert answer.status == 403, (binding, forged)
    assert house.calls == []


async def test_a11_a_form_of_our_own_origin_must_still_be_json(house, http):
    headers = {**COOKIE, "Origin": house.url}
    async with http.post(
        f"{house.url}/api/v1/workspaces", data=b'{"name":"N"}', headers={**headers, "Content-Type": "text/plain"}
    ) as a:
        assert a.status == 415


async def test_a11_no_get_changes_state(house, http, ann):
    """Every route that answers GET is bound to a verb that reads."""
    reading = {binding.verb for binding in BINDINGS if binding.method == "GET"}
    assert not {
        verb for verb in reading if verb and verb.rsplit("_", 1)[-1] in {"create", "update", "delete", "put", "add", "stop"}
    }
    async with http.get(f"{house.url}/api/v1/auth/logout", headers=ann) as answer:
        assert answer.status == 405


async def test_a2_another_site_may_not_load_what_the_cookie_opens(house, http):
    for site in ("cross-site", "same-site"):
        headers = {**COOKIE, "Sec-Fetch-Site": site, "Sec-Fetch-Mode": "no-cors"}
        async with http.get(f"{house.url}/api/v1/me", headers=headers) as answer:
            assert answer.status == 403
    for headers in (COOKIE, {**COOKIE, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}):
        async with http.get(f"{house.url}/api/v1/me", headers=headers) as answer:
            assert answer.status == 200
            assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize("query", ["?token=key-of-ann", "?access_token=key-of-ann", "?api_key=key-of-ann", "?key=key-of-ann"])
async def test_a3_a_key_in_the_address_is_no_credential_and_not_in_the_log(house, http, query):
    async with http.get(f"{house.url}/api/v1/me{query}") as answer:
        assert answer.status == 401
    assert "key-of-ann" not in repr(house.log.lines)


async def test_credentials_are_read_from_one_place(house, http):
    cases = [
        ({"Authorization": "Bearer key-of-ann"}, 200), ({"Authorization": "bearer  key-of-ann"}, 200), (COOKIE, 200),
        ({"Authorization": "Bearer nope", **COOKIE}, 401), ({"Authorization": "Basic a2V5", **COOKIE}, 401),
        ({"Authorization": "Bearer", **COOKIE}, 401), ({"Cookie": "antiphon_session=nope"}, 401),
        ({"Cookie": "antiphon_session=expired"}, 401), ({}, 401),
    ]  # fmt: skip
    for headers, status in cases:
        async with http.get(f"{house.url}/api/v1/me", headers=headers) as answer:
            assert answer.status == status, headers


async def test_rights_of_the_table_hold(house, http, bob):
    async with http.post(f"{house.url}/api/v1/users", json={}, headers=bob) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (403, "forbidden")


async def test_a_rebound_name_is_not_answered(open_house, house, http):
    for served in (open_house, house):
        for host, status in [
            ("evil.example", 403), ("evil.example:8000", 403), ("127.0.0.1.evil.example", 403), ("localhost:1234", 200),
            ("[::1]:8000", 200), ("127.0.0.1", 200),
        ]:  # fmt: skip
            async with http.get(f"{served.url}/healthz", headers={"Host": host}) as answer:
                assert answer.status == status, host


async def test_without_accounts_the_origin_is_still_checked(open_house, http):
    url = f"{open_house.url}/api/v1/workspaces"
    for headers, status in [
        ({}, 201), ({"Origin": open_house.url}, 201), ({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ]:  # fmt: skip
        async with http.post(url, json={"name": "N"}, headers=headers) as answer:
            assert answer.status == status, headers


async def test_pages_and_answers_carry_the_security_headers(house, http):
    for path in ("/", "/sign-in", "/docs/api", "/api/v1/me", "/nothing"):
        async with http.get(house.url + path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert "default-src 'self'" in policy
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
