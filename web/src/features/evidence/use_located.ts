import { useEffect, useState } from "react";
import { useDesk } from "../../app/context";
import type { EvidenceTarget } from "../../app/evidence_target";
import { asClientError, type ClientError } from "../../client";
import type { Document, PageText, Rectangles } from "../../protocol";

/** Where the passage of a target is, as far as it is known. */
export type Located =
  | { readonly kind: "looking" }
  /** `rectangles` empty: the page is right, the sentence could not be found on it. */
  | { readonly kind: "page"; readonly document: Document; readonly rectangles: Rectangles }
  /** A format without pictures of pages: its stored text, [start, end) of it is the passage. */
  | { readonly kind: "text"; readonly document: Document; readonly text: PageText }
  /** The document is another version now. */
  | { readonly kind: "changed"; readonly document: Document }
  | { readonly kind: "deleted" }
  | { readonly kind: "failed"; readonly error: ClientError };

const PDF = "application/pdf";

/** Asks the server where a passage stands. `page`: the page shown, which is the target's own until the reader turns it. */
export function useLocated(target: EvidenceTarget, page: number): Located {
  const desk = useDesk();
  const [found, setFound] = useState<{ readonly key: string; readonly located: Located }>({ key: "", located: { kind: "looking" } });
  const { documentId, version, start, end } = target;
  const key = [documentId, version, start, end, page === target.page, page].join("|");
  const own = page === target.page;
  useEffect(() => {
    let wanted = true;
    const locate = async (): Promise<Located> => {
      const document = await desk.api.document(documentId);
      const changed = version > 0 && document.version !== version;
      if (document.media_type !== PDF) {
        if (changed) return { kind: "changed", document };
        return { kind: "text", document, text: await desk.api.pageText(documentId, page) };
      }
      if (changed && own) return { kind: "changed", document };
      const whole = { page, width: 0, height: 0, rects: [] };
      if (!own || end <= start) return { kind: "page", document, rectangles: whole };
      return { kind: "page", document, rectangles: await desk.api.rectangles(documentId, { page, start, end, ...(version > 0 ? { version } : {}) }) };
    };
    locate().then(
      located => {
        if (wanted) setFound({ key, located });
      },
      (problem: unknown) => {
        const error = asClientError(problem);
        if (wanted) setFound({ key, located: error.code === "not_found" ? { kind: "deleted" } : { kind: "failed", error } });
      },
    );
    return () => {
      wanted = false;
    };
  }, [desk, key, documentId, version, start, end, page, own]);
  return found.key === key ? found.located : { kind: "looking" };
}
