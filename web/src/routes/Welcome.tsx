import { useEffect, useState, type ReactNode } from "react";
import { useDesk, useStore } from "../app/context";
import { addressOf, go } from "../app/router";
import { useSpeech } from "../app/text/i18n";

/** What an empty conversation says: what can be asked, or how to add something. Suggestions take their place here later. */
export function Welcome(): ReactNode {
  const desk = useDesk();
  const { t } = useSpeech();
  const workspaceId = useStore(desk.workspaceId);
  const [ready, setReady] = useState<number | null>(null);
  useEffect(() => {
    if (workspaceId === null) return;
    desk.api.documents(workspaceId, { limit: 200, state: "ready" }).then(answer => setReady(answer.documents.length), () => undefined);
  }, [desk, workspaceId]);
  return (
    <div className="welcome">
      <h1>{t("composer.empty")}</h1>
      <p>{t("composer.emptyText")}</p>
      <p className="muted welcome-count">
        {ready === 0 ? t("composer.noDocuments") : ready === null ? "" : t("composer.documents", { count: ready })}{" "}
        {ready !== null && (
          <a href={addressOf({ name: "documents" })} onClick={event => {
            event.preventDefault();
            go({ name: "documents" });
          }}>{t("composer.addDocuments")}</a>
        )}
      </p>
    </div>
  );
}
