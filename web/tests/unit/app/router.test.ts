import { expect, test } from "vitest";
import { addressOf, routeOf, type Route } from "../../../src/app/router";

test.each<[string, Route]>([
  ["/", { name: "conversation", sessionId: null, mark: null }],
  ["/c/ses_1", { name: "conversation", sessionId: "ses_1", mark: null }],
  ["/c/ses_1?m=msg_2.3", { name: "conversation", sessionId: "ses_1", mark: "msg_2.3" }],
  ["/d/doc_1?p=14&m=3-9&v=2", { name: "document", documentId: "doc_1", place: { page: 14, start: 3, end: 9, version: 2 } }],
  ["/documents", { name: "documents" }],
  ["/settings", { name: "settings", section: null }],
  ["/settings/models", { name: "settings", section: "models" }],
  ["/sign-in", { name: "signIn" }],
])("%s is a place and its address", (address, route) => {
  expect(routeOf(new URL(address, "http://a.example"))).toEqual(route);
  expect(addressOf(route)).toBe(address);
});

test("what is no place is said to be none; old addresses still lead there", () => {
  expect(routeOf(new URL("http://a.example/what/ever"))).toEqual({ name: "unknown" });
  expect(routeOf(new URL("http://a.example/c/a/b"))).toEqual({ name: "unknown" });
  expect(routeOf(new URL("http://a.example/#session=ses_1"))).toMatchObject({ sessionId: "ses_1" });
  expect(routeOf(new URL("http://a.example/d/doc?p=0&m=x"))).toMatchObject({ place: { page: 1, start: null } });
});
