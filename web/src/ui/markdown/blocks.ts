// A growing text as blocks: finished ones keep their identity (and so are never drawn again), only the last one is parsed anew.
// Tests: tests/unit/ui/blocks.test.ts, tests/properties/blocks.test.ts.
import type { RootContent } from "mdast";
import { parseMarkdown } from "./parse";
import { presentable } from "./presentable";

export interface Block {
  /** UTF-16 indices in the whole text. Places in `node` count from `base`. */
  readonly start: number;
  readonly end: number;
  readonly base: number;
  readonly node: RootContent;
}

export interface Blocks {
  readonly text: string;
  readonly whole: boolean;
  readonly blocks: readonly Block[];
  /** How many of the blocks are finished, and where the text after them begins. */
  readonly frozen: number;
  readonly frozenEnd: number;
}

export const NO_BLOCKS: Blocks = { text: "", whole: false, blocks: [], frozen: 0, frozenEnd: 0 };

/** A whole text of this length is parsed within a frame. Of longer ones only the rest is parsed at the end. */
const REREAD_CHARACTERS = 8_000;
/** `[name]: address`, which changes what stands before it. */
const DEFINITION = /^ {0,3}\[[^\]]+\]:/m;

/** `whole`: nothing more comes, the text is shown as it is. */
export function readBlocks(before: Blocks, text: string, whole: boolean): Blocks {
  if (before.text === text && before.whole === whole) return before;
  const known = text.startsWith(before.text) && !before.whole ? before : NO_BLOCKS;
  const base = known.frozenEnd;
  const kept = known.blocks.slice(0, known.frozen);
  if (whole) {
    if (text.length <= REREAD_CHARACTERS || DEFINITION.test(text)) return wholeText(known, text);
    const blocks = [...kept, ...blocksOf(text.slice(base), base)];
    return { text, whole, blocks, frozen: blocks.length, frozenEnd: text.length };
  }
  const found = blocksOf(presentable(text.slice(base)), base);
  const blocks = [...kept, ...found];
  if (found.length < 2) return { text, whole, blocks, frozen: kept.length, frozenEnd: base };
  const last = found[found.length - 1];
  return { text, whole, blocks, frozen: blocks.length - 1, frozenEnd: last?.start ?? base };
}

/** Parsed once more as one, for what only shows at the end (a definition after its use); blocks that are the same are kept. */
function wholeText(before: Blocks, text: string): Blocks {
  const known = new Map(before.blocks.slice(0, before.frozen).map(block => [block.start, block]));
  const blocks = blocksOf(text, 0).map(block => {
    const same = known.get(block.start);
    return same !== undefined && same.end === block.end && same.node.type === block.node.type ? same : block;
  });
  return { text, whole: true, blocks, frozen: blocks.length, frozenEnd: text.length };
}

function blocksOf(text: string, base: number): readonly Block[] {
  return parseMarkdown(text).children.flatMap(node => {
    const [start, end] = [node.position?.start.offset, node.position?.end.offset];
    return start === undefined || end === undefined ? [] : [{ start: base + start, end: base + end, base, node }];
  });
}
