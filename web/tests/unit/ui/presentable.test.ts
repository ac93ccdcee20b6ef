import { expect, test } from "vitest";
import { parseMarkdown } from "../../../src/ui/markdown/parse";
import { presentable } from "../../../src/ui/markdown/presentable";

test.each([
  ["The fee is **two", "The fee is **two**"],
  ["The fee is **", "The fee is "],
  ["The fee is **two*", "The fee is **two**"],
  ["a *b", "a *b*"],
  ["2 * 3", "2 * 3"],
  ["snake_case_name", "snake_case_name"],
  ["see `co", "see `co`"],
  ["see `", "see "],
  ["so it is [1", "so it is "],
  ["so it is [1, 2", "so it is "],
  ["so it is [", "so it is "],
  ["so it is [1] and", "so it is [1] and"],
  ["依据【1", "依据"],
  ["a [link](https://exa", "a "],
  ["an ![pic](https://exa", "an "],
  ["it costs $5 today", "it costs $5 today"],
  ["with $x^2", "with "],
  ["with \\(x^2", "with "],
  ["AT&am", "AT"],
  ["1 < 2 and", "1 < 2 and"],
  ["x <b", "x "],
  ["text\n\n| a | b |", "text\n\n"],
  ["text\n\n| a | b |\n|--", "text\n\n"],
  ["text\n\n| a | b |\n|---|---|\n| 1", "text\n\n| a | b |\n|---|---|\n| 1"],
  ["text\n\n| a | b |\n|---|---|\n|", "text\n\n| a | b |\n|---|---|\n"],
  ["text\n``", "text\n"],
  ["text\n```py", "text\n"],
  ["```py\nx = 1\n``", "```py\nx = 1\n"],
  ["```py\nx = **1", "```py\nx = **1"],
  ["text\n-", "text\n"],
  ["text\n##", "text\n"],
  ["text\n1.", "text\n"],
  ["$$\nx = 1", ""],
])("of %j is shown %j", (received, shown) => {
  expect(presentable(received)).toBe(shown);
});

test("whatever is cut off, no raw syntax shows", () => {
  const whole = "It is **bold and *nested* text**, `code`, ~~old~~, a [link](https://a.example/b), $x^2$ [1] and [2, 3].\n\n| a | **b** |\n|---|:-:|\n| 1 | `2` |\n\nEnd.";
  for (let at = 1; at <= whole.length; at++) {
    const text = JSON.stringify(parseMarkdown(presentable(whole.slice(0, at))), (key, value: unknown) => (key === "position" || key === "url" ? undefined : value));
    expect(text, whole.slice(0, at)).not.toMatch(/"value":"[^"]*(?:\*\*|~~|`|\|-|\$x|\]\(|\[\d?")/);
  }
});
