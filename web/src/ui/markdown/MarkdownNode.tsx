import type { Nodes, Parents, PhrasingContent, RootContent, Text } from "mdast";
import type { ReactNode } from "react";
import { CodeBlock, type CodeLabels } from "./CodeBlock";
import { MathFormula } from "./MathFormula";
import { cutAtMarks, type MarkPlace } from "./marks";

export interface NodeContext {
  readonly base: number;
  readonly places: readonly MarkPlace[];
  readonly renderMark: (place: MarkPlace, key: string) => ReactNode;
  readonly codeLabels: CodeLabels;
  /** The block is whole: code may be coloured. */
  readonly whole: boolean;
}

interface Props {
  readonly node: RootContent;
  readonly context: NodeContext;
}

/** One node of the tree as elements. Text stays text, addresses are checked, nothing is loaded. */
export function MarkdownNode({ node, context }: Props): ReactNode {
  switch (node.type) {
    case "paragraph":
      return <p>{inside(node, context)}</p>;
    case "heading":
      return heading(node.depth, inside(node, context));
    case "text":
      return textWithMarks(node, context);
    case "strong":
      return <strong>{inside(node, context)}</strong>;
    case "emphasis":
      return <em>{inside(node, context)}</em>;
    case "delete":
      return <del>{inside(node, context)}</del>;
    case "inlineCode":
      return <code>{node.value}</code>;
    case "break":
      return <br />;
    case "thematicBreak":
      return <hr />;
    case "blockquote":
      return <blockquote>{inside(node, context)}</blockquote>;
    case "list":
      return node.ordered === true ? <ol start={node.start ?? 1}>{inside(node, context)}</ol> : <ul>{inside(node, context)}</ul>;
    case "listItem":
      return (
        <li className={typeof node.checked === "boolean" ? "task" : undefined}>
          {typeof node.checked === "boolean" && <span aria-hidden="true">{node.checked ? "☑ " : "☐ "}</span>}
          {listItemContent(node, context)}
        </li>
      );
    case "code":
      return <CodeBlock code={node.value} language={node.lang ?? ""} whole={context.whole} labels={context.codeLabels} />;
    case "math":
      return <MathFormula formula={node.value} display />;
    case "inlineMath":
      return inlineMath(node, context);
    case "link":
      return safeLink(node.url, inside(node, context));
    case "image":
      // Nothing remote loads by itself: a picture is a link to it.
      return safeLink(node.url, node.alt ?? node.url);
    case "table":
      return table(node, context);
    case "html":
      return /^<br\s*\/?>$/i.test(node.value) ? <br /> : node.value;
    case "tableRow":
    case "tableCell":
    case "definition":
    case "footnoteDefinition":
    case "footnoteReference":
    case "imageReference":
    case "linkReference":
    case "yaml":
      return "children" in node ? inside(node, context) : null;
  }
}

function inside(parent: Parents, context: NodeContext): ReactNode {
  return parent.children.map(child => <MarkdownNode key={keyOf(child)} node={child} context={context} />);
}

/** Text of a tight list is not set in paragraphs. */
function listItemContent(item: Extract<Nodes, { type: "listItem" }>, context: NodeContext): ReactNode {
  return item.children.map(child =>
    child.type === "paragraph" && item.spread !== true
      ? <span key={keyOf(child)}>{inside(child, context)}</span>
      : <MarkdownNode key={keyOf(child)} node={child} context={context} />,
  );
}

/** An answer's headings stand below the page's own: h3 to h6. */
function heading(depth: number, content: ReactNode): ReactNode {
  if (depth <= 1) return <h3>{content}</h3>;
  if (depth === 2) return <h4>{content}</h4>;
  return depth === 3 ? <h5>{content}</h5> : <h6>{content}</h6>;
}

function keyOf(node: Nodes): string {
  return `${node.position?.start.offset ?? 0}${node.type}`;
}

function textWithMarks(node: Text, context: NodeContext): ReactNode {
  const [start, end] = [node.position?.start.offset, node.position?.end.offset];
  if (start === undefined || end === undefined || !context.places.length) return node.value;
  const [from, to] = [context.base + start, context.base + end];
  const here = context.places.filter(place => place.start >= from && place.end <= to);
  const exact = to - from === node.value.length;
  return cutAtMarks(node.value, exact ? from : null, here).map((piece, i) =>
    piece.place === null ? piece.text : context.renderMark(piece.place, `${piece.place.start}-${i}`),
  );
}

/** `$5 and $6` is money: a formula does not begin or end with a space. */
function inlineMath(node: Extract<PhrasingContent, { type: "inlineMath" }>, context: NodeContext): ReactNode {
  const length = (node.position?.end.offset ?? 0) - (node.position?.start.offset ?? 0);
  const dollars = length - node.value.length;
  if (dollars === 2 && /^\s|\s$|^\d[\d.,]*\s/.test(node.value)) return `$${node.value}$`;
  return <MathFormula formula={node.value} display={context.whole && dollars >= 4 && node.value.includes("\n")} />;
}

function safeLink(address: string, content: ReactNode): ReactNode {
  if (!/^(https?:|mailto:)/i.test(address)) return <span>{content}</span>;
  return <a href={address} target="_blank" rel="noopener noreferrer nofollow">{content}</a>;
}

function table(node: Extract<RootContent, { type: "table" }>, context: NodeContext): ReactNode {
  const [head, ...rows] = node.children;
  const columns = head?.children.length ?? 0;
  const align = (column: number): string | undefined => node.align?.[column] ?? undefined;
  return (
    <div className="md-table" tabIndex={0} role="region" aria-label={context.codeLabels.table}>
      <table>
        <thead>
          <tr>{head?.children.map((cell, i) => <th key={keyOf(cell)} data-align={align(i)} scope="col">{inside(cell, context)}</th>)}</tr>
        </thead>
        <tbody>
          {rows.map(row => (
            <tr key={keyOf(row)}>
              {row.children.map((cell, i) => <td key={keyOf(cell)} data-align={align(i)}>{inside(cell, context)}</td>)}
              {row.children.length < columns && <td colSpan={columns - row.children.length} />}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
