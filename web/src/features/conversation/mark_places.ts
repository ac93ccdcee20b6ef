import type { CitationMark } from "../../protocol";
import { unitIndices, type Message } from "../../state";
import type { MarkPlace } from "../../ui/markdown/marks";

/** Where the marks stand in the answer's text, in UTF-16 indices; `[1,2]` is one place with two marks. */
export function markPlaces(message: Message): readonly MarkPlace[] {
  const placed = message.citations.flatMap(mark => {
    const { start, end } = mark;
    return start === undefined || end === undefined || end <= start || end > message.points ? [] : [{ mark, start, end }];
  });
  placed.sort((a, b) => a.start - b.start);
  const astral = message.points !== message.content.length;
  const points = placed.flatMap(({ start, end }) => [start, end]);
  const units = astral ? unitIndices(message.content, points) : points;
  const places: { start: number; end: number; marks: CitationMark[] }[] = [];
  placed.forEach(({ mark }, i) => {
    const [start, end] = [units[2 * i], units[2 * i + 1]];
    if (start === undefined || end === undefined) return;
    const last = places.at(-1);
    if (last && start < last.end) last.marks.push(mark);
    else places.push({ start, end, marks: [mark] });
  });
  return places;
}

/** Keeps the identity of places that have not changed, so that finished blocks are not drawn again. */
export function keepPlaces(before: readonly MarkPlace[], after: readonly MarkPlace[]): readonly MarkPlace[] {
  return after.map((place, i) => {
    const known = before[i];
    const same = known !== undefined && known.start === place.start && known.end === place.end &&
      known.marks.length === place.marks.length && known.marks.every((mark, k) => mark === place.marks[k]);
    return same ? known : place;
  });
}
