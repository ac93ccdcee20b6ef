import { lazy, Suspense, useEffect, useState, type ReactNode } from "react";
import { useDesk } from "../app/context";
import type { EvidenceTarget } from "../app/evidence_target";
import { back, type Route } from "../app/router";
import { useSpeech } from "../app/text/i18n";
import { ErrorBoundary } from "../ui/ErrorBoundary";

const EvidencePanel = lazy(async () => ({ default: (await import("../features/evidence/EvidencePanel")).EvidencePanel }));

/** A document, or a passage of it that somebody has sent a link to. */
export function DocumentRoute({ route }: { readonly route: Extract<Route, { name: "document" }> }): ReactNode {
  const desk = useDesk();
  const { t } = useSpeech();
  const { documentId, place } = route;
  const [known, setKnown] = useState<{ readonly id: string; readonly name: string; readonly mediaType: string } | null>(null);
  useEffect(() => {
    // Without it the viewer says itself what is wrong.
    desk.api.document(documentId).then(found => setKnown({ id: found.id, name: found.name, mediaType: found.media_type }), () => setKnown({ id: documentId, name: "", mediaType: "" }));
  }, [desk, documentId]);
  if (known?.id !== documentId) return <p className="page-note muted" role="status">{t("app.loading")}</p>;
  const target: EvidenceTarget = {
    n: 0, documentId, title: known.name, mediaType: known.mediaType, page: place.page, version: place.version ?? 0,
    start: place.start ?? 0, end: place.end ?? 0, snippet: "", anchor: null, paged: known.mediaType.includes("pdf"),
  };
  return (
    <ErrorBoundary title={t("app.fault")} retryLabel={t("app.retry")} resetKey={documentId}>
      <h1 className="unseen">{known.name || t("evidence.title")}</h1>
      <Suspense fallback={<p className="page-note muted" role="status">{t("app.loading")}</p>}>
        <EvidencePanel target={target} among={[]} onMove={() => undefined} onClose={() => back({ name: "documents" })} />
      </Suspense>
    </ErrorBoundary>
  );
}
