import fc from "fast-check";
import { expect, test } from "vitest";
import { countPoints, unitIndices } from "../../../src/state";

test("points are counted as Python counts them", () => {
  expect(countPoints("a🙂𝒳休")).toBe(4);
  expect(countPoints("")).toBe(0);
  fc.assert(fc.property(fc.string({ unit: "binary" }), text => countPoints(text) === Array.from(text).length));
});

test("places come back as UTF-16 indices", () => {
  expect(unitIndices("a🙂b休", [0, 1, 2, 3, 4, 9])).toEqual([0, 1, 3, 4, 5, 5]);
  expect(unitIndices("abc", [])).toEqual([]);
});
