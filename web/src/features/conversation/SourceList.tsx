import { useState, type ReactNode } from "react";
import { documentAddress, isPaged, markId, targetOf } from "../../app/evidence_target";
import { openMark } from "../../app/open_mark";
import { useSpeech } from "../../app/text/i18n";
import type { Source } from "../../protocol";
import type { Message } from "../../state";
import { Icon } from "../../ui/Icon";
import { languageOf } from "../../ui/language";

/** Under a finished answer: what it cites, in the order of use; folded, what was read besides; and the marks without source. */
export function SourceList({ message }: { readonly message: Message }): ReactNode {
  const { t } = useSpeech();
  const [open, setOpen] = useState(false);
  const order = [...new Set(message.citations.filter(mark => mark.source_id !== null).map(mark => mark.n))];
  const used = order.flatMap(n => message.sources.filter(source => source.n === n));
  const readOnly = message.sources.filter(source => !order.includes(source.n));
  const unresolved = message.citations.filter(mark => mark.source_id === null).length;
  if (!message.sources.length && !unresolved) return null;
  return (
    <section className="sources" aria-label={t("sources.title")}>
      <h3>
        <button type="button" className="sources-fold" aria-expanded={open} onClick={() => setOpen(!open)}>
          {t("sources.title")} {used.length > 0 && <span>{t("sources.used", { count: used.length })}</span>}
          {readOnly.length > 0 && <span>{t("sources.readOnly", { count: readOnly.length })}</span>}
          <Icon name={open ? "up" : "down"} size={14} />
        </button>
      </h3>
      {unresolved > 0 && <p className="small muted">{t("sources.unresolved", { count: unresolved })}</p>}
      <ol hidden={!open && used.length === 0}>{used.map(source => <SourceRow key={source.source_id} source={source} message={message} brief={!open} />)}</ol>
      {open && readOnly.length > 0 && (
        <>
          <h4>{t("sources.readOnlyTitle")}</h4>
          <ol>{readOnly.map(source => <SourceRow key={source.source_id} source={source} message={message} brief />)}</ol>
        </>
      )}
    </section>
  );
}

function SourceRow({ source, message, brief }: { readonly source: Source; readonly message: Message; readonly brief: boolean }): ReactNode {
  const { t } = useSpeech();
  return (
    <li className="source-row" data-testid="source" data-n={source.n}>
      <a href={documentAddress(targetOf(source))} onClick={event => {
        if (event.metaKey || event.ctrlKey || event.shiftKey) return;
        event.preventDefault();
        openMark(markId(message.id, source.n), event.currentTarget);
      }}>
        <span className="source-n">{source.n}</span>
        <span className="source-title">{source.title}</span>
        {isPaged(source) && <span className="muted source-page">{t("sources.page", { page: source.page ?? 1 })}</span>}
      </a>
      {!brief && <q lang={languageOf(source.snippet)}>{source.snippet}</q>}
    </li>
  );
}
