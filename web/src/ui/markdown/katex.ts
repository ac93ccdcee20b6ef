// Loaded with the first formula. KaTeX builds elements (and sets their styles as properties, which the page's policy allows).
import katex from "katex";
import "katex/dist/katex.min.css";

export function setFormula(place: HTMLElement, formula: string, display: boolean): void {
  katex.render(formula, place, { displayMode: display, throwOnError: false, trust: false, strict: "ignore", maxSize: 20, maxExpand: 200, output: "html" });
}
