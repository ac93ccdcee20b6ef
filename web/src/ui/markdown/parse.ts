// Markdown -> tree (mdast), with places. CommonMark, tables, strike-through, task lists, bare addresses, math. No HTML comes out
// of it: the tree is rendered as React elements (MarkdownNode.tsx), so there is nothing to sanitise away.
import type { Root } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmAutolinkLiteralFromMarkdown } from "mdast-util-gfm-autolink-literal";
import { gfmStrikethroughFromMarkdown } from "mdast-util-gfm-strikethrough";
import { gfmTableFromMarkdown } from "mdast-util-gfm-table";
import { gfmTaskListItemFromMarkdown } from "mdast-util-gfm-task-list-item";
import { mathFromMarkdown } from "mdast-util-math";
import { gfmAutolinkLiteral } from "micromark-extension-gfm-autolink-literal";
import { gfmStrikethrough } from "micromark-extension-gfm-strikethrough";
import { gfmTable } from "micromark-extension-gfm-table";
import { gfmTaskListItem } from "micromark-extension-gfm-task-list-item";
import { math } from "micromark-extension-math";

const OPTIONS = {
  extensions: [gfmTable(), gfmStrikethrough({ singleTilde: false }), gfmAutolinkLiteral(), gfmTaskListItem(), math()],
  mdastExtensions: [
    gfmTableFromMarkdown(), gfmStrikethroughFromMarkdown(), gfmAutolinkLiteralFromMarkdown(), gfmTaskListItemFromMarkdown(),
    mathFromMarkdown(),
  ],
};

export function parseMarkdown(text: string): Root {
  return fromMarkdown(dollarMath(text), OPTIONS);
}

const CODE_OR_MATH = /(```|~~~)[\s\S]*?(?:\1|$)|(`+)[^`][\s\S]*?\2|\\[()[\]]/g;

/** `\( \)` and `\[ \]` as `$$`: as long as what they replace, so that places stay right. Not within code. */
export function dollarMath(text: string): string {
  if (!text.includes("\\(") && !text.includes("\\[")) return text;
  return text.replace(CODE_OR_MATH, found => (found.startsWith("\\") ? "$$" : found));
}
