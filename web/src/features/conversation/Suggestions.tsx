import type { ReactNode } from "react";
import { useSpeech } from "../../app/text/i18n";
import type { OfferedSuggestion, QuestionScope } from "../../protocol";
import { Icon } from "../../ui/Icon";
import { IconButton } from "../../ui/IconButton";
import { languageOf } from "../../ui/language";

interface Props {
  readonly suggestions: readonly OfferedSuggestion[];
  readonly onAsk: (content: string, scope: QuestionScope | null) => void;
  readonly onDismiss: (suggestionId: string) => void;
}

/** What the server offers after an answer: one click asks it, with the scope it was made for. */
export function Suggestions({ suggestions, onAsk, onDismiss }: Props): ReactNode {
  const { t } = useSpeech();
  if (!suggestions.length) return null;
  return (
    <ul className="suggestions" aria-label={t("suggestion.label")}>
      {suggestions.map(({ suggestion_id, text, command }) => (
        <li key={suggestion_id}>
          <button type="button" className="suggestion" data-testid="suggestion" lang={languageOf(text)} onClick={() => onAsk(command?.content ?? text, command?.scope ?? null)}>
            <Icon name="right" size={16} /><span>{text}</span>
          </button>
          <IconButton icon="close" label={t("suggestion.dismiss")} onClick={() => onDismiss(suggestion_id)} />
        </li>
      ))}
    </ul>
  );
}
