// What a mark leads to: one passage of one document, with what is needed to show it, and to say so when it cannot be shown.
import type { Source, WireMessage } from "../protocol";
import { addressOf, type Route } from "./router";

export interface EvidenceTarget {
  readonly n: number;
  readonly documentId: string;
  readonly title: string;
  readonly mediaType: string;
  readonly page: number;
  readonly version: number;
  readonly start: number;
  readonly end: number;
  readonly snippet: string;
  readonly anchor: string | null;
  /** Formats without pages have no page to name. */
  readonly paged: boolean;
}

export function targetOf(source: Source): EvidenceTarget {
  return {
    n: source.n,
    documentId: source.document_id,
    title: source.title,
    mediaType: source.media_type,
    page: source.page ?? 1,
    version: source.version,
    start: source.start,
    end: source.end,
    snippet: source.snippet,
    anchor: source.anchor ?? null,
    paged: isPaged(source),
  };
}

/** Formats whose pages people know by number. */
export function isPaged(source: Pick<Source, "media_type" | "page">): boolean {
  return source.page !== undefined && /pdf|presentation|image/.test(source.media_type);
}

/** The cited passages of an answer, in the order in which they are first used. */
export function citedTargets(message: WireMessage): readonly EvidenceTarget[] {
  const seen = new Set<number>();
  return message.citations.flatMap(citation => {
    const source = citation.source_id === null ? undefined : message.sources.find(found => found.n === citation.n);
    if (source === undefined || seen.has(source.n)) return [];
    seen.add(source.n);
    return [targetOf(source)];
  });
}

export function documentRoute(target: EvidenceTarget): Route {
  const { page, start, end, version } = target;
  return { name: "document", documentId: target.documentId, place: { page, start, end, version } };
}

export function documentAddress(target: EvidenceTarget): string {
  return addressOf(documentRoute(target));
}

export function markId(messageId: string, n: number): string {
  return `${messageId}.${n}`;
}

export function readMarkId(mark: string | null): { readonly messageId: string; readonly n: number } | null {
  const found = /^(.+)\.(\d{1,4})$/.exec(mark ?? "");
  return found?.[1] === undefined ? null : { messageId: found[1], n: Number(found[2]) };
}
