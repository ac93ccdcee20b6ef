"""/healthz and /metrics."""

from __future__ import annotations


async def test_health_says_what_is_reduced(house, http):
    async with http.get(f"{house.url}/healthz") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ok", "reasons": []})
    house.reasons = ["The model server does not answer."]
    async with http.get(f"{house.url}/healthz") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "degraded", "reasons": house.reasons})


async def test_metrics_are_for_this_machine_or_the_owner(house, http, ann, bob):
    async with http.get(f"{house.url}/metrics") as answer:
        assert answer.status == 200
        assert "antiphon_connections 0.0" in await answer.text()
    proxied = {"X-Forwarded-For": "10.0.0.1"}
    for name in ("Forwarded", "X-Real-IP"):  # of these uvicorn makes nothing
        async with http.get(f"{house.url}/metrics", headers={name: "for=10.0.0.1"}) as answer:
            assert answer.status == 403
    for headers, status in [(proxied, 403), ({**proxied, **bob}, 403), ({**proxied, **ann}, 200)]:
        async with http.get(f"{house.url}/metrics", headers=headers) as answer:
            assert answer.status == status
