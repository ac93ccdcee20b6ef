import { useEffect, useState, type ReactNode } from "react";
import { CopyButton } from "../CopyButton";
import type { Highlighted } from "./highlight";
import { HighlightedCode } from "./HighlightedCode";

export interface CodeLabels {
  readonly copy: string;
  readonly copied: string;
  readonly table: string;
}

interface Props {
  readonly code: string;
  readonly language: string;
  readonly whole: boolean;
  readonly labels: CodeLabels;
}

/** Code with its language and a copy button. Colours come when the block is whole; they change no measure of the text. */
export function CodeBlock({ code, language, whole, labels }: Props): ReactNode {
  const [coloured, setColoured] = useState<{ readonly code: string; readonly tree: Highlighted } | null>(null);
  useEffect(() => {
    if (!whole || !language) return undefined;
    let wanted = true;
    const load = async (): Promise<void> => {
      const { highlight } = await import("./highlight");
      const tree = highlight(code, language);
      if (wanted && tree !== null) setColoured({ code, tree });
    };
    load().catch(() => undefined); // without colours the code is still there
    return () => {
      wanted = false;
    };
  }, [code, language, whole]);
  return (
    <figure className="md-code">
      <figcaption>
        <span>{language || " "}</span>
        <CopyButton text={code} label={labels.copy} done={labels.copied} />
      </figcaption>
      <pre tabIndex={0}>
        <code>{coloured !== null && coloured.code === code ? <HighlightedCode tree={coloured.tree} /> : code}</code>
      </pre>
    </figure>
  );
}
