import { expect, test } from "vitest";
import { decodeEvent, decodeFrame, isAnswer } from "../../../src/protocol";

test("what comes in is looked at before it is believed", () => {
  expect(decodeFrame("{")).toEqual({ kind: "malformed", type: "" });
  expect(decodeEvent({ type: "answer_chunk", content: 7 })).toEqual({ kind: "malformed", type: "answer_chunk" });
  expect(decodeEvent({ type: "of_a_newer_server", topic: "t", seq: 4 })).toEqual({ kind: "unknown", topic: "t", seq: 4, prevSeq: null });
  expect(decodeEvent({ type: "answer_chunk", content: "x", newer_field: 1 })).toMatchObject({ kind: "event" });
  expect(decodeEvent({ type: "sources", sources: [{ n: 1 }] })).toEqual({ kind: "malformed", type: "sources" });
});

test("REST answers are of their shape", () => {
  expect(isAnswer("key_list", { items: [{ id: "k", name: "n" }], next_cursor: null })).toBe(true);
  expect(isAnswer("key_list", { items: [{ id: 3, name: "n" }], next_cursor: null })).toBe(false);
});
