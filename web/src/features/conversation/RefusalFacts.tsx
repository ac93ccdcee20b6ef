import type { ReactNode } from "react";
import { addressOf, go, type Route } from "../../app/router";
import { useSpeech } from "../../app/text/i18n";
import type { RefusalFacts as Facts } from "../../protocol";

/** Under a refusal: how much was searched, and the documents that came nearest. */
export function RefusalFacts({ facts }: { readonly facts: Facts }): ReactNode {
  const { t } = useSpeech();
  const nearest = facts.nearest ?? [];
  return (
    <p className="refusal-facts">
      {facts.searched !== undefined && <span>{t("message.refusalSearched", { count: facts.searched })}</span>}
      {nearest.length > 0 && <span>{t("message.refusalNearest")}</span>}
      {nearest.map(({ document_id, title }) => {
        const route: Route = { name: "document", documentId: document_id, place: { page: 1, start: null, end: null, version: null } };
        return <a key={document_id} href={addressOf(route)} onClick={event => {
          event.preventDefault();
          go(route);
        }}>{title}</a>;
      })}
    </p>
  );
}
