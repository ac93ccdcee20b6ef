import { useEffect, useRef, type ReactNode } from "react";

interface Props {
  readonly formula: string;
  readonly display?: boolean;
}

/** A formula, set by KaTeX when it is loaded; until then, and when it is no LaTeX, as it was written. */
export function MathFormula({ formula, display = false }: Props): ReactNode {
  const place = useRef<HTMLSpanElement>(null);
  useEffect(() => {
    let wanted = true;
    const load = async (): Promise<void> => {
      const { setFormula } = await import("./katex");
      if (wanted && place.current) setFormula(place.current, formula, display);
    };
    load().catch(() => undefined);
    return () => {
      wanted = false;
    };
  }, [formula, display]);
  return <span ref={place} className={display ? "md-math md-math-block" : "md-math"} role="math" aria-label={formula}>{formula}</span>;
}
