import type { CitationMark } from "../../protocol";

/** The places of marks in a text, in UTF-16 indices; several numbers in one pair of brackets are one place. */
export interface MarkPlace {
  readonly start: number;
  readonly end: number;
  readonly marks: readonly CitationMark[];
}

export interface TextPiece {
  readonly text: string;
  readonly place: MarkPlace | null;
}

/** The mark's own characters, as the server looks for them (runs/marks.py). */
const MARK = /[[【]\s*\^?\d{1,3}(?:\s*[,，、]\s*\^?\d{1,3})*\s*[\]】]/g;

/** Cuts a piece of text at its marks. `start` null: its places are not known (escapes in it), the n-th mark is the n-th place. */
export function cutAtMarks(text: string, start: number | null, places: readonly MarkPlace[]): readonly TextPiece[] {
  if (!places.length) return [{ text, place: null }];
  const pieces: TextPiece[] = [];
  let at = 0;
  const take = (from: number, to: number, place: MarkPlace): void => {
    if (from < at || to > text.length) return;
    // A mark is glued to the word before it: the room between them is the mark's own.
    const before = text.slice(at, from).trimEnd();
    if (before) pieces.push({ text: before, place: null });
    pieces.push({ text: text.slice(from, to), place });
    at = to;
  };
  if (start === null) {
    const found = [...text.matchAll(MARK)];
    found.forEach((match, i) => {
      const place = places[i];
      if (place) take(match.index, match.index + match[0].length, place);
    });
  } else {
    for (const place of places) take(place.start - start, place.end - start, place);
  }
  if (at < text.length) pieces.push({ text: text.slice(at), place: null });
  return pieces;
}
