import { useEffect, useRef, useState, type ReactNode } from "react";
import { useDesk, useStore } from "../../app/context";
import { addressOf, go, type Route } from "../../app/router";
import { errorLine, useSpeech, type TextKey, type Translate } from "../../app/text/i18n";
import { asClientError } from "../../client";
import type { Document } from "../../protocol";
import type { DocumentState } from "../../state";
import { Button } from "../../ui/Button";
import "./documents.css";

const READ_AGAIN_MS = 300;

/** The documents of the workspace, and the way to add some. */
export function DocumentsPage({ workspaceId }: { readonly workspaceId: string }): ReactNode {
  const desk = useDesk();
  const { t } = useSpeech();
  const live = useStore(desk.documents(workspaceId));
  const [documents, setDocuments] = useState<readonly Document[] | null>(null);
  const [told, setTold] = useState({ busy: "", problem: "" });
  const [over, setOver] = useState(false);
  const chooser = useRef<HTMLInputElement>(null);

  useEffect(() => {
    const timer = setTimeout(() => {
      desk.api.documents(workspaceId, { limit: 200 }).then(answer => setDocuments(answer.documents), (problem: unknown) => setTold({ busy: "", problem: errorLine(t, asClientError(problem)) }));
    }, documents === null ? 0 : READ_AGAIN_MS);
    return () => clearTimeout(timer);
    // Read again when the events say that the list has changed.
    // eslint-disable-next-line react-hooks/exhaustive-deps
  }, [desk, workspaceId, live.documentsRevision]);

  const add = (files: readonly File[]): void => {
    if (!files.length) return;
    setTold({ busy: t("documents.uploading", { count: files.length }), problem: "" });
    desk.api.addDocuments(workspaceId, files).then(() => setTold({ busy: "", problem: "" }), (problem: unknown) => setTold({ busy: "", problem: errorLine(t, asClientError(problem)) }));
  };
  return (
    <main className="documents-page" onDragOver={event => {
      event.preventDefault();
      setOver(true);
    }} onDragLeave={() => setOver(false)} onDrop={event => {
      event.preventDefault();
      setOver(false);
      add([...event.dataTransfer.files]);
    }}>
      <h1>{t("documents.title")}</h1>
      <div className="upload-zone" data-testid="upload-zone" data-over={over}>
        <p>{t("documents.drop")}</p>
        <Button onClick={() => chooser.current?.click()}>{t("documents.choose")}</Button>
        <input ref={chooser} type="file" multiple hidden onChange={event => add([...(event.target.files ?? [])])} />
      </div>
      <p role="status" className="muted">{told.busy}</p>
      <p role="alert" className="bad">{told.problem}</p>
      {documents?.length === 0 && <p className="muted">{t("documents.none")}</p>}
      <ul className="document-list">
        {documents?.map(document => <DocumentRow key={document.id} document={document} live={live.documents[document.id]} t={t} />)}
      </ul>
    </main>
  );
}

function DocumentRow({ document, live, t }: { readonly document: Document; readonly live: DocumentState | undefined; readonly t: Translate }): ReactNode {
  const state = live?.state ?? document.state;
  const route: Route = { name: "document", documentId: document.id, place: { page: 1, start: null, end: null, version: null } };
  const pages = document.pages ?? live?.total ?? null;
  const done = live?.pagesReady ?? document.pages_ready;
  return (
    <li className="document-row" data-testid="document-row" data-document-id={document.id} data-state={state}>
      <a href={addressOf(route)} onClick={event => {
        event.preventDefault();
        go(route);
      }}>{document.name}</a>
      <span className="muted small tabular">{t(STATE_TEXTS[state] ?? "documents.queued")}{pages !== null && state !== "ready" && state !== "failed" && `, ${t("documents.pagesOf", { done, total: pages })}`}</span>
    </li>
  );
}

const STATE_TEXTS: Readonly<Record<string, TextKey>> = {
  queued: "documents.queued", parsing: "documents.parsing", indexing: "documents.indexing", embedding: "documents.embedding",
  ready: "documents.ready", failed: "documents.failed", deleting: "documents.deleting",
};
