import { useEffect, useImperativeHandle, useLayoutEffect, useRef, useState, type KeyboardEvent, type ReactNode, type Ref } from "react";
import { keepDraft, readDraft } from "../../app/drafts";
import { useSpeech } from "../../app/text/i18n";
import { countPoints } from "../../state";
import { IconButton } from "../../ui/IconButton";
import { CompositionGuard } from "./composition";

export interface ComposerHandle {
  focus(): void;
  /** Puts a text in to be edited; what is there already is kept before it. */
  put(text: string): void;
}

interface Props {
  /** Whose draft it is; null: the conversation that is not yet. */
  readonly sessionId: string | null;
  readonly running: boolean;
  readonly longest: number;
  readonly lastQuestion: string | null;
  readonly placeholder: string;
  /** What stands left of the send button: the model picker. */
  readonly tools: ReactNode;
  readonly onSend: (content: string) => void;
  readonly onStop: () => void;
  /** Enter while an answer is written: queue and steer take their place here when the server has them. */
  readonly onBusy: () => void;
  readonly handle: Ref<ComposerHandle>;
}

/** The box at the bottom. Enter sends, Shift+Enter breaks the line, Up takes the last question back; drafts are kept. */
export function Composer({ sessionId, running, longest, lastQuestion, placeholder, tools, onSend, onStop, onBusy, handle }: Props): ReactNode {
  const { t } = useSpeech();
  const [text, setText] = useState(() => readDraft(sessionId));
  const box = useRef<HTMLTextAreaElement>(null);
  const guard = useRef(new CompositionGuard());

  const change = (next: string): void => {
    setText(next);
    keepDraft(sessionId, next);
  };
  useImperativeHandle(handle, () => ({
    focus: () => box.current?.focus(),
    put: added => {
      change(text ? `${text}\n${added}` : added);
      box.current?.focus();
    },
  }));
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${element.scrollHeight}px`;
  }, [text]);
  useEffect(() => {
    // On a phone the keyboard would cover the page unasked.
    if (window.matchMedia("(hover: hover)").matches) box.current?.focus();
  }, []);

  const characters = countPoints(text);
  const tooLong = characters > longest;
  const send = (): void => {
    const content = text.trim();
    if (!content || tooLong) return;
    if (running) {
      onBusy();
      return;
    }
    change("");
    onSend(content);
  };
  const pressed = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    if (guard.current.owns(event.nativeEvent)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send();
    } else if (event.key === "ArrowUp" && text === "" && lastQuestion !== null && !event.shiftKey) {
      event.preventDefault();
      change(lastQuestion);
    }
  };
  return (
    <form className="composer" onSubmit={event => {
      event.preventDefault();
      send();
    }}>
      <textarea ref={box} id="composer" data-testid="composer" rows={1} value={text} placeholder={placeholder} aria-label={t("composer.label")} title={t("composer.hint")}
        enterKeyHint="send" autoComplete="off"
        onChange={event => change(event.target.value)} onKeyDown={pressed}
        onCompositionStart={() => guard.current.began()} onCompositionEnd={event => guard.current.ended(event.nativeEvent)} />
      <div className="composer-row">
        {tools}
        {tooLong && <span className="bad small" role="alert">{t("composer.tooLong", { count: characters, most: longest })}</span>}
        <span className="push" />
        {running
          ? <IconButton key="stop" icon="stop" label={t("composer.stop")} data-testid="stop" className="send stop" onClick={onStop} />
          : <IconButton key="send" icon="send" label={t("composer.send")} data-testid="send" className="send" type="submit" disabled={!text.trim() || tooLong} />}
      </div>
    </form>
  );
}
