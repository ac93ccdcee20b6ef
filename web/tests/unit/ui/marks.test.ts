import { expect, test } from "vitest";
import { cutAtMarks } from "../../../src/ui/markdown/marks";

const mark = (start: number, end: number) => ({ start, end, marks: [{ n: 1, source_id: "s" }] });

test("text is cut at its marks, by place or, where places are not known, by order", () => {
  const place = mark(13, 16);
  expect(cutAtMarks("so it is [1].", 4, [place]).map(piece => [piece.text, piece.place !== null])).toEqual([["so it is", false], ["[1]", true], [".", false]]);
  expect(cutAtMarks("a & b [1], c 【2】.", null, [mark(0, 1), mark(5, 6)]).map(piece => piece.text)).toEqual(["a & b", "[1]", ", c", "【2】", "."]);
  expect(cutAtMarks("nothing", 0, [])).toEqual([{ text: "nothing", place: null }]);
});
