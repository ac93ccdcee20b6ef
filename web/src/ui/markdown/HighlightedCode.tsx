import type { ReactNode } from "react";
import type { Highlighted } from "./highlight";

type Child = Highlighted["children"][number];

/** The tree of the highlighter as elements: spans with a class, and text. */
export function HighlightedCode({ tree }: { readonly tree: Highlighted }): ReactNode {
  return tree.children.map((child, i) => shown(child, i));
}

function shown(node: Child, key: number): ReactNode {
  switch (node.type) {
    case "text":
      return node.value;
    case "element": {
      const names = node.properties["className"];
      const inside = node.children.map((child, i) => shown(child, i));
      return <span key={key} className={Array.isArray(names) ? names.join(" ") : undefined}>{inside}</span>;
    }
    case "comment":
    case "doctype":
      return null;
  }
}
