import type { ReactNode } from "react";
import { useDesk, useStore } from "../../app/context";
import { useSpeech } from "../../app/text/i18n";

interface Props {
  /** An answer is being written on the server. */
  readonly running: boolean;
  readonly waiting: number;
  /** A sentence that goes before, e.g. why a question was not sent. */
  readonly notice: string;
}

/** One quiet line at the composer; its place is always there, so that nothing moves when it speaks. */
export function ConnectionLine({ running, waiting, notice }: Props): ReactNode {
  const desk = useDesk();
  const { t } = useSpeech();
  const state = useStore(desk.connectionState);
  return (
    <p className="connection-line" data-testid="connection-state" data-state={state} role="status">
      {state === "live" && !notice ? "" : <span className={state === "live" ? undefined : "connection-sign"}>{sentence()}</span>}
    </p>
  );

  function sentence(): string {
    const parts = [notice];
    switch (state) {
      case "idle":
      case "live":
        break;
      case "connecting":
        parts.push(t("connection.connecting"));
        break;
      case "reconnecting":
        parts.push(running ? t("connection.reconnectingRun") : t("connection.reconnecting"));
        break;
      case "overloaded":
        parts.push(t("connection.overloaded"));
        break;
      case "ended":
        parts.push(t("connection.ended"));
    }
    if (waiting > 0 && state !== "live") parts.push(t("connection.waiting", { count: waiting }));
    return parts.filter(part => part !== "").join(" ");
  }
}
