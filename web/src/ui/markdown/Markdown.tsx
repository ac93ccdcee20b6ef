import { memo, useRef, type ReactNode } from "react";
import { languageOf } from "../language";
import { NO_BLOCKS, readBlocks, type Block } from "./blocks";
import type { CodeLabels } from "./CodeBlock";
import { MarkdownNode, type NodeContext } from "./MarkdownNode";
import type { MarkPlace } from "./marks";
import "./markdown.css";

interface Props {
  readonly text: string;
  /** False while more may come. */
  readonly whole: boolean;
  /** In order of their places. */
  readonly places: readonly MarkPlace[];
  readonly renderMark: NodeContext["renderMark"];
  readonly codeLabels: CodeLabels;
}

/** Streaming Markdown: finished blocks are frozen, what is half received at the end is held back. */
export function Markdown({ text, whole, places, renderMark, codeLabels }: Props): ReactNode {
  const memory = useRef(NO_BLOCKS);
  // A cache of the parse, not state: whatever it holds, the same text gives the same blocks.
  // eslint-disable-next-line react-hooks/refs
  const read = (memory.current = readBlocks(memory.current, text, whole));
  return (
    <div className="md">
      {read.blocks.map((block, i) => (
        <FrozenBlock
          key={block.start}
          block={block}
          whole={i < read.frozen}
          places={places.filter(place => place.start >= block.start && place.end <= block.end)}
          renderMark={renderMark}
          codeLabels={codeLabels}
        />
      ))}
    </div>
  );
}

interface BlockProps extends Omit<Props, "text"> {
  readonly block: Block;
}

const FrozenBlock = memo(function FrozenBlock({ block, whole, places, renderMark, codeLabels }: BlockProps): ReactNode {
  return (
    <div className="md-block" lang={languageOf(plainText(block.node))}>
      <MarkdownNode node={block.node} context={{ base: block.base, places, renderMark, codeLabels, whole }} />
    </div>
  );
}, sameBlock);

function sameBlock(a: BlockProps, b: BlockProps): boolean {
  return (
    a.block === b.block && a.whole === b.whole && a.renderMark === b.renderMark && a.codeLabels === b.codeLabels &&
    a.places.length === b.places.length && a.places.every((place, i) => place === b.places[i])
  );
}

function plainText(node: Block["node"]): string {
  if ("value" in node) return node.type === "code" ? "" : node.value;
  return "children" in node ? node.children.map(child => plainText(child)).join("") : "";
}
