// Streaming Markdown: however a text is cut, its end is the same as reading it at once, and finished blocks stay what they are.
import fc from "fast-check";
import { expect, test } from "vitest";
import { NO_BLOCKS, readBlocks } from "../../src/ui/markdown/blocks";

const PIECES = ["# Head\n\n", "Some **bold** and `code`, [1] done. ", "- one\n- two\n", "| a | b |\n|---|---|\n| 1 | 2 |\n\n", "```py\nx = 1\n```\n\n", "> quoted\n\n", "\n\n", "1. first\n2. second\n", "$x^2$ and $5. ", "假期是二十天。[2]\n\n", "~~gone~~ ", "[link](https://example.org) ", "***\n", "🙂 𝒳 "];
const texts = fc.array(fc.constantFrom(...PIECES), { minLength: 1, maxLength: 14 }).map(pieces => pieces.join(""));

test("the whole text gives the same blocks however it came", () => {
  fc.assert(fc.property(texts, fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 }), (text, steps) => {
    let state = NO_BLOCKS;
    let at = 0;
    for (let i = 0; at < text.length; i++) {
      at = Math.min(text.length, at + steps[i % steps.length]!);
      const next = readBlocks(state, text.slice(0, at), false);
      // What is finished is not drawn again: the same objects.
      for (let k = 0; k < state.frozen; k++) expect(next.blocks[k]).toBe(state.blocks[k]);
      state = next;
    }
    const streamed = readBlocks(state, text, true);
    const atOnce = readBlocks(NO_BLOCKS, text, true);
    expect(streamed.blocks.map(block => [block.start, block.end, block.node.type])).toEqual(atOnce.blocks.map(block => [block.start, block.end, block.node.type]));
  }), { numRuns: 80 });
});
