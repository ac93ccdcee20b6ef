import { expect, test } from "vitest";
import { CompositionGuard } from "../../../src/features/conversation/composition";

const enter = (more: object = {}) => ({ key: "Enter", keyCode: 13, isComposing: false, timeStamp: 1000, ...more });

test("Enter belongs to the input method in both orders of events", () => {
  const guard = new CompositionGuard();
  expect(guard.owns(enter())).toBe(false);
  guard.began();
  expect(guard.owns(enter({ isComposing: true, keyCode: 229 }))).toBe(true);
  guard.ended({ timeStamp: 1000 });
  expect(guard.owns(enter({ keyCode: 229, timeStamp: 1120 }))).toBe(true);
  expect(guard.owns(enter({ keyCode: 229, timeStamp: 1300 }))).toBe(false);
  expect(guard.owns(enter({ timeStamp: 1120 }))).toBe(false);
});
