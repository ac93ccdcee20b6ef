// The wire counts Unicode code points, a JavaScript string UTF-16 units. Tests: tests/unit/state/code_points.test.ts.

export function countPoints(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    // The second half of a pair counts nothing; half a pair on its own is one point, as in Python.
    if (unit >= 0xdc00 && unit <= 0xdfff && i > 0 && isHigh(text.charCodeAt(i - 1))) continue;
    count++;
  }
  return count;
}

function isHigh(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff;
}

/** The UTF-16 index of each of the code point indices (ascending or not); beyond the end it is the length. */
export function unitIndices(text: string, points: readonly number[]): readonly number[] {
  const most = Math.max(-1, ...points);
  if (most < 0) return [];
  const at = new Map<number, number>();
  const wanted = new Set(points);
  let unit = 0;
  for (let point = 0; unit < text.length && point <= most; point++) {
    if (wanted.has(point)) at.set(point, unit);
    const code = text.codePointAt(unit);
    unit += code !== undefined && code > 0xffff ? 2 : 1;
  }
  return points.map(point => at.get(point) ?? (point <= 0 ? 0 : text.length));
}
