"""Signing in and out: the cookie's attributes, and that its secret is nowhere else."""

from __future__ import annotations

from http.cookies import SimpleCookie

from antiphon.core.ids import UserId


async def test_signing_in_sets_the_cookie_and_only_the_cookie(house, http):
    async with http.post(f"{house.url}/api/v1/auth/login", json={"name": "ann", "password": "right"}) as answer:
        assert (answer.status, await answer.json()) == (200, {"user": {"id": UserId("usr_ann"), "name": "ann"}})
        assert answer.headers["Cache-Control"] == "no-store"
        morsel = SimpleCookie(answer.headers["Set-Cookie"])["antiphon_session"]
    assert (morsel.value, morsel["httponly"], morsel["samesite"], morsel["path"], morsel["secure"]) == (
        "cookie-of-ann", True, "lax", "/", "",
    )  # fmt: skip
    assert int(morsel["max-age"]) == int(house.settings.auth.login_s)
    assert "cookie-of-ann" not in repr(house.log.lines)


async def test_a_stale_cookie_does_not_stand_in_the_way(house, http):
    headers = {"Cookie": "antiphon_session=expired", "Origin": house.url}
    async with http.post(f"{house.url}/api/v1/auth/login", json={"name": "ann", "password": "right"}, headers=headers) as answer:
        assert answer.status == 200


async def test_a_foreign_page_cannot_sign_somebody_in(house, http):
    headers = {"Origin": "https://evil.example"}
    async with http.post(f"{house.url}/api/v1/auth/login", json={"name": "ann", "password": "right"}, headers=headers) as answer:
        assert answer.status == 403


async def test_a_wrong_password_sets_nothing(house, http):
    async with http.post(f"{house.url}/api/v1/auth/login", json={"name": "ann", "password": "wrong"}) as answer:
        assert answer.status == 401
        assert "Set-Cookie" not in answer.headers


async def test_signing_out_clears_the_cookie(house, http):
    headers = {"Cookie": "antiphon_session=cookie-of-ann", "Origin": house.url}
    async with http.post(f"{house.url}/api/v1/auth/logout", headers=headers) as answer:
        assert answer.status == 200
        assert SimpleCookie(answer.headers["Set-Cookie"])["antiphon_session"]["max-age"] == "0"


async def test_a_ticket_knows_where_it_was_asked_for(house, http, ann):
    url = f"{house.url}/api/v1/ws-ticket"
    for origin in (house.url, None):
        headers = {"Cookie": "antiphon_session=cookie-of-ann", "Origin": origin} if origin else ann
        async with http.post(url, headers=headers) as answer:
            assert (answer.status, (await answer.json())["fields"]) == (200, {"origin": origin})
    async with http.post(url, json={"origin": "https://evil.example"}, headers=ann) as answer:
        assert answer.status == 422
