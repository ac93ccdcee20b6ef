// What of a half-received text can be shown: unfinished syntax at its end is held back or closed, so that no raw `**`, `|---|` or
// `[1` ever shows. Only the end is touched: places before it stay. Tests: tests/unit/ui/presentable.test.ts.

const FENCE = /^\s*(`{3,}|~{3,})([^`]*)$/;
/** A last line that may still become a list item, heading, rule, fence, quote, underline or table. */
const UNDECIDED_LINE = /^\s*(?:[-*_=#>+`~|$:\s]*|\d{1,3}[.)]?\s*)$/;
const LONGEST_HOLD = 200;

export function presentable(tail: string): string {
  const fence = openFence(tail);
  if (fence !== null) return inFence(tail, fence);
  let shown = holdLine(tail);
  shown = holdTable(shown);
  shown = holdMathBlock(shown);
  const start = lastParagraph(shown);
  return shown.slice(0, start) + closeInline(shown.slice(start));
}

interface Fence {
  readonly mark: string;
  readonly bodyStart: number | null;
}

/** The fence that is open at the end. `bodyStart` null: its own line is not over yet. */
function openFence(text: string): Fence | null {
  let open: Fence | null = null;
  let at = 0;
  while (at <= text.length) {
    const newline = text.indexOf("\n", at);
    const end = newline < 0 ? text.length : newline;
    const line = text.slice(at, end);
    const mark = FENCE.exec(line)?.[1];
    if (mark !== undefined) {
      if (open === null) open = { mark, bodyStart: newline < 0 ? null : newline + 1 };
      else if (mark.startsWith(open.mark) && line.trim() === mark) open = null;
    }
    if (newline < 0) break;
    at = newline + 1;
  }
  return open;
}

function inFence(text: string, fence: Fence): string {
  const lastLine = text.lastIndexOf("\n") + 1;
  if (fence.bodyStart === null) return text.slice(0, lastLine);
  const line = text.slice(lastLine).trim();
  // It may become the closing fence.
  return line !== "" && fence.mark.startsWith(line) ? text.slice(0, lastLine) : text;
}

function holdLine(text: string): string {
  const lastLine = text.lastIndexOf("\n") + 1;
  return UNDECIDED_LINE.test(text.slice(lastLine)) ? text.slice(0, lastLine) : text;
}

/** A head row shows when the row of dashes below it is whole. */
function holdTable(text: string): string {
  const start = lastParagraph(text);
  const lines = text.slice(start).split("\n");
  const first = lines[0] ?? "";
  if (!first.trimStart().startsWith("|")) return text;
  const second = lines[1] ?? "";
  const ruled = lines.length > 2 && /^\s*\|?[\s:|-]+\|?\s*$/.test(second) && second.includes("-");
  return ruled || lines.length > 3 ? text : text.slice(0, start);
}

function holdMathBlock(text: string): string {
  let open = -1;
  for (const match of text.matchAll(/(?:^|\n)\s*(\$\$|\\\[)|(\$\$|\\\])\s*(?=\n|$)/g)) {
    open = open < 0 && match[1] !== undefined ? match.index : -1;
  }
  return open < 0 ? text : text.slice(0, open);
}

function lastParagraph(text: string): number {
  const blank = text.lastIndexOf("\n\n");
  return blank < 0 ? 0 : blank + 2;
}

interface Opened {
  readonly mark: string;
  readonly at: number;
}

function closeInline(text: string): string {
  const scan = scanInline(text);
  if (scan.cut < text.length) return closeInline(text.slice(0, scan.cut));
  if (!scan.open.length) return text;
  const trimmed = text.replace(/[ \t]+$/, "");
  return trimmed + [...scan.open].reverse().map(found => found.mark).join("");
}

/** `cut`: what begins here is unfinished and is held back. `open`: emphasis and code to be closed at the end. */
function scanInline(text: string): { readonly cut: number; readonly open: readonly Opened[] } {
  const open: Opened[] = [];
  let bracket = -1;
  let at = 0;
  while (at < text.length) {
    const char = text.charAt(at);
    if (char === "\\") {
      if (at + 1 >= text.length) return { cut: at, open };
      const closer = { "(": "\\)", "[": "\\]" }[text.charAt(at + 1)];
      if (closer === undefined) {
        at += 2;
        continue;
      }
      const close = text.indexOf(closer, at + 2);
      if (close < 0) return { cut: text.length - at <= LONGEST_HOLD ? at : text.length, open };
      at = close + 2;
    } else if (char === "`") {
      const run = runLength(text, at);
      const mark = "`".repeat(run);
      const close = closingRun(text, at + run, run);
      if (close < 0) return at + run >= text.length || endsWithRun(text, at + run) ? { cut: at + run >= text.length ? at : trimRun(text), open } : { cut: text.length, open: [...open, { mark, at }] };
      at = close + run;
    } else if (char === "$") {
      const close = text.indexOf("$", at + 1);
      const opens = /[^\s\d$]/.test(text.charAt(at + 1));
      if (close < 0 && (opens || at + 1 >= text.length) && text.length - at <= LONGEST_HOLD) return { cut: at, open };
      at = close >= 0 && opens ? close + 1 : at + 1;
    } else if (char === "[" || char === "【") {
      bracket = at++;
    } else if (char === "]" || char === "】") {
      const target = text.charAt(at + 1) === "(" ? text.indexOf(")", at) : at;
      if (bracket >= 0 && target < 0 && text.length - bracket <= 2 * LONGEST_HOLD) return { cut: before(text, bracket), open };
      bracket = -1;
      at = Math.max(at, target) + 1;
    } else if (char === "*" || char === "_" || char === "~") {
      at = emphasis(text, at, open);
    } else at++;
  }
  return { cut: cutAtEnd(text, bracket, open), open };
}

function cutAtEnd(text: string, bracket: number, open: readonly Opened[]): number {
  if (bracket >= 0 && text.length - bracket <= 80) return before(text, bracket);
  const last = open.at(-1);
  if (last && last.at + last.mark.length >= text.trimEnd().length) return last.at;
  if (last && /[*_~]$/.test(text)) return trimRun(text);
  const entity = /&#?\w{0,10}$/.exec(text) ?? /<[a-zA-Z/!][^>\n]{0,40}$/.exec(text);
  return entity ? entity.index : text.length;
}

/** The `!` of an image goes with its bracket. */
function before(text: string, bracket: number): number {
  return text.charAt(bracket - 1) === "!" ? bracket - 1 : bracket;
}

function runLength(text: string, at: number): number {
  let end = at;
  while (text.charAt(end) === text.charAt(at)) end++;
  return end - at;
}

function closingRun(text: string, from: number, length: number): number {
  for (let at = text.indexOf("`", from); at >= 0; at = text.indexOf("`", at)) {
    const run = runLength(text, at);
    if (run === length) return at;
    at += run;
  }
  return -1;
}

function endsWithRun(text: string, from: number): boolean {
  return text.length > from && text.endsWith("`");
}

/** Where the run of equal characters at the end begins. */
function trimRun(text: string): number {
  let at = text.length - 1;
  while (at > 0 && text.charAt(at - 1) === text.charAt(text.length - 1)) at--;
  return at;
}

/** Opens or closes emphasis at a run of `*`, `_` or `~`, by the flanking rules in short. */
function emphasis(text: string, at: number, open: Opened[]): number {
  const run = runLength(text, at);
  const char = text.charAt(at);
  const [prior, next] = [text.charAt(at - 1), text.charAt(at + run)];
  const wanted = char === "~" ? 2 : Math.min(run, 3);
  if (run < wanted || (char === "~" && run !== 2)) return at + run;
  const canClose = prior !== "" && !/\s/.test(prior);
  const canOpen = !/\s/.test(next) && !(char === "_" && /\w/.test(prior));
  let left = run;
  while (canClose && left > 0) {
    const last = open.at(-1);
    if (!last || last.mark.charAt(0) !== char || last.mark.length > left) break;
    open.pop();
    left -= last.mark.length;
  }
  if (left > 0 && canOpen) {
    if (left >= 3) open.push({ mark: char, at });
    open.push({ mark: left >= 2 ? char.repeat(2) : char, at: at + run - Math.min(left, 2) });
  }
  return at + run;
}
